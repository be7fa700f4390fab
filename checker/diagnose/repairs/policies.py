"""Repairs of whole policies: their namespace, directions and podSelector, or that there is one too many. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checker.diagnose import words
from checker.diagnose.scene import Repair, Scene
from checker.policy import directions, selects
from checker.policy_edit import DIRECTIONS, edited, replaced
from checker.verdict import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checker.diagnose.snapshot import Object
    from checker.policy import Direction


def namespaces(scene: Scene) -> Iterator[Repair]:
    """M32: the policy lies in another namespace than the Pods that it is about."""
    for number, policy in scene.editable():
        here = words.namespace(policy)
        for space in scene.spaces:
            moved = edited(policy, (("metadata", "namespace"), space))
            if space == here or not _worth_moving(scene, policy, moved):
                continue
            why = (
                f"`{words.name(policy)}` lies in the namespace `{here}`. A policy selects Pods of its own namespace "
                f"only, and the ones it is about run in `{space}`."
            )
            yield Repair(Cause("M32", why, "kubectl get networkpolicies -A"), replaced(scene.policies, number, moved))


def _worth_moving(scene: Scene, policy: Object, moved: Object) -> bool:
    """Tell whether a policy has something to do where it is moved to; else the move would merely take it away."""
    if not scene.leak:
        return any(selects(moved, end) for end in scene.cells.pods)
    ends = (scene.connection.source, scene.connection.target)
    return any(selects(moved, end) for end in ends) and not any(selects(policy, end) for end in ends)


def policy_types(scene: Scene) -> Iterator[Repair]:
    """M29: policyTypes lists a direction too few, or one in which the policy has no rules."""
    for number, policy in scene.editable():
        listed, ruled = directions(policy), [each for each in DIRECTIONS if policy["spec"].get(each.lower())]
        for direction in DIRECTIONS:
            needless = direction in listed and direction not in ruled and len(listed) > 1
            lacking = direction not in listed and (direction in ruled or not ruled)
            if not needless and not lacking:
                continue
            wanted = [each for each in DIRECTIONS if (each in listed) != (each == direction)]
            change = (("spec", "policyTypes"), wanted)
            cause = Cause("M29", _types_why(policy, direction, listed), words.describe(policy))
            yield Repair(cause, replaced(scene.policies, number, edited(policy, change)))


def _types_why(policy: Object, direction: Direction, listed: tuple[Direction, ...]) -> str:
    name, key = words.name(policy), direction.lower()
    if direction in listed:
        return f"`policyTypes` of `{name}` lists {direction}, and it has no {key} rules: nothing is let through."
    has = f"Its {key} rules are never asked." if policy["spec"].get(key) else f"It says nothing about {key}."
    return f"`policyTypes` of `{name}` is {', '.join(listed)}, without {direction}. {has}"


def superfluous(scene: Scene) -> Iterator[Repair]:
    """M31: a policy that nothing needs lets in what another policy was meant to keep out."""
    for number, policy in scene.editable():
        others = replaced(scene.policies, number, None)
        beside = [words.name(each) for each in others if _share_pods(scene, policy, each)]
        if not scene.leak or not beside:
            continue
        why = (
            f"`{words.name(policy)}` lets it through. Policies only add: `{beside[0]}` selects the same Pods and does "
            "not take away what another policy allows."
        )
        yield Repair(Cause("M31", why, f"kubectl -n {words.namespace(policy)} get networkpolicies"), others)


def _share_pods(scene: Scene, one: Object, other: Object) -> bool:
    shared = set(directions(one)) & set(directions(other))
    return bool(shared) and any(selects(one, end) and selects(other, end) for end in scene.cells.pods)


def pod_selectors(scene: Scene) -> Iterator[Repair]:
    """M27, selects-nothing, wrong-target: spec.podSelector means other Pods than those at stake."""
    for number, policy in scene.editable():
        cause = _selector_cause(scene, policy)
        for selector in [*scene.selectors, {}]:
            change = (("spec", "podSelector"), selector)
            yield Repair(cause, replaced(scene.policies, number, edited(policy, change)))


def _selector_cause(scene: Scene, policy: Object) -> Cause:
    name, space = words.name(policy), words.namespace(policy)
    written, command = words.selector(policy["spec"].get("podSelector") or {}), words.show_pods(space)
    chosen = scene.chosen(policy)
    if written == "{}":
        why = f"`podSelector: {{}}` of `{name}` selects every Pod of `{space}`, not none: each of them is now isolated."
        return Cause("M27", why, command)
    if not chosen:
        there = sorted({words.labels(end.labels) for end in scene.cells.pods if end.namespace == space})
        why = f"`podSelector` of `{name}` is `{written}`, and no Pod of `{space}` carries that; "
        why += f"they carry {' or '.join(f'`{each}`' for each in there) or 'no label'}."
        return Cause("selects-nothing", why, command)
    pods = ", ".join(f"`{each}`" for each in chosen)
    why = f"`podSelector` of `{name}` is `{written}`. It selects {pods}, and no other Pod."
    return Cause("wrong-target", why, command)
