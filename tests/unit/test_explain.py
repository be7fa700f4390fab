"""One cell explained: what is expected, predicted and seen, which policy and rule decides, and why."""

import pytest
from rich.console import Console

from checker import cli, explain, report, tables
from checker.errors import CheckFailed, ContentError, UsageError
from checker.traffic import Flow, Outcome, Seen, Target, Traffic
from tests.unit.test_diagnose_policies import RIGHT, SHUT, TABLE, snapshot

OPEN, REFUSED, DROPPED, UNREACHABLE, NO_NAME = Outcome


def described(source, target, *seen, specs=(RIGHT,), table=TABLE, flapping=False):
    flow = Flow(source, Target.parse(target))
    found = Seen(seen, flapping=flapping)
    return explain.describe(snapshot(specs), Traffic.parse(table), flow, found, "kubectl exec")


def test_open_cell_names_the_rule_that_opens_it():
    found = described("web", "api:8080", OPEN)
    assert (found.expected, found.predicted, found.seen, found.agree, found.why) == ("open", "open", "open", True, "")
    assert found.sides == (
        "out of shop/web-1, TCP 8080 to shop/api-1: open, no policy isolates it",
        "into shop/api-1 (isolated by allow-web), TCP 8080 from shop/web-1: open by allow-web, ingress rule 1",
    )


def test_shut_cell_names_who_shuts_it():
    found = described("stranger", "api:8080", DROPPED)
    assert found.agree
    assert found.sides[1].endswith(
        "(isolated by allow-web), TCP 8080 from shop/stranger-1: dropped, no rule lets it through"
    )


def test_way_out_is_told_as_well():
    found = described("web", "api:8080", DROPPED, specs=(RIGHT, SHUT))
    assert not found.agree
    assert "out of shop/web-1 (isolated by shut)" in found.sides[0]
    assert "dropped" in found.sides[0]
    assert "open by allow-web" in found.sides[1]
    assert "both ends must" in found.why or "`shut`" in found.why


def test_look_up_of_a_name_comes_first():
    found = described("web", "http://api", NO_NAME, specs=(RIGHT, SHUT))
    assert found.predicted == "no-name"
    assert "UDP 53 to kube-system/coredns: dropped" in found.sides[0]


def test_pod_that_reaches_itself_is_exempt():
    found = described("api", "clusterip/api:80", OPEN)
    assert found.sides == ("shop/api-1 to shop/api-1: a Pod always reaches itself",)
    assert found.expected == ""
    assert found.agree


def test_fault_is_told_where_the_lab_asks_for_something_else():
    found = described("stranger", "api:8080", OPEN, specs=[])
    assert not found.agree
    assert "isolates `shop/api-1` for Ingress" in found.why


def test_packets_that_do_other_than_policies_mean_do_not_agree():
    found = described("stranger", "api:8080", OPEN)
    assert (found.predicted, found.agree, found.why) == ("dropped", False, "")


AGREE = {
    "as asked": (("web", "api:8080", OPEN), True),
    "flapping": (("web", "api:8080", OPEN), False),
    "refused, where the lab says nothing": (("web", "api:7070", DROPPED), True),
    "some of the Pods": (("web", "api:8080", OPEN, DROPPED), False),
    "refused where policies let it through": (("web", "stranger:7070", REFUSED), True),
    "what the model cannot tell": (("web", "node/nowhere:80", OPEN), True),
}


@pytest.mark.parametrize("case", AGREE, ids=AGREE.keys())
def test_agreement(case):
    words, expected = AGREE[case]
    assert described(*words, flapping=case == "flapping").agree is expected


def test_printed_explanation_has_all_of_it():
    console = Console(record=True, width=160)
    console.print(report.explanation(described("stranger", "api:8080", OPEN, specs=[]).record(), 19))
    text = console.export_text()
    for words in (
        "stranger -> api:8080",
        "dropped, by the tables of lab 19",
        "open, no policy isolates it",
        "kubectl exec",
    ):
        assert words in text
    console.print(report.explanation(described("web", "api:7070", DROPPED).record(), 19))
    assert "nothing by the tables of lab 19" in console.export_text()


class FakeLab:
    """A started lab of which nothing can be probed."""

    def __init__(self, files):
        self.files = files

    def require_started(self):
        pass


class FakeLive:
    """The live side of it: a snapshot, and packets of a kind."""

    outcome = OPEN

    def __init__(self, _):
        self.places = self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def snapshot(self):
        return snapshot([RIGHT])

    def see(self, traffic):
        if self.outcome is None:
            raise CheckFailed("ghost has no running Pod", command="kubectl -n lab-01 get pods")
        return {flow: Seen((self.outcome,)) for flow in traffic.cells}

    def reproduce(self, flow):
        return f"kubectl exec {flow}"


@pytest.fixture
def lab(course, monkeypatch):
    monkeypatch.setattr(explain, "LiveLab", FakeLive)
    files = course.find(1)
    files.check_file.write_text(
        f"from checker import Traffic\n\nTABLE = Traffic.parse('''{TABLE}''')\n", encoding="utf-8"
    )
    return FakeLab(files)


def test_cell_of_the_tables_is_explained(lab):
    found = explain.explain(lab, "web", "api:8080")
    assert (found.expected, found.seen, found.agree) == ("open", "open", True)
    assert found.command == "kubectl exec web -> api:8080"


def test_source_that_is_not_there_is_refused_in_one_sentence(lab, monkeypatch):
    monkeypatch.setattr(FakeLive, "outcome", None)
    with pytest.raises(UsageError, match=r"ghost -> api:8080 cannot be probed: ghost has no running Pod\.") as caught:
        explain.explain(lab, "ghost", "api:8080")
    assert caught.value.mend == "kubectl -n lab-01 get pods"


def test_target_that_is_none_is_refused(lab):
    with pytest.raises(ContentError, match="is not a target"):
        explain.explain(lab, "web", "api")


@pytest.mark.parametrize(("outcome", "code"), [(OPEN, 0), (DROPPED, 1)])
def test_exit_code_says_whether_all_agree(lab, monkeypatch, capsys, outcome, code):
    monkeypatch.setattr(FakeLive, "outcome", outcome)
    monkeypatch.setattr(cli, "_lab", lambda _: lab)
    monkeypatch.setattr("sys.argv", ["checker", "explain", "1", "web", "api:8080", "--json"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == code
    assert f'"seen": "{outcome}"' in capsys.readouterr().out


def test_tables_of_a_file_are_one_and_the_first_counts(tmp_path):
    file = tmp_path / "check_lab.py"
    file.write_text(
        "from checker import Traffic\n"
        "FIRST = Traffic.parse('b:80 c:80\\na open -')\n"
        "SECOND = Traffic.parse('b:80 c:80\\na dropped open')\n"
        "OTHER = 'no table'\n",
        encoding="utf-8",
    )
    found = tables.load(file)
    assert {str(flow): outcome for flow, outcome in found.cells.items()} == {"a -> b:80": OPEN, "a -> c:80": OPEN}


def test_file_that_is_no_python_is_refused(tmp_path):
    file = tmp_path / "check_lab.py"
    file.write_text("TABLE = (\n", encoding="utf-8")
    with pytest.raises(ContentError, match="cannot be read"):
        tables.load(file)
