"""Nine Pods in three namespaces, in the shape that cyclonus makes them, so that it takes them for its own.

Its pkg/connectivity/probe/pod.go says how: one container `cont-PORT-PROTOCOL` for each port and protocol, and a
Service `s-NAMESPACE-POD`. A Pod of its name is taken as it is, so ours may have an image and a node of our choice.
"""

from __future__ import annotations

import contextlib
from itertools import cycle
from typing import TYPE_CHECKING, Any

from benchmarks.cells import CELLS, DENIED, NAMESPACES, PORTS, PROTOCOLS, WORKLOADS, Cell, expected
from checker.cluster import images
from checker.diagnose.snapshot import is_ready
from checker.probe.client import Prober
from checker.probe.outcome import Probe, Source
from checker.traffic import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from checker.objects import Api, Manifest

READY_SECONDS = 120.0
SETTLE_SECONDS = 30.0
SETTLE_TIMEOUT = 1.0
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


@contextlib.contextmanager
def scene(api: Api) -> Iterator[dict[str, Manifest]]:
    """Make the Pods, wait until they run, hand them out by `namespace/pod`, and remove all after.

    Raises:
        NotReadyError: they do not run in time.
    """
    api.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": _named(name)} for name in NAMESPACES])
    try:
        api.wait(lambda: all(_account(api, name) for name in NAMESPACES), READY_SECONDS, "the service accounts")
        for workload, node in zip(WORKLOADS, cycle(_workers(api)), strict=False):
            api.apply([pod(workload, node), service(workload)])
        api.wait(lambda: len(_ready(api)) == len(WORKLOADS), READY_SECONDS, f"{len(WORKLOADS)} Pods to be ready")
        yield _ready(api)
    finally:
        api.delete_namespaces(NAMESPACES)


def pod(workload: str, node: str) -> Manifest:
    """Return the manifest of one of the Pods."""
    namespace, name = workload.split("/")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"pod": name}},
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": _containers()},
    }


def _containers() -> list[Manifest]:
    return [
        {
            "name": container(port, protocol),
            "image": images.catalogue()["agnhost"].reference,
            "imagePullPolicy": "IfNotPresent",
            "command": ["/agnhost", "serve-hostname", f"--{protocol}", "--http=false", f"--port={port}"],
            "ports": [{"name": f"serve-{port}-{protocol}", "containerPort": port, "protocol": protocol.upper()}],
        }
        for port in PORTS
        for protocol in PROTOCOLS
    ]


def container(port: int, protocol: str) -> str:
    """Return the name of the container that serves a port."""
    return f"cont-{port}-{protocol}"


def service(workload: str) -> Manifest:
    """Return the Service that cyclonus asks for; nobody sends to it."""
    namespace, name = workload.split("/")
    ports = [
        {"name": f"service-port-{protocol}-{port}", "port": port, "protocol": protocol.upper()}
        for port in PORTS
        for protocol in PROTOCOLS
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"s-{namespace}-{name}", "namespace": namespace},
        "spec": {"selector": {"pod": name}, "ports": ports},
    }


def deny_policy() -> Manifest:
    """Return the policy that denies all that enters one Pod."""
    namespace, name = DENIED.split("/")
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny", "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {"pod": name}}, "policyTypes": ["Ingress"]},
    }


def probe(pods: Mapping[str, Manifest], cell: Cell, timeout: float) -> Probe:
    """Return our probe of a cell.

    Args:
        pods: the live objects, by `namespace/pod`.
        cell: to be probed.
        timeout: in seconds.
    """
    source, target = (_source(name, pods[name]) for name in (cell.source, cell.target))
    protocol: Any = cell.protocol
    return Probe(source, address(pods, cell), cell.port, protocol, timeout=timeout, target=target)


def address(pods: Mapping[str, Manifest], cell: Cell) -> str:
    """Return the address of the Pod that a cell leads to."""
    return str(pods[cell.target]["status"]["podIP"])


def settle(api: Api, pods: Mapping[str, Manifest], *, denied: bool) -> None:
    """Wait until packets do what is known, cell by cell: a policy takes a moment, a server too.

    Raises:
        NotReadyError: a cell never does; where it should be denied, this cluster may enforce no policy.
    """
    left = list(CELLS)

    def done() -> bool:
        results = prober.run([probe(pods, cell, SETTLE_TIMEOUT) for cell in left])
        pairs = zip(left, results, strict=True)
        left[:] = [cell for cell, got in pairs if (got.outcome is Outcome.OPEN) != expected(cell, denied=denied)]
        return not left

    with Prober(api.cluster, api) as prober:
        api.wait(done, SETTLE_SECONDS, "each cell to be what it should be")


def _source(name: str, live: Manifest) -> Source:
    return Source("pod", name, live["spec"]["nodeName"], live["metadata"]["uid"])


def _named(name: str) -> Manifest:
    return {"name": name, "labels": {"ns": name}}


def _account(api: Api, namespace: str) -> bool:
    return any(each["metadata"]["name"] == "default" for each in api.objects("v1", "ServiceAccount", namespace))


def _workers(api: Api) -> list[str]:
    nodes = [each["metadata"] for each in api.objects("v1", "Node")]
    return [node["name"] for node in nodes if CONTROL_PLANE not in node["labels"]]


def _ready(api: Api) -> dict[str, Manifest]:
    found = [each for namespace in NAMESPACES for each in api.objects("v1", "Pod", namespace)]
    return {f"{each['metadata']['namespace']}/{each['metadata']['name']}": each for each in found if is_ready(each)}
