"""Mutants: one field changed at a time, never what the API server refuses; what becomes of them; what names a field."""

import json

import pytest
import yaml
from rich.console import Console

from checker import mutation_report
from checker.behaviour import Behaviour
from checker.diagnose import Snapshot, Socket
from checker.hint_fields import names
from checker.mutants import Mutant, Surroundings, mutants
from checker.mutation import Mutation, Trial, fate, judge
from checker.traffic import Outcome, Traffic
from checker.verdict import Cause, CheckRecord, LabRecord, Verdict
from tests.unit.test_diagnose_policies import snapshot

PASSED, FAILED, COULD_NOT, LEFT_OUT = Verdict
THERE = Surroundings(["shop", "bank"], {"app": {"web", "api"}}, {8080, 9090})


def policy(spec, name="p"):
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": yaml.safe_load(spec)}


NOTHING = Surroundings()


def of(spec, there=NOTHING):
    """Return the mutants of one policy, as text and the policy that came of each."""
    return {str(each): each.objects[0]["spec"] if each.objects else None for each in mutants([policy(spec)], there)}


FULL = """
podSelector: {matchLabels: {app: web}}
policyTypes: [Ingress]
ingress:
  - from:
      - namespaceSelector: {matchLabels: {team: a}}
        podSelector: {matchLabels: {app: api}}
    ports:
      - {port: 8080, protocol: TCP}
"""


def test_every_field_of_a_policy_is_changed():
    assert list(of(FULL, THERE)) == [
        "p: metadata dropped: the whole policy",
        "p: metadata.namespace shop -> bank",
        "p: spec.podSelector widened to {}",
        "p: spec.podSelector.matchLabels.app web -> api",
        "p: spec.podSelector.matchLabels.app web -> web-x",
        "p: spec.policyTypes dropped",
        "p: spec.ingress dropped",
        "p: spec.ingress[0].from dropped",
        "p: spec.ingress[0].from[0].namespaceSelector dropped",
        "p: spec.ingress[0].from[0].namespaceSelector widened to {}",
        "p: spec.ingress[0].from[0].namespaceSelector.matchLabels.team a -> a-x",
        "p: spec.ingress[0].from[0].podSelector dropped",
        "p: spec.ingress[0].from[0].podSelector widened to {}",
        "p: spec.ingress[0].from[0].podSelector.matchLabels.app api -> api-x",
        "p: spec.ingress[0].from[0].podSelector.matchLabels.app api -> web",
        "p: spec.ingress[0].ports dropped",
        "p: spec.ingress[0].ports[0].port dropped",
        "p: spec.ingress[0].ports[0].port 8080 -> 8081",
        "p: spec.ingress[0].ports[0].port 8080 -> 9090",
        "p: spec.ingress[0].ports[0].protocol dropped",
        "p: spec.ingress[0].ports[0].protocol TCP -> UDP",
        "p: spec.policyTypes Egress added",
        "p: spec.policyTypes[0] Ingress -> Egress",
        "p: spec.ingress turned into egress",
        "p: spec.ingress[0].from[0] split into two peers",
        "p: spec.ingress[0] split into two rules",
    ], "a field whose loss comes out as another mutant is not listed again"


def test_original_is_left_as_it_is():
    original = policy(FULL)
    before = yaml.safe_dump(original)
    assert mutants([original], THERE)
    assert yaml.safe_dump(original) == before


def test_only_one_policy_is_changed_at_a_time():
    first, second = policy(FULL, "first"), policy(FULL, "second")
    for each in mutants([first, second], THERE):
        if len(each.objects) == 1:
            assert each.change == "dropped: the whole policy"
        else:
            assert (each.objects[0] == first) != (each.objects[1] == second)
            assert each.name == ("second" if each.objects[0] == first else "first")


DASHES = {
    "one peer as two": (
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {}}]}]}",
        "p: spec.ingress[0].from[0] split into two peers",
        [{"from": [{"namespaceSelector": {}}, {"podSelector": {}}]}],
    ),
    "two peers as one": (
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}, {podSelector: {}}]}]}",
        "p: spec.ingress[0].from[0] joined with from[1]",
        [{"from": [{"namespaceSelector": {}, "podSelector": {}}]}],
    ),
    "one rule as two": (
        "{podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}",
        "p: spec.ingress[0] split into two rules",
        [{"from": [{"podSelector": {}}]}, {"ports": [{"port": 80}]}],
    ),
    "two rules as one": (
        "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}, {ports: [{port: 80}]}]}",
        "p: spec.ingress[0] joined with ingress[1]",
        [{"from": [{"podSelector": {}}], "ports": [{"port": 80}]}],
    ),
}


@pytest.mark.parametrize(("spec", "name", "expected"), DASHES.values(), ids=DASHES.keys())
def test_dashes_are_set_and_taken_away(spec, name, expected):
    assert of(spec)[name]["ingress"] == expected


def test_two_pod_selectors_cannot_be_one():
    assert not any(
        "joined" in each for each in of("{podSelector: {}, ingress: [{from: [{podSelector: {}}, {podSelector: {}}]}]}")
    )


