"""The model against tables that others wrote: facts of their test cases, told here in our own words and YAML.

Three sources, each run by its own project against its own engine:

- np-guard's netpol-analyzer (Apache-2.0), `pkg/netpol/eval/eval_test.go`: the entries of `TestBasic` and `TestNew`,
  named as there (b1 … b4 and t1 … t58), with the answers that those tests require. Its policies follow Ahmet Alp
  Balkan's network policy recipes. There all Pods share an address; here each has its own, which no case depends on.
- The end-to-end tests of Kubernetes, `test/e2e/network/netpol/network_policy.go`, with the reachability they require.
  Cyclonus (MIT) takes the same cases up in `pkg/generator/upstreame2ecases.go`.
- Cyclonus (MIT), `pkg/matcher/policy_tests.go`: protocols, addresses of Pods in an ipBlock, named ports.
"""

import ipaddress

import pytest
import yaml

from checker.policy import End, decide

TEAMS = {"default": {"a": "b"}, "operations": {"team": "operations"}}
PEOPLE = {
    "default/b": {"app": "web", "role": "monitoring"},
    "default/c": {"app": "apiserver"},
    "operations/d": {"type": "monitoring"},
    "default/e": {"app": "bookstore", "role": "search"},
    "default/f": {"app": "bookstore", "role": "api"},
    "default/g": {"app": "inventory", "role": "web"},
    "default/h": {"app": "bookstore", "role": "db"},
    "operations/j": {"app": "bookstore1", "role": "db1"},
}


def end(text):
    """Return the Pod of np-guard's world by its name, or an address as it is."""
    if text not in PEOPLE:
        return End(text, str(ipaddress.ip_address(text)))
    space = text.partition("/")[0]
    return End(text, f"192.168.49.{10 + [*PEOPLE].index(text)}", space, PEOPLE[text], TEAMS[space])


# Words that stand for a longer piece of YAML below.
SHORT = {
    "@web": "podSelector: {matchLabels: {app: web}}",
    "@a": "podSelector: {matchLabels: {pod: a}}",
    "@not-x": "namespaceSelector: {matchExpressions: [{key: @name, operator: NotIn, values: [x]}]}",
    "@from-y": "{namespaceSelector: {matchLabels: {@name: y}}}",
    "@name": "kubernetes.io/metadata.name",
}
NP_GUARD = {
    "nothing to web": ["{@web, policyTypes: [Ingress]}"],
    "all to web": ["{@web, ingress: [{}]}"],
    "monitoring to the API on 5000": [
        "{podSelector: {matchLabels: {app: apiserver}},"
        " ingress: [{ports: [{port: 5000}], from: [{podSelector: {matchLabels: {role: monitoring}}}]}]}"
    ],
    "every namespace to web": ["{@web, ingress: [{from: [{namespaceSelector: {}}]}]}"],
    "every Pod of every namespace to web": ["{@web, ingress: [{from: [{namespaceSelector: {}, podSelector: {}}]}]}"],
    "from absent": ["{@web, ingress: [{from: }]}"],
    "from empty": ["{@web, ingress: [{from: []}]}"],
    "monitoring of operations to web": [
        "{@web, ingress: [{from: [{namespaceSelector: {matchLabels: {team: operations}},"
        " podSelector: {matchLabels: {type: monitoring}}}]}]}"
    ],
    "among themselves": ["{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}"],
    "nothing to anything": ["{podSelector: {}, ingress: []}"],
    "the API to web": ["{@web, ingress: [{from: [{podSelector: {matchLabels: {app: apiserver}}}]}]}"],
    "operations to web": ["{@web, ingress: [{from: [{namespaceSelector: {matchLabels: {team: operations}}}]}]}"],
    "nothing from web": ["{@web, policyTypes: [Egress], egress: []}"],
    "port 53 from web": [
        "{@web, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: TCP}, {port: 53, protocol: UDP}]}]}"
    ],
    "nothing from anything": ["{podSelector: {}, policyTypes: [Egress], egress: []}"],
    "port 53 of every namespace from web": [
        "{@web, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: TCP}, {port: 53, protocol: UDP}],"
        " to: [{namespaceSelector: {}}]}]}"
    ],
    "ingress empty": ["{@web, policyTypes: [Ingress], ingress: []}"],
    "neither in nor out": ["{@web, policyTypes: [Ingress, Egress]}"],
    "three kinds to the database": [
        "{podSelector: {matchLabels: {app: bookstore, role: db}}, ingress: [{from: ["
        "{podSelector: {matchLabels: {app: bookstore, role: search}}},"
        "{podSelector: {matchLabels: {app: bookstore, role: api}}},"
        "{podSelector: {matchLabels: {app: inventory, role: web}}}]}]}"
    ],
    "and": [
        "{@web, ingress: [{from: [{namespaceSelector: {matchLabels: {team: operations}},"
        " podSelector: {matchLabels: {type: monitoring}}}]}]}"
    ],
    "or": [
        "{@web, ingress: [{from: [{namespaceSelector: {matchLabels: {team: operations}}},"
        " {podSelector: {matchLabels: {role: search}}}]}]}"
    ],
    "two blocks with exceptions": [
        "{@web, ingress: [{from: [{ipBlock: {cidr: 172.17.0.0/16, except: [172.17.0.0/24]}},"
        " {ipBlock: {cidr: 10.0.0.0/16, except: [10.0.0.0/24]}}]}]}"
    ],
    "own Pods and a block on 80, DNS anywhere": [
        "{@web, policyTypes: [Egress], egress: [{ports: [{port: 80, protocol: TCP}],"
        " to: [{podSelector: {}}, {ipBlock: {cidr: 192.168.242.213/24}}]}, {ports: [{port: 53, protocol: UDP}]}]}"
    ],
}
NP_GUARD["nothing and all to web"] = NP_GUARD["nothing to web"] + NP_GUARD["all to web"]

