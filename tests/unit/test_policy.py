"""The model of NetworkPolicies, clause by clause of the API reference."""

import pytest
import yaml

from checker.policy import End, Rule, Side, decide, directions, in_block, matches, port_matches, selects

WEB = End("shop/web", "10.244.1.2", "shop", {"app": "web", "tier": "front"}, {"team": "a"}, node="worker")
API = End(
    "shop/api",
    "10.244.2.3",
    "shop",
    {"app": "api"},
    {"team": "a"},
    {"http": (8080, "TCP"), "dns": (53, "UDP")},
    node="worker2",
)
ALIEN = End("bank/web", "10.244.2.9", "bank", {"app": "web"}, {"team": "b"}, node="worker2")
NODE = End("worker", "172.18.0.3", node="worker")
OUTSIDE = End("outside", "172.18.0.9")


def policy(text, name="p", namespace="shop"):
    """Return a policy of a spec in YAML."""
    return {"metadata": {"name": name, "namespace": namespace}, "spec": yaml.safe_load(text) or {}}


def ingress(rules, **others):
    return {"metadata": {"name": "p", "namespace": "shop"}, "spec": {"podSelector": {}, "ingress": rules, **others}}


def allowed(policies, source=WEB, target=API, port=8080, protocol="TCP"):
    return decide(policies, source, target, port, protocol).allowed


TYPES = {
    "nothing but a selector": ("podSelector: {}", ("Ingress",)),
    "ingress rules": ("{podSelector: {}, ingress: [{}]}", ("Ingress",)),
    "egress rules": ("{podSelector: {}, egress: [{}]}", ("Ingress", "Egress")),
    "an empty list of egress rules": ("{podSelector: {}, egress: []}", ("Ingress",)),
    "stated: egress alone": ("{podSelector: {}, policyTypes: [Egress]}", ("Egress",)),
    "stated: ingress, with egress rules": ("{podSelector: {}, policyTypes: [Ingress], egress: [{}]}", ("Ingress",)),
    "stated: both": ("{podSelector: {}, policyTypes: [Ingress, Egress]}", ("Ingress", "Egress")),
    "stated: an empty list is none": ("{podSelector: {}, policyTypes: [], egress: [{}]}", ("Ingress", "Egress")),
}


@pytest.mark.parametrize(("spec", "expected"), TYPES.values(), ids=TYPES.keys())
def test_policy_types_have_their_defaults(spec, expected):
    assert directions(policy(spec)) == expected


def test_without_policies_all_is_open():
    decision = decide([], WEB, API, 8080)
    assert decision.allowed
    assert (decision.egress, decision.ingress, decision.exempt) == (Side(), Side(), "")


@pytest.mark.parametrize("rules", [None, []])
def test_no_rule_lets_nobody_in(rules):
    assert not allowed([ingress(rules)])
    assert not allowed([ingress(rules)], source=OUTSIDE)


@pytest.mark.parametrize("rule", [{}, {"from": []}, {"from": None}, {"ports": []}, {"from": [], "ports": None}])
def test_rule_without_peers_or_ports_lets_everybody_in_on_every_port(rule):
    for source in (WEB, ALIEN, OUTSIDE):
        assert allowed([ingress([rule])], source=source)
        assert allowed([ingress([rule])], source=source, port=53, protocol="UDP")


def test_rule_that_is_not_listed_in_policy_types_never_bites():
    assert allowed([ingress([], policyTypes=["Egress"])], source=ALIEN)
    assert not allowed([policy("{podSelector: {}, policyTypes: [Egress], egress: []}")])
    assert allowed([policy("{podSelector: {}, policyTypes: [Ingress], ingress: [{}], egress: [{to: []}]}")])


def test_policy_selects_pods_of_its_own_namespace_only():
    everybody = "podSelector: {}"
    assert selects(policy(everybody), API)
    assert not selects(policy(everybody), ALIEN)
    assert not selects(policy(everybody), OUTSIDE)
    assert selects(policy("{}"), API), "a selector left out is an empty one"
    assert not selects(policy("podSelector: {matchLabels: {app: web}}"), API)


def test_policy_without_a_namespace_is_in_default():
    made = {"metadata": {"name": "p"}, "spec": {"podSelector": {}}}
    assert selects(made, End("a", "10.244.1.1", "default"))
    assert not selects(made, API)


SELECTORS = {
    "empty": ({}, True),
    "empty parts": ({"matchLabels": {}, "matchExpressions": []}, True),
    "absent parts": ({"matchLabels": None, "matchExpressions": None}, True),
    "one label": ({"matchLabels": {"app": "web"}}, True),
    "two labels": ({"matchLabels": {"app": "web", "tier": "front"}}, True),
    "one label of two differs": ({"matchLabels": {"app": "web", "tier": "back"}}, False),
    "a label that is not there": ({"matchLabels": {"zone": "a"}}, False),
    "In": ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["api", "web"]}]}, True),
    "In, without its value": ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["api"]}]}, False),
    "In, without the key": ({"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}, False),
    "NotIn": ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["api"]}]}, True),
    "NotIn, with its value": ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
    "NotIn, without the key": ({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}, True),
    "Exists": ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
    "Exists, without the key": ({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}, False),
    "DoesNotExist": ({"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}, True),
    "DoesNotExist, with the key": ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
    "labels and expressions": (
        {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]},
        False,
    ),
    "two expressions, one fails": (
        {
            "matchExpressions": [
                {"key": "app", "operator": "Exists"},
                {"key": "tier", "operator": "NotIn", "values": ["front"]},
            ]
        },
        False,
    ),
}


