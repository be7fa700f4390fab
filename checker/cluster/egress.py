"""A fence around the cluster's network: while it stands, nothing is forwarded from there off the machine.

For proofs and tests: they must pass where there is no internet, so they run without it.
"""

from __future__ import annotations

import os
from pathlib import Path

from checker.cluster import command, network
from checker.errors import HostError

CHAINS = ("DOCKER-USER", "FORWARD")  # the first is where Docker leaves the owner's rules alone; IPv6 often lacks it
COMMENT = "deep-dive-egress"
PROGRAMS = ("iptables", "ip6tables")


def block() -> None:
    """Drop what is forwarded from kind's network to any other; makes the network if there is none yet.

    Packets between nodes, Pods and the outside container stay on the bridge and are not concerned.

    Raises:
        HostError: not root, or the rule cannot be set.
    """
    bridge = network.ensure().bridge
    for program in PROGRAMS:
        if not _has_protocol(program):
            continue
        rule = _rule(_chain(program), bridge)
        if not _run(program, "-C", *rule).ok:
            _checked(program, "-I", *rule)


def unblock() -> None:
    """Take the rules back, all of them, whatever bridge they were made for.

    Raises:
        HostError: not root, or a rule cannot be taken back.
    """
    for program in PROGRAMS:
        for line in rules(program):
            _checked(program, "-D", *line.split()[1:])


def rules(program: str = "iptables") -> list[str]:
    """Return our rules as `iptables -S` prints them."""
    listed = "".join(_run(program, "-S", chain).out for chain in CHAINS)
    return [line for line in listed.splitlines() if COMMENT in line and line.startswith("-A ")]


def _rule(chain: str, bridge: str) -> tuple[str, ...]:
    marked = ("-m", "comment", "--comment", COMMENT)
    return (chain, "-i", bridge, "!", "-o", bridge, *marked, "-j", "DROP")


def _chain(program: str) -> str:
    return next((chain for chain in CHAINS if _run(program, "-S", chain).ok), CHAINS[-1])


def _has_protocol(program: str) -> bool:
    """Whether this machine speaks IPv6 at all, where that is asked."""
    return program != "ip6tables" or Path("/proc/net/if_inet6").exists()


def _checked(program: str, *args: str) -> None:
    done = _run(program, *args)
    if not done.ok:
        raise HostError(f"`{program} {args[0]}` failed: {done.last_line}", f"sudo {program} -S")


def _run(program: str, *args: str) -> command.Output:
    if os.geteuid() != 0:
        raise HostError("Only root can forbid forwarding.", "sudo .ci/run")
    return command.run([program, "--wait", "5", *args], seconds=30)
