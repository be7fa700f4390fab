"""Repairs of dashes: entries that should be one, rules that should be one or two. Pure."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from checker.diagnose import words
from checker.diagnose.scene import Repair, Scene
from checker.policy_edit import Place, edited, replaced
from checker.verdict import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator


DNS_PORT = 53


def dashes(scene: Scene) -> Iterator[Repair]:
    """M24, or M23 where it is about DNS: two entries of one list (either is enough) that should be one (both)."""
    for place in scene.at_stake():
        for one, other in combinations(range(len(place.peers)), 2):
            first, second = place.peers[one], place.peers[other]
            if {*first, *second} != {"namespaceSelector", "podSelector"} or len(first) != 1 or len(second) != 1:
                continue
            kept = [each for number, each in enumerate(place.peers) if number not in (one, other)]
            why = (
                f"In {place}, `{words.peer(first)}` and `{words.peer(second)}` are two entries of `{place.peers_key}`, "
                "each with a dash of its own: either one is enough. Under one dash, both must hold."
            )
            cause = Cause("M23" if _is_dns(place) else "M24", why, words.describe(place.policy))
            yield scene.with_peers(place, cause, [*kept, {**first, **second}])


def rule_dashes(scene: Scene) -> Iterator[Repair]:
    """M23: ports and the peers they are meant for stand in different rules, or share a rule with others."""
    for place in scene.at_stake():
        if place.ports and not place.peers:
            yield from _joined(scene, place)
        if not _is_dns(place):
            continue
        if not place.peers:
            why = f"{place.title} has no `{place.peers_key}`: port 53 is open to everybody, not just the cluster's DNS."
            for peer in scene.peers:
                yield scene.with_peers(place, Cause("M23", why, words.describe(place.policy)), [peer])
        yield from _split(scene, place)


def _joined(scene: Scene, place: Place) -> Iterator[Repair]:
    rules = list(place.policy["spec"][place.direction.lower()])
    for index, other in enumerate(rules):
        if not other.get(place.peers_key) or other.get("ports"):
            continue
        merged = {place.peers_key: other[place.peers_key], "ports": place.rule["ports"]}
        kept = [rule for number, rule in enumerate(rules) if number not in (index, place.index)]
        why = (
            f"In `{words.name(place.policy)}`, ports and the peers that they are meant for stand in two rules, "
            f"{place.index + 1} and {index + 1}. Each dash begins a rule of its own, and either is enough."
        )
        change = (("spec", place.direction.lower()), [*kept, merged])
        cause = Cause("M23", why, words.describe(place.policy))
        yield Repair(cause, replaced(scene.policies, place.number, edited(place.policy, change)))


def _split(scene: Scene, place: Place) -> Iterator[Repair]:
    dns = [entry for entry in place.ports if entry.get("port") == DNS_PORT]
    rest = [entry for entry in place.ports if entry not in dns]
    for index, peer in enumerate(place.peers):
        others = [*place.peers[:index], *place.peers[index + 1 :]]
        if not others or not rest:
            continue
        why = (
            f"{place.title} names DNS and other peers together: every peer of a rule gets every port of it, 53 and "
            "the others alike. What belongs together begins with a dash of its own."
        )
        rules = list(place.policy["spec"][place.direction.lower()])
        rules[place.index : place.index + 1] = [
            {place.peers_key: [peer], "ports": dns},
            {place.peers_key: others, "ports": rest},
        ]
        change = (("spec", place.direction.lower()), rules)
        cause = Cause("M23", why, words.describe(place.policy))
        yield Repair(cause, replaced(scene.policies, place.number, edited(place.policy, change)))


def _is_dns(place: Place) -> bool:
    return any(entry.get("port") == DNS_PORT for entry in place.ports)
