"""The proof for people and for programs: one table, JSON and JUnit under build/."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table
from rich.text import Text

from checker import paths
from checker.prove import prove

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from checker.course import LabFiles
    from checker.prove import Proof

TABLE_WIDTH = 130


def run(labs: Sequence[LabFiles], times: int, console: Console) -> int:
    """Prove labs so often in a row, print the table, write build/proof.json and build/proof.xml.

    Returns:
        0 where every answer got what it must, else 1.
    """
    proofs: list[Proof] = []
    for _ in range(times):
        proofs += prove(labs, lambda each: console.print(_line(each)))
    Console(file=console.file, width=max(console.width, TABLE_WIDTH), highlight=False).print(_table(proofs))
    write_json(proofs, paths.BUILD / "proof.json")
    write_junit(proofs, paths.BUILD / "proof.xml")
    passed = sum(each.ok for each in proofs)
    console.print(f"{passed} passed, {len(proofs) - passed} failed", highlight=False)
    return 0 if proofs and passed == len(proofs) else 1


def _line(proof: Proof) -> Text:
    return Text.assemble(_mark(proof), f" {proof.lab} {proof.answer}: {proof.verdict} ({proof.total_seconds:.1f} s)")


def _table(proofs: Sequence[Proof]) -> Table:
    table = Table(title="The proof")
    for heading in ("", "lab", "answer", "expected", "verdict", "reason", "hint", "check, s", "in all, s"):
        table.add_column(heading, justify="right" if heading.endswith(", s") else "left")
    for each in proofs:
        matches = [{True: "yes", False: "NO", None: ""}[word] for word in (each.reason_matched, each.hint_matched)]
        seconds = f"{each.seconds:.1f}", f"{each.total_seconds:.1f}"
        table.add_row(_mark(each), each.lab, each.answer, each.expected, each.verdict, *matches, *seconds)
        if not each.ok:
            table.add_row("", "", Text(each.reason, style="red"))
    return table


def _mark(proof: Proof) -> Text:
    return Text("✓", "green") if proof.ok else Text("✗", "red")


def _fault(proof: Proof) -> str:
    if proof.verdict != proof.expected:
        return f"expected {proof.expected}, got {proof.verdict}"
    return f"{proof.verdict} with another {'reason' if proof.reason_matched is False else 'hint'} than stated"


def write_json(proofs: Sequence[Proof], file: Path) -> None:
    """Write one record an answer."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([{**asdict(each), "ok": each.ok} for each in proofs], indent=2), encoding="utf-8")


def write_junit(proofs: Sequence[Proof], file: Path) -> None:
    """Write the proof as JUnit XML, a test case an answer."""
    failures = sum(not each.ok for each in proofs)
    suite = ElementTree.Element("testsuite", name="proof", tests=str(len(proofs)), failures=str(failures))
    for each in proofs:
        case = ElementTree.SubElement(
            suite, "testcase", classname=each.lab, name=each.answer, time=str(each.total_seconds)
        )
        if not each.ok:
            failure = ElementTree.SubElement(case, "failure", message=_fault(each))
            failure.text = each.reason
    file.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(suite).write(file, encoding="utf-8", xml_declaration=True)