# entry, policies, source, target, port, answer
ENTRIES = """
    b1  | own Pods and a block on 80, DNS anywhere | default/b     | 192.168.242.0 | 80   | yes
    b2  | own Pods and a block on 80, DNS anywhere | default/b     | 192.169.0.0   | 80   | no
    b3  | own Pods and a block on 80, DNS anywhere | default/b     | default/c     | 80   | yes
    b4  | own Pods and a block on 80, DNS anywhere | default/b     | default/c     | 81   | no
    t1  | nothing to web                      | default/c     | default/b     | 80   | no
    t2  | all to web                          | default/c     | default/b     | 80   | yes
    t3  | nothing and all to web              | default/c     | default/b     | 80   | yes
    t4  | monitoring to the API on 5000       | default/b     | default/c     | 5000 | yes
    t5  | every namespace to web              | default/c     | default/b     | 80   | yes
    t6  | monitoring of operations to web     | operations/d  | default/b     | 80   | yes
    t7  | monitoring of operations to web     | default/c     | default/b     | 80   | no
    t8  | among themselves                    | default/c     | default/b     | 80   | yes
    t9  | among themselves                    | default/b     | default/c     | 80   | yes
    t10 | among themselves                    | operations/d  | default/c     | 80   | no
    t11 | from absent                         | default/c     | default/b     | 80   | yes
    t12 | from absent                         | operations/d  | default/b     | 80   | yes
    t13 | every Pod of every namespace to web | default/c     | default/b     | 80   | yes
    t14 | every Pod of every namespace to web | operations/d  | default/b     | 80   | yes
    t15 | nothing to anything                 | default/c     | default/b     | 80   | no
    t16 | nothing to anything                 | default/b     | default/c     | 80   | no
    t17 | nothing to anything                 | operations/d  | default/c     | 80   | no
    t18 | nothing to anything                 | default/b     | operations/d  | 80   | yes
    t19 | the API to web                      | default/c     | default/b     | 80   | yes
    t20 | the API to web                      | operations/d  | default/b     | 80   | no
    t21 | from empty                          | default/c     | default/b     | 80   | yes
    t22 | from empty                          | 192.168.242.0 | default/b     | 80   | yes
    t23 | from empty                          | operations/d  | default/b     | 80   | yes
    t24 | operations to web                   | operations/d  | default/b     | 80   | yes
    t25 | operations to web                   | default/c     | default/b     | 80   | no
    t26 | nothing from web                    | default/b     | default/c     | 80   | no
    t27 | nothing from web                    | default/c     | default/b     | 80   | yes
    t28 | port 53 from web                    | default/b     | default/c     | 53   | yes
    t29 | port 53 from web                    | default/c     | default/b     | 80   | yes
    t30 | nothing from anything               | default/c     | default/b     | 80   | no
    t31 | nothing from anything               | default/b     | default/c     | 80   | no
    t32 | nothing from anything               | operations/d  | default/c     | 80   | yes
    t33 | port 53 of every namespace from web | default/b     | default/c     | 53   | yes
    t34 | port 53 of every namespace from web | default/b     | operations/d  | 53   | yes
    t35 | port 53 of every namespace from web | default/b     | 192.168.242.0 | 53   | no
    t36 | port 53 of every namespace from web | default/c     | default/b     | 80   | yes
    t37 | ingress empty                       | default/c     | default/b     | 80   | no
    t38 | ingress empty                       | default/b     | default/c     | 80   | yes
    t39 | neither in nor out                  | default/c     | default/b     | 80   | no
    t40 | neither in nor out                  | default/b     | default/c     | 80   | no
    t41 | neither in nor out                  | default/c     | operations/d  | 80   | yes
    t42 | neither in nor out                  | operations/d  | default/c     | 80   | yes
    t43 | three kinds to the database         | default/e     | default/h     | 80   | yes
    t44 | three kinds to the database         | default/f     | default/h     | 80   | yes
    t45 | three kinds to the database         | default/g     | default/h     | 80   | yes
    t46 | three kinds to the database         | default/c     | default/h     | 80   | no
    t47 | three kinds to the database         | default/b     | default/h     | 80   | no
    t48 | and                                 | operations/d  | default/b     | 80   | yes
    t49 | and                                 | default/c     | default/b     | 80   | no
    t50 | or                                  | operations/d  | default/b     | 80   | yes
    t51 | or                                  | default/c     | default/b     | 80   | no
    t52 | or                                  | default/e     | default/b     | 80   | yes
    t53 | two blocks with exceptions          | 172.17.1.0    | default/b     | 80   | yes
    t54 | two blocks with exceptions          | 10.0.1.0      | default/b     | 80   | yes
    t55 | two blocks with exceptions          | 172.17.0.0    | default/b     | 80   | no
    t56 | two blocks with exceptions          | 10.0.0.0      | default/b     | 80   | no
    t57 | two blocks with exceptions          | 11.0.0.0      | default/b     | 80   | no
    t58 | two blocks with exceptions          | default/c     | default/b     | 80   | no
"""
LINES = [[part.strip() for part in line.split("|")] for line in ENTRIES.strip().splitlines()]


