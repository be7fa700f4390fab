"""The pytest plugin: the `lab` fixture, three verdicts, claims from docstrings, checks that depend on others.

A check is a function `check_*(lab)` of a lab's check_lab.py. The first line of its docstring is the claim. A default
argument `after=check_other` makes it depend on another: where the parent did not pass, the child is not checked.
"""

from __future__ import annotations

import inspect
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kubernetes.client.exceptions import ApiException

from checker import canary, diagnose, tables
from checker.errors import CheckFailed, CourseError, ProbeError
from checker.live import LiveLab
from checker.verdict import Cause, CheckRecord, LabRecord, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from checker.lab import Lab

INI = Path(__file__).with_name("checks.ini")
SCENARIO_CHECK = "check_the_scenario"
SCENARIO_CLAIM = "The scenario is as the lab made it."
ENFORCEMENT_CHECK = "check_the_enforcement"
ENFORCEMENT_CLAIM = "This cluster enforces network policies, inwards and outwards."


def run_checks(
    lab: Lab, on_record: Callable[[CheckRecord], None] = lambda _: None, live: LiveLab | None = None
) -> LabRecord:
    """Run all checks of a started lab, calling back with each record as it is made.

    Args:
        lab: to check.
        on_record: called with each record.
        live: the lab with its streams already open, which then stay open; None opens and closes them.

    Raises:
        UsageError: the lab is not started, or one of its namespaces is gone.
        KeyboardInterrupt: it was interrupted.
    """
    began = time.monotonic()
    lab.require_started()
    records = []
    with nullcontext(live) if live else LiveLab(lab) as opened:
        opened.begin()
        records.append(check_scenario(lab))
        on_record(records[0])
        if records[0].verdict is Verdict.PASSED:
            records += _run_check_file(lab, opened, on_record)
    return LabRecord(lab.files.stem, tuple(records), time.monotonic() - began)


def _run_check_file(lab: Lab, live: LiveLab, on_record: Callable[[CheckRecord], None]) -> list[CheckRecord]:
    """Run the lab's own checks; where policies matter, the canary at the same time, whose word comes first."""
    with ThreadPoolExecutor(max_workers=1) as beside:
        canary_ = beside.submit(check_enforcement, live) if lab.files.needs.policy else None
        plugin = CheckPlugin(lab, live, on_record, canary_)
        with _afresh(lab.files.check_file):
            code = pytest.main(["-c", str(INI), str(lab.files.check_file)], plugins=[plugin])
        if code == pytest.ExitCode.INTERRUPTED and not plugin.collection_error:
            raise KeyboardInterrupt
        if not plugin.enforced():
            return plugin.records
        return [*plugin.records, *([] if plugin.ran else [plugin.nothing_ran()])]


