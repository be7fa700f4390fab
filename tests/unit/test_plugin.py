"""The pytest plugin: real runs of check files, over a lab that is not on any cluster."""

import inspect
import json
import time
from pathlib import Path
from textwrap import dedent

import pytest
from kubernetes.client.exceptions import ApiException

from checker import plugin
from checker.diagnose import Snapshot, Subject
from checker.errors import CheckFailed, ClusterError, ContentError, NotReadyError, ProbeError, UsageError
from checker.plugin import ENFORCEMENT_CHECK, SCENARIO_CHECK, run_checks
from checker.traffic import Target
from checker.verdict import Verdict

PASSED, FAILED, COULD_NOT, LEFT_OUT = Verdict


class FakeLab:
    """A started lab of the fixture course."""

    def __init__(self, files, changes=(), refusal=None):
        self.files = files
        self.changes = list(changes)
        self.refusal = refusal

    def require_started(self):
        if self.refusal:
            raise self.refusal

    def scenario_changes(self):
        return self.changes


class FakeLive:
    """What checks ask; each word of the lab is an answer of its own."""

    entered = 0
    snapshot_error = None

    def __init__(self, lab):
        self.lab = lab

    def __enter__(self):
        FakeLive.entered += 1
        return self

    def __exit__(self, *_):
        FakeLive.entered -= 1

    api = prober = None

    def begin(self):
        pass

    def answers(self):
        return 3

    def fails(self):
        subject = Subject(Target.parse("clusterip/web:80"))
        raise CheckFailed("client -> web:80 is refused, expected open", "and more", (subject,), "kubectl get services")

    def fails_without_a_cause(self):
        raise CheckFailed("something else")

    def cannot_probe(self):
        raise ProbeError("The agent on worker ended.")

    def cannot_reach(self):
        raise ClusterError("The cluster is stopped.", "make up")

    def waits_in_vain(self):
        raise NotReadyError("Waited 20 s for new Pods, in vain.")

    def is_refused(self):
        raise ApiException(status=403, reason="Forbidden")

    def snapshot(self):
        if self.snapshot_error:
            raise self.snapshot_error
        service = {
            "metadata": {"name": "web", "namespace": "lab-01"},
            "spec": {"selector": {"app": "nobody"}, "ports": [{"port": 80}]},
        }
        return Snapshot("lab-01", services=[service])


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch):
    monkeypatch.setattr(plugin, "LiveLab", FakeLive)
    monkeypatch.setattr(FakeLive, "entered", 0)


@pytest.fixture
def check(course):
    """Provide `check(text)`, which runs the text as the first lab's check_lab.py and returns the lab's record."""

    def check(text, on_record=lambda _: None, number=1, **lab):
        files = course.find(number)
        files.check_file.write_text(dedent(text), encoding="utf-8")
        record = run_checks(FakeLab(files, **lab), on_record)
        assert FakeLive.entered == 0, "the prober is let go, whatever came of the checks"
        return record

    return check


def one(body):
    """Return a check file with one check."""
    return f'def check_it_answers(lab):\n    """The web Pod answers.\n\n    More.\n    """\n    {body}\n'


ENDINGS = {
    "nothing to say": ("lab.answers()", PASSED, "", None, 0),
    "CheckFailed": ("lab.fails()", FAILED, "client -> web:80 is refused, expected open", None, 1),
    "a plain assert": ("assert lab.answers() == 4", FAILED, "assert 3 == 4", None, 1),
    "an assert that says why": ("assert lab.answers() == 4, 'only three'", FAILED, "only three", None, 1),
    "AssertionError": ("raise AssertionError", FAILED, "it does not hold", None, 1),
    "ProbeError": ("lab.cannot_probe()", COULD_NOT, "The agent on worker ended.", "make status", 2),
    "ClusterError": ("lab.cannot_reach()", COULD_NOT, "The cluster is stopped.", "make up", 2),
    "NotReadyError": ("lab.waits_in_vain()", COULD_NOT, "Waited 20 s for new Pods, in vain.", None, 2),
    "ApiException": ("lab.is_refused()", COULD_NOT, "The API server says 403 Forbidden.", "make status", 2),
    "a fault of the check": ("1 / 0", COULD_NOT, "broken: ZeroDivisionError: division by zero", None, 2),
    "a name that is nowhere": ("lab.nonsense()", COULD_NOT, "broken: AttributeError", None, 2),
    "an exit": ("raise SystemExit(0)", COULD_NOT, "broken: SystemExit", None, 2),
}


@pytest.mark.parametrize(("body", "verdict", "reason", "mend", "code"), ENDINGS.values(), ids=ENDINGS.keys())
def test_verdict_follows_from_how_a_check_ends(check, body, verdict, reason, mend, code):
    record = check(one(body))
    scenario, found = record.checks
    assert (scenario.name, scenario.verdict) == (SCENARIO_CHECK, PASSED)
    assert (found.name, found.claim) == ("check_it_answers", "The web Pod answers.")
    assert (found.verdict, found.mend) == (verdict, mend)
    assert reason in found.reason
    assert bool(reason) == bool(found.reason)
    assert "\n" not in found.reason
    assert (record.lab, record.verdict, record.exit_code) == ("01-first", verdict, code)


