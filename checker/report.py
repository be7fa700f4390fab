"""Verdicts for people and for programs: the terminal, and JSON."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from checker.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.console import Console, RenderableType

    from checker.course import LabFiles
    from checker.verdict import CheckRecord, LabRecord

INDENT = 4
MOST_LINES = 8
COMMANDS = ("see it", "or", "mend it", "more")
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
        grid = grid_of(record)
        drawn = grid is not None and _width(console, grid) + INDENT <= console.width
        if grid and drawn:
            console.print(Padding(grid, (0, 0, 0, INDENT)))
        for row in _rows(record, lab, with_detail=not drawn):
            _print_row(console, *row)
        console.print()


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


def save_picture(console: Console, file: Path, title: str) -> None:
    """Write what a recording console printed as an SVG picture, without the web font that rich would have it load."""
    picture = console.export_svg(title=title)
    file.write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL), encoding="utf-8")


def grid_of(record: CheckRecord) -> Table | None:
    """Return a check's table as packets saw it, the differing cells in words and colour; None where it is small."""
    sources = list(dict.fromkeys(source for source, *_ in record.cells))
    targets = list(dict.fromkeys(target for _, target, *_ in record.cells))
    if len(sources) < 2 or len(targets) < 2:
        return None
    cells = {(source, target): _cell(expected, seen) for source, target, expected, seen in record.cells}
    grid = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    grid.add_column("")
    for target in targets:
        grid.add_column(Text(target), no_wrap=True)
    for source in sources:
        grid.add_row(Text(source), *(cells.get((source, target), Text("-", "dim")) for target in targets))
    return grid


def _width(console: Console, grid: Table) -> int:
    """Return the columns that a table takes where nothing is cut off."""
    return Measurement.get(console, console.options.update(width=10_000), grid).maximum


def _cell(expected: str, seen: str) -> Text:
    return Text(seen) if seen == expected else Text(f"✗ {seen}, not {expected}", "bold red")


def _print_row(console: Console, label: str, text: str) -> None:
    """Print a label and its text; texts are folded below themselves, commands stay on one line, to be copied."""
    if label in COMMANDS:
        console.print(Text.assemble(" " * 4, (f"{label:10}", "bold"), text), soft_wrap=True)
        return
    table = Table.grid()
    table.add_column(width=14, no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    table.add_row(f"    {label}", Text(text))
    console.print(table)


def _rows(record: CheckRecord, lab: LabFiles, *, with_detail: bool) -> list[tuple[str, str]]:
    rows = [(label, text) for label, text in _facts(record) if text]
    if with_detail:
        lines = record.detail.splitlines()
        rows += [("", line) for line in lines[:MOST_LINES]]
        if len(lines) > MOST_LINES:
            rows += [("", f"and {len(lines) - MOST_LINES} more; see them all: --json")]
    if record.cause:
        rows += [("why", record.cause.why)]
    if command := record.cause.command if record.cause else record.command:
        rows += [("see it", command)]
    if record.cause and record.command and record.command != record.cause.command:
        rows += [("or", record.command)]
    if record.mend:
        rows += [("mend it", record.mend)]
    if record.hint:
        rows += [("hint", record.hint), ("more", f"make hint-{lab.number}")]
    return rows


def _facts(record: CheckRecord) -> list[tuple[str, str]]:
    """Split `FLOW is SEEN, expected OUTCOME` into two lines, so that the eye can compare."""
    fact, comma, expected = record.reason.partition(", expected ")
    if not comma:
        return [("got", record.reason)]
    flow, _, seen = fact.partition(" is ")
    return [("expected", f"{flow} is {expected}"), ("got", f"{flow} is {seen}")]
