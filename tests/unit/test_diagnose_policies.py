"""The diagnosis of policies: each recognised fault, told of a small shop; right policies have none."""

import copy
import json

import pytest
import yaml

from checker import diagnose
from checker.diagnose import Snapshot, Subject, policies, pruned
from checker.diagnose.cells import Cells
from checker.traffic import Difference, Flow, Outcome, Seen, Target, Traffic
from tests.unit import paper

OPEN, REFUSED, DROPPED, UNREACHABLE, NO_NAME = Outcome

# In `shop`, the web front calls the API on 8080; 9090 is for nobody. In `bank` runs another web front.
TABLE = """
                    api:8080   api:9090   api:8080/udp   clusterip/api:80   http://api   web:8080
    web             open       dropped    dropped        open               open         -
    stranger        dropped    dropped    dropped        dropped            dropped      open
    bank/web        dropped    dropped    dropped        -                  -            open
"""


def snapshot(specs, guarded=()):
    """Return the shop with policies: name, namespace and spec in YAML, or a whole object."""
    server = [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]
    pods = [
        paper.pod("web-1", "shop", {"app": "web", "team": "shop"}, "10.244.1.11", at=paper.WORKERS[0]),
        paper.pod("api-1", "shop", {"app": "api"}, "10.244.2.12", server, at=paper.WORKERS[1]),
        paper.pod("stranger-1", "shop", {"app": "stranger"}, "10.244.1.13", at=paper.WORKERS[0]),
        paper.pod("web-1", "bank", {"app": "web"}, "10.244.2.14", at=paper.WORKERS[1]),
    ]
    service, dns = paper.dns()
    api = {
        "metadata": {"name": "api", "namespace": "shop"},
        "spec": {
            "selector": {"app": "api"},
            "clusterIP": "10.96.7.7",
            "ports": [{"port": 80, "targetPort": "http", "nodePort": 30080}],
        },
    }
    made = [each if isinstance(each, dict) else policy(*each) for each in specs]
    return Snapshot(
        namespace="shop",
        services=[api, service],
        pods=[*pods, dns],
        policies=made,
        guarded=frozenset(guarded),
        namespaces=[
            paper.namespace("shop", team="a"),
            paper.namespace("bank", team="b"),
            paper.namespace("kube-system"),
        ],
        nodes=[paper.node(each, number) for number, each in enumerate(("deep-dive-control-plane", *paper.WORKERS))],
        outside=paper.OUTSIDE,
        workloads={each["metadata"]["uid"]: each["metadata"]["name"].rpartition("-")[0] for each in pods},
    )


def policy(name, spec, namespace="shop"):
    return paper.defaulted({"metadata": {"name": name, "namespace": namespace}, "spec": yaml.safe_load(spec)})


def explain(specs, table=TABLE, guarded=()):
    """Return the cause that a check of the table finds, where packets do what the model says."""
    state, wanted = snapshot(specs, guarded), Traffic.parse(table)
    cells = Cells(state)
    seen = {flow: Seen(tuple(cells.predict(state.policies, flow))) for flow in wanted.cells}
    assert all(each.outcomes for each in seen.values())
    subjects = [Subject(each.flow.target, difference=each, table=wanted) for each in wanted.differences(seen)]
    return diagnose.explain(state, subjects)


API = "podSelector: {matchLabels: {app: api}}"
WEB = "podSelector: {matchLabels: {app: web}}"
RIGHT = ("allow-web", f"{{{API}, ingress: [{{from: [{{{WEB}}}], ports: [{{port: 8080}}]}}]}}")


def with_rule(rule):
    return [("allow-web", f"{{{API}, ingress: [{rule}]}}")]


