"""The probes on a real cluster: from Pods on both workers, nodes and the outside; and what befalls their agents."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from checker import paths
from checker.errors import ProbeError
from checker.objects import Api
from checker.probe.client import Prober
from checker.probe.observe import observe
from checker.probe.outcome import Listener, Probe, Source
from checker.traffic import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE = "deep-dive-probe-test"
IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.66.1"
READY_SECONDS = 120
OUTSIDE = Source("outside", "outside")
DENY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny-web", "namespace": NAMESPACE},
    "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]},
}


def _pod(name: str, node: str) -> dict[str, Any]:
    arguments = ["netexec", "--http-port=8080", "--udp-port=8081"]
    container = {"name": "agnhost", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "args": arguments}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": node},
            "containers": [container],
            "terminationGracePeriodSeconds": 0,
        },
    }


def _service(name: str) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"type": "NodePort", "selector": {"app": name}, "ports": ports},
    }


class Scene:
    """A client and a server on different workers, and a Service before the server."""

    def __init__(self, api: Api) -> None:
        pods = {live["metadata"]["name"]: live for live in api.objects("v1", "Pod", NAMESPACE)}
        self.api = api
        self.client, self.client_ip = self._of(pods["client"])
        self.web, self.web_ip = self._of(pods["web"])
        (service,) = api.objects("v1", "Service", NAMESPACE)
        self.cluster_ip = service["spec"]["clusterIP"]
        self.node_port = service["spec"]["ports"][0]["nodePort"]
        self.nodes = {
            live["metadata"]["name"]: next(
                each["address"] for each in live["status"]["addresses"] if each["type"] == "InternalIP"
            )
            for live in api.objects("v1", "Node")
        }

    def _of(self, live: dict[str, Any]) -> tuple[Source, str]:
        metadata = live["metadata"]
        return Source("pod", metadata["name"], live["spec"]["nodeName"], metadata["uid"]), live["status"]["podIP"]

    @property
    def node(self) -> Source:
        return Source("node", self.client.node, self.client.node)


@pytest.fixture(scope="module")
def scene(cluster: str) -> Iterator[Scene]:
    api = Api(cluster)
    api.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
    try:
        api.wait(lambda: api.objects("v1", "ServiceAccount", NAMESPACE), READY_SECONDS, "a service account")
        api.apply([_pod("client", f"{cluster}-worker"), _pod("web", f"{cluster}-worker2"), _service("web")])
        api.wait(lambda: _running(api) == 2, READY_SECONDS, "two Pods to run")
        found = Scene(api)
        with Prober(cluster, api) as prober:
            probe = Probe(found.client, found.cluster_ip, 80)
            api.wait(lambda: prober.run([probe])[0].outcome is Outcome.OPEN, READY_SECONDS, "the Service to answer")
        yield found
    finally:
        api.delete_namespaces([NAMESPACE])


def _running(api: Api) -> int:
    pods = api.objects("v1", "Pod", NAMESPACE)
    return sum(all(each.get("ready") for each in live["status"].get("containerStatuses", [{}])) for live in pods)


@pytest.fixture
def prober(scene: Scene) -> Iterator[Prober]:
    with Prober(scene.api.cluster, scene.api) as prober:
        yield prober


def test_tcp_udp_and_http_between_workers(scene: Scene, prober: Prober) -> None:
    tcp, udp, http, refused = prober.run(
        [
            Probe(scene.client, scene.web_ip, 8080, timeout=3),
            Probe(scene.client, scene.web_ip, 8081, "udp", timeout=3),
            Probe(scene.client, scene.web_ip, 8080, "http", timeout=3),
            Probe(scene.client, scene.web_ip, 9, timeout=3),
        ]
    )
    assert [each.outcome for each in (tcp, udp, http)] == [Outcome.OPEN] * 3
    assert (http.status, http.answered_by, http.client_address) == (200, "web", scene.client_ip)
    assert (udp.answered_by, udp.client_address) == ("web", scene.client_ip)
    assert refused.outcome is Outcome.REFUSED


def test_both_ways_from_nodes_and_from_the_outside(scene: Scene, prober: Prober) -> None:
    probes = [
        Probe(scene.web, scene.client_ip, 8080, "http", timeout=3),
        Probe(scene.node, scene.web_ip, 8080, "http", timeout=3),
        *(Probe(OUTSIDE, address, scene.node_port, "http", timeout=3) for address in scene.nodes.values()),
    ]
    back, from_node, *from_outside = observe(prober, probes)
    assert (back.answered_by, back.client_address) == ("client", scene.web_ip)
    assert (from_node.answered_by, from_node.client_address) == ("web", scene.nodes[scene.client.node])
    assert [each.answered_by for each in from_outside] == ["web"] * len(scene.nodes)


def test_the_outside_has_an_address(prober: Prober, scene: Scene) -> None:
    (network,) = prober.networks([(OUTSIDE, scene.nodes[scene.client.node])])
    assert prober.outside_address() in network.addresses
    assert network.problem == ""


def test_names_are_resolved_as_the_pod_would(scene: Scene, prober: Prober) -> None:
    short, full, absent, on_node = observe(
        prober,
        [
            Probe(scene.client, "web", 80, "http", timeout=3),
            Probe(scene.client, f"web.{NAMESPACE}.svc.cluster.local.", protocol="name", timeout=3),
            Probe(scene.client, "nobody", 80, timeout=3),
            Probe(scene.node, f"web.{NAMESPACE}", protocol="name", timeout=3),
        ],
    )
    assert (short.outcome, short.address, short.answered_by) == (Outcome.OPEN, scene.cluster_ip, "web")
    assert short.queries[0].name == f"web.{NAMESPACE}.svc.cluster.local"
    assert (full.address, len(full.queries)) == (scene.cluster_ip, 1)
    assert (absent.outcome, absent.dns_silent) == (Outcome.NO_NAME, False)
    assert {query.rcode for query in absent.queries[:3]} == {"NXDOMAIN"}
    assert on_node.outcome is Outcome.NO_NAME  # a node does not ask the cluster's DNS


def test_listeners_are_those_of_the_pod(scene: Scene, prober: Prober) -> None:
    found = prober.listeners([scene.web])[scene.web]
    assert {(each.port, each.protocol) for each in found} == {(8080, "tcp"), (8081, "udp")}
    assert all(isinstance(each, Listener) and each.serves(scene.web_ip) for each in found)


def test_a_policy_drops_and_the_drop_is_proven(scene: Scene, prober: Prober) -> None:
    probes = [
        Probe(scene.client, scene.web_ip, 8080, target=scene.web),
        Probe(scene.client, scene.web_ip, 8081, "udp", target=scene.web),
        Probe(scene.client, scene.cluster_ip, 80),
    ]
    scene.api.apply([DENY])
    try:
        scene.api.wait(lambda: prober.run(probes[:1])[0].outcome is Outcome.DROPPED, 30, "the policy to be enforced")
        tcp, udp, service = observe(prober, probes)
    finally:
        scene.api.delete([DENY])
    assert [each.outcome for each in (tcp, udp, service)] == [Outcome.DROPPED] * 3
    assert "web answers itself" in tcp.detail
    assert "meets it open" in service.detail
    scene.api.wait(lambda: prober.run(probes[:1])[0].outcome is Outcome.OPEN, 30, "the policy to be gone")


def test_an_agent_killed_in_mid_probe_is_an_error(scene: Scene, prober: Prober) -> None:
    probe = Probe(scene.client, scene.web_ip, 8081, "udp", payload="agnhost leaves this unanswered", timeout=10)
    prober.run([Probe(scene.client, scene.web_ip, 8080)])
    timer = threading.Timer(0.5, _kill_agents, (scene.client.node,))
    timer.start()
    with pytest.raises(ProbeError, match=scene.client.node):
        prober.run([probe])
    timer.join()
    assert prober.run([Probe(scene.client, scene.web_ip, 8080)])[0].outcome is Outcome.OPEN


def test_a_node_paused_in_mid_check_is_an_error_within_seconds(scene: Scene, prober: Prober) -> None:
    probes = [Probe(source, scene.web_ip, 8080, timeout=3) for source in (scene.client, scene.web)]
    prober.run(probes)
    subprocess.run(["docker", "pause", scene.web.node], check=True, capture_output=True)
    started = time.monotonic()
    try:
        with pytest.raises(ProbeError, match=scene.web.node):
            prober.run(probes)
        took = time.monotonic() - started
    finally:
        subprocess.run(["docker", "unpause", scene.web.node], check=True, capture_output=True)
    print(f"a paused node was told after {took:.1f} s")
    assert took < 10
    scene.api.wait(lambda: _works(scene, probes), 60, "the node to be back")


def test_a_paused_node_cannot_be_opened(scene: Scene) -> None:
    subprocess.run(["docker", "pause", scene.web.node], check=True, capture_output=True)
    try:
        with Prober(scene.api.cluster, scene.api) as prober, pytest.raises(ProbeError, match=scene.web.node):
            prober.run([Probe(scene.web, scene.client_ip, 8080)])
    finally:
        subprocess.run(["docker", "unpause", scene.web.node], check=True, capture_output=True)
    scene.api.wait(lambda: _works(scene, [Probe(scene.web, scene.client_ip, 8080)]), 60, "the node to be back")


def test_agents_end_with_their_prober_even_if_that_is_killed(scene: Scene) -> None:
    node = scene.client.node
    program = f"""
