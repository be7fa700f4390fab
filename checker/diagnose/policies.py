"""Why policies let through what should drop, or drop what should be open: the recognised faults. Pure.

The fault is found by trying repairs: each kind of single edit stands for one fault, and the model tells what the whole
table would do after it. The edit that breaks nothing, mends the first cell at odds and as many others as it can, and
stands first in the list of kinds, names the fault. Only where the model agrees with the packets is anything said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checker.diagnose import pruned, words
from checker.diagnose.cells import OPENNESS, Cells, expectations
from checker.diagnose.repairs import KINDS
from checker.diagnose.scene import Repair, Scene
from checker.policy import directions, in_block
from checker.policy_edit import places, replaced
from checker.traffic import Traffic
from checker.verdict import Cause

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from checker.diagnose.cells import Connection
    from checker.diagnose.snapshot import Object, Snapshot, Subject
    from checker.policy import Rule, Side
    from checker.traffic import Difference, Flow, Outcome


def concerns(difference: Difference) -> bool:
    """Tell whether policies may be behind a difference: open instead of dropped, dropped instead of open, and such."""
    return difference.expected in OPENNESS and bool({*OPENNESS} & {*difference.seen.outcomes} - {difference.expected})


def explain(snapshot: Snapshot, subjects: Iterable[Subject]) -> Cause | None:
    """Return the fault of the policies behind the cells that differ, or None where none is recognised."""
    cells = Cells(snapshot)
    subjects = [each for each in subjects if each.difference and concerns(each.difference)]
    for subject in subjects:
        if scene := _scene(cells, subject):
            return pruned.explain(scene.policies) or _translated(scene) or _by_repair(scene) or _fact(scene)
    return None


def _scene(cells: Cells, subject: Subject) -> Scene | None:
    """Return what repairs are tried on; None where the packets do other than the policies mean."""
    difference = subject.difference
    assert difference is not None
    flow, expected, policies = difference.flow, difference.expected, cells.snapshot.policies
    odd = [each for each in cells.connections(flow) if each.outcome(policies) is not expected]
    if not odd:
        return None
    leak = _gets_further(odd[0].outcome(policies), expected)
    table = Traffic({flow: expected, **(subject.table.cells if subject.table else {})})
    return Scene(cells, policies, expectations(table), flow, _at_odds(odd[0], policies, leak), leak)


def _gets_further(one: Outcome, other: Outcome) -> bool:
    return OPENNESS.index(one) > OPENNESS.index(other)


def _at_odds(connection: Connection, policies: Sequence[Object], leak: bool) -> Connection:
    """Return the look-up that does not get through, where it is that; else the connection itself."""
    stuck = (each for each in connection.lookups if not leak and not each.decide(policies).allowed)
    return next(stuck, connection)


def _by_repair(scene: Scene) -> Cause | None:
    wrong = {flow for flow in scene.expected if not _right(scene, scene.policies, flow)}
    best, most = None, 0
    for kind in KINDS:
        for repair in kind(scene):
            mended = _mended(scene, repair, wrong)
            if mended > most and mended > _mended_without(scene, repair, wrong):
                best, most = repair.cause, mended
            if most == len(wrong):
                return best
    return best


def _mended(scene: Scene, repair: Repair, wrong: set[Flow]) -> int:
    """Return how many cells a repair mends; 0 where it leaves the first cell as it is, or breaks another."""
    if not _right(scene, repair.policies, scene.first):
        return 0
    mended = []
    for flow in scene.expected:
        if _right(scene, repair.policies, flow):
            mended += [flow] if flow in wrong else []
        elif flow not in wrong:
            return 0
    if repair.opens and all(_leaks(scene, flow) for flow in mended):
        return 0
    return len(mended)


def _mended_without(scene: Scene, repair: Repair, wrong: set[Flow]) -> int:
    """Return how many cells are mended by taking the edited policy away, of which the edit must do more.

    Otherwise any edit by which a policy loses its hold would pass for a repair of what it says.
    """
    if len(repair.policies) < len(scene.policies):
        return 0  # the repair is just that
    pairs = zip(scene.policies, repair.policies, strict=True)
    edited = next(number for number, (one, other) in enumerate(pairs) if one is not other)
    return _mended(scene, Repair(repair.cause, replaced(scene.policies, edited, None)), wrong)


def _right(scene: Scene, policies: Sequence[Object], flow: Flow) -> bool:
    found = scene.cells.predict(policies, flow)
    return not found or found == {scene.expected[flow]}


def _leaks(scene: Scene, flow: Flow) -> bool:
    expected = scene.expected[flow]
    return any(_gets_further(each, expected) for each in scene.cells.predict(scene.policies, flow))


def _translated(scene: Scene) -> Cause | None:
    """M33: recognise an ipBlock of a client whose address kube-proxy replaces with the node's."""
    client = scene.connection.client
    for place in places(scene.policies):
        for peer in place.peers:
            block = peer.get("ipBlock")
            if scene.leak or not client or not block or not in_block(block, client):
                continue
            why = (
                f"{place.title} allows `{words.peer(peer)}`, the client's own address {client}. Through a node's port "
                "the Pod sees the node's address instead, unless the Service has `externalTrafficPolicy: Local`."
            )
            return Cause("M33", why, f"kubectl -n {words.namespace(place.policy)} get services -o wide")
    return None


def _fact(scene: Scene) -> Cause:
    """Return what is certain although no single edit mends it."""
    connection = scene.connection
    decision = connection.decide(scene.policies)
    source, target = connection.source, connection.target
    sides = (("Egress", decision.egress, source), ("Ingress", decision.ingress, target))
    if scene.leak:
        return _open_fact(scene, [(side, end.name) for _, side, end in sides], target.namespace or source.namespace)
    direction, side, end = next(each for each in sides if not each[1].allows)
    other = target if direction == "Egress" else source
    names = ", ".join(f"`{each}`" for each in side.isolated_by)
    why = (
        f"{names} isolates `{end.name}` for {direction}, and no {direction.lower()} rule lets through "
        f"{connection.protocol} {connection.port} {'to' if direction == 'Egress' else 'from'} `{other.name}`."
    )
    agreed = decision.ingress if direction == "Egress" else decision.egress
    command = f"kubectl -n {end.namespace} describe networkpolicies"
    if agreed.allowed_by:
        allowing = agreed.allowed_by[0]
        return Cause("one-direction", f"{why} {_title(allowing)} allows it, but both ends must.", command)
    return Cause("no-rule", why, command)


def _open_fact(scene: Scene, sides: Sequence[tuple[Side, str]], space: str) -> Cause:
    for side, _ in reversed(sides):
        if side.allowed_by:
            rule = side.allowed_by[0]
            why = f"{_title(rule)} lets it through."
            return Cause("open-rule", why, f"kubectl -n {rule.namespace} describe networkpolicy {rule.policy}")
    command = f"kubectl -n {space} describe networkpolicies"
    (_, source), (_, target) = sides
    why = f"No policy isolates `{target}` for Ingress, nor `{source}` for Egress: what nothing isolates is open."
    if any(words.namespace(each) == space for each in scene.policies):
        found = _directions(scene.policies, space)
        name = "one-direction" if len(found) == 1 else "no-policy"
        return Cause(name, f"{why} The policies there are for {' and '.join(found)}.", command)
    return Cause("no-policy", why, command)


def _directions(policies: Sequence[Object], space: str) -> list[str]:
    return sorted({each for policy in policies if words.namespace(policy) == space for each in directions(policy)})


def _title(rule: Rule) -> str:
    return f"{rule.direction} rule {rule.number + 1} of `{rule.policy}`"
