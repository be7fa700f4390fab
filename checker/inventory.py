"""The snapshot of a lab that a diagnosis reads: taken from the cluster once, after a check has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checker.diagnose import Snapshot, Socket
from checker.diagnose.cells import DNS_NAMESPACE, DNS_SERVICE
from checker.errors import ProbeError
from checker.places import pod_origin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker.objects import Manifest
    from checker.places import Places
    from checker.probe.client import Prober
    from checker.workload import Pod

STRAY_NAMESPACES = ("default", DNS_NAMESPACE)
"""Where policies of a lab land by mistake, beside its own namespaces."""


def take(places: Places, prober: Prober, scenario: Iterable[Manifest] = ()) -> Snapshot:
    """Return the objects and listening sockets of a lab's namespaces, and what of the cluster bears on them."""
    api, spaces = places.api, places.workloads.namespaces
    running = places.workloads.running()
    policies = api.objects("networking.k8s.io/v1", "NetworkPolicy")
    return Snapshot(
        namespace=places.namespace,
        services=_all(places, "v1", "Service") + _dns(places, "Service"),
        pods=_all(places, "v1", "Pod") + _dns(places, "Pod"),
        slices=_all(places, "discovery.k8s.io/v1", "EndpointSlice"),
        policies=[each for each in policies if each["metadata"]["namespace"] in {*spaces, *STRAY_NAMESPACES}],
        guarded=guarded(scenario, places.namespace),
        namespaces=api.objects("v1", "Namespace"),
        nodes=places.nodes,
        outside=_outside(prober),
        workloads={pod.uid: pod.workload for pod in running},
        sockets=_sockets(prober, running),
    )


def guarded(scenario: Iterable[Manifest], namespace: str) -> frozenset[tuple[str, str]]:
    """Return namespace and name of the policies that the lab itself made."""
    found = (each["metadata"] for each in scenario if each["kind"] == "NetworkPolicy")
    return frozenset((each.get("namespace", namespace), each["name"]) for each in found)


def _all(places: Places, api_version: str, kind: str) -> list[Manifest]:
    return [each for name in places.workloads.namespaces for each in places.api.objects(api_version, kind, name)]


def _dns(places: Places, kind: str) -> list[Manifest]:
    """Return the Service or the Pods of the cluster's DNS, which carry its label alike."""
    if DNS_NAMESPACE in places.workloads.namespaces:
        return []
    found = places.api.objects("v1", kind, DNS_NAMESPACE)
    return [each for each in found if each["metadata"].get("labels", {}).get("k8s-app") == DNS_SERVICE]


def _outside(prober: Prober) -> str:
    try:
        return prober.outside_address()
    except ProbeError:
        return ""  # the diagnosis then knows less; the verdict stands already


def _sockets(prober: Prober, running: Iterable[Pod]) -> dict[str, list[Socket]]:
    sources = [pod_origin(pod).source for pod in running if not pod.host_network]
    try:
        found = prober.listeners(sources)
    except ProbeError:
        return {}  # as with the outside's address
    return {
        source.pod_uid: [Socket(each.address, each.port, each.protocol) for each in listeners]
        for source, listeners in found.items()
    }
