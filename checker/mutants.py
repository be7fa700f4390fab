"""Mutants of a solution: its policies with one field changed at a time. Pure.

Left out is what the API server refuses, so that it could be no answer: a policy without a name or a spec, an unknown
protocol or direction, an expression without its operator or values, an ipBlock without its cidr or beside selectors, an
endPort without a port or below it, a peer with nothing in it, an exception that is not inside its block. A podSelector
that is dropped is the same as one that is widened to `{}`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from checker.policy_edit import DIRECTIONS, DROP, Place, edited, places, replaced, show

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from checker.policy import Object
    from checker.policy_edit import Path

POLICY = "NetworkPolicy"
OTHER_PROTOCOL = {"TCP": "UDP", "UDP": "TCP"}
OPERATORS = {"In": "NotIn", "NotIn": "In", "Exists": "DoesNotExist", "DoesNotExist": "Exists"}
NONE_IF_EMPTY = {"matchLabels", "matchExpressions", "from", "to", "ports", "ingress", "egress", "policyTypes", "except"}
REQUIRED = {("spec",), ("spec", "podSelector")}


@dataclass(frozen=True)
class Mutant:
    """The objects of a solution with one field changed.

    Args:
        name: of the changed object.
        field: the path of the changed field, for example `spec.ingress[0].ports[0].port`.
        change: what became of it, for example `8080 -> 8081`.
        objects: all of them, after the change.
        kind: of the changed object.
    """

    name: str
    field: str
    change: str
    objects: tuple[Object, ...]
    kind: str = POLICY

    def __str__(self) -> str:
        kind = "" if self.kind == POLICY else f"{self.kind}/"
        return f"{kind}{self.name}: {self.field} {self.change}"


@dataclass(frozen=True)
class Surroundings:
    """What there is in a lab to put in place of a value.

    Args:
        namespaces: to which policies can be moved.
        labels: for each label's key the values that Pods or namespaces carry.
        ports: on which some Pod listens.
    """

    namespaces: Sequence[str] = ()
    labels: Mapping[str, Collection[str]] = field(default_factory=dict)
    ports: Collection[int] = ()


def mutants(policies: Sequence[Object], there: Surroundings) -> list[Mutant]:
    """Return every mutant of a solution's policies, in the order of their fields; two that are the same are one."""
    found: list[Mutant] = []
    for number, policy in enumerate(policies):
        name = policy["metadata"]["name"]
        found.append(Mutant(name, "metadata", "dropped: the whole policy", replaced(policies, number, None)))
        for path, change, changes in _changes(policy, there):
            mutated = edited(policy, *changes)
            if _acceptable(mutated) and _normal(mutated) != _normal(policy):
                found.append(Mutant(name, show(path), change, replaced(policies, number, mutated)))
    normal = [_normal(list(each.objects)) for each in found]
    return [each for at, each in enumerate(found) if normal[at] not in normal[:at]]