@contextmanager
def _afresh(file: Path) -> Iterator[None]:
    """Let pytest read a check file as if for the first time, deaf to what the learner's own environment tells it.

    An option such as `-k` in the environment would leave checks out, and what is left would pass.
    """
    kept = {name: os.environ.pop(name) for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS") if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
        for name in [name for name, each in sys.modules.items() if getattr(each, "__file__", None) == str(file)]:
            del sys.modules[name]


def check_scenario(lab: Lab) -> CheckRecord:
    """Check that the learner left the situation as it was."""
    began = time.monotonic()
    found = lab.scenario_changes()
    verdict = Verdict.FAILED if found else Verdict.PASSED
    number = lab.files.number
    cause = None
    if found:
        why = "A right answer leaves the situation as it is; only what lies in your work folder is yours to change."
        cause = Cause("scenario", why, f"make reset-{number}")
    reason, detail = (found[0], "\n".join(found[1:])) if found else ("", "")
    return CheckRecord(
        SCENARIO_CHECK, SCENARIO_CLAIM, verdict, reason, detail, cause=cause, seconds=time.monotonic() - began
    )


def check_enforcement(live: LiveLab) -> CheckRecord:
    """Check that a denied packet is dropped on this cluster: where it is not, nothing can be said of a policy."""
    began = time.monotonic()
    error: CourseError | ApiException | None = None
    try:
        canary.require_enforcement(live.api, live.prober)
    except (CourseError, ApiException) as caught:
        error = caught
    verdict, reason, detail, mend = judge(error)
    seconds = time.monotonic() - began
    return CheckRecord(ENFORCEMENT_CHECK, ENFORCEMENT_CLAIM, verdict, reason, detail, mend, seconds=seconds)


class CheckPlugin:
    """Turns what pytest reports of a lab's checks into records."""

    def __init__(
        self,
        lab: Lab,
        live: LiveLab,
        on_record: Callable[[CheckRecord], None],
        enforcement: Future[CheckRecord] | None = None,
    ) -> None:
        self.lab_under_check = lab
        self.live = live
        self.on_record = on_record
        self.records: list[CheckRecord] = []
        self.ran = False
        self._enforcement = enforcement
        self._unenforced = False
        self.collection_error = ""

    @pytest.fixture(name="lab", scope="session")
    def lab_fixture(self) -> LiveLab:
        """Provide the lab on the live cluster."""
        return self.live

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what made a check file unreadable."""
        if report.failed:
            self.collection_error = str(report.longrepr).strip().splitlines()[-1]

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Leave a check out where a parent did not pass, or where no policy is enforced."""
        if self._unenforced:
            pytest.skip(ENFORCEMENT_CHECK)
        passed = {each.name for each in self.records if each.verdict is Verdict.PASSED}
        for parent in parents(item):
            if parent not in passed:
                pytest.skip(parent)

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Make the record of a check that ran, or of one that could not."""
        ended = call.when == "call" or (call.when == "setup" and call.excinfo is not None)
        if not ended or (call.excinfo and call.excinfo.errisinstance(KeyboardInterrupt)):
            return
        self.ran = True
        if not self.enforced():
            return  # whatever the packets did, it says nothing about the learner's policies
        record = self._record(item, call.excinfo.value if call.excinfo else None, call.duration)
        self._take(record)

    def enforced(self) -> bool:
        """Tell whether the canary lets anything be said, once it has come back; its record comes before all others."""
        if self._enforcement:
            record, self._enforcement = self._enforcement.result(), None
            self._unenforced = record.verdict is not Verdict.PASSED
            self._take(record)
        return not self._unenforced

    def _take(self, record: CheckRecord) -> None:
        self.records.append(record)
        self.on_record(record)

    def nothing_ran(self) -> CheckRecord:
        """Return the record of a lab whose file has no check that ran."""
        reason = self.collection_error or "The lab has no checks."
        return CheckRecord("check_lab", "The lab can be checked.", Verdict.COULD_NOT_CHECK, reason)

    def _record(self, item: pytest.Item, error: BaseException | None, seconds: float) -> CheckRecord:
        verdict, reason, detail, mend = judge(error)
        cause = self._cause(item, error) if isinstance(error, CheckFailed) else None
        rungs = self.lab_under_check.files.hints.ladder(item.name, cause.id if cause else "")
        return CheckRecord(
            name=item.name,
            claim=claim(item),
            verdict=verdict,
            reason=reason,
            detail=detail,
            mend=mend,
            cause=cause,
            command=error.command if isinstance(error, CheckFailed) else "",
            cells=error.cells if isinstance(error, CheckFailed) else (),
            hint=rungs[0] if rungs and verdict is Verdict.FAILED else "",
            seconds=seconds,
        )

    def _cause(self, item: pytest.Item, error: CheckFailed) -> Cause | None:
        stated = tables.stated(getattr(item, "module"))  # noqa: B009 - only a function's item has one
        subjects = [each.beside(stated) for each in error.subjects if isinstance(each, diagnose.Subject)]
        try:
            return diagnose.explain(self.live.snapshot(), subjects)
        except (CourseError, ApiException):
            return None  # the verdict stands; it goes without a cause


def judge(error: BaseException | None) -> tuple[Verdict, str, str, str | None]:
    """Return verdict, reason, detail and mending command that follow from how a check ended.

    Only packets that do other than the lab asks for make a check fail; everything else could not be checked.
    """
    if error is None:
        return Verdict.PASSED, "", "", None
    if isinstance(error, pytest.skip.Exception):
        return Verdict.NOT_CHECKED, "another check comes first", "", None
    if isinstance(error, CheckFailed):
        return Verdict.FAILED, error.reason, error.detail, None
    if isinstance(error, AssertionError):
        return Verdict.FAILED, str(error).splitlines()[0] if str(error) else "it does not hold", "", None
    if isinstance(error, CourseError):
        mend = error.mend or ("make status" if isinstance(error, ProbeError) else None)
        return Verdict.COULD_NOT_CHECK, error.message, "", mend
    if isinstance(error, ApiException):
        return Verdict.COULD_NOT_CHECK, f"The API server says {error.status} {error.reason}.", "", "make status"
    return Verdict.COULD_NOT_CHECK, f"The check itself is broken: {type(error).__name__}: {error}", "", None


def claim(item: pytest.Item) -> str:
    """Return the first line of a check's docstring."""
    doc = inspect.getdoc(getattr(item, "function", item)) or item.name
    return doc.splitlines()[0]


def parents(item: pytest.Item) -> list[str]:
    """Return the names of the checks that a check depends on."""
    parameters = inspect.signature(getattr(item, "function", lambda: None)).parameters
    if "after" not in parameters:
        return []
    after = parameters["after"].default
    return [each.__name__ for each in (after if isinstance(after, tuple) else (after,))]
