"""Trying mutants on a live cluster: a lab's checks must fail where a mutant behaves otherwise, and pass where not."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checker.hint_fields import names
from checker.live import LiveLab
from checker.mutants import POLICY
from checker.object_bench import ObjectBench, RefusedError
from checker.object_mutants import KINDS
from checker.plugin import run_checks
from checker.policy_bench import PolicyBench
from checker.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from checker.course import LabFiles
    from checker.lab import Lab
    from checker.mutants import Mutant
    from checker.verdict import LabRecord

KILLED, EQUIVALENT, SURVIVED = "killed", "equivalent", "survived"
WRONGLY_FAILED, COULD_NOT_CHECK = "equivalent, yet failed", "could not check"


@dataclass(frozen=True)
class Trial:
    """One mutant's record.

    Args:
        lab: its stem.
        mutant: the object, the field and what became of it.
        field: the path of the field.
        differs: whether it must behave otherwise than the solution: policies by the model, others by their effect.
        fate: killed, equivalent or survived; or one of the faults that `ok` tells.
        reason: why the check failed, one line.
        cause: the cause that the diagnosis chose; empty without one.
        named: for the killed policies, whether that cause is about the mutated field; None for the others.
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
    """The trials of one lab, how many mutants the API server refused, and for how many the time did not suffice."""

    trials: tuple[Trial, ...]
    refused: int
    left_out: int


def can_be_mutated(files: LabFiles) -> bool:
    """Tell whether a lab's solution holds anything that can be taken apart."""
    return any(each["kind"] in (POLICY, *KINDS) for each in files.solution.manifests)


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
    refused = 0
    with LiveLab(lab) as live:
        live.settle()
        bench = (PolicyBench if lab.files.needs.policy else ObjectBench)(lab, live)
        lot = bench.mutants()
        random.Random(lab.files.number).shuffle(lot)
        for mutant in lot:
            if time.monotonic() > deadline:
                break
            try:
                differs = bench.put(mutant)
            except RefusedError:
                refused += 1
                continue
            trials.append(judge(run_checks(lab, live=live), mutant, differs))
            on_trial(trials[-1])
    lab.stop()
    return Mutation(tuple(trials), refused, len(lot) - len(trials) - refused)


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
        named=names(mutant.field, cause) if became == KILLED and mutant.kind == POLICY else None,
        seconds=round(record.seconds, 2),
    )