@pytest.mark.parametrize(("selector", "expected"), SELECTORS.values(), ids=SELECTORS.keys())
def test_selector_matches_labels(selector, expected):
    assert matches(selector, WEB.labels) is expected


PEERS = {
    # the peer, and whether it means the neighbour, the one in the other namespace, and the outside
    "pods of the same namespace": ({"podSelector": {"matchLabels": {"app": "web"}}}, (True, False, False)),
    "every pod of the same namespace": ({"podSelector": {}}, (True, False, False)),
    "pods of some namespace": ({"namespaceSelector": {"matchLabels": {"team": "b"}}}, (False, True, False)),
    "pods of every namespace": ({"namespaceSelector": {}}, (True, True, False)),
    "both must hold": (
        {"namespaceSelector": {"matchLabels": {"team": "b"}}, "podSelector": {"matchLabels": {"app": "api"}}},
        (False, False, False),
    ),
    "some pods of every namespace": (
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}},
        (True, True, False),
    ),
    "addresses": ({"ipBlock": {"cidr": "172.18.0.0/16"}}, (False, False, True)),
    "addresses of Pods": ({"ipBlock": {"cidr": "10.244.1.0/24"}}, (True, False, False)),
    "all addresses": ({"ipBlock": {"cidr": "0.0.0.0/0"}}, (True, True, True)),
    "all addresses but one": ({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["172.18.0.9/32"]}}, (True, True, False)),
}


@pytest.mark.parametrize(("peer", "expected"), PEERS.values(), ids=PEERS.keys())
def test_peer_means_ends(peer, expected):
    sources = (WEB, ALIEN, OUTSIDE)
    assert tuple(allowed([ingress([{"from": [peer]}])], source=each) for each in sources) == expected


def test_two_entries_are_or_and_one_entry_is_and():
    space, pods = (
        {"namespaceSelector": {"matchLabels": {"team": "b"}}},
        {"podSelector": {"matchLabels": {"app": "web"}}},
    )
    either, both = ingress([{"from": [space, pods]}]), ingress([{"from": [{**space, **pods}]}])
    assert allowed([either], source=WEB)
    assert allowed([either], source=ALIEN)
    assert not allowed([both], source=WEB)
    assert allowed([both], source=ALIEN)


def test_peers_and_ports_of_one_rule_must_both_match():
    rule = {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 8080}]}
    assert allowed([ingress([rule])])
    assert not allowed([ingress([rule])], port=9090)
    assert not allowed([ingress([rule])], source=ALIEN)
    split = [{"from": rule["from"]}, {"ports": rule["ports"]}]
    assert allowed([ingress(split)], port=9090)
    assert allowed([ingress(split)], source=ALIEN)


PORTS = {
    "number": ({"port": 8080}, 8080, "TCP", True),
    "another number": ({"port": 8080}, 8081, "TCP", False),
    "protocol is TCP by default": ({"port": 53}, 53, "UDP", False),
    "protocol stated": ({"port": 53, "protocol": "UDP"}, 53, "UDP", True),
    "protocol alone": ({"protocol": "UDP"}, 4711, "UDP", True),
    "protocol alone, the other one": ({"protocol": "UDP"}, 4711, "TCP", False),
    "SCTP": ({"protocol": "SCTP", "port": 80}, 80, "SCTP", True),
    "first of a range": ({"port": 8080, "endPort": 8090}, 8080, "TCP", True),
    "last of a range": ({"port": 8080, "endPort": 8090}, 8090, "TCP", True),
    "below a range": ({"port": 8080, "endPort": 8090}, 8079, "TCP", False),
    "above a range": ({"port": 8080, "endPort": 8090}, 8091, "TCP", False),
    "range of one": ({"port": 8080, "endPort": 8080}, 8080, "TCP", True),
    "range by another protocol": ({"port": 8080, "endPort": 8090}, 8085, "UDP", False),
    "name": ({"port": "http"}, 8080, "TCP", True),
    "name, another port": ({"port": "http"}, 9090, "TCP", False),
    "name that the Pod does not have": ({"port": "web"}, 8080, "TCP", False),
    "name by another protocol than its port": ({"port": "dns"}, 53, "TCP", False),
    "name and protocol": ({"port": "dns", "protocol": "UDP"}, 53, "UDP", True),
}


@pytest.mark.parametrize(("entry", "port", "protocol", "expected"), PORTS.values(), ids=PORTS.keys())
def test_port_entry_means_ports(entry, port, protocol, expected):
    assert port_matches(entry, API, port, protocol) is expected
    assert allowed([ingress([{"ports": [entry]}])], port=port, protocol=protocol) is expected


