"""The proof: every answer of every lab against a live cluster, each with the verdict that it must get."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kubernetes.client.exceptions import ApiException

from checker.errors import CourseError
from checker.lab import Lab
from checker.objects import Api

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from checker.course import Answer, LabFiles

CHECK_SECONDS = 180
UNCHECKABLE = (CourseError, ApiException, subprocess.TimeoutExpired)


@dataclass(frozen=True)
class Proof:
    """One answer's record.

    Args:
        expected, verdict: words of `verdict.Verdict`.
        reason_matched, hint_matched: whether a wrong answer failed at its check for its reason, and earned its hint;
            None where nothing was to match.
        seconds: of the check alone; total_seconds: with the fresh start before it.
    """

    lab: str
    answer: str
    kind: str
    expected: str
    verdict: str
    reason: str
    reason_matched: bool | None
    hint_matched: bool | None
    seconds: float
    total_seconds: float

    @property
    def ok(self) -> bool:
        """Tell whether the answer got what it must."""
        return self.verdict == self.expected and self.reason_matched is not False and self.hint_matched is not False


def prove(labs: Sequence[LabFiles], on_proof: Callable[[Proof], None], cluster: str | None = None) -> list[Proof]:
    """Prove labs: those that change the cluster itself alone, the others side by side."""
    together = [lab for lab in labs if not lab.needs.exclusive]
    proofs: list[Proof] = []
    with ThreadPoolExecutor(max_workers=2) as pool:  # more would starve two cores, and a starved probe proves nothing
        for found in pool.map(lambda lab: prove_lab(lab, on_proof, cluster), together):
            proofs += found
    for lab in labs:
        if lab.needs.exclusive:
            proofs += prove_lab(lab, on_proof, cluster)
    return proofs


def prove_lab(files: LabFiles, on_proof: Callable[[Proof], None], cluster: str | None = None) -> list[Proof]:
    """Prove one lab: every answer from a fresh start, then that reset brings the start back; the lab is taken away."""
    lab = Lab(files, Api(cluster))
    proofs = []
    for answer in files.answers():
        proofs.append(_guarded(lab, answer))
        on_proof(proofs[-1])
    proofs.append(_prove_reset(lab, proofs[0].reason))
    on_proof(proofs[-1])
    with contextlib.suppress(*UNCHECKABLE):  # what was proved stays proved; the next start takes away what is left
        lab.stop()
    return proofs


def _guarded(lab: Lab, answer: Answer) -> Proof:
    """Prove an answer; whatever keeps it from being checked is a record as well, since it fails the proof."""
    began = time.monotonic()
    expected = "passed" if answer.right else "failed"
    try:
        lab.reset()
        if answer.kind != "start":
            lab.apply_answer(answer)
        checked = _check(lab)
    except UNCHECKABLE as error:
        return _could_not_check(lab, str(answer), answer.kind, expected, error, began)
    return _judge(lab, answer, checked, expected, began)


def _could_not_check(lab: Lab, answer: str, kind: str, expected: str, error: Exception, began: float) -> Proof:
    seconds = round(time.monotonic() - began, 2)
    return Proof(lab.files.stem, answer, kind, expected, "could not check", str(error), None, None, 0.0, seconds)


def _judge(lab: Lab, answer: Answer, checked: dict[str, Any], expected: str, began: float) -> Proof:
    failure = _first_failure(checked)
    matched: tuple[bool | None, bool | None] = (None, None)
    if wanted := answer.expectation:
        name, reason, hint = failure["name"], failure["reason"], _cause(failure)
        known = lab.files.hints.knows(wanted.check, wanted.hint)
        matched = (name == wanted.check and wanted.fits(reason), hint == wanted.hint and known)
    return Proof(
        lab.files.stem,
        str(answer),
        answer.kind,
        expected,
        checked["verdict"],
        f"{failure['name']}: {failure['reason']} [{_cause(failure)}]" if failure["name"] else "",
        *matched,
        seconds=round(checked["seconds"], 2),
        total_seconds=round(time.monotonic() - began, 2),
    )


def _prove_reset(lab: Lab, start_reason: str) -> Proof:
    """Prove that a reset after the last answer restores the start: it fails for the very reason it failed at first."""
    began = time.monotonic()
    try:
        lab.reset()
        checked = _check(lab)
    except UNCHECKABLE as error:
        return _could_not_check(lab, "reset", "reset", "failed", error, began)
    failure = _first_failure(checked)
    reason = f"{failure['name']}: {failure['reason']} [{_cause(failure)}]"
    return Proof(
        lab.files.stem,
        "reset",
        "reset",
        "failed",
        checked["verdict"],
        reason,
        reason == start_reason,
        None,
        round(checked["seconds"], 2),
        round(time.monotonic() - began, 2),
    )


def _check(lab: Lab) -> dict[str, Any]:
    """Check as a learner does, in a process of its own, and hold its exit code against its verdict."""
    command = [sys.executable, "-m", "checker", "check", str(lab.files.number), "--json"]
    environment = {**os.environ, "DEEP_DIVE_CLUSTER": lab.api.cluster}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=CHECK_SECONDS, env=environment)
    try:
        checked: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        said = (done.stderr or done.stdout).strip()
        raise CourseError(f"check {lab.files.number} ended with {done.returncode}: {said}") from error
    if {"passed": 0, "failed": 1}.get(checked["verdict"], 2) != done.returncode:
        raise CourseError(f"check {lab.files.number} says {checked['verdict']} but exits with {done.returncode}.")
    return checked


def _first_failure(checked: dict[str, Any]) -> dict[str, Any]:
    failed = (each for each in checked["checks"] if each["verdict"] in ("failed", "could not check"))
    return next(failed, {"name": "", "reason": "", "cause": None})


def _cause(failure: dict[str, Any]) -> str:
    return str(failure["cause"]["id"]) if failure["cause"] else "no cause"
