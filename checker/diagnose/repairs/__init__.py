"""Single edits that might mend what failed, the most telling first: each stands for one recognised fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checker.diagnose.repairs import addresses, dashes, peers, policies, ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from checker.diagnose.scene import Repair, Scene

KINDS: tuple[Callable[[Scene], Iterator[Repair]], ...] = (
    policies.namespaces,
    policies.policy_types,
    ports.dns_protocols,
    addresses.service_addresses,
    dashes.dashes,
    dashes.rule_dashes,
    peers.namespace_labels,
    peers.bare_pod_selectors,
    ports.service_ports,
    policies.superfluous,
    ports.empty_rules,
    peers.extra_rules,
    policies.pod_selectors,
    ports.protocols,
    ports.missing_ports,
    ports.other_ports,
    addresses.exceptions,
    addresses.pod_addresses,
    peers.other_peers,
    ports.missing_dns,
)