def test_named_port_is_looked_up_on_the_destination_whichever_it_is():
    old = End("shop/old", "10.244.1.7", "shop", {"app": "old"}, ports={"http": (80, "TCP")})
    going_out = policy(
        "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{ports: [{port: http}]}]}"
    )
    assert allowed([going_out], target=API, port=8080)
    assert allowed([going_out], target=old, port=80)
    assert not allowed([going_out], target=old, port=8080)
    assert not allowed([going_out], target=OUTSIDE, port=8080), "the outside names no ports"


def test_policies_only_add():
    shut, opened = (
        ingress([]),
        {**ingress([{"ports": [{"port": 8080}]}]), "metadata": {"name": "q", "namespace": "shop"}},
    )
    decision = decide([shut, opened], WEB, API, 8080)
    assert decision.allowed
    assert decision.ingress == Side(("p", "q"), (Rule("q", "shop", "Ingress", 0),))
    assert not allowed([shut, opened], port=9090)


def test_every_rule_that_allows_is_named():
    decision = decide([ingress([{"ports": [{"port": 1}]}, {}, {"from": [{"podSelector": {}}]}])], WEB, API, 8080)
    assert [rule.number for rule in decision.ingress.allowed_by] == [1, 2]
    assert str(decision.ingress.allowed_by[0]) == "p, ingress rule 2"


def test_both_ends_must_agree():
    out = policy("{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}", "out")
    into = policy("{podSelector: {matchLabels: {app: api}}, ingress: [{}]}", "into")
    decision = decide([out, into], WEB, API, 8080)
    assert (decision.egress.allows, decision.ingress.allows, decision.allowed) == (False, True, False)
    assert allowed([out, into], source=ALIEN)
    assert allowed([out, into], source=API, target=WEB), "answers and calls the other way are their own affair"


def test_pod_always_reaches_itself():
    shut = policy("{podSelector: {}, policyTypes: [Ingress, Egress]}")
    decision = decide([shut], API, API, 8080)
    assert decision.allowed
    assert "itself" in decision.exempt


def test_ends_without_addresses_are_not_the_same():
    shut = policy("{podSelector: {}, policyTypes: [Ingress, Egress]}")
    assert not allowed([shut], End("a", "", "shop"), End("b", "", "shop"))


def test_node_and_its_own_pods_always_reach_each_other():
    shut = policy("{podSelector: {}, policyTypes: [Ingress, Egress]}")
    other = End("worker2", "172.18.0.4", node="worker2")
    assert allowed([shut], NODE, WEB)
    assert allowed([shut], WEB, NODE)
    assert not allowed([shut], other, WEB)
    assert not allowed([shut], WEB, other)


def test_pod_on_the_network_of_its_node_is_as_the_node_to_policies():
    guest = End("shop/guest", "172.18.0.4", "shop", {"app": "web"}, {"team": "a"}, node="worker2", host_network=True)
    shut = policy("{podSelector: {}, policyTypes: [Ingress, Egress]}")
    assert not selects(shut, guest)
    assert allowed([shut], OUTSIDE, guest)
    assert not allowed([ingress([{"from": [{"podSelector": {}}, {"namespaceSelector": {}}]}])], guest, WEB)
    assert allowed([ingress([{"from": [{"ipBlock": {"cidr": "172.18.0.4/32"}}]}])], guest, WEB)
    assert allowed([shut], guest, API), "the node that API runs on"


BLOCKS = {
    "inside": ({"cidr": "172.18.0.0/16"}, "172.18.0.9", True),
    "outside": ({"cidr": "172.18.0.0/16"}, "172.19.0.9", False),
    "host bits set": ({"cidr": "172.18.0.77/24"}, "172.18.0.9", True),
    "excepted": ({"cidr": "172.18.0.0/16", "except": ["172.18.0.0/24"]}, "172.18.0.9", False),
    "beside the exception": ({"cidr": "172.18.0.0/16", "except": ["172.18.1.0/24"]}, "172.18.0.9", True),
    "second exception": ({"cidr": "172.18.0.0/16", "except": ["172.18.1.0/24", "172.18.0.9/32"]}, "172.18.0.9", False),
    "no exceptions": ({"cidr": "172.18.0.0/16", "except": None}, "172.18.0.9", True),
    "one address": ({"cidr": "172.18.0.9/32"}, "172.18.0.9", True),
    "IPv6": ({"cidr": "fd00::/8"}, "fd00::9", True),
    "IPv6 block and IPv4 address": ({"cidr": "::/0"}, "172.18.0.9", False),
    "IPv4 block and IPv6 address": ({"cidr": "0.0.0.0/0"}, "fd00::9", False),
    "no address": ({"cidr": "0.0.0.0/0"}, "", False),
}


@pytest.mark.parametrize(("block", "address", "expected"), BLOCKS.values(), ids=BLOCKS.keys())
def test_block_holds_addresses(block, address, expected):
    assert in_block(block, address) is expected


def test_hundreds_of_policies_are_no_matter():
    many = [ingress([{"from": [{"podSelector": {"matchLabels": {"n": str(number)}}}]}]) for number in range(500)]
    assert not allowed(many)
    assert allowed([*many, ingress([{}])])
