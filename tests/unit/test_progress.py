"""Progress with hints: kept while the same fault remains, begun anew with another."""

import pytest

from checker import paths, progress
from checker.progress import Progress
from checker.verdict import Cause, CheckRecord, Verdict


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEP_DIVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DEEP_DIVE_CLUSTER", "deep-dive-unit")


def failure(name="check_a", cause="M1"):
    return CheckRecord(name, "A claim.", Verdict.FAILED, cause=Cause(cause, "why", "see") if cause else None)


@pytest.mark.parametrize(
    ("before", "failed", "after"),
    [
        (Progress(), failure(), Progress("check_a", "M1", 1)),
        (Progress("check_a", "M1", 3), failure(), Progress("check_a", "M1", 3)),
        (Progress("check_a", "M1", 3), failure(cause="M2"), Progress("check_a", "M2", 1)),
        (Progress("check_a", "M1", 3), failure(cause=""), Progress("check_a", "", 1)),
        (Progress("check_a", "M1", 3), failure(name="check_b"), Progress("check_b", "M1", 1)),
        (Progress("check_a", "", 2), failure(cause=""), Progress("check_a", "", 2)),
        (Progress("check_a", "M1", 3), None, Progress()),
    ],
)
def test_rungs_stay_seen_while_the_same_fault_remains(before, failed, after):
    assert before.after(failed) == after


def test_progress_is_kept_for_each_lab():
    progress.save("01-a", Progress("check_a", "M1", 2))
    progress.save("03-b", Progress("check_b", "", 1))
    assert progress.load("01-a") == Progress("check_a", "M1", 2)
    assert progress.load("03-b") == Progress("check_b", "", 1)


def test_progress_is_kept_for_each_cluster(monkeypatch):
    progress.save("01-a", Progress("check_a", "M1", 2))
    monkeypatch.setenv("DEEP_DIVE_CLUSTER", "another")
    assert progress.load("01-a") == Progress()


def test_nothing_kept_is_no_failure_yet():
    assert progress.load("01-a") == Progress()


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '{"rung": 1}', "null", "7"])
def test_file_that_is_torn_counts_as_nothing_kept(content):
    progress.save("01-a", Progress("check_a", "M1", 2))
    (paths.cluster_dir() / "hints-01-a.json").write_text(content, encoding="utf-8")
    assert progress.load("01-a") == Progress()
