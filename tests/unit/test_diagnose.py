"""The diagnosis: from the objects and sockets of a lab to the fault that its hint should name."""

import pytest

from checker import diagnose
from checker.diagnose import Snapshot, Socket, Subject
from checker.traffic import Target

EVERYWHERE, LOOPBACK = "0.0.0.0", "127.0.0.1"


def pod(name, workload="web", labels=("app=web",), ready=True, ports=(), listens=((EVERYWHERE, 8080),), **spec):
    """Describe a Pod; `listens` is None where nobody could look into it."""
    return (
        workload,
        listens,
        {
            "metadata": {
                "name": name,
                "namespace": "lab-03",
                "uid": f"uid-{name}",
                "labels": dict(each.split("=") for each in labels),
            },
            "spec": {"containers": [{"name": "c", "ports": list(ports)}], **spec},
            "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
        },
    )


def service(name="web", selector="app=web", port=80, target_port=8080, namespace="lab-03", **spec):
    made = {"port": port} if target_port is None else {"port": port, "targetPort": target_port}
    pairs = dict(each.split("=") for each in selector.split(",") if each)
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": pairs, "ports": [made], **spec},
    }


def snapshot(pods=(), services=()):
    return Snapshot(
        namespace="lab-03",
        services=list(services),
        pods=[each for _, _, each in pods],
        workloads={each["metadata"]["uid"]: workload for workload, _, each in pods},
        sockets={
            each["metadata"]["uid"]: [Socket(*socket) for socket in listens]
            for _, listens, each in pods
            if listens is not None
        },
    )


def explain(target, state, workload=""):
    return diagnose.explain(state, [Subject(Target.parse(target), workload)])


WEB = [pod("web-a"), pod("web-b")]
NAMED = [{"name": "http", "containerPort": 8080}]

FAULTY_SERVICES = {
    "selector fits nobody": (WEB, service(selector="app=api"), "M1", ["`app=api`", "no endpoints"]),
    "selector is one label too many": (WEB, service(selector="app=web,tier=x"), "M1", ["`app=web,tier=x`"]),
    "selector is missing": (WEB, service(selector=""), "M1", ["has no selector"]),
    "there is no Pod at all": ([], service(), "M1", ["`app=web`", "No Pod"]),
    "targetPort is another": (WEB, service(target_port=80), "M2", ["port 80", "listen on 8080"]),
    "targetPort is left out": (WEB, service(target_port=None), "M2", ["port 80", "listen on 8080"]),
    "nobody listens on anything": ([pod("web-a", listens=())], service(), "M2", ["8080", "no port"]),
    "one of two Pods listens elsewhere": (
        [pod("web-a"), pod("web-b", listens=[(EVERYWHERE, 9090)])],
        service(),
        "M2",
        ["port 8080", "listen on 9090"],
    ),
    "named port is not there": (WEB, service(target_port="http"), "M3", ["`targetPort: http`", "but none"]),
    "named port has another name": (
        [pod("web-a", ports=NAMED)],
        service(target_port="web"),
        "M3",
        ["`targetPort: web`", "`http`"],
    ),
    "named port leads to where nobody listens": (
        [pod("web-a", ports=[{"name": "http", "containerPort": 80}])],
        service(target_port="http"),
        "M2",
        ["port 80", "listen on 8080"],
    ),
    "bound to loopback": ([pod("web-a", listens=[(LOOPBACK, 8080)])], service(), "M5", ["8080", "loopback"]),
    "bound to IPv6 loopback": ([pod("web-a", listens=[("::1", 8080)])], service(), "M5", ["loopback"]),
    "nobody is ready": ([pod("web-a", ready=False)], service(), "M6", ["1 Pods", "none is Ready"]),
    "port and targetPort swapped": (
        WEB,
        service(port=8080, target_port=80),
        "M9",
        ["`port: 8080` to `targetPort: 80`", "swapped"],
    ),
    "clients use another port": (WEB, service(port=8080), "M9", ["Clients use port 80", "`port: 8080`"]),
    "Service has another name": (WEB, service(name="my-web"), "no-service", ["`web`", "`my-web`"]),
    "Service is elsewhere": (WEB, service(namespace="other"), "no-service", ["`lab-03`", "none"]),
}


@pytest.mark.parametrize("target", ["clusterip/web:80", "http://web", "http://web.lab-03.svc.cluster.local"])
@pytest.mark.parametrize(("pods", "faulty", "cause", "words"), FAULTY_SERVICES.values(), ids=FAULTY_SERVICES.keys())
def test_fault_of_a_service_is_recognised(target, pods, faulty, cause, words):
    found = explain(target, snapshot(pods, [faulty]))
    assert found is not None
    assert found.id == cause
    assert [word for word in words if word not in found.why] == []
    assert found.command.startswith("kubectl -n lab-03 ")


OTHERS = {
    "Pods of another workload": ([pod("admin-a", "admin")], ["`admin`"]),
    "Pods of another workload as well": ([*WEB, pod("admin-a", "admin")], ["`admin`, `web`", "not those of `web`"]),
    "a bare Pod as well": ([*WEB, pod("stray", "stray")], ["`stray`"]),
}


@pytest.mark.parametrize(("pods", "words"), OTHERS.values(), ids=OTHERS.keys())
def test_pods_that_should_not_answer_are_recognised_where_the_check_names_who_should(pods, words):
    found = explain("http://web", snapshot(pods, [service()]), "web")
    assert found.id == "wrong-pods"
    assert [word for word in words if word not in found.why] == []
    assert "-l app=web" in found.command


def test_without_a_named_workload_no_pod_is_a_wrong_one():
    assert explain("http://web", snapshot([*WEB, pod("admin-a", "admin")], [service()])) is None


