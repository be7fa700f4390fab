"""Repairs of a rule's peers: labels of namespaces, bare podSelectors, too many, or others than asked. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checker.diagnose import words
from checker.diagnose.scene import NAME_LABEL, Repair, Scene
from checker.policy_edit import DROP, Place
from checker.verdict import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checker.policy_edit import Path


def namespace_labels(scene: Scene) -> Iterator[Repair]:
    """M26: a namespaceSelector asks for a label that no namespace carries."""
    carried = {key for end in scene.cells.pods for key in end.namespace_labels}
    wrong: dict[int, list[tuple[Place, Path, str, str]]] = {}
    for place, index, peer in scene.peers_at_stake():
        for key, value in ((peer.get("namespaceSelector") or {}).get("matchLabels") or {}).items():
            if key not in carried:
                path = (*place.path, place.peers_key, index, "namespaceSelector", "matchLabels")
                wrong.setdefault(place.number, []).append((place, path, key, value))
    for found in wrong.values():
        place, _, key, value = found[0]
        why = (
            f"{place.title} asks for namespaces with the label `{key}={value}`, and none carries `{key}`. "
            f"Every namespace carries its name as `{NAME_LABEL}`."
        )
        changes = [each for _, path, key, value in found for each in _renamed(path, key, value)]
        cause = Cause("M26", why, "kubectl get namespaces --show-labels")
        yield scene.changed(place, cause, *changes, opens=True)


def _renamed(path: Path, key: str, value: str) -> list[tuple[Path, Any]]:
    return [((*path, key), DROP), ((*path, NAME_LABEL), value)]


def bare_pod_selectors(scene: Scene) -> Iterator[Repair]:
    """M25: a podSelector alone means Pods of the policy's own namespace, and the ones at stake are elsewhere."""
    for place, index, peer in scene.peers_at_stake():
        if list(peer) != ["podSelector"]:
            continue
        why = (
            f"{place.title} has `{words.peer(peer)}` without a `namespaceSelector`: that means Pods of "
            f"`{words.namespace(place.policy)}` only, whatever the labels of others."
        )
        cause = Cause("M25", why, words.describe(place.policy))
        for space in scene.space_selectors:
            path = (*place.path, place.peers_key, index, "namespaceSelector")
            yield scene.changed(place, cause, (path, space), opens=True)


def extra_rules(scene: Scene) -> Iterator[Repair]:
    """too-wide: a whole rule that nothing needs."""
    for place in scene.at_stake():
        if scene.leak and place.rule:
            yield scene.changed(place, _too_wide(place), (place.path, DROP))


def other_peers(scene: Scene) -> Iterator[Repair]:
    """too-wide, wrong-peer: a rule's peers are more than asked, or others."""
    for place in scene.at_stake():
        cause = _too_wide(place) if scene.leak else _wrong_peer(scene, place)
        if not place.peers:
            yield from (scene.with_peers(place, cause, [peer]) for peer in scene.peers if scene.leak)
            continue
        for index in range(len(place.peers)):
            if len(place.peers) > 1:
                yield scene.changed(place, cause, ((*place.path, place.peers_key, index), DROP))
            for peer in [*scene.peers, *_address_peers(scene, place)]:
                yield scene.changed(place, cause, ((*place.path, place.peers_key, index), peer))
        for peer in [*scene.peers, *_address_peers(scene, place)] if not scene.leak else ():
            yield scene.with_peers(place, cause, [*place.peers, peer])


def _address_peers(scene: Scene, place: Place) -> list[dict[str, Any]]:
    other = scene.connection.source if place.direction == "Ingress" else scene.connection.target
    return [] if other.is_pod or not other.address else [{"ipBlock": {"cidr": f"{other.address}/32"}}]


def _too_wide(place: Place) -> Cause:
    key = place.peers_key
    listed = "; ".join(words.peer(peer) for peer in place.peers)
    what = f"`{key}` is {listed}" if listed else f"it has no `{key}`, which means everybody"
    why = f"{place.title} lets it through: {what}. That is more than was asked for."
    return Cause("too-wide", why, words.describe(place.policy))


def _wrong_peer(scene: Scene, place: Place) -> Cause:
    other = scene.connection.source if place.direction == "Ingress" else scene.connection.target
    listed = "; ".join(words.peer(peer) for peer in place.peers)
    carries = f" carries `{words.labels(other.labels)}`" if other.labels else f" has the address {other.address}"
    why = f"{place.title} names `{listed}`, and that does not mean `{other.name}`, which{carries}."
    command = words.show_pods(other.namespace) if other.namespace else words.describe(place.policy)
    return Cause("wrong-peer", why, command)
