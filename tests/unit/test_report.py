"""Reports: what a learner reads of a check, and what a program gets."""

import io
import json

import pytest
from rich.console import Console

from checker import report
from checker.verdict import Cause, CheckRecord, LabRecord, Verdict

CAUSE = Cause("M1", "The Service selects `app=api`. No Pod has it.", "kubectl -n lab-03 get pods --show-labels")
FAILED = CheckRecord(
    name="check_it_answers",
    claim="The Service answers.",
    verdict=Verdict.FAILED,
    reason="client -> clusterip/web:80 is refused, expected open",
    detail="client -> http://web is refused, expected open\nclient -> http://web.lab-03 is refused, expected open",
    command="kubectl -n lab-03 exec client-x -- curl -sS -m 2 http://10.96.0.7:80/hostname",
    cause=CAUSE,
    hint="Look at the endpoints.",
)
UNCAUSED = CheckRecord("check_b", "B holds.", Verdict.FAILED, "b is never answered by b-1", command="kubectl get pods")
COULD_NOT = CheckRecord("check_c", "C holds.", Verdict.COULD_NOT_CHECK, "The agent ended.", mend="make status")
LEFT_OUT = CheckRecord("check_d", "D holds.", Verdict.NOT_CHECKED, "another check comes first")
PASSED = CheckRecord("check_e", "E holds.", Verdict.PASSED, seconds=0.25)


@pytest.fixture
def printed(course):
    """Provide `printed(record)`: the lines that a check or a whole lab prints, as (label, text) where there is one."""

    def printed(record):
        out = io.StringIO()
        show = report.print_end if isinstance(record, LabRecord) else report.print_check
        show(Console(file=out, width=100), record, course.find(10))
        return out.getvalue().splitlines()

    return printed


def rows(lines):
    """Return the lines below a claim as a label and a text."""
    return [tuple(part.strip() for part in line.strip().partition("  ")[::2]) for line in lines[1:] if line.strip()]


def test_failure_says_expected_got_why_how_to_see_it_and_the_hint(printed):
    lines = printed(FAILED)
    assert lines[0] == "✗ The Service answers.  (failed)"
    assert rows(lines) == [
        ("expected", "client -> clusterip/web:80 is open"),
        ("got", "client -> clusterip/web:80 is refused"),
        ("client -> http://web is refused, expected open", ""),
        ("client -> http://web.lab-03 is refused, expected open", ""),
        ("why", "The Service selects `app=api`. No Pod has it."),
        ("see it", "kubectl -n lab-03 get pods --show-labels"),
        ("or", "kubectl -n lab-03 exec client-x -- curl -sS -m 2 http://10.96.0.7:80/hostname"),
        ("hint", "Look at the endpoints."),
        ("more", "make hint-10"),
    ]


def test_expected_and_got_begin_in_the_same_column(printed):
    lines = printed(FAILED)
    assert lines[1].index("client") == lines[2].index("client")


def test_failure_of_no_recognised_cause_gives_no_reason_why(printed):
    assert rows(printed(UNCAUSED)) == [("got", "b is never answered by b-1"), ("see it", "kubectl get pods")]


def test_command_that_is_the_cause_s_own_is_printed_once(printed):
    same = CheckRecord("check_a", "A.", Verdict.FAILED, "a", command=CAUSE.command, cause=CAUSE)
    assert sum(CAUSE.command in line for line in printed(same)) == 1


def test_what_could_not_be_checked_says_why_and_what_mends_it(printed):
    lines = printed(COULD_NOT)
    assert lines[0] == "? C holds.  (could not check)"
    assert rows(lines) == [("got", "The agent ended."), ("mend it", "make status")]


@pytest.mark.parametrize(("record", "line"), [(PASSED, "✓ E holds."), (LEFT_OUT, "- D holds.  (not checked)")])
def test_what_passed_or_was_left_out_is_one_line(printed, record, line):
    assert printed(record) == [line]


def test_brackets_in_a_reason_are_no_markup(printed):
    record = CheckRecord(
        "check_a", "A [bold]holds[/].", Verdict.FAILED, "got [red]3[/], expected [1, 2]", hint="[x] :smile:"
    )
    text = "\n".join(printed(record))
    assert "A [bold]holds[/]." in text
    assert "[red]3[/]" in text
    assert "[x] :smile:" in text


@pytest.mark.parametrize(
    ("checks", "lines"),
    [
        ([PASSED], ["✓ Lab 10: passed, 1 of 1 checks passed in 1.2 s.", "make solution-10"]),
        ([PASSED, FAILED, LEFT_OUT], ["✗ Lab 10: failed, 1 of 3 checks passed in 1.2 s."]),
        ([PASSED, COULD_NOT], ["? Lab 10: could not check, 1 of 2 checks passed in 1.2 s."]),
        ([], ["? Lab 10: could not check, 0 of 0 checks passed in 1.2 s."]),
    ],
)
def test_end_gives_the_verdict_of_the_whole(printed, checks, lines):
    found = printed(LabRecord("10-last", checks, 1.24))
    assert len(found) == len(lines)
    assert all(wanted in line for wanted, line in zip(lines, found, strict=True))


def test_json_holds_every_field():
    content = json.loads(report.to_json(LabRecord("10-last", [PASSED, FAILED, COULD_NOT], 1.23456)))
    assert content.keys() == {"lab", "verdict", "seconds", "checks"}
    assert (content["lab"], content["verdict"], content["seconds"]) == ("10-last", "could not check", 1.235)
    assert [each["verdict"] for each in content["checks"]] == ["passed", "failed", "could not check"]
    assert content["checks"][1] == {
        "name": "check_it_answers",
        "claim": "The Service answers.",
        "verdict": "failed",
        "reason": FAILED.reason,
        "detail": FAILED.detail,
        "mend": None,
        "command": FAILED.command,
        "cells": [],
        "cause": {"id": "M1", "why": CAUSE.why, "command": CAUSE.command},
        "hint": "Look at the endpoints.",
        "seconds": 0.0,
    }
    assert content["checks"][2]["mend"] == "make status"
    assert content["checks"][0]["cause"] is None


def test_every_verdict_has_a_mark_of_its_own():
    marks = [mark for mark, _ in report.MARKS.values()]
    assert report.MARKS.keys() == set(Verdict)
    assert len(marks) == len(set(marks)), "colour alone would not tell them apart"


GRID = CheckRecord(
    "check_table",
    "Only the frontend gets in.",
    Verdict.FAILED,
    "stranger -> web:80 is open, expected dropped",
    detail="frontend -> web:90 is dropped, expected open",
    cells=(
        ("frontend", "web:80", "open", "open"),
        ("frontend", "web:90", "open", "dropped"),
        ("stranger", "web:80", "dropped", "open"),
    ),
)


def test_table_is_drawn_and_only_its_differing_cells_say_what_was_expected(printed):
    lines = printed(GRID)
    assert [line.split() for line in lines[1:4]] == [
        ["web:80", "web:90"],
        ["frontend", "open", "✗", "dropped,", "not", "open"],
        ["stranger", "✗", "open,", "not", "dropped", "-"],
    ]
    assert not any("frontend -> web:90" in line for line in lines)


def test_table_too_wide_for_the_terminal_is_told_cell_by_cell(course):
    out = io.StringIO()
    report.print_check(Console(file=out, width=40), GRID, course.find(10))
    assert "frontend -> web:90 is dropped" in " ".join(out.getvalue().split())


def test_table_of_a_single_row_is_told_in_words():
    assert report.grid_of(CheckRecord("a", "A.", Verdict.FAILED, cells=(("a", "b:1", "open", "refused"),))) is None
