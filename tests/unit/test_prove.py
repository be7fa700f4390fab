"""The proof: what each answer must get, and that nothing else counts as proven."""

import io
import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from kubernetes.client.exceptions import ApiException
from rich.console import Console

from checker import paths, proof_report, prove
from checker.errors import NotReadyError
from checker.prove import Proof

REFUSED = "client -> web:80 is refused, expected open"


def check(name, verdict, reason="", cause=""):
    return {"name": name, "verdict": verdict, "reason": reason, "cause": {"id": cause} if cause else None}


SCENE = check("check_the_scenario", "passed")
PASSED = ("passed", [SCENE, check("check_it_answers", "passed")])
FAILED = ("failed", [SCENE, check("check_it_answers", "failed", REFUSED, "M1")])
COULD_NOT = ("could not check", [SCENE, check("check_it_answers", "could not check", "The agent ended.")])
CODES = {"passed": 0, "failed": 1, "could not check": 2}


def printed(verdict, checks):
    return json.dumps({"lab": "01-first", "verdict": verdict, "seconds": 0.5, "checks": checks})


class Cluster:
    """Stands in for the lab on a cluster and for the process that checks it.

    Args:
        answers: what the check says after each answer, by the answer's words; after a reset it is the start's.
    """

    def __init__(self, answers):
        self.answers = {"start": FAILED, "solution": PASSED, "also-right/two-labels": PASSED} | answers
        self.state = "nothing"
        self.resets = 0
        self.commands = []

    def lab(self, files, api):
        """Stand in for the class Lab."""
        cluster = self

        class FakeLab:
            def __init__(self):
                self.files, self.api = files, api

            def reset(self):
                cluster.resets += 1
                cluster.state = "start" if cluster.resets < 6 else cluster.answers.get("reset", "start")
                if isinstance(cluster.state, Exception):
                    raise cluster.state

            def apply_answer(self, answer):
                cluster.state = str(answer)
                if isinstance(cluster.answers.get(cluster.state), Exception):
                    raise cluster.answers[cluster.state]

            def stop(self):
                cluster.state = "nothing"

        return FakeLab()

    def run(self, command, **kwargs):
        """Stand in for subprocess.run."""
        self.commands.append((command, kwargs["env"]["DEEP_DIVE_CLUSTER"]))
        said = self.answers.get(self.state, FAILED)
        if callable(said):
            return said(command)
        return subprocess.CompletedProcess(command, CODES[said[0]], printed(*said), "")


class FakeApi:
    """Names the cluster."""

    def __init__(self, cluster):
        self.cluster = cluster or "deep-dive-unit"


@pytest.fixture
def proven(course, monkeypatch):
    """Provide `proven(answers)`: the proofs of the first lab, by answer."""

    def proven(**answers):
        cluster = Cluster({key.replace("__", "/").replace("_", "-"): value for key, value in answers.items()})
        monkeypatch.setattr(prove, "Api", FakeApi)
        monkeypatch.setattr(prove, "Lab", cluster.lab)
        monkeypatch.setattr(prove.subprocess, "run", cluster.run)
        told = []
        found = prove.prove_lab(course.find(1), told.append)
        assert told == found
        assert cluster.state == "nothing", "the lab is taken away at the end"
        proven.cluster = cluster
        return {each.answer: each for each in found}

    return proven


def test_lab_whose_answers_get_what_they_must_is_proven(proven):
    proofs = proven()
    assert list(proofs) == ["start", "wrong/a-folder", "wrong/b-nobody", "also-right/two-labels", "solution", "reset"]
    assert [each.expected for each in proofs.values()] == ["failed", "failed", "failed", "passed", "passed", "failed"]
    assert [each.ok for each in proofs.values()] == [True] * 6
    assert [each.reason_matched for each in proofs.values()] == [None, True, True, None, None, True]
    assert [each.hint_matched for each in proofs.values()] == [None, True, True, None, None, None]
    assert proofs["start"].reason == f"check_it_answers: {REFUSED} [M1]"


def test_every_answer_begins_with_a_fresh_start(proven):
    proven()
    assert proven.cluster.resets == 6


def test_check_runs_as_a_learner_runs_it_on_the_cluster_of_the_proof(proven):
    proven()
    command, cluster = proven.cluster.commands[0]
    assert command == [sys.executable, "-m", "checker", "check", "1", "--json"]
    assert cluster == "deep-dive-unit"


