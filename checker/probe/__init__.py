"""Probes: one attempted connection or look-up from a Pod, a node or the outside, and what it saw."""

AGENT_FILES = ("agent.py", "attempts.py", "loop.py", "namespaces.py", "resolver.py")
"""The files of this folder that the agent consists of; they stand side by side wherever it runs."""
