"""Repairs of ipBlocks: of Services, of Pods, and their exceptions. Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from checker.diagnose import words
from checker.policy import in_block
from checker.policy_edit import DROP
from checker.verdict import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checker.diagnose.scene import Repair, Scene
    from checker.diagnose.snapshot import Object
    from checker.policy_edit import Path


def service_addresses(scene: Scene) -> Iterator[Repair]:
    """M34: an ipBlock names a Service's address, which no packet carries any more when policies see it."""
    addresses = {
        each["spec"].get("clusterIP", "None"): each["metadata"]["name"] for each in scene.cells.snapshot.services
    }
    for place, index, peer in scene.peers_at_stake():
        covered = [
            name for address, name in addresses.items() if address != "None" and _covers(peer.get("ipBlock"), address)
        ]
        if not covered or any(_covers(peer["ipBlock"], end.address) for end in scene.cells.pods):
            continue
        why = (
            f"{place.title} allows `{words.peer(peer)}`, where the Service `{covered[0]}` has its virtual address. "
            "Policies see packets after that address has become a Pod's: select the Pods."
        )
        cause = Cause("M34", why, words.describe(place.policy))
        for wanted in scene.peers:
            yield scene.changed(place, cause, ((*place.path, place.peers_key, index), wanted), opens=True)


def pod_addresses(scene: Scene) -> Iterator[Repair]:
    """by-address: an ipBlock names Pods, whose addresses change whenever they are replaced."""
    ranges = _pod_ranges(scene)
    for place, index, peer in scene.peers_at_stake():
        block = peer.get("ipBlock")
        if not block or not any(ipaddress.ip_network(block["cidr"], strict=False).overlaps(each) for each in ranges):
            continue
        why = (
            f"{place.title} names Pods by address (`{words.peer(peer)}`). A Pod that is replaced comes back with "
            "another address; its labels stay."
        )
        cause = Cause("by-address", why, f"kubectl -n {words.namespace(place.policy)} get pods -o wide")
        for wanted in scene.peers:
            yield scene.changed(place, cause, ((*place.path, place.peers_key, index), wanted))


def _pod_ranges(scene: Scene) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Return the ranges that the nodes' own ones are cut from: a node gets a /24 of a /16, or a /64 of a /56."""
    nodes = scene.cells.snapshot.nodes
    own = [ipaddress.ip_network(each) for node in nodes for each in node["spec"].get("podCIDRs", ())]
    return [each.supernet(prefixlen_diff=8) for each in own]


def exceptions(scene: Scene) -> Iterator[Repair]:
    """Except: an ipBlock leaves out an address that it should not, or does not leave out one that it should."""
    other = scene.connection
    for place, index, peer in scene.peers_at_stake():
        if not (block := peer.get("ipBlock")):
            continue
        path: Path = (*place.path, place.peers_key, index, "ipBlock", "except")
        there = list(block.get("except") or ())
        why = f"{place.title} allows `{words.peer(peer)}`: an address is left out too many, or one too few."
        cause = Cause("except", why, words.describe(place.policy))
        for entry in range(len(there)):
            yield scene.changed(place, cause, ((*path, entry), DROP))
        for address in {other.source.address, other.target.address, other.client} - {""}:
            if _covers(block, address):
                yield scene.changed(place, cause, (path, [*there, f"{address}/32"]))


def _covers(block: Object | None, address: str) -> bool:
    return block is not None and in_block(block, address)
