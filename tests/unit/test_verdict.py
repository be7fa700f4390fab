"""Verdicts: what many checks amount to, and the exit code that follows."""

import pytest

from checker.verdict import CheckRecord, LabRecord, Verdict

PASSED, FAILED, COULD_NOT, LEFT_OUT = Verdict


def lab(*verdicts):
    return LabRecord("03-clusterip", [CheckRecord(f"check_{n}", "A claim.", each) for n, each in enumerate(verdicts)])


@pytest.mark.parametrize(
    ("verdicts", "whole", "code"),
    [
        ([PASSED], PASSED, 0),
        ([PASSED, PASSED], PASSED, 0),
        ([PASSED, FAILED], FAILED, 1),
        ([FAILED, PASSED], FAILED, 1),
        ([FAILED, LEFT_OUT], FAILED, 1),
        ([PASSED, COULD_NOT], COULD_NOT, 2),
        ([FAILED, COULD_NOT], COULD_NOT, 2),
        ([COULD_NOT, FAILED, PASSED, LEFT_OUT], COULD_NOT, 2),
        ([], COULD_NOT, 2),
        ([LEFT_OUT], COULD_NOT, 2),
        ([PASSED, LEFT_OUT], COULD_NOT, 2),
    ],
)
def test_a_lab_passes_only_when_every_check_passed(verdicts, whole, code):
    record = lab(*verdicts)
    assert (record.verdict, record.exit_code) == (whole, code)


@pytest.mark.parametrize(
    ("verdicts", "name"),
    [
        ([PASSED, LEFT_OUT, FAILED, COULD_NOT], "check_2"),
        ([PASSED, COULD_NOT, FAILED], "check_1"),
        ([PASSED, LEFT_OUT], None),
        ([], None),
    ],
)
def test_first_failure_is_the_first_that_ran_and_did_not_pass(verdicts, name):
    failure = lab(*verdicts).first_failure
    assert (failure.name if failure else None) == name


def test_verdicts_read_as_words():
    assert [str(each) for each in Verdict] == ["passed", "failed", "could not check", "not checked"]