def test_rules_are_turned_with_their_peers():
    found = of("{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}")
    turned = found["p: spec.ingress turned into egress"]
    assert turned["egress"] == [{"to": [{"podSelector": {}}], "ports": [{"port": 80}]}]
    assert "ingress" not in turned


BLOCK = "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 172.18.0.0/16, except: [172.18.3.0/24]}}]}]}"


def test_blocks_are_moved_to_their_neighbour():
    found = of(BLOCK)
    peers = [each["ingress"][0]["from"][0]["ipBlock"] for name, each in found.items() if "ipBlock." in name and each]
    assert {"cidr": "172.18.0.0/16", "except": ["172.18.2.0/24"]} in peers
    assert {"cidr": "172.18.0.0/16"} in peers
    assert not any("cidr 172.18.0.0/16 ->" in name for name in found), "its exception would lie outside"
    moved = of("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 172.18.0.0/16}}]}]}")
    assert "p: spec.ingress[0].from[0].ipBlock.cidr 172.18.0.0/16 -> 172.19.0.0/16" in moved


def test_all_addresses_become_half_of_them():
    found = of("{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}")
    assert "p: spec.egress[0].to[0].ipBlock.cidr 0.0.0.0/0 -> 0.0.0.0/1" in found


REFUSED = {
    "a peer with nothing in it": (FULL, lambda peer, _: peer == {}),
    "a block without its cidr": (BLOCK, lambda peer, _: "cidr" not in peer.get("ipBlock", {"cidr": 1})),
    "a range without a port": (
        "{podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80, endPort: 90}]}]}",
        lambda _, port: "endPort" in port and "port" not in port,
    ),
    "a range that ends before it begins": (
        "{podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80, endPort: 80}]}]}",
        lambda _, port: port.get("endPort", 99999) < port.get("port", 0),
    ),
}