def test_failure_brings_detail_command_cause_and_the_hint_of_the_cause(check):
    found = check(one("lab.fails()")).checks[-1]
    assert (found.detail, found.command) == ("and more", "kubectl get services")
    assert (found.cause.id, found.hint) == ("M1", "Compare the labels.")


@pytest.mark.parametrize("body", ["lab.fails_without_a_cause()", "assert lab.answers() == 4"])
def test_failure_of_no_recognised_cause_gets_the_general_hint(check, body):
    found = check(one(body)).checks[-1]
    assert (found.cause, found.hint) == (None, "Look at who answers.")


@pytest.mark.parametrize("error", [ProbeError("gone"), ApiException(status=500, reason="x"), ClusterError("gone")])
def test_failure_stands_where_its_cause_cannot_be_looked_for(check, monkeypatch, error):
    monkeypatch.setattr(FakeLive, "snapshot_error", error)
    found = check(one("lab.fails()")).checks[-1]
    assert (found.verdict, found.cause, found.hint) == (FAILED, None, "Look at who answers.")


@pytest.mark.parametrize("body", ["lab.cannot_probe()", "1 / 0"])
def test_what_could_not_be_checked_gets_neither_hint_nor_cause(check, body):
    found = check(one(body)).checks[-1]
    assert (found.cause, found.hint) == (None, "")


CHAIN = """
    def check_a(lab):
        \"\"\"A holds.\"\"\"
        {a}

    def check_b(lab, after=check_a):
        \"\"\"B holds.\"\"\"
        {b}

    def check_c(lab, after=check_b):
        \"\"\"C holds.\"\"\"

    def check_alone(lab):
        \"\"\"Alone holds.\"\"\"

    def check_both(lab, after=(check_alone, check_b)):
        \"\"\"Both hold.\"\"\"
"""
HOLDS = "lab.answers()"


@pytest.mark.parametrize(
    ("a", "b", "verdicts", "code"),
    [
        (HOLDS, HOLDS, [PASSED, PASSED, PASSED, PASSED, PASSED], 0),
        ("lab.fails()", HOLDS, [FAILED, LEFT_OUT, LEFT_OUT, PASSED, LEFT_OUT], 1),
        (HOLDS, "lab.fails()", [PASSED, FAILED, LEFT_OUT, PASSED, LEFT_OUT], 1),
        ("lab.cannot_probe()", HOLDS, [COULD_NOT, LEFT_OUT, LEFT_OUT, PASSED, LEFT_OUT], 2),
        ("lab.fails()", "1 / 0", [FAILED, LEFT_OUT, LEFT_OUT, PASSED, LEFT_OUT], 1),
    ],
)
def test_check_is_left_out_where_one_that_it_comes_after_did_not_pass(check, a, b, verdicts, code):
    record = check(CHAIN.format(a=a, b=b))
    names = ["check_a", "check_b", "check_c", "check_alone", "check_both"]
    assert [(each.name, each.verdict) for each in record.checks[1:]] == list(zip(names, verdicts, strict=True))
    assert record.exit_code == code
    assert {each.reason for each in record.checks if each.verdict is LEFT_OUT} <= {"another check comes first"}


@pytest.mark.parametrize(
    "text",
    [
        "import pytest\n" + one("pytest.skip('not today')"),
        "def helper():\n    pass\n\ndef check_it_answers(lab, after=helper):\n    '''It answers.'''\n",
        "import pytest\n@pytest.mark.skip\n" + one("lab.fails()"),
    ],
    ids=["skips itself", "comes after what is no check", "is marked"],
)
def test_check_that_is_silently_left_out_is_no_pass(check, text):
    record = check(text)
    assert (record.verdict, record.exit_code) == (COULD_NOT, 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "The lab has no checks."),
        ("def test_it(lab):\n    pass\n", "The lab has no checks."),
        ("def check_it(lab)\n    pass\n", "SyntaxError"),
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise RuntimeError('while it was read')\n", "RuntimeError: while it was read"),
    ],
    ids=["empty", "no check", "syntax error", "import error", "error in the file"],
)
def test_file_without_a_check_that_ran_could_not_be_checked(check, text, reason):
    record = check(text)
    assert record.checks[-1].verdict is COULD_NOT
    assert reason in record.checks[-1].reason
    assert (record.verdict, record.exit_code) == (COULD_NOT, 2)


def test_missing_check_file_could_not_be_checked(course):
    files = course.find(1)
    files.check_file.unlink()
    record = run_checks(FakeLab(files))
    assert (record.verdict, record.exit_code) == (COULD_NOT, 2)


def test_unknown_fixture_could_not_be_checked(check):
    record = check("def check_it(lab, lba):\n    '''It holds.'''\n")
    assert record.checks[-1].verdict is COULD_NOT
    assert "lba" in record.checks[-1].reason


