"""Trying mutants on a live cluster: a lab's checks must fail where a mutant behaves otherwise, and pass where not."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from checker import settling, tables
from checker.behaviour import Behaviour
from checker.hint_fields import names
from checker.live import LiveLab
from checker.mutants import mutants
from checker.plugin import run_checks
from checker.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from checker.lab import Lab
    from checker.mutants import Mutant
    from checker.objects import Manifest
    from checker.policy import Object
    from checker.verdict import LabRecord

API_VERSION, KIND = "networking.k8s.io/v1", "NetworkPolicy"
KILLED, EQUIVALENT, SURVIVED = "killed", "equivalent", "survived"
WRONGLY_FAILED, COULD_NOT_CHECK = "equivalent, yet failed", "could not check"


@dataclass(frozen=True)
class Trial:
    """One mutant's record.

    Args:
        lab: its stem.
        mutant: the policy, the field and what became of it.
        field: the path of the field.
        differs: whether the model says that it behaves otherwise than the solution.
        fate: killed, equivalent or survived; or one of the faults that `ok` tells.
        reason: why the check failed, one line.
        cause: the cause that the diagnosis chose; empty without one.
        named: for the killed, whether that cause is about the mutated field; None for the others.
        seconds: the check took.
    """

    lab: str
    mutant: str
    field: str
    differs: bool
    fate: str
    reason: str
    cause: str
    named: bool | None
    seconds: float

    @property
    def ok(self) -> bool:
        """Tell whether the lab did with the mutant as it must."""
        return self.fate in (KILLED, EQUIVALENT)


@dataclass(frozen=True)
class Mutation:
    """The trials of one lab, and how many mutants the time did not suffice for."""

    trials: tuple[Trial, ...]
    left_out: int


def fate(differs: bool, verdict: Verdict) -> str:
    """Return what became of a mutant."""
    if verdict not in (Verdict.PASSED, Verdict.FAILED):
        return COULD_NOT_CHECK
    if verdict is Verdict.FAILED:
        return KILLED if differs else WRONGLY_FAILED
    return SURVIVED if differs else EQUIVALENT


def mutate(lab: Lab, seconds: float, on_trial: Callable[[Trial], None]) -> Mutation:
    """Try the mutants of a lab's solution, then take the lab away.

    Args:
        lab: it is put to its start first, whatever state it is in.
        seconds: after which no further mutant is begun; 0 tries all. Which ones fall in is drawn by lot, the same lot
            each time, so that every kind of field has its share.
        on_trial: called with each record as it is made.
    """
    lab.reset()
    lab.apply_answer(lab.files.solution)
    deadline = time.monotonic() + seconds if seconds else float("inf")
    trials: list[Trial] = []
    with LiveLab(lab) as live:
        live.settle()
        behaviour = Behaviour(live.snapshot(), tables.load(lab.files.check_file))
        mine, lot = _own(behaviour), mutants(_own(behaviour), behaviour.surroundings)
        random.Random(lab.files.number).shuffle(lot)
        for mutant in lot:
            if time.monotonic() > deadline:
                break
            trials.append(_try(lab, live, behaviour, mutant, mine))
            on_trial(trials[-1])
    lab.stop()
    return Mutation(tuple(trials), len(lot) - len(trials))


def _own(behaviour: Behaviour) -> list[Object]:
    """Return the solution's policies as the API server has them, without what it keeps for itself."""
    snapshot = behaviour.snapshot
    found = ((each["metadata"]["namespace"], each["metadata"]["name"], each["spec"]) for each in snapshot.policies)
    return [
        {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name, "namespace": space}, "spec": spec}
        for space, name, spec in found
        if (space, name) not in snapshot.guarded and space in behaviour.surroundings.namespaces
    ]


def _try(lab: Lab, live: LiveLab, behaviour: Behaviour, mutant: Mutant, solution: Sequence[Object]) -> Trial:
    kept = [each for each in behaviour.snapshot.policies if _key(each) in behaviour.snapshot.guarded]
    differs = behaviour.of([*kept, *mutant.policies]) != behaviour.of([*kept, *solution])
    _put(lab, [dict(each) for each in mutant.policies], behaviour.snapshot.guarded)
    record = run_checks(lab, live=live)
    return judge(record, mutant, differs)


def judge(record: LabRecord, mutant: Mutant, differs: bool) -> Trial:
    """Return what a run of the checks says of a mutant."""
    failure = record.first_failure
    cause = failure.cause.id if failure and failure.cause else ""
    became = fate(differs, record.verdict)
    return Trial(
        lab=record.lab,
        mutant=str(mutant),
        field=mutant.field,
        differs=differs,
        fate=became,
        reason=failure.reason if failure else "",
        cause=cause,
        named=names(mutant.field, cause) if became == KILLED else None,
        seconds=round(record.seconds, 2),
    )


def _put(lab: Lab, policies: list[Manifest], guarded: frozenset[tuple[str, str]]) -> None:
    """Make these the only policies of the lab's namespaces, beside the scenario's own."""
    wanted = {_key(each) for each in policies}
    there = [each for name in lab.files.namespaces for each in lab.api.objects(API_VERSION, KIND, name)]
    changed = [each for each in there if _key(each) not in guarded]
    lab.api.delete([{**each, "apiVersion": API_VERSION, "kind": KIND} for each in changed])
    lab.api.apply(policies)
    if not wanted:
        time.sleep(settling.SETTLE_SECONDS)  # a deletion leaves no time of its own that a check could wait for


def _key(policy: Any) -> tuple[str, str]:
    return policy["metadata"]["namespace"], policy["metadata"]["name"]