@pytest.mark.parametrize(("spec", "refused"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_api_server_refuses_is_no_mutant(spec, refused):
    for each in of(spec).values():
        for rule in (each or {}).get("ingress", ()):
            pairs = [(peer, port) for peer in rule.get("from", ()) for port in rule.get("ports") or [{}]]
            assert not any(refused(*pair) for pair in pairs)


EXPRESSION = "{podSelector: {matchExpressions: [{key: app, operator: %s}]}, ingress: [{}]}"


def test_expressions_stay_whole():
    found = [each["podSelector"] for each in of(EXPRESSION % "In, values: [web]").values() if each]
    expressions = [one for each in found for one in each.get("matchExpressions") or ()]
    assert {"key": "app", "operator": "NotIn", "values": ["web"]} in expressions
    assert {"key": "app", "operator": "In", "values": ["web-x"]} in expressions
    assert all(set(each) == {"key", "operator", "values"} and each["values"] for each in expressions)


def test_expression_without_values_is_turned_round():
    found = [each["podSelector"] for each in of(EXPRESSION % "Exists").values() if each]
    assert {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]} in found


def test_behaviour_is_that_of_every_pod_and_port_that_listens():
    state = snapshot([])
    listens = {each["metadata"]["uid"]: [] for each in state.pods if each["metadata"]["namespace"] != "kube-system"}
    listens["shop/api-1"] = [Socket("0.0.0.0", 8080), Socket("::", 5353, "udp"), Socket("127.0.0.1", 6060)]
    behaviour = Behaviour(Snapshot(**{**vars(state), "sockets": listens}), Traffic.parse("outside:80\n web open\n"))
    found = behaviour.of([policy("{podSelector: {matchLabels: {app: api}}}")])
    assert found["shop/web-1", "shop/api-1", 8080, "TCP"] is Outcome.DROPPED
    assert found["bank/web-1", "shop/api-1", 5353, "UDP"] is Outcome.DROPPED
    assert ("shop/web-1", "shop/api-1", 6060, "TCP") not in found, "its loopback is nobody else's"
    assert ("shop/api-1", "shop/api-1", 8080, "TCP") not in found
    assert found["shop/web-1", "kube-system/coredns", 53, "UDP"] is Outcome.OPEN
    assert found["shop/web-1", "outside", 80, "TCP"] is Outcome.OPEN
    assert behaviour.surroundings.ports == {8080, 5353}
    assert behaviour.surroundings.labels["app"] == {"web", "api", "stranger"}
    assert list(behaviour.surroundings.namespaces) == ["bank", "shop"]


FATES = {
    (True, FAILED): "killed",
    (True, PASSED): "survived",
    (False, PASSED): "equivalent",
    (False, FAILED): "equivalent, yet failed",
    (True, COULD_NOT): "could not check",
    (False, COULD_NOT): "could not check",
}


@pytest.mark.parametrize(("differs", "verdict"), FATES, ids=str)
def test_fate_of_a_mutant(differs, verdict):
    assert fate(differs, verdict) == FATES[differs, verdict]


def record(verdict, cause=""):
    made = Cause(cause, "why", "kubectl") if cause else None
    return LabRecord("19-x", [CheckRecord("check_a", "A.", verdict, "a is open", cause=made)], 1.234)


PORT = Mutant("p", "spec.ingress[0].ports[0].port", "8080 -> 8081", ())


def test_killed_mutant_has_its_hint_judged():
    trial = judge(record(FAILED, "wrong-port"), PORT, differs=True)
    assert (trial.fate, trial.ok, trial.named, trial.cause, trial.seconds) == ("killed", True, True, "wrong-port", 1.23)
    assert judge(record(FAILED, "M27"), PORT, differs=True).named is False
    assert judge(record(FAILED), PORT, differs=True).named is False


def test_only_of_policies_is_it_known_which_cause_names_which_field():
    mutant = Mutant("shop", "spec.ports[0].port", "80 -> 81", (), "Service")
    assert judge(record(FAILED, "wrong-port"), mutant, differs=True).named is None
    assert str(mutant) == "Service/shop: spec.ports[0].port 80 -> 81"


@pytest.mark.parametrize(("verdict", "differs"), [(PASSED, True), (FAILED, False), (COULD_NOT, True)])
def test_mutant_that_a_lab_gets_wrong_is_not_well(verdict, differs):
    trial = judge(record(verdict), PORT, differs)
    assert not trial.ok
    assert trial.named is None


def test_equivalent_mutant_that_passes_is_well():
    assert judge(record(PASSED), PORT, differs=False).ok


NAMED = {
    ("spec.ingress[0].ports[0].port", "wrong-port"): True,
    ("spec.ingress[0].ports[0].port", "M30"): True,
    ("spec.ingress[0].ports[0].port", "M24"): False,
    ("spec.egress[1].ports", "no-ports"): True,
    ("spec.ingress[0].from[0].podSelector.matchLabels.app", "wrong-peer"): True,
    ("spec.ingress[0].from[0].podSelector.matchLabels.app", "wrong-target"): False,
    ("spec.podSelector.matchLabels.app", "wrong-target"): True,
    ("spec.podSelector", "M27"): True,
    ("spec.policyTypes[1]", "M29"): True,
    ("metadata.namespace", "M32"): True,
    ("metadata", "no-policy"): True,
    ("metadata", "M24"): False,
    ("spec.ingress[0]", "M23"): True,
    ("spec.ingress[0].from", ""): False,
}


@pytest.mark.parametrize(("field", "cause"), NAMED, ids=str)
def test_cause_names_field(field, cause):
    assert names(field, cause) is NAMED[field, cause]


def trial(fate="killed", **others):
    fields = {"lab": "19-x", "mutant": "p: a [b]", "field": "a", "differs": True, "reason": "x", "cause": "M1"}
    return Trial(**{**fields, "fate": fate, "named": True, "seconds": 1.0, **others})


def run(monkeypatch, tmp_path, *trials):
    monkeypatch.setattr(mutation_report.paths, "BUILD", tmp_path / "build")
    monkeypatch.setattr(mutation_report, "side_by_side", lambda *_: {"19-x": Mutation(trials, 2, 3)})
    console = Console(record=True, width=140)
    return mutation_report.run([], 0, console), console.export_text()


@pytest.mark.parametrize(("fates", "code"), [(["killed", "equivalent"], 0), (["killed", "survived"], 1), ([], 1)])
def test_report_ends_with_1_where_a_mutant_is_not_well_or_none_was_tried(monkeypatch, tmp_path, fates, code):
    found, text = run(monkeypatch, tmp_path, *(trial(each, named=True if each == "killed" else None) for each in fates))
    assert found == code
    assert ("survived" in text) is True, "a column of the table at least"
    written = json.loads((tmp_path / "build" / "mutants.json").read_text(encoding="utf-8"))
    assert [each["fate"] for each in written[0]["mutants"]] == fates
    assert written[0]["left_out"] == 3


def test_report_tells_each_mutant_and_whether_the_hint_was_about_it():
    lines = [mutation_report.line(each).plain for each in (trial(), trial(named=False, cause=""), trial(named=None))]
    assert lines == [
        "✓ 19-x p: a [b]: killed [M1] (1.0 s)",
        "✓ 19-x p: a [b]: killed [no cause], another field (1.0 s)",
        "✓ 19-x p: a [b]: killed [M1] (1.0 s)",
    ]
    survived = trial("survived", named=None, reason="")
    assert mutation_report.line(survived).plain == "✗ 19-x p: a [b]: survived (1.0 s): the checks passed"


@pytest.mark.parametrize(("named", "right"), [([True, False], "1"), ([None, None], "-")])
def test_report_counts_hints_where_they_were_judged(monkeypatch, tmp_path, named, right):
    _, text = run(monkeypatch, tmp_path, *(trial(named=each) for each in named), trial("survived", named=None))
    row = next(line for line in text.splitlines() if line.strip().startswith("19-x  "))
    assert row.split() == ["19-x", "3", "2", right, "0", "1", "0", "2", "3"]