import os
from checker.objects import Api
from checker.probe.client import Prober
from checker.probe.outcome import Probe, Source
prober = Prober({scene.api.cluster!r}, Api({scene.api.cluster!r}))
sources = Source("node", {node!r}, {node!r}), Source("outside", "outside")
prober.run([Probe(source, "127.0.0.1", 1) for source in sources])
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", program], check=False, cwd=paths.ROOT)
    containers = (node, f"{scene.api.cluster}-outside")
    scene.api.wait(lambda: not any(_agents(each) for each in containers), 15, "the agents to end")


def test_162_probes(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    sources = scene.client, scene.web
    addresses = scene.web_ip, scene.client_ip
    probes = [Probe(source, address, 8080) for source in sources for address in addresses] * 41
    started = time.monotonic()
    with Prober(scene.api.cluster, scene.api) as prober:
        prober.run(probes[:4])
        ready = time.monotonic()
        results = observe(prober, probes[:162])
        ended = time.monotonic()
    with capsys.disabled():
        print(f"\n162 probes: streams {ready - started:.2f} s, probes {ended - ready:.2f} s")
    assert {result.outcome for result in results} == {Outcome.OPEN}


def _works(scene: Scene, probes: list[Probe]) -> bool:
    with contextlib.suppress(ProbeError), Prober(scene.api.cluster, scene.api) as prober:
        return all(result.outcome is Outcome.OPEN for result in prober.run(probes))
    return False


def _agents(container: str) -> list[str]:
    """Return the process ids of the agents that run in a container, by its own count."""
    look = "grep -alz '^/agent/agent.py' /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3; true"
    done = subprocess.run(["docker", "exec", container, "sh", "-c", look], capture_output=True, text=True, check=True)
    return done.stdout.split()


def _kill_agents(container: str) -> None:
    subprocess.run(["docker", "exec", container, "kill", "-9", *_agents(container)], check=True, capture_output=True)