def made(spec, namespace, number=0):
    for word, piece in SHORT.items():
        spec = spec.replace(word, piece)
    return {"metadata": {"name": f"p{number}", "namespace": namespace}, "spec": yaml.safe_load(spec)}


@pytest.mark.parametrize(
    ("policies", "source", "target", "port", "answer"), [each[1:] for each in LINES], ids=[each[0] for each in LINES]
)
def test_np_guard_entry(policies, source, target, port, answer):
    specs = [made(spec, "default", number) for number, spec in enumerate(NP_GUARD[policies])]
    assert decide(specs, end(source), end(target), int(port)).allowed is (answer == "yes")


# Kubernetes' own: Pods a, b and c in the namespaces x, y and z, each serving 80 and 81, named serve-80-tcp and so on.
# A case lists policies by namespace, then for a port and protocol the pairs that must be shut; all others are open.
NS = SHORT["@name"]


def into(target, *but):
    """Shut every way into some Pods, but from those named."""
    return lambda source, to: to.startswith(target) and not any(source.startswith(each) for each in but)


def out_of(source, *but):
    return lambda origin, to: origin.startswith(source) and not any(to.startswith(each) for each in but)


def either(*rules):
    return lambda source, to: any(rule(source, to) for rule in rules)


def never(*_):
    return False