def wrong(name="check_it_answers", reason=REFUSED, cause="M1"):
    return ("failed", [SCENE, check(name, "failed", reason, cause)])


@pytest.mark.parametrize(
    ("said", "reason_matched", "hint_matched"),
    [
        (wrong(reason="client -> web:80 is dropped, expected open"), False, True),
        (wrong(cause="M2"), True, False),
        (wrong(cause=""), True, False),
        (wrong(name="check_the_scenario"), False, True),
        (("failed", [check("check_first", "failed", REFUSED, "M1"), wrong()[1][1]]), False, True),
    ],
    ids=["another reason", "another hint", "no cause", "another check", "another check before it"],
)
def test_wrong_answer_must_fail_at_its_check_for_its_reason_with_its_hint(proven, said, reason_matched, hint_matched):
    proof = proven(wrong__b_nobody=said)["wrong/b-nobody"]
    assert (proof.reason_matched, proof.hint_matched, proof.ok) == (reason_matched, hint_matched, False)


def test_hint_must_have_a_ladder_of_its_own(proven, course, write):
    file = course.find(1).folder / "hints.md"
    write(file, file.read_text(encoding="utf-8").replace("### M1", "### M7"))
    proof = proven()["wrong/b-nobody"]
    assert (proof.reason_matched, proof.hint_matched, proof.ok) == (True, False, False)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("start", PASSED),
        ("wrong__b_nobody", PASSED),
        ("solution", FAILED),
        ("also_right__two_labels", FAILED),
    ],
)
def test_answer_of_the_other_verdict_is_not_proven(proven, answer, said):
    proof = proven(**{answer: said})[answer.replace("__", "/").replace("_", "-")]
    assert not proof.ok
    assert proof.verdict == said[0]


@pytest.mark.parametrize("answer", ["start", "wrong/b-nobody", "also-right/two-labels", "solution"])
def test_could_not_check_is_never_proven(proven, answer):
    proof = proven(**{answer: COULD_NOT})[answer]
    assert (proof.verdict, proof.ok) == ("could not check", False)


def says(code, out="", err=""):
    return lambda command: subprocess.CompletedProcess(command, code, out, err)


def _never_ends(command):
    raise subprocess.TimeoutExpired(command, 180)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (says(2, err="? There is no cluster."), "check 1 ended with 2: ? There is no cluster."),
        (says(0), "check 1 ended with 0"),
        (says(1, printed(*PASSED)), "check 1 says passed but exits with 1"),
        (says(0, printed(*FAILED)), "check 1 says failed but exits with 0"),
        (says(0, printed(*COULD_NOT)), "check 1 says could not check but exits with 0"),
        (_never_ends, "timed out after 180 seconds"),
    ],
    ids=["no JSON", "nothing said", "passed with 1", "failed with 0", "could not with 0", "never ends"],
)
def test_check_that_contradicts_itself_or_says_nothing_is_not_proven(proven, said, reason):
    proofs = proven(solution=said)
    assert (proofs["solution"].verdict, proofs["solution"].ok) == ("could not check", False)
    assert reason in proofs["solution"].reason
    assert proofs["reset"].ok, "the proof goes on"


@pytest.mark.parametrize("error", [NotReadyError("Waited in vain."), ApiException(status=500, reason="x")])
def test_answer_that_cannot_be_applied_is_not_proven_and_the_proof_goes_on(proven, error):
    proofs = proven(wrong__a_folder=error)
    assert (proofs["wrong/a-folder"].verdict, proofs["wrong/a-folder"].ok) == ("could not check", False)
    assert len(proofs) == 6


def test_reset_that_does_not_bring_back_the_start_is_not_proven(proven):
    proof = proven(reset="solution")["reset"]
    assert (proof.verdict, proof.reason_matched, proof.ok) == ("passed", False, False)


def test_reset_that_fails_for_another_reason_is_not_proven(proven):
    proof = proven(reset="left-over", left_over=wrong(cause="M2"))["reset"]
    assert (proof.verdict, proof.reason_matched, proof.ok) == ("failed", False, False)


def test_reset_that_is_refused_is_not_proven(proven):
    proof = proven(reset=NotReadyError("Waited in vain."))["reset"]
    assert (proof.verdict, proof.ok) == ("could not check", False)


