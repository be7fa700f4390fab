"""Repairs of a rule's ports, and rules that are empty or missing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checker.diagnose import words
from checker.diagnose.cells import DNS_NAMESPACE, DNS_PORT
from checker.diagnose.scene import NAME_LABEL, Repair, Scene
from checker.policy import directions
from checker.policy_edit import DROP, Place, edited, replaced
from checker.verdict import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checker.diagnose.snapshot import Object
    from checker.policy_edit import Path

OTHER = {"TCP": "UDP", "UDP": "TCP"}


def dns_protocols(scene: Scene) -> Iterator[Repair]:
    """M22: port 53 by TCP alone, since a protocol left out means TCP."""
    for place, index, entry in scene.ports_at_stake():
        if entry.get("port") == DNS_PORT and entry.get("protocol", "TCP") == "TCP":
            why = f"{place.title} allows {words.port(entry)}. A protocol left out means TCP; names are asked by UDP."
            yield from _by_protocol(scene, place, index, entry, Cause("M22", why, words.describe(place.policy)))


def protocols(scene: Scene) -> Iterator[Repair]:
    """wrong-protocol: the port is right and its protocol is not."""
    for place, index, entry in scene.ports_at_stake():
        why = f"{place.title} is about {words.port(entry)}. A protocol left out means TCP, and UDP is another."
        cause = Cause("wrong-protocol", why, words.describe(place.policy))
        yield from _by_protocol(scene, place, index, entry, cause)
        twin = {**entry, "protocol": OTHER.get(entry.get("protocol", "TCP"))}
        twins = [each for each in place.ports if each.get("port") == twin.get("port") and each is not entry]
        if scene.leak and twins:
            yield scene.changed(place, cause, ((*place.path, "ports", index), DROP))


def _by_protocol(scene: Scene, place: Place, index: int, entry: Object, cause: Cause) -> Iterator[Repair]:
    other = OTHER.get(entry.get("protocol", "TCP"), "TCP")
    path: Path = (*place.path, "ports")
    yield scene.changed(place, cause, ((*path, index, "protocol"), other), opens=True)
    yield scene.changed(place, cause, ((*path, len(place.ports)), {**entry, "protocol": other}), opens=True)


def service_ports(scene: Scene) -> Iterator[Repair]:
    """M30: the port is a Service's, and packets that policies see carry the Pod's."""
    for place, index, entry in scene.ports_at_stake():
        for service, port in _service_ports(scene):
            if entry.get("port") != port["port"]:
                continue
            why = (
                f"{place.title} allows port {entry['port']}, which is the port of the Service "
                f"`{service['metadata']['name']}`. Policies see packets after the Service sent them on to the Pod's."
            )
            command = f"kubectl -n {service['metadata']['namespace']} describe service {service['metadata']['name']}"
            for _, number in scene.cells.backends(service, port["port"]):
                change = ((*place.path, "ports", index, "port"), number)
                yield scene.changed(place, Cause("M30", why, command), change, opens=True)


def missing_ports(scene: Scene) -> Iterator[Repair]:
    """no-ports: a rule, or an entry of its ports, without a port opens every one."""
    for place in scene.at_stake():
        if not place.ports and scene.leak:
            why = f"{place.title} has no `ports`: it opens every port, by every protocol."
            cause = Cause("no-ports", why, words.describe(place.policy))
            yield from (scene.changed(place, cause, ((*place.path, "ports"), ports)) for ports in scene.ports)
    for place, index, entry in scene.ports_at_stake():
        if "port" not in entry and scene.leak:
            protocol = entry.get("protocol", "TCP")
            why = f"{place.title} names {protocol} without a port: it opens every one of that protocol."
            cause = Cause("no-ports", why, words.describe(place.policy))
            for ports in scene.ports:
                yield scene.changed(place, cause, ((*place.path, "ports", index), ports[0]))


def other_ports(scene: Scene) -> Iterator[Repair]:
    """wrong-port: another port than asked, one too many, or one too few."""
    for place, index, entry in scene.ports_at_stake():
        listed = ", ".join(words.port(each) for each in place.ports)
        asked = f"{scene.connection.protocol} {scene.connection.port}"
        sense = "includes" if scene.leak else "does not include"
        why = f"The ports of {place} are {listed}, which {sense} {asked}."
        cause = Cause("wrong-port", why, words.describe(place.policy))
        path: Path = (*place.path, "ports")
        if "endPort" in entry:
            yield scene.changed(place, cause, ((*path, index, "endPort"), DROP))
        if scene.leak and len(place.ports) > 1:
            yield scene.changed(place, cause, ((*path, index), DROP))
        for ports in scene.ports:
            kept = [each for number, each in enumerate(place.ports) if number != index]
            yield scene.changed(place, cause, (path, [*kept, *ports]), opens=True)
            yield scene.changed(place, cause, (path, [*place.ports, *ports]), opens=True)


def empty_rules(scene: Scene) -> Iterator[Repair]:
    """M28: the rule `{}` means everybody and everything; no rule at all means nobody."""
    for place in scene.at_stake():
        if place.rule or not scene.leak:
            continue
        why = f"{place.title} is empty (`- {{}}`): it lets everybody in, on every port. No rule at all lets nobody in."
        cause = Cause("M28", why, words.describe(place.policy))
        yield scene.changed(place, cause, (place.path, DROP))
        for rule in _rules(scene, place.peers_key):
            yield scene.changed(place, cause, (place.path, rule))
    if not scene.leak and scene.connection.port != DNS_PORT:
        yield from _no_rules(scene)


def _no_rules(scene: Scene) -> Iterator[Repair]:
    for number, policy in scene.editable():
        for direction in directions(policy):
            key = direction.lower()
            if policy["spec"].get(key) or not policy["spec"].get("podSelector"):
                continue
            why = f"`{words.name(policy)}` has no {key} rule (`{key}: []` is the same): nothing gets through."
            cause = Cause("M28", why, words.describe(policy))
            for rule in [{}, *_rules(scene, "from" if direction == "Ingress" else "to")]:
                changed = edited(policy, (("spec", key), [rule]))
                yield Repair(cause, replaced(scene.policies, number, changed), opens=True)


def _rules(scene: Scene, peers_key: str) -> Iterator[dict[str, Any]]:
    for peer in scene.peers:
        yield {peers_key: [peer]}
        yield from ({peers_key: [peer], "ports": ports} for ports in scene.ports)


def missing_dns(scene: Scene) -> Iterator[Repair]:
    """M21: no egress rule lets the source ask for names."""
    peer = {"namespaceSelector": {"matchLabels": {NAME_LABEL: DNS_NAMESPACE}}}
    ports = [{"protocol": protocol, "port": DNS_PORT} for protocol in ("UDP", "TCP")]
    for number, policy in scene.editable():
        if "Egress" not in directions(policy):
            continue
        there = list(policy["spec"].get("egress") or ())
        why = (
            f"`{words.name(policy)}` shuts the way out, and no egress rule lets `{scene.connection.source.name}` ask "
            "the cluster's DNS by UDP and by TCP, port 53. Without DNS no name is found."
        )
        changed = edited(policy, (("spec", "egress"), [*there, {"to": [peer], "ports": ports}]))
        yield Repair(Cause("M21", why, words.describe(policy)), replaced(scene.policies, number, changed), opens=True)


def _service_ports(scene: Scene) -> Iterator[tuple[Object, Object]]:
    for service in scene.cells.snapshot.services:
        for port in service["spec"].get("ports", []):
            yield service, port