FAULTS = {
    "nothing at all": ([], "no-policy", ["isolates `shop/api-1`", "open"]),
    "in the callers' namespace": ([(*RIGHT, "bank")], "M32", ["`allow-web`", "`bank`", "`shop`"]),
    "in default": ([(*RIGHT, "default")], "M32", ["`default`"]),
    "a rule in a direction that is not listed": (
        [("allow-web", RIGHT[1].replace("{pod", "{policyTypes: [Egress], pod", 1))],
        "M29",
        ["`policyTypes` of `allow-web` is Egress", "without Ingress", "never asked"],
    ),
    "or instead of and": (
        with_rule("{from: [{namespaceSelector: {matchLabels: {team: a}}}, {" + WEB + "}], ports: [{port: 8080}]}"),
        "M24",
        ["namespaceSelector team=a", "podSelector app=web", "dash"],
    ),
    "ports behind a dash of their own": (
        with_rule("{from: [{" + WEB + "}]}, {ports: [{port: 8080}]}"),
        "M23",
        ["two rules", "2 and 1"],
    ),
    "label called name": (
        with_rule("{from: [{namespaceSelector: {matchLabels: {name: shop}}, " + WEB + "}], ports: [{port: 8080}]}"),
        "M26",
        ["`name=shop`", "kubernetes.io/metadata.name"],
    ),
    "port of the Service": (
        with_rule("{from: [{" + WEB + "}], ports: [{port: 80}]}"),
        "M30",
        ["port 80", "Service `api`"],
    ),
    "allow-all left behind": ([RIGHT, ("all", "{podSelector: {}, ingress: [{}]}")], "M31", ["`all`", "only add"]),
    "deny beside an allow": (
        [RIGHT, ("wide", f"{{{API}, ingress: [{{from: [{{podSelector: {{}}}}]}}]}}")],
        "M31",
        ["`wide`", "`allow-web`"],
    ),
    "everybody": (with_rule("{}"), "M28", ["Ingress rule 1", "empty"]),
    "nobody": ([("allow-web", f"{{{API}, ingress: []}}")], "M28", ["no ingress rule", "`ingress: []`"]),
    "every Pod is guarded": (
        [("allow-web", RIGHT[1].replace(API, "podSelector: {}"))],
        "M27",
        ["`podSelector: {}`", "`shop`"],
    ),
    "selects nobody": (
        [("allow-web", RIGHT[1].replace(API, "podSelector: {matchLabels: {app: backend}}"))],
        "selects-nothing",
        ["`app=backend`", "`app=api`", "`app=stranger`"],
    ),
    "guards the wrong Pods": (
        [("allow-web", RIGHT[1].replace(API, "podSelector: {matchLabels: {app: stranger}}"))],
        "wrong-target",
        ["`app=stranger`", "`stranger-1`"],
    ),
    "by UDP": (
        with_rule("{from: [{" + WEB + "}], ports: [{port: 8080, protocol: UDP}]}"),
        "wrong-protocol",
        ["UDP 8080"],
    ),
    "by both protocols": (
        with_rule("{from: [{" + WEB + "}], ports: [{port: 8080}, {port: 8080, protocol: UDP}]}"),
        "wrong-protocol",
        ["means TCP"],
    ),
    "no ports": (with_rule("{from: [{" + WEB + "}]}"), "no-ports", ["no `ports`"]),
    "protocol without a port": (
        with_rule("{from: [{" + WEB + "}], ports: [{protocol: TCP}]}"),
        "no-ports",
        ["TCP without a port"],
    ),
    "another port": (
        with_rule("{from: [{" + WEB + "}], ports: [{port: 9090}]}"),
        "wrong-port",
        ["TCP 9090", "does not include", "TCP 8080"],
    ),
    "a port too many": (
        with_rule("{from: [{" + WEB + "}], ports: [{port: 8080}, {port: 9090}]}"),
        "wrong-port",
        ["includes", "TCP 9090"],
    ),
    "a range": (
        with_rule("{from: [{" + WEB + "}], ports: [{port: 8080, endPort: 9999}]}"),
        "wrong-port",
        ["8080-9999"],
    ),
    "everybody on the port": (with_rule("{ports: [{port: 8080}]}"), "too-wide", ["no `from`", "everybody"]),
    "every Pod here": (
        with_rule("{from: [{podSelector: {}}], ports: [{port: 8080}]}"),
        "too-wide",
        ["podSelector {}", "more than was asked"],
    ),
    "web of every namespace": (
        with_rule("{from: [{namespaceSelector: {}, " + WEB + "}], ports: [{port: 8080}]}"),
        "too-wide",
        ["namespaceSelector {} and podSelector app=web"],
    ),
    "a peer too many": (
        with_rule("{from: [{" + WEB + "}, {namespaceSelector: {matchLabels: {team: b}}}], ports: [{port: 8080}]}"),
        "too-wide",
        ["namespaceSelector team=b"],
    ),
    "another label": (
        with_rule("{from: [{podSelector: {matchLabels: {app: wbe}}}], ports: [{port: 8080}]}"),
        "wrong-peer",
        ["podSelector app=wbe", "`shop/web-1`", "`app=web,team=shop`"],
    ),
    "address of yesterday": (
        with_rule("{from: [{ipBlock: {cidr: 10.244.1.99/32}}], ports: [{port: 8080}]}"),
        "by-address",
        ["10.244.1.99/32", "labels stay"],
    ),
    "range of the Pods": (
        with_rule("{from: [{ipBlock: {cidr: 10.244.0.0/16}}], ports: [{port: 8080}]}"),
        "by-address",
        ["10.244.0.0/16"],
    ),
    "the way out is shut": (
        [RIGHT, ("shut", f"{{{WEB}, policyTypes: [Egress], egress: [{{ports: [{{port: 53, protocol: UDP}}]}}]}}")],
        "one-direction",
        ["`shut` isolates `shop/web-1` for Egress", "Ingress rule 1 of `allow-web` allows it", "both"],
    ),
    "default deny and nothing else": (
        [("shut", "{podSelector: {}, policyTypes: [Ingress, Egress]}")],
        "no-rule",
        ["`shut` isolates", "no egress rule"],
    ),
}


