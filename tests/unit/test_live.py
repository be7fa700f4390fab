"""What a lab's checks compute without a cluster: how many requests, which rounds agree, what a place is."""

from __future__ import annotations

import pytest

from checker.errors import CheckFailed, ContentError
from checker.live import MISS_PROBABILITY, requests_to_meet_all
from checker.places import Places
from checker.traffic import Flow, Target
from checker.workload import Pod


@pytest.mark.parametrize("servers", [1, 2, 3, 8, 20])
def test_requests_suffice_to_meet_every_server(servers):
    """The chance to miss one of k servers in n requests is at most k(1 - 1/k)^n."""
    count = requests_to_meet_all(servers)
    assert servers * (1 - 1 / servers) ** count <= MISS_PROBABILITY
    assert count < 20 * servers + 10


def test_more_requests_than_needed_are_not_sent():
    assert requests_to_meet_all(1) == 10
    assert 3 * (1 - 1 / 3) ** (requests_to_meet_all(3) - 1) > MISS_PROBABILITY


class FakeApi:
    """Two nodes and some Services."""

    cluster = "deep-dive"

    def __init__(self, **services):
        self.services = services
        self.slices = []

    def get(self, manifest):
        return self.services.get(manifest["metadata"]["name"])

    def objects(self, api_version, kind, namespace=""):
        if kind == "EndpointSlice":
            return self.slices if namespace == "lab-03" else []
        assert (api_version, kind) == ("v1", "Node")
        addresses = [{"type": "InternalIP", "address": "172.18.0.2"}, {"type": "Hostname", "address": "x"}]
        names = ["deep-dive-control-plane", "deep-dive-worker"]
        return [{"metadata": {"name": name}, "status": {"addresses": addresses}} for name in names]


class FakeWorkloads:
    """One Pod of one workload."""

    def running(self):
        return self.pods("client", "lab-03")

    def pods(self, name, namespace):
        if name != "client":
            raise CheckFailed(f"{name} has no running Pod")
        return [Pod("client-1", namespace, "uid", "deep-dive-worker", "10.244.1.5", "client", {}, True, False)]


def places(**services):
    return Places(FakeApi(**services), FakeWorkloads(), "lab-03", lambda: "172.18.0.9")


def service(address="10.96.0.7", **port):
    return {"spec": {"clusterIP": address, "ports": [{"port": 80, **port}]}}


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("client", ["lab-03/client-1"]),
        ("other/client", ["other/client-1"]),
        ("node", ["deep-dive-control-plane", "deep-dive-worker"]),
        ("node/worker", ["deep-dive-worker"]),
        ("node/deep-dive-worker", ["deep-dive-worker"]),
        ("outside", ["outside"]),
    ],
)
def test_a_row_starts_where_its_words_say(text, sources):
    assert [origin.source.name for origin in places().origins(text)] == sources


def test_a_service_is_no_source():
    with pytest.raises(ContentError, match="is no source"):
        places().origins("clusterip/my-service")


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("client:8080", ["10.244.1.5"]),
        ("clusterip/my-service:80", ["10.96.0.7"]),
        ("http://my-service", ["my-service"]),
        ("node/worker:30080", ["172.18.0.2"]),
        ("outside:80", ["172.18.0.9"]),
    ],
)
def test_a_column_leads_where_its_words_say(text, addresses):
    found = places(**{"my-service": service()}).addresses(Target.parse(text))
    assert [address for address, _ in found] == addresses


@pytest.mark.parametrize(
    ("live", "target", "reason"),
    [
        (None, "clusterip/my-service:80", "Service my-service does not exist"),
        (service("None"), "clusterip/my-service:80", "Service my-service has no ClusterIP"),
        ({"spec": {"type": "ExternalName"}}, "clusterip/my-service:80", "Service my-service has no ClusterIP"),
        (service(), "clusterip/my-service:81", "Service my-service has no port 81"),
        (service(), "clusterip/my-service:80/udp", "Service my-service has no port 80"),
        (service(protocol="UDP"), "clusterip/my-service:80", "Service my-service has no port 80"),
    ],
)
def test_a_service_port_that_nothing_catches_is_not_probed(live, target, reason):
    """No rule matches such packets, so they would leave the cluster."""
    with pytest.raises(CheckFailed, match=reason):
        places(**{"my-service": live}).addresses(Target.parse(target))


def endpoints(*uids, port=8080, name="", ready=True):
    return {
        "metadata": {"labels": {"kubernetes.io/service-name": "my-service"}},
        "endpoints": [{"targetRef": {"uid": uid}, "conditions": {"ready": ready}} for uid in uids],
        "ports": [{"name": name, "port": port}, {"name": "other", "port": 1}],
    }


def behind(text, *slices, **port):
    found = places(**{"my-service": service(**port)})
    found.api.slices = [*slices, {"metadata": {"labels": {"kubernetes.io/service-name": "another"}}}]
    return found.behind(Target.parse(text))


@pytest.mark.parametrize(
    "text", ["clusterip/my-service:80", "tcp://my-service.lab-03:80", "http://my-service.lab-03.svc"]
)
def test_the_only_pod_behind_a_service_is_its_control(text):
    source, port = behind(text, endpoints("uid"))
    assert (source.name, port) == ("lab-03/client-1", 8080)


def test_the_port_behind_a_service_is_found_by_its_name():
    found = behind("clusterip/my-service:80", endpoints("uid", name="web", port=3000), name="web")
    assert found is not None
    assert found[1] == 3000


@pytest.mark.parametrize(
    ("text", "slices"),
    [
        ("clusterip/my-service:80", []),
        ("clusterip/my-service:80", [endpoints("uid", "uid-2")]),
        ("clusterip/my-service:80", [endpoints("uid"), endpoints("uid-2")]),
        ("clusterip/my-service:80", [endpoints("uid", ready=False)]),
        ("clusterip/my-service:80", [endpoints("uid-of-nobody")]),
        ("clusterip/my-service:81", [endpoints("uid")]),
        ("clusterip/my-service:80/udp", [endpoints("uid")]),
        ("http://my-service", [endpoints("uid")]),
        ("http://my-service.lab-03.example", [endpoints("uid")]),
        ("http://my-service.elsewhere.svc", [endpoints("uid")]),
        ("client:80", [endpoints("uid")]),
        ("outside:80", [endpoints("uid")]),
    ],
)
def test_whoever_may_answer_is_no_control(text, slices):
    assert behind(text, *slices) is None


def test_the_command_to_see_it_is_typed_where_the_packets_start():
    here = places()
    assert here.curl("client", "http://x/") == "kubectl -n lab-03 exec client-1 -- curl -sS -m 2 http://x/"
    assert here.curl("node/worker", "http://x/") == "docker exec deep-dive-worker curl -sS -m 2 http://x/"
    assert here.curl("outside", "http://x/") == "docker exec deep-dive-outside-web curl -sS -m 2 http://x/"


def test_udp_is_reproduced_by_udp():
    flow = Flow("client", Target.parse("client:8081/udp"))
    command = "/agnhost connect --protocol=udp --timeout=2s 10.244.1.5:8081"
    assert places().reproduce(flow) == f"kubectl -n lab-03 exec client-1 -- {command}"