CASES = {
    "default-deny-ingress": ([("x", "{podSelector: {}, ingress: []}")], [(80, "TCP", into("x/"))]),
    "default-deny-all": (
        [("x", "{podSelector: {}, policyTypes: [Ingress, Egress]}")],
        [(80, "TCP", either(into("x/"), out_of("x/")))],
    ),
    "from Pods by label": (
        [("x", "{@a, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]}")],
        [(80, "TCP", into("x/a", "x/b"))],
    ),
    "open for one target": (
        [
            ("x", "{podSelector: {}, ingress: []}"),
            ("x", "{@a, ingress: [{from: [{podSelector: {}, namespaceSelector: {}}]}]}"),
        ],
        [(80, "TCP", either(into("x/b"), into("x/c")))],
    ),
    "from Pods of all namespaces": (
        [("x", "{@a, ingress: [{from: [{namespaceSelector: {}}]}]}")],
        [(80, "TCP", never)],
    ),
    "from another namespace only": (
        [("x", "{@a, ingress: [{from: [@from-y]}]}")],
        [(80, "TCP", into("x/a", "y/"))],
    ),
    "Pods by expression": (
        [
            (
                "x",
                "{@a, ingress: [{from: [{podSelector: {matchExpressions: [{key: pod, operator: In, values: [b]}]}}]}]}",
            )
        ],
        [(80, "TCP", into("x/a", "x/b"))],
    ),
    "namespaces by expression": (
        [
            (
                "x",
                "{@a, ingress: [{from: [{namespaceSelector:"
                " {matchExpressions: [{key: @name, operator: In, values: [y]}]}}]}]}",
            )
        ],
        [(80, "TCP", into("x/a", "y/"))],
    ),
    "Pods or namespaces": (
        [("x", "{@a, ingress: [{from: [{@not-x}, {podSelector: {matchLabels: {pod: b}}}]}]}")],
        [(80, "TCP", into("x/a", "x/b", "y/", "z/"))],
    ),
    "Pods and namespaces": (
        [("x", "{@a, ingress: [{from: [{@not-x, podSelector: {matchLabels: {pod: b}}}]}]}")],
        [(80, "TCP", into("x/a", "y/b", "z/b"))],
    ),
    "several Pods of other namespaces": (
        [
            (
                "x",
                "{@a, ingress: [{from: [{@not-x,"
                " podSelector: {matchExpressions: [{key: pod, operator: In, values: [b, c]}]}}]}]}",
            )
        ],
        [(80, "TCP", into("x/a", "y/b", "y/c", "z/b", "z/c"))],
    ),
    "any of two selectors": (
        [
            (
                "x",
                "{@a, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}},"
                " {podSelector: {matchLabels: {pod: c}}}]}]}",
            )
        ],
        [(80, "TCP", into("x/a", "x/b", "x/c"))],
    ),
    "one Pod of another namespace": (
        [
            (
                "x",
                "{@a, ingress: [{from: [{namespaceSelector: {matchLabels: {@name: y}},"
                " podSelector: {matchLabels: {pod: a}}}]}]}",
            )
        ],
        [(80, "TCP", into("x/a", "y/a"))],
    ),
    "by port": (
        [("x", "{@a, ingress: [{from: [@from-y], ports: [{port: 81, protocol: TCP}]}]}")],
        [(81, "TCP", into("x/a", "y/")), (80, "TCP", into("x/a"))],
    ),
    "stacked policies": (
        [
            ("x", "{@a, ingress: [{from: [@from-y], ports: [{port: 81, protocol: TCP}]}]}"),
            ("x", "{@a, ingress: [{from: [@from-y], ports: [{port: 80, protocol: TCP}]}]}"),
        ],
        [(81, "TCP", into("x/a", "y/")), (80, "TCP", into("x/a", "y/"))],
    ),
    "allow-all": ([("x", "{podSelector: {}, ingress: [{}]}")], [(80, "TCP", never), (81, "TCP", never)]),
    "one named port in": (
        [("x", "{podSelector: {}, ingress: [{ports: [{port: serve-81-tcp}]}]}")],
        [(81, "TCP", never), (80, "TCP", into("x/"))],
    ),
    "one named port from a namespace": (
        [("x", "{@a, ingress: [{from: [@from-y], ports: [{port: serve-80-tcp, protocol: TCP}]}]}")],
        [(80, "TCP", into("x/a", "y/")), (81, "TCP", into("x/a"))],
    ),
    "one named port out": (
        [("x", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: serve-80-tcp}]}]}")],
        [(80, "TCP", never), (81, "TCP", out_of("x/"))],
    ),
    "not from other namespaces": (
        [("x", "{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}")],
        [(80, "TCP", into("x/", "x/"))],
    ),
    "nothing out of one Pod": ([("x", "{@a, policyTypes: [Egress]}")], [(80, "TCP", out_of("x/a"))]),
    "nothing out of a namespace": (
        [("x", "{podSelector: {}, policyTypes: [Egress], egress: []}")],
        [(80, "TCP", out_of("x/"))],
    ),
    "in and out together": (
        [
            (
                "x",
                "{@a, policyTypes: [Egress, Ingress], ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}],"
                " egress: [{ports: [{port: 80}]}]}",
            )
        ],
        [(80, "TCP", into("x/a", "x/b")), (81, "TCP", either(into("x/a", "x/b"), out_of("x/a")))],
    ),
    "the client may not, though the server lets it": (
        [
            (
                "x",
                "{@a, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {@name: y}},"
                " podSelector: {matchLabels: {pod: a}}}]}]}",
            ),
            (
                "y",
                "{podSelector: {matchExpressions: [{key: pod, operator: In, values: [a, b]}]}, ingress: [{from:"
                " [{namespaceSelector: {matchLabels: {@name: x}}, podSelector: {matchLabels: {pod: a}}}]}]}",
            ),
        ],
        [(80, "TCP", either(out_of("x/a", "y/a"), into("y/a", "x/a"), into("y/b")))],
    ),
    "out to one Pod of another namespace": (
        [
            (
                "x",
                "{@a, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {@name: y}},"
                " podSelector: {matchLabels: {pod: a}}}]}]}",
            )
        ],
        [(80, "TCP", out_of("x/a", "y/a"))],
    ),
    "any port of one protocol": (
        [("x", "{@a, ingress: [{ports: [{protocol: TCP}]}]}")],
        [(80, "TCP", never), (80, "UDP", into("x/a"))],
    ),
    "allow-all beside a stricter one, in": (
        [
            ("x", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}"),
            ("x", "{podSelector: {}, ingress: [{}]}"),
        ],
        [(81, "TCP", never)],
    ),
    "allow-all beside a stricter one, out": (
        [
            ("x", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 80}]}]}"),
            ("x", "{podSelector: {}, policyTypes: [Egress], egress: [{}]}"),
        ],
        [(81, "TCP", never)],
    ),
    "a stricter one alone": (
        [("x", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}")],
        [(81, "TCP", into("x/"))],
    ),
    "deleted": ([], [(80, "TCP", never)]),
}