@pytest.mark.parametrize(("specs", "cause", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_fault_of_policies_is_recognised(specs, cause, words):
    found = explain(specs)
    assert found is not None
    assert found.id == cause, found.why
    assert [word for word in words if word not in found.why] == [], found.why
    assert found.command.startswith("kubectl ")


RIGHT_ONES = {
    "as asked": [RIGHT],
    "named port": with_rule("{from: [{" + WEB + "}], ports: [{port: http}]}"),
    "with the namespace": with_rule(
        "{from: [{namespaceSelector: {matchLabels: {team: a}}, " + WEB + "}], ports: [{port: 8080}]}"
    ),
    "shut, then opened": [("shut", f"{{{API}, ingress: []}}"), RIGHT],
    "range of one": with_rule("{from: [{" + WEB + "}], ports: [{port: 8080, endPort: 8080}]}"),
}


@pytest.mark.parametrize("specs", RIGHT_ONES.values(), ids=RIGHT_ONES.keys())
def test_right_policies_have_no_fault(specs):
    assert explain(specs) is None


# The bank's front must get in, and the shop's must not.
ELSEWHERE = """
                    api:8080   api:9090
    bank/web        open       dropped
    web             dropped    dropped
    stranger        dropped    dropped
"""


def test_bare_pod_selector_means_the_own_namespace():
    found = explain([RIGHT], ELSEWHERE)
    assert found.id == "M25"
    assert "of `shop` only" in found.why


def test_podless_namespace_selector_is_too_wide_where_pods_are_meant():
    table = ELSEWHERE + "    kube-system/coredns    dropped    dropped\n"
    rule = "{from: [{namespaceSelector: {}}], ports: [{port: 8080}]}"
    state = snapshot(with_rule(rule))
    assert diagnose.explain(state, _differing(state, table)).id == "too-wide"


def _differing(state, table):
    wanted = Traffic.parse(table)
    known = {flow: outcome for flow, outcome in wanted.cells.items() if Cells(state).connections(flow)}
    wanted = Traffic(known)
    seen = {flow: Seen(tuple(Cells(state).predict(state.policies, flow))) for flow in known}
    return [Subject(each.flow.target, difference=each, table=wanted) for each in wanted.differences(seen)]


# Nothing gets out of web but its questions to the cluster's DNS.
NAMES = """
             clusterip/kube-system/kube-dns:53/udp   clusterip/kube-system/kube-dns:53   http://api   bank/web:53/udp
    web      open                                    open                                dropped      dropped
"""
SHUT = ("shut", f"{{{WEB}, policyTypes: [Egress]}}")
DNS = (
    "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}},"
    " podSelector: {matchLabels: {k8s-app: kube-dns}}"
)
BOTH = "ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]"


def egress(*rules):
    return [SHUT, ("dns", f"{{{WEB}, policyTypes: [Egress], egress: [{', '.join(rules)}]}}")]


DNS_FAULTS = {
    "no names": ([SHUT], "M21", ["`shop/web-1`", "DNS"]),
    "port 53 without protocol": (egress(f"{{to: [{{{DNS}}}], ports: [{{port: 53}}]}}"), "M22", ["TCP 53"]),
    "by one dash: namespace and Pods": (
        egress(f"{{to: [{{{DNS.replace(', podSelector', '}, {podSelector')}}}], {BOTH}}}"),
        None,
        [],
    ),
    "by one dash: two rules": (egress(f"{{to: [{{{DNS}}}]}}", f"{{{BOTH}}}"), "M23", ["two rules"]),
    "53 for everybody": (egress(f"{{{BOTH}}}"), "M23", ["no `to`", "everybody"]),
    "label called name": (
        egress(f"{{to: [{{{DNS.replace('kubernetes.io/metadata.name', 'name')}}}], {BOTH}}}"),
        "M26",
        ["`name=kube-system`"],
    ),
    "the address in resolv.conf": (
        egress(f"{{to: [{{ipBlock: {{cidr: 10.96.0.10/32}}}}], {BOTH}}}"),
        "M34",
        ["10.96.0.10/32", "Service `kube-dns`"],
    ),
    "the range of Services": (
        egress(f"{{to: [{{ipBlock: {{cidr: 10.96.0.0/16}}}}], {BOTH}}}"),
        "M34",
        ["10.96.0.0/16"],
    ),
    "ingress only": (
        [("dns", f"{{{WEB}, policyTypes: [Ingress], egress: [{{to: [{{{DNS}}}], {BOTH}}}]}}")],
        "M29",
        ["`dns` is Ingress, without Egress", "never asked"],
    ),
    "right": (egress(f"{{to: [{{{DNS}}}], {BOTH}}}"), None, []),
}


@pytest.mark.parametrize(("specs", "cause", "words"), DNS_FAULTS.values(), ids=DNS_FAULTS.keys())
def test_fault_about_names_is_recognised(specs, cause, words):
    found = explain(specs, NAMES)
    assert (found.id if found else None) == cause, found.why
    assert [word for word in words if word not in (found.why if found else "")] == []


def test_dash_between_namespace_and_pods_of_dns():
    """In the namespace of web another Pod pretends to be DNS, by its label."""
    rule = f"{{to: [{{{DNS.replace('}}, podSelector', '}}}, {podSelector')}}}], {BOTH}}}"
    state = snapshot(egress(rule))
    fake = paper.pod("fake-1", "shop", {"k8s-app": "kube-dns"}, "10.244.1.50")
    workloads = {**state.workloads, "shop/fake-1": "fake"}
    state = Snapshot(**{**vars(state), "pods": [*state.pods, fake], "workloads": workloads})
    table = NAMES.replace("bank/web:53/udp", "fake:53/udp    ")
    assert diagnose.explain(state, _differing(state, table)).id == "M23"


def test_client_behind_a_nodes_port_is_not_seen_by_its_own_address():
    rule = "{from: [{ipBlock: {cidr: 172.18.0.9/32}}], ports: [{port: 8080}]}"
    found = explain(with_rule(rule), "node/worker:30080\n outside open\n")
    assert found.id == "M33"
    assert "172.18.0.9" in found.why
    assert "externalTrafficPolicy: Local" in found.why


def test_exception_that_is_too_much():
    table = "outside:80 api:8080\n web open dropped\n stranger open dropped\n"
    out = "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 172.18.0.0/16, except: [%s]}}]}]}"
    assert explain([("out", out % "172.18.0.0/24")], table).id == "except"
    assert explain([("out", out % "172.18.1.0/24")], table) is None
    assert explain([("out", out % "172.18.1.0/24")], table.replace("open", "dropped")).id == "too-wide"


def test_key_that_the_server_dropped_is_named():
    made = policy("allow-web", f"{{{API}}}")
    applied = '{"spec": {"podSelector": {"matchLabels": {"app": "api"}}, "ingres": [{"from": []}], "egress": []}}'
    made["metadata"]["annotations"] = {pruned.APPLIED: applied}
    found = explain([made])
    assert found.id == "pruned"
    assert "`spec.ingres`" in found.why


def test_key_dropped_deep_inside_is_named_by_its_path():
    made = policy("allow-web", f"{{{API}, ingress: [{{ports: [{{port: 8080}}]}}]}}")
    spec = copy.deepcopy(made["spec"])
    spec["ingress"][0]["form"] = [{"podSelector": {}}]
    made["metadata"]["annotations"] = {pruned.APPLIED: json.dumps({"spec": spec})}
    assert "`spec.ingress[0].form`" in explain([made]).why


def test_field_taken_away_after_it_was_applied_is_no_typo():
    made = policy("allow-web", f"{{{API}, ingress: [{{ports: [{{port: 8080}}]}}]}}")
    spec = {**made["spec"], "ingress": [{"ports": [{"port": 8080}], "from": [{"podSelector": {}}]}]}
    made["metadata"]["annotations"] = {pruned.APPLIED: json.dumps({"spec": spec})}
    assert explain([made]).id == "too-wide"


def test_key_of_the_other_direction_is_named():
    made = policy("out", f"{{{WEB}, policyTypes: [Egress], egress: [{{ports: [{{port: 8080}}]}}]}}")
    spec = {**made["spec"], "egress": [{"from": [{"podSelector": {}}], "ports": [{"port": 8080}]}]}
    made["metadata"]["annotations"] = {pruned.APPLIED: json.dumps({"spec": spec})}
    assert "`spec.egress[0].from`" in explain([made]).why


def test_policies_that_the_lab_made_are_not_blamed():
    wide = ("wide", f"{{{API}, ingress: [{{from: [{{podSelector: {{}}}}]}}]}}")
    assert explain([RIGHT, wide]).id == "M31"
    assert explain([RIGHT, wide], guarded=[("shop", "wide")]).id == "open-rule"


def test_of_two_faults_the_one_of_the_first_cell_is_named():
    two = with_rule("{from: [{" + WEB + "}], ports: [{port: 80}]}, {from: [{podSelector: {}}], ports: [{port: 9090}]}")
    assert explain(two).id == "M30"


def test_packets_that_do_other_than_policies_mean_are_not_explained_by_them():
    state, flow = snapshot([RIGHT]), Flow("stranger", Target.parse("api:8080"))
    subject = Subject(flow.target, difference=Difference(flow, DROPPED, Seen((OPEN,))), table=Traffic.parse(TABLE))
    assert policies.explain(state, [subject]) is None


CONCERNS = {
    (DROPPED, (OPEN,)): True,
    (OPEN, (DROPPED,)): True,
    (OPEN, (OPEN, DROPPED)): True,
    (OPEN, (NO_NAME,)): True,
    (DROPPED, (NO_NAME,)): True,
    (OPEN, (REFUSED,)): False,
    (OPEN, (UNREACHABLE,)): False,
    (REFUSED, (DROPPED,)): False,
    (DROPPED, (REFUSED,)): False,
}


@pytest.mark.parametrize(("expected", "seen"), CONCERNS.keys(), ids=str)
def test_policies_are_asked_where_packets_were_dropped_or_should_have_been(expected, seen):
    flow = Flow("web", Target.parse("api:8080"))
    assert policies.concerns(Difference(flow, expected, Seen(seen))) is CONCERNS[expected, seen]


def test_what_is_no_cell_of_a_table_is_none_of_theirs():
    assert diagnose.explain(snapshot([("shut", f"{{{API}}}")]), [Subject(Target.parse("web:8080"))]) is None
