"""The command line from outside, without a cluster: every refusal is one sentence, what mends it, and exit code 2."""

import json
import os
import subprocess
import sys

import pytest

from checker import cli, paths
from checker.course import Course
from checker.errors import ClusterError

CLUSTER = "absent"


@pytest.fixture
def run(tmp_path):
    """Provide `run(*words)`, which runs the checker in a process of its own, far from the user's cache and cluster."""

    def run(*words, **variables):
        own = {"DEEP_DIVE_CACHE": str(tmp_path / "cache"), "DEEP_DIVE_CLUSTER": CLUSTER, "COLUMNS": "80"}
        environment = {**os.environ, **own, **variables}
        command = [sys.executable, "-m", "checker", *words]
        return subprocess.run(command, cwd=paths.ROOT, env=environment, capture_output=True, text=True, timeout=60)

    return run


def refusal(done):
    """Return the sentence and the mending command of a refusal, having made sure that it is nothing more."""
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == 2
    assert done.stdout == ""
    sentence, mend = done.stderr.splitlines()
    assert sentence.startswith("? ")
    assert sentence.endswith(".")
    assert mend.startswith("  Run: ")
    return sentence.removeprefix("? "), mend.removeprefix("  Run: ")


@pytest.mark.parametrize("verb", ["start", "check", "hint", "reset", "stop", "solution", "prove"])
def test_unknown_lab_is_answered_with_those_there_are(run, verb):
    there = ", ".join(str(lab.number) for lab in Course().labs())
    assert refusal(run(verb, "99")) == (f"There is no lab 99; there are: {there}.", "make")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["check", "abc"], "'number'"),
        (["check", "0"], "'number'"),
        (["check", "3.5"], "'number'"),
        (["check"], "Missing argument 'number'"),
        (["hint", "1", "2"], "2"),
        (["frobnicate"], "No such command 'frobnicate'"),
        (["check", "--fast", "3"], "No such option: --fast"),
        (["prove", "--times", "0"], "--times"),
    ],
)
def test_what_is_not_understood_is_said_in_one_sentence(run, words, part):
    sentence, mend = refusal(run(*words))
    assert part in sentence
    assert mend == "make"


@pytest.mark.parametrize("words", [["check", "3"], ["check", "3", "--json"], ["reset", "3"], ["stop", "3"]])
def test_without_a_cluster_nothing_is_checked(run, words):
    sentence, mend = refusal(run(*words))
    assert CLUSTER in sentence or "Docker" in sentence
    assert mend.startswith(("make ", "sudo "))


def test_status_without_a_cluster_says_so(run):
    done = run("status")
    assert done.returncode == 2
    assert "Traceback" not in done.stdout + done.stderr
    assert CLUSTER in done.stdout or "Docker" in done.stderr


def test_hint_before_a_check_asks_for_the_check(run):
    assert refusal(run("hint", "3")) == ("There is no failed check of lab 3 to give a hint for.", "make check-3")


def keep(tmp_path, content):
    folder = tmp_path / "cache" / "clusters" / CLUSTER
    folder.mkdir(parents=True)
    (folder / f"hints-{Course().find(3).stem}.json").write_text(content, encoding="utf-8")


def test_each_call_for_a_hint_shows_one_more_rung(run, tmp_path):
    rungs = Course().find(3).hints.ladder("check_the_service_answers", "M1")
    keep(tmp_path, json.dumps({"check": "check_the_service_answers", "cause": "M1", "rungs": 1}))
    for shown in (*range(2, len(rungs) + 1), len(rungs)):
        done = run("hint", "3")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("Hint ") == shown
        assert " ".join(rungs[shown - 1].split()) in " ".join(done.stdout.split())
        assert ("make solution-3" in done.stdout) is (shown == len(rungs))


def test_torn_record_of_hints_counts_as_none(run, tmp_path):
    keep(tmp_path, "{")
    assert refusal(run("hint", "3"))[1] == "make check-3"


@pytest.mark.parametrize("lab", Course().labs(), ids=lambda lab: lab.stem)
def test_solution_is_printed_as_it_stands_in_its_files(run, lab):
    done = run("solution", str(lab.number))
    assert (done.returncode, done.stderr) == (0, "")
    for file in lab.solution.path.glob("*.yaml"):
        assert file.read_text(encoding="utf-8").strip() in done.stdout, "no line may be wrapped or marked up"


def test_help_names_every_verb(run):
    done = run("--help")
    assert done.returncode == 0
    for verb in ("start", "check", "hint", "reset", "stop", "solution", "status", "doctor", "up", "down", "prove"):
        assert f" {verb} " in done.stdout


def test_call_without_a_verb_shows_the_help_and_does_nothing(run):
    done = run()
    assert done.returncode == 2
    assert "Usage" in done.stdout + done.stderr
    assert "? ." not in done.stderr


def _stop(number):
    raise KeyboardInterrupt(number)


def _full(number):
    raise OSError(28, f"No space left on device {number}")


def _refuse(number):
    raise ClusterError("The cluster is stopped: [red]all[/] of it.", f"make lab-{number}")


@pytest.mark.parametrize(
    ("happens", "sentence", "mend"),
    [
        (_stop, "Stopped. Nothing of yours is lost; the same command carries on.", ""),
        (_full, "There is no disk space left.", "make doctor"),
        (_refuse, "The cluster is stopped: [red]all[/] of it.", "make lab-3"),
    ],
    ids=["Ctrl-C", "full disk", "cluster error"],
)
def test_what_happens_in_the_middle_of_a_command_is_one_sentence(monkeypatch, capsys, happens, sentence, mend):
    monkeypatch.setattr(cli, "_lab", happens)
    monkeypatch.setattr(sys, "argv", ["checker", "check", "3"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [f"? {sentence}", *([f"  Run: {mend}"] if mend else [])]
