"""Verdicts for people and for programs: the terminal, and JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from checker.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console, RenderableType

    from checker.course import LabFiles
    from checker.verdict import CheckRecord, LabRecord

MARKS = {
    Verdict.PASSED: ("✓", "green"),
    Verdict.FAILED: ("✗", "red"),
    Verdict.COULD_NOT_CHECK: ("?", "yellow"),
    Verdict.NOT_CHECKED: ("-", "dim"),
}


def print_check(console: Console, record: CheckRecord, lab: LabFiles) -> None:
    """Print one check: its mark and claim, and below it what there is to say where it did not pass."""
    mark, style = MARKS[record.verdict]
    claim = Text.assemble((mark, f"bold {style}"), " ", record.claim)
    if record.verdict is not Verdict.PASSED:
        claim.append(f"  ({record.verdict})", style=style)
    console.print(claim)
    if record.verdict in (Verdict.FAILED, Verdict.COULD_NOT_CHECK):
        console.print(Padding(_explanation(record, lab), (0, 0, 1, 4)))


def print_end(console: Console, record: LabRecord, lab: LabFiles) -> None:
    """Print the verdict of the whole lab."""
    ran = [each for each in record.checks if each.verdict is not Verdict.NOT_CHECKED]
    passed = sum(each.verdict is Verdict.PASSED for each in ran)
    mark, style = MARKS[record.verdict]
    text = Text.assemble((f"{mark} Lab {lab.number}: {record.verdict}", f"bold {style}"))
    text.append(f", {passed} of {len(record.checks)} checks passed in {record.seconds:.1f} s.")
    console.print(text)
    if record.verdict is Verdict.PASSED:
        console.print(f"  Compare with the reference answer: make solution-{lab.number}", style="dim")


def explanation(found: Mapping[str, Any], number: int) -> RenderableType:
    """Return one cell explained: what was expected, predicted and seen, and who decides."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    known = f"by the tables of lab {number}"
    grid.add_row("cell", Text(found["flow"]))
    grid.add_row("expected", Text(f"{found['expected']}, {known}" if found["expected"] else f"nothing {known}"))
    grid.add_row("predicted", Text(found["predicted"] or "the policies say nothing of such a cell"))
    for sentence in found["sides"]:
        grid.add_row("", Text(sentence))
    grid.add_row("seen", Text(found["seen"], style="green" if found["agree"] else "red"))
    for label, text in (("why", found["why"]), ("see it", found["command"])):
        if text:
            grid.add_row(label, Text(text))
    return grid


def to_json(record: LabRecord) -> str:
    """Return the record as JSON: lab, verdict, seconds, and a list of checks with every field."""
    content = {"lab": record.lab, "verdict": record.verdict, "seconds": round(record.seconds, 3)}
    return json.dumps({**content, "checks": [dataclasses.asdict(each) for each in record.checks]}, indent=2)


def _explanation(record: CheckRecord, lab: LabFiles) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in _rows(record, lab):
        table.add_row(label, Text(text))
    return table


def _rows(record: CheckRecord, lab: LabFiles) -> list[tuple[str, str]]:
    rows = [(label, text) for label, text in _facts(record) if text]
    rows += [("", line) for line in record.detail.splitlines()]
    if record.cause:
        rows += [("why", record.cause.why)]
    if command := record.cause.command if record.cause else record.command:
        rows += [("see it", command)]
    if record.cause and record.command and record.command != record.cause.command:
        rows += [("", record.command)]
    if record.mend:
        rows += [("mend it", record.mend)]
    if record.hint:
        rows += [("hint", record.hint), ("", f"more: make hint-{lab.number}")]
    return rows


def _facts(record: CheckRecord) -> list[tuple[str, str]]:
    """Split `FLOW is SEEN, expected OUTCOME` into two lines, so that the eye can compare."""
    fact, comma, expected = record.reason.partition(", expected ")
    if not comma:
        return [("got", record.reason)]
    flow, _, seen = fact.partition(" is ")
    return [("expected", f"{flow} is {expected}"), ("got", f"{flow} is {seen}")]