RIGHT_SERVICES = {
    "by number": (WEB, service()),
    "by name": ([pod("web-a", ports=NAMED)], service(target_port="http")),
    "port on both sides": ([pod("web-a", listens=[(EVERYWHERE, 80)])], service(target_port=None)),
    "IPv6 wildcard": ([pod("web-a", listens=[("::", 8080)])], service()),
    "one of two ready": ([pod("web-a"), pod("web-b", ready=False)], service()),
    "publishes those not ready": ([pod("web-a", ready=False)], service(publishNotReadyAddresses=True)),
    "loopback as well": ([pod("web-a", listens=[(LOOPBACK, 8080), ("10.244.1.2", 8080)])], service()),
    "another Service beside it": (WEB, service()),
}


@pytest.mark.parametrize(("pods", "right"), RIGHT_SERVICES.values(), ids=RIGHT_SERVICES.keys())
def test_right_service_has_no_fault(pods, right):
    assert explain("clusterip/web:80", snapshot(pods, [service(name="other", selector="a=b"), right]), "web") is None


def test_what_nobody_could_look_into_is_not_said_to_be_silent():
    unseen = snapshot([pod("web-a", listens=None)], [service()])
    assert explain("clusterip/web:80", unseen) is None
    assert explain("web:8080", unseen) is None


FAULTS_TOGETHER = {
    "selector and targetPort": (WEB, service(selector="app=api", target_port=80), "M1"),
    "selector and a port that clients do not use": (WEB, service(selector="app=api", port=8080), "M9"),
    "name of the port, and not ready": ([pod("web-a", ready=False)], service(target_port="http"), "M3"),
    "not ready, and another targetPort": ([pod("web-a", ready=False)], service(target_port=80), "M6"),
    "wrong Pods, and another targetPort": ([pod("admin-a", "admin")], service(target_port=80), "wrong-pods"),
}


@pytest.mark.parametrize(("pods", "faulty", "cause"), FAULTS_TOGETHER.values(), ids=FAULTS_TOGETHER.keys())
def test_of_several_faults_the_one_that_stops_packets_first_is_named(pods, faulty, cause):
    assert explain("clusterip/web:80", snapshot(pods, [faulty]), "web").id == cause


FAULTY_PODS = {
    "loopback only": (pod("web-a", listens=[(LOOPBACK, 8080)]), "M5", ["`web-a`", "8080", LOOPBACK]),
    "loopback only, with a containerPort": (
        pod("web-a", listens=[(LOOPBACK, 8080)], ports=NAMED),
        "M4",
        [LOOPBACK, "`containerPort` documents"],
    ),
    "loopback only, with a containerPort of another number": (
        pod("web-a", listens=[(LOOPBACK, 8080)], ports=[{"containerPort": 80}]),
        "M5",
        [LOOPBACK],
    ),
    "another port": (pod("web-a", listens=[(EVERYWHERE, 9090)]), "not-listening", ["port 8080", f"{EVERYWHERE}:9090"]),
    "no port": (pod("web-a", listens=()), "not-listening", ["port 8080", "no port"]),
    "the port by UDP": (pod("web-a", listens=[(EVERYWHERE, 8080, "udp")]), "not-listening", ["no port"]),
    "the node's network": (pod("web-a", hostNetwork=True), "host-network", ["`web-a`", "`hostNetwork: true`"]),
    "the node's network, on loopback": (
        pod("web-a", listens=[(LOOPBACK, 8080)], hostNetwork=True),
        "host-network",
        ["no address of its own"],
    ),
}


@pytest.mark.parametrize(("faulty", "cause", "words"), FAULTY_PODS.values(), ids=FAULTY_PODS.keys())
def test_fault_of_a_pod_is_recognised_whichever_of_its_workload_it_is(faulty, cause, words):
    found = explain("web:8080", snapshot([pod("web-0"), faulty]))
    assert found.id == cause
    assert [word for word in words if word not in found.why] == []
    assert found.command.startswith("kubectl -n lab-03 ")


def test_pod_that_listens_has_no_fault():
    assert explain("web:8080", snapshot(WEB)) is None


def test_pods_of_other_workloads_are_not_blamed():
    assert explain("web:8080", snapshot([*WEB, pod("other", "other", listens=())])) is None


@pytest.mark.parametrize(
    "target",
    ["node:30080", "outside:80", "tcp://10.96.0.1:443", "http://myapp.example.com", "http://db-0.db.lab-03.svc"],
)
def test_what_is_neither_service_nor_pod_is_not_explained(target):
    assert explain(target, snapshot(WEB, [service(selector="app=api")])) is None


def test_nothing_that_failed_needs_no_explanation():
    assert diagnose.explain(snapshot(WEB, [service()]), []) is None


def test_first_recognised_fault_of_what_failed_is_told():
    state = snapshot([pod("web-a", listens=[(LOOPBACK, 8080)])], [service(selector="app=api")])
    targets = ["outside:80", "web:8080", "clusterip/web:80"]
    subjects = [Subject(Target.parse(each)) for each in targets]
    assert diagnose.explain(state, subjects).id == "M5"
    assert diagnose.explain(state, reversed(subjects)).id == "M1"


def test_a_server_that_takes_another_for_its_caller_has_somebody_between():
    subject = Subject(Target.parse("web:8080"), seen=LOOPBACK)
    found = diagnose.explain(snapshot([pod("web-a")]), [subject])
    assert found.id == "translated"
    assert "`web-a` takes 127.0.0.1 for its caller" in found.why


def test_a_server_that_sees_its_caller_has_nobody_between():
    assert diagnose.explain(snapshot([pod("web-a")]), [Subject(Target.parse("web:8080"))]) is None