def test_interruption_is_passed_on(check):
    records = []
    with pytest.raises(KeyboardInterrupt):
        check(one("raise KeyboardInterrupt"), records.append)
    assert [each.name for each in records] == [SCENARIO_CHECK]
    assert FakeLive.entered == 0


def test_records_are_told_one_by_one_as_they_are_made(check):
    told = []
    record = check(CHAIN.format(a=HOLDS, b="lab.fails()"), told.append)
    assert told == list(record.checks)


def test_changed_scenario_fails_and_no_other_check_runs(check):
    record = check(one("raise KeyboardInterrupt"), changes=["pod/a is gone", "pod/b is gone"])
    (found,) = record.checks
    assert (found.name, found.verdict, found.cause.id) == (SCENARIO_CHECK, FAILED, "scenario")
    assert (found.reason, found.detail, found.cause.command) == ("pod/a is gone", "pod/b is gone", "make reset-1")
    assert record.exit_code == 1


def test_lab_that_is_not_started_is_not_checked_at_all(check):
    records = []
    with pytest.raises(UsageError):
        check(one(HOLDS), records.append, refusal=UsageError("Lab 1 is not started."))
    assert records == []


def test_check_files_of_the_same_name_do_not_clash(check):
    first = check("WORD = 'one'\n" + one("assert WORD == 'one'"), number=1)
    second = check("WORD = 'two'\n" + one("assert WORD == 'two'"), number=2)
    again = check("WORD = 'one'\n" + one("assert WORD == 'one'"), number=1)
    assert [each.exit_code for each in (first, second, again)] == [0, 0, 0]


def test_changed_check_file_is_read_anew(check):
    assert check(one(HOLDS)).exit_code == 0
    assert check(one("lab.fails()")).exit_code == 1


def test_nothing_is_printed_by_a_run(check, capfd):
    check(one("print('from the check'); lab.fails()"))
    assert capfd.readouterr() == ("", "")


def test_settings_of_the_learners_own_pytest_do_not_matter(check, course, monkeypatch):
    (course.folder.parent / "conftest.py").write_text("raise RuntimeError('not ours')\n", encoding="utf-8")
    (course.folder.parent / "pytest.ini").write_text("[pytest]\npython_functions = nothing_*\n", encoding="utf-8")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only -k nothing")
    monkeypatch.chdir(course.folder.parent)
    assert check(one(HOLDS)).exit_code == 0


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (ContentError("A file is malformed."), COULD_NOT),
        (OSError("disk"), COULD_NOT),
        (CheckFailed("a is open"), FAILED),
        (AssertionError("assert 1 == 2\n + more"), FAILED),
        (None, PASSED),
    ],
)
def test_judgement_gives_one_line(error, verdict):
    found, reason, _, _ = plugin.judge(error)
    assert found is verdict
    assert "\n" not in reason


def test_ini_is_shipped_with_the_package():
    assert plugin.INI.is_file()
    assert Path(inspect.getfile(plugin)).parent == plugin.INI.parent
    assert json.dumps(plugin.SCENARIO_CLAIM)


@pytest.fixture
def policy_check(check, course, monkeypatch):
    """Provide `policy_check(text, error)`: as `check`, in a lab that needs policies; the canary ends in the error."""
    file = course.find(1).folder / "lab.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "needs: {policy: true}\n", encoding="utf-8")

    def policy_check(text, error=None, on_record=lambda _: None):
        def require_enforcement(_api, _prober):
            time.sleep(0.1)
            if error:
                raise error

        monkeypatch.setattr(plugin.canary, "require_enforcement", require_enforcement)
        return check(text, on_record)

    return policy_check


def test_enforcement_comes_before_the_labs_own_checks(policy_check):
    names = []
    record = policy_check(one("lab.fails()"), on_record=lambda each: names.append(each.name))
    assert names == [SCENARIO_CHECK, ENFORCEMENT_CHECK, "check_it_answers"]
    assert [each.name for each in record.checks] == names
    assert record.exit_code == 1


@pytest.mark.parametrize("body", ["lab.answers()", "lab.fails()", "lab.cannot_probe()", "1 / 0"])
def test_nothing_is_said_of_a_lab_where_no_policy_is_enforced(policy_check, body):
    error = ClusterError("This cluster does not enforce ingress policies.", "make doctor")
    both = one(body) + one("lab.fails()").replace("it_answers", "another")
    record = policy_check(both, error)
    assert [each.name for each in record.checks] == [SCENARIO_CHECK, ENFORCEMENT_CHECK]
    assert (record.checks[1].verdict, record.checks[1].mend) == (COULD_NOT, "make doctor")
    assert record.exit_code == 2


def test_where_nothing_is_enforced_a_broken_check_file_is_not_complained_of(policy_check):
    record = policy_check("import nonsense", ClusterError("This cluster does not enforce policies."))
    assert [each.name for each in record.checks] == [SCENARIO_CHECK, ENFORCEMENT_CHECK]
    record = policy_check("import nonsense")
    assert record.checks[-1].verdict is COULD_NOT
    assert "nonsense" in record.checks[-1].reason
