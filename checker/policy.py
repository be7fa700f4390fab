"""What NetworkPolicies mean: a model of networking.k8s.io/v1, pure, for explaining; it never decides a verdict.

The rules follow the NetworkPolicy API reference of Kubernetes 1.37 and the concept page "Network Policies":
a Pod is isolated in a direction once a policy of that direction selects it; an isolated Pod takes what any rule of any
such policy allows, since policies only add; a connection needs both ends' leave; answers come for free.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Labels = Mapping[str, str]
Object = Mapping[str, Any]
Direction = Literal["Ingress", "Egress"]


@dataclass(frozen=True)
class End:
    """One end of a connection.

    Args:
        name: for people.
        address: its IP address, without which no ipBlock means it; for a Pod behind a Service the Pod's own, since
            policies see packets after DNAT.
        namespace: of a Pod; empty for a node or the outside, which no selector ever matches.
        labels: of the Pod; namespace_labels: of its namespace.
        ports: the Pod's named ports: name to number and protocol.
        node: where a Pod runs, or the node's own name.
        host_network: the Pod has no network of its own: no policy selects it, and selectors do not match it.
    """

    name: str
    address: str
    namespace: str = ""
    labels: Labels = field(default_factory=dict)
    namespace_labels: Labels = field(default_factory=dict)
    ports: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    node: str = ""
    host_network: bool = False

    @property
    def is_pod(self) -> bool:
        """Tell whether selectors can match it."""
        return bool(self.namespace) and not self.host_network


@dataclass(frozen=True)
class Rule:
    """One rule of one policy: its place in the `ingress` or `egress` list, counted from 0."""

    policy: str
    namespace: str
    direction: Direction
    number: int

    def __str__(self) -> str:
        return f"{self.policy}, {self.direction.lower()} rule {self.number + 1}"


@dataclass(frozen=True)
class Side:
    """What the policies of one end say: which isolate it, and which of their rules let the connection through."""

    isolated_by: tuple[str, ...] = ()
    allowed_by: tuple[Rule, ...] = ()

    @property
    def allows(self) -> bool:
        """Tell whether this end lets the connection through."""
        return not self.isolated_by or bool(self.allowed_by)


@dataclass(frozen=True)
class Decision:
    """What the model says of one connection; `exempt` names why no policy is asked, where that is so."""

    egress: Side
    ingress: Side
    exempt: str = ""

    @property
    def allowed(self) -> bool:
        """Tell whether the connection comes about."""
        return bool(self.exempt) or (self.egress.allows and self.ingress.allows)


def decide(policies: Sequence[Object], source: End, target: End, port: int, protocol: str = "TCP") -> Decision:
    """Return what the policies mean for a new connection from source to a port of target."""
    if source.address and source.address == target.address:
        return Decision(Side(), Side(), "a Pod always reaches itself")
    if not source.is_pod and source.node and source.node == target.node:
        return Decision(Side(), Side(), "a node always reaches the Pods that run on it")
    if not target.is_pod and target.node and source.node == target.node:
        return Decision(Side(), Side(), "a Pod always reaches its own node")
    return Decision(
        _side(policies, "Egress", source, target, target, port, protocol),
        _side(policies, "Ingress", target, source, target, port, protocol),
    )


def directions(policy: Object) -> tuple[Direction, ...]:
    """Return the directions in which a policy isolates: Ingress unless it says otherwise or has egress rules."""
    spec = policy["spec"]
    if spec.get("policyTypes"):
        return tuple(spec["policyTypes"])
    return ("Ingress", "Egress") if spec.get("egress") else ("Ingress",)


def selects(policy: Object, end: End) -> bool:
    """Tell whether a policy selects a Pod of its namespace; an empty podSelector matches every one."""
    in_namespace = policy["metadata"].get("namespace", "default") == end.namespace
    return end.is_pod and in_namespace and matches(policy["spec"].get("podSelector") or {}, end.labels)


def matches(selector: Object, labels: Labels) -> bool:
    """Tell whether a label selector matches: all of matchLabels and all of matchExpressions; empty matches all."""
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    return wanted.items() <= labels.items() and all(_expression(each, labels) for each in expressions)


def rules(policy: Object, direction: Direction) -> Sequence[Object]:
    """Return a policy's rules of a direction; an absent list has none, so that nothing is allowed."""
    found: Sequence[Object] = policy["spec"].get(direction.lower()) or ()
    return found


def peer_matches(policy: Object, peer: Object, end: End) -> bool:
    """Tell whether one entry of `from` or `to` means an end."""
    if block := peer.get("ipBlock"):
        return in_block(block, end.address)
    if not end.is_pod:
        return False
    namespaces, pods = peer.get("namespaceSelector"), peer.get("podSelector")
    if namespaces is None:
        in_namespace = end.namespace == policy["metadata"].get("namespace", "default")
    else:
        in_namespace = matches(namespaces, end.namespace_labels)
    return in_namespace and (pods is None or matches(pods, end.labels))


def in_block(block: Object, address: str) -> bool:
    """Tell whether an address lies in an ipBlock and in none of its exceptions."""
    if not address:
        return False
    where = ipaddress.ip_address(address)
    inside = where in ipaddress.ip_network(block["cidr"], strict=False)
    return inside and not any(where in ipaddress.ip_network(each, strict=False) for each in block.get("except") or ())


def port_matches(entry: Object, target: End, port: int, protocol: str) -> bool:
    """Tell whether an entry of `ports` means a port of the target; without `port`, every one of its protocol."""
    if entry.get("protocol", "TCP") != protocol:
        return False
    wanted = entry.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return target.ports.get(wanted) == (port, protocol)
    return bool(wanted <= port <= entry.get("endPort", wanted))


def _side(
    policies: Sequence[Object], direction: Direction, own: End, other: End, target: End, port: int, protocol: str
) -> Side:
    isolating = [each for each in policies if direction in directions(each) and selects(each, own)]
    allowing = [
        Rule(policy["metadata"]["name"], policy["metadata"].get("namespace", "default"), direction, number)
        for policy in isolating
        for number, rule in enumerate(rules(policy, direction))
        if _rule_allows(policy, rule, direction, other) and _ports_allow(rule, target, port, protocol)
    ]
    return Side(tuple(each["metadata"]["name"] for each in isolating), tuple(allowing))


def _rule_allows(policy: Object, rule: Object, direction: Direction, other: End) -> bool:
    peers = rule.get("from" if direction == "Ingress" else "to")
    return not peers or any(peer_matches(policy, peer, other) for peer in peers)


def _ports_allow(rule: Object, target: End, port: int, protocol: str) -> bool:
    entries = rule.get("ports")
    return not entries or any(port_matches(entry, target, port, protocol) for entry in entries)


def _expression(expression: Object, labels: Labels) -> bool:
    key, values = expression["key"], expression.get("values") or []
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[expression["operator"]]