def grid():
    served = {f"serve-{port}-{each.lower()}": (port, each) for port in (80, 81) for each in ("TCP", "UDP")}
    names = [f"{space}/{each}" for space in "xyz" for each in "abc"]
    return [
        End(name, f"10.0.{number}.1", name[0], {"pod": name[2]}, {NS: name[0]}, served)
        for number, name in enumerate(names)
    ]


@pytest.mark.parametrize(("policies", "tables"), CASES.values(), ids=CASES.keys())
def test_case_of_kubernetes_itself(policies, tables):
    specs = [made(spec, space, number) for number, (space, spec) in enumerate(policies)]
    for port, protocol, shut in tables:
        pairs = [(one, other) for one in grid() for other in grid() if one != other]
        found = {
            (one.name, other.name) for one, other in pairs if not decide(specs, one, other, port, protocol).allowed
        }
        assert found == {(one.name, other.name) for one, other in pairs if shut(one.name, other.name)}


def test_case_of_cyclonus_allowing_a_protocol_denies_the_others():
    policies = [made("{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{protocol: SCTP}]}]}", "x")]
    target = End("x/t", "1.2.3.5", "x")
    for source in (End("y/s", "1.2.3.4", "y"), End("address", "1.2.3.4")):
        assert not decide(policies, source, target, 103, "TCP").allowed
        assert decide(policies, source, target, 103, "SCTP").allowed


def test_case_of_cyclonus_pod_whose_address_lies_in_a_block():
    spec = (
        "{podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress], egress: [{ports: [{port: 80, protocol: TCP}],"
        " to: [{podSelector: {}}, {ipBlock: {cidr: 192.168.242.213/24}}]}, {ports: [{port: 53, protocol: UDP}]}]}"
    )
    source = End("x/a", "1.2.3.4", "x", {"pod": "a"}, {"ns": "x"})
    target = End("y/b", "192.168.242.249", "y", {"pod": "b"}, {"ns": "y"})
    assert decide([made(spec, "x")], source, target, 80, "TCP").allowed


def test_case_of_cyclonus_named_port():
    spec = "{podSelector: {matchLabels: {pod: a}}, ingress: [{ports: [{port: port-hello, protocol: TCP}]}]}"
    target = End("x/a", "192.168.242.249", "x", {"pod": "a"}, {"ns": "x"}, {"port-hello": (103, "TCP")})
    assert decide([made(spec, "x")], End("address", "1.2.3.4"), target, 103, "TCP").allowed
    assert not decide([made(spec, "x")], End("address", "1.2.3.4"), target, 104, "TCP").allowed
