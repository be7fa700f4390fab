"""What a check found, and the exit code that follows from all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Verdict(StrEnum):
    """The worth of one check; only the first three are verdicts, the last follows from a parent's."""

    PASSED = "passed"
    FAILED = "failed"
    COULD_NOT_CHECK = "could not check"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Cause:
    """A recognised fault behind a failed check.

    Args:
        id: names the fault, for example `M1`; hints.md has a ladder under that name.
        why: the fault in one or two sentences, with the learner's own names in them.
        command: shows it, typed in a shell.
    """

    id: str
    why: str
    command: str


@dataclass(frozen=True)
class CheckRecord:
    """One check of a run.

    Args:
        name: of the check function.
        claim: the first line of its docstring.
        reason: why it is not passed, one line; empty where it passed.
        detail: more lines on it.
        mend: the command that mends what kept the check from running.
        command: shows the difference, typed in a shell.
        cells: of a table that differs: source, target, expected and seen of each, as words.
        cause: the recognised fault, where there is one.
        hint: the first rung of the ladder that fits.
        seconds: wall time.
    """

    name: str
    claim: str
    verdict: Verdict
    reason: str = ""
    detail: str = ""
    mend: str | None = None
    command: str = ""
    cells: tuple[tuple[str, str, str, str], ...] = ()
    cause: Cause | None = None
    hint: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class LabRecord:
    """All checks of one lab, in the order in which they ran."""

    lab: str
    checks: Sequence[CheckRecord] = field(default_factory=tuple)
    seconds: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """Return the verdict of the whole: could not check outweighs failed, and a pass needs every check passed.

        No check at all is no pass, nor is a check left out although none failed.
        """
        found = {each.verdict for each in self.checks}
        if found == {Verdict.PASSED}:
            return Verdict.PASSED
        failed = Verdict.FAILED in found and Verdict.COULD_NOT_CHECK not in found
        return Verdict.FAILED if failed else Verdict.COULD_NOT_CHECK

    @property
    def exit_code(self) -> int:
        """Return 0 for passed, 1 for failed, 2 for could not check."""
        return {Verdict.PASSED: 0, Verdict.FAILED: 1}.get(self.verdict, 2)

    @property
    def first_failure(self) -> CheckRecord | None:
        """Return the first check that is neither passed nor merely not checked."""
        return next((each for each in self.checks if each.verdict in (Verdict.FAILED, Verdict.COULD_NOT_CHECK)), None)