def test_labs_that_change_the_cluster_are_proven_alone_after_the_others(course, monkeypatch, write):
    file = course.find(2).folder / "lab.yaml"
    write(file, file.read_text(encoding="utf-8") + "needs: {exclusive: true}\n")
    running, seen = [], []

    def prove_lab(files, _told, cluster):
        running.append(files.number)
        seen.append((files.number, files.needs.exclusive and len(running) > 1, cluster))
        running.remove(files.number)
        return [files.number]

    monkeypatch.setattr(prove, "prove_lab", prove_lab)
    assert prove.prove(course.labs(), print, "c") == [1, 10, 2]
    assert seen[-1] == (2, False, "c")


def proof(answer="solution", expected="passed", verdict="passed", reason_matched=None, hint_matched=None):
    return Proof("01-first", answer, "kind", expected, verdict, "why <&>", reason_matched, hint_matched, 0.5, 4.25)


GOOD = proof()
WRONG = proof("wrong/a", "failed", "failed", reason_matched=True, hint_matched=False)


def test_json_is_a_record_for_each_answer(tmp_path):
    file = tmp_path / "build" / "proof.json"
    proof_report.write_json([GOOD, WRONG], file)
    first, second = json.loads(file.read_text(encoding="utf-8"))
    wanted = "lab answer kind expected verdict reason reason_matched hint_matched seconds total_seconds ok"
    assert list(first) == wanted.split()
    assert (first["answer"], first["ok"], second["answer"], second["ok"]) == ("solution", True, "wrong/a", False)
    assert (second["reason_matched"], second["hint_matched"], second["total_seconds"]) == (True, False, 4.25)


def test_junit_is_a_test_case_for_each_answer(tmp_path):
    file = tmp_path / "build" / "proof.xml"
    proof_report.write_junit([GOOD, WRONG], file)
    suite = ElementTree.parse(file).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    cases = [(each.get("classname"), each.get("name"), each.get("time")) for each in suite.iter("testcase")]
    assert cases == [("01-first", "solution", "4.25"), ("01-first", "wrong/a", "4.25")]
    failures = [(each.get("message"), each.text) for each in suite.iter("failure")]
    assert failures == [("failed with another hint than stated", "why <&>")]


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (proof(verdict="failed"), "expected passed, got failed"),
        (proof("wrong/a", "failed", "could not check", False, False), "expected failed, got could not check"),
        (proof("wrong/a", "failed", "failed", False, False), "failed with another reason than stated"),
    ],
)
def test_junit_failure_says_what_was_otherwise(tmp_path, faulty, message):
    proof_report.write_junit([faulty], tmp_path / "proof.xml")
    (failure,) = ElementTree.parse(tmp_path / "proof.xml").iter("failure")
    assert failure.get("message") == message


@pytest.fixture
def report(tmp_path, monkeypatch):
    """Provide `report(proofs, times)`: the exit code of a proof that found these, and what it printed."""

    def report(proofs, times=1):
        monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
        monkeypatch.setattr(proof_report, "prove", lambda _labs, told: [told(each) or each for each in proofs])
        out = io.StringIO()
        return proof_report.run([], times, Console(file=out, width=160)), out.getvalue()

    return report


@pytest.mark.parametrize(
    ("proofs", "code", "last"),
    [
        ([GOOD, GOOD], 0, "2 passed, 0 failed"),
        ([GOOD, WRONG], 1, "1 passed, 1 failed"),
        ([proof(verdict="could not check")], 1, "0 passed, 1 failed"),
        ([], 1, "0 passed, 0 failed"),
    ],
    ids=["all", "not all", "could not check", "nothing ran"],
)
def test_exit_code_is_0_only_where_every_answer_is_proven(report, proofs, code, last):
    found, out = report(proofs)
    assert found == code
    assert out.splitlines()[-1] == last
    assert len(json.loads((paths.BUILD / "proof.json").read_text(encoding="utf-8"))) == len(proofs)
    assert (paths.BUILD / "proof.xml").is_file()


def test_table_shows_what_did_not_match_and_why(report):
    _, out = report([GOOD, WRONG])
    (row,) = [line for line in out.splitlines() if "wrong/a" in line and "NO" in line]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        "✗",
        "01-first",
        "wrong/a",
        "failed",
        "failed",
        "yes",
        "NO",
        "0.5",
        "4.2",
    ]
    assert "why <&>" in out


def test_proof_in_a_row_counts_each_time(report):
    code, out = report([GOOD], times=3)
    assert code == 0
    assert out.splitlines()[-1] == "3 passed, 0 failed"