def _normal(value: Any) -> Any:
    """Return a value without the empty lists and labels that mean the same as none."""
    if isinstance(value, list):
        return [_normal(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    return {key: _normal(each) for key, each in value.items() if each or key not in NONE_IF_EMPTY}


Change = tuple["Path", str, list[tuple["Path", Any]]]


def _changes(policy: Object, there: Surroundings) -> Iterator[Change]:
    for space in there.namespaces:
        path: Path = ("metadata", "namespace")
        yield path, f"{policy['metadata']['namespace']} -> {space}", [(path, space)]
    yield from _fields(policy["spec"], ("spec",), there)
    yield from _directions(policy)
    for place in places([policy]):
        yield from _dashes(place)


def _fields(value: Any, path: Path, there: Surroundings) -> Iterator[Change]:
    """Yield the changes of a value and, below it, of every key and item."""
    if path not in REQUIRED:
        yield path, "dropped", [(path, DROP)]
    if isinstance(value, dict):
        if value and path[-1] in ("podSelector", "namespaceSelector"):
            yield path, "widened to {}", [(path, {})]
        for key, each in value.items():
            yield from _fields(each, (*path, key), there)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _fields(each, (*path, number), there)
    else:
        yield from ((path, f"{value} -> {new}", [(path, new)]) for new in _others(value, path, there))


def _others(value: Any, path: Path, there: Surroundings) -> Iterator[Any]:
    """Yield other values of a scalar, of the same kind: those that mean something in the lab, and one that does not."""
    if path[-1] in ("port", "endPort") and isinstance(value, int):
        yield from sorted({value + 1, *there.ports} - {value})
    elif path[-2] == "matchLabels":
        yield from sorted({f"{value}-x", *there.labels.get(str(path[-1]), ())} - {value})
    elif path[-1] == "protocol":
        yield OTHER_PROTOCOL.get(value, "TCP")
    elif path[-1] == "operator":
        yield OPERATORS[value]
    elif path[-1] == "cidr" or path[-2] == "except":
        yield str(_neighbour(value))
    elif path[-2] != "policyTypes":
        yield f"{value}-x"


def _neighbour(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return the block beside one, of the same size: the other half of the next larger block."""
    block = ipaddress.ip_network(cidr, strict=False)
    if not block.prefixlen:
        return ipaddress.ip_network((0, 1))
    size = block.num_addresses
    first = int(block.network_address)
    beside = first - size if first // size % 2 else first + size
    return ipaddress.ip_network((beside, block.prefixlen))


def _directions(policy: Object) -> Iterator[Change]:
    """Yield changes of policyTypes, and rules moved to the other direction."""
    spec = policy["spec"]
    listed = spec.get("policyTypes") or []
    for direction in DIRECTIONS:
        if listed and direction not in listed:
            path: Path = ("spec", "policyTypes")
            yield path, f"{direction} added", [(path, [*listed, direction])]
    if len(listed) == 1:
        other = next(each for each in DIRECTIONS if each not in listed)
        yield ("spec", "policyTypes", 0), f"{listed[0]} -> {other}", [(("spec", "policyTypes"), [other])]
    for direction, there in (DIRECTIONS, DIRECTIONS[::-1]):
        key, target = direction.lower(), there.lower()
        if spec.get(key) and not spec.get(target):
            turned = [_turned(rule, direction) for rule in spec[key]]
            yield ("spec", key), f"turned into {target}", [(("spec", key), DROP), (("spec", target), turned)]


def _turned(rule: Object, direction: str) -> dict[str, Any]:
    old, new = ("from", "to") if direction == "Ingress" else ("to", "from")
    return {new if key == old else key: value for key, value in rule.items()}


def _dashes(place: Place) -> Iterator[Change]:
    """Yield changes by a dash: two peers as one, one peer as two, one rule as two, two rules as one."""
    peers: Path = (*place.path, place.peers_key)
    for index, peer in enumerate(place.peers):
        if {"namespaceSelector", "podSelector"} <= peer.keys():
            parts = [{key: peer[key]} for key in ("namespaceSelector", "podSelector")]
            rest = [*place.peers[:index], *parts, *place.peers[index + 1 :]]
            yield (*peers, index), "split into two peers", [(peers, rest)]
    for one, other in combinations(range(len(place.peers)), 2):
        if not place.peers[one].keys() & place.peers[other].keys():
            kept = [each for number, each in enumerate(place.peers) if number not in (one, other)]
            joined = [*kept, {**place.peers[one], **place.peers[other]}]
            yield (*peers, one), f"joined with {place.peers_key}[{other}]", [(peers, joined)]
    rules: Path = place.path[:-1]
    there = list(place.policy["spec"][place.direction.lower()])
    if place.peers and place.ports:
        parts = [{place.peers_key: place.peers}, {"ports": place.ports}]
        split = [*there[: place.index], *parts, *there[place.index + 1 :]]
        yield place.path, "split into two rules", [(rules, split)]
    if place.index + 1 < len(there):
        after = there[place.index + 1]
        joined = [*there[: place.index], _joined(place.rule, after), *there[place.index + 2 :]]
        yield place.path, f"joined with {place.direction.lower()}[{place.index + 1}]", [(rules, joined)]


def _joined(one: Object, other: Object) -> dict[str, Any]:
    """Return two rules as one: the peers of both, the ports of both."""
    return {key: [*(one.get(key) or ()), *(other.get(key) or ())] for key in {**one, **other}}


def _acceptable(policy: Object) -> bool:
    """Tell whether the API server takes a policy."""
    listed = policy["spec"].get("policyTypes")
    if listed is not None and len(listed) > len(DIRECTIONS):
        return False
    selectors = [policy["spec"]["podSelector"]]
    for place in places([policy]):
        for peer in place.peers:
            selectors += [peer[key] for key in ("namespaceSelector", "podSelector") if key in peer]
            if not peer or ("ipBlock" in peer and not _block_holds(peer)):
                return False
        if any("endPort" in each and not _range_holds(each) for each in place.ports):
            return False
    return all(_expression_holds(each) for every in selectors for each in every.get("matchExpressions") or ())


def _block_holds(peer: Object) -> bool:
    block = peer["ipBlock"]
    if len(peer) > 1 or "cidr" not in block:
        return False
    whole = ipaddress.ip_network(block["cidr"], strict=False)
    excepted = [ipaddress.ip_network(each, strict=False) for each in block.get("except") or ()]
    return all(each.version == whole.version and each != whole and _inside(each, whole) for each in excepted)


def _inside(part: Any, whole: Any) -> bool:
    return bool(part.subnet_of(whole))


def _range_holds(entry: Object) -> bool:
    port = entry.get("port")
    return isinstance(port, int) and port <= entry["endPort"] <= 65535


def _expression_holds(expression: Object) -> bool:
    if not {"key", "operator"} <= expression.keys():
        return False
    needs_values = expression["operator"] in ("In", "NotIn")
    return bool(expression.get("values")) == needs_values
