"""When a change has reached the nodes: nobody reports that rules are in the kernel, so age and packets tell."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from checker.objects import SERVICE_LABEL
from checker.probe.client import Prober
from checker.probe.outcome import Probe, Source
from checker.traffic import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from checker.objects import Api, Manifest

SETTLE_SECONDS = 3.0
"""Policies and EndpointSlices are eventually consistent: nothing is judged sooner after the last change than this."""

SERVICES_SECONDS = 5.0
"""kube-proxy gathers changes for a second before it writes them; on a busy machine it takes longer."""

DELETION_SECONDS = 2.0
"""A deletion leaves no time of its own: nothing is said of policies sooner after the check has begun than this."""

POD_SECONDS = 1.0
"""Nothing is judged sooner after the last Pod of a rollout became ready: policies have to hear of its address."""

PROBE_SECONDS = 0.5
PAUSE_SECONDS = 0.2

_WATCHED = (("v1", "Service"), ("discovery.k8s.io/v1", "EndpointSlice"), ("networking.k8s.io/v1", "NetworkPolicy"))


def rest(api: Api, namespaces: Sequence[str], quiet_from: float = 0.0) -> bool:
    """Wait until the last change of a Service, EndpointSlice or policy is `SETTLE_SECONDS` old.

    Args:
        api: of the cluster.
        namespaces: whose changes count.
        quiet_from: a moment, by `time.monotonic`, to wait for as well.

    Returns:
        Whether there was anything to wait for.
    """
    missing = max(SETTLE_SECONDS - _age(api, namespaces), quiet_from - time.monotonic())
    if missing > 0:
        time.sleep(missing)
    return missing > 0


def wait_for_services(api: Api, namespaces: Sequence[str]) -> bool:
    """Wait until no node refuses a connection to a Service that has ready endpoints; tells whether it came to that.

    kube-proxy refuses on behalf of a Service whose endpoints it has not heard of yet. A server that listens on another
    port refuses as well, and goes on doing so, hence the deadline of `SERVICES_SECONDS`.

    Raises:
        ProbeError: the nodes' agents do not answer.
    """
    deadline = time.monotonic() + SERVICES_SECONDS
    with Prober(api.cluster, api) as prober:
        offered = list(_offered(api, namespaces))
        waiting = [_probe(node, *each) for node in prober.node_sources() for each in offered]
        while waiting:
            results = prober.run(waiting)
            waiting = [
                probe for probe, result in zip(waiting, results, strict=True) if result.outcome is Outcome.REFUSED
            ]
            if waiting and time.monotonic() > deadline:
                return False
            time.sleep(PAUSE_SECONDS if waiting else 0)
    return True


def _age(api: Api, namespaces: Sequence[str]) -> float:
    """Return how many seconds ago something last changed; endless where there is nothing."""
    times = [
        datetime.fromisoformat(entry["time"])
        for api_version, kind in _WATCHED
        for name in namespaces
        for live in api.objects(api_version, kind, name)
        for entry in live["metadata"].get("managedFields", [])
        if "time" in entry
    ]
    return (datetime.now(UTC) - max(times)).total_seconds() if times else float("inf")


def _offered(api: Api, namespaces: Sequence[str]) -> Iterator[tuple[str, Manifest]]:
    """Yield the ClusterIP and each port of every Service with a ready endpoint behind that port."""
    for namespace in namespaces:
        backed = {
            each
            for slice_ in api.objects("discovery.k8s.io/v1", "EndpointSlice", namespace)
            for each in _backed(slice_)
        }
        for service in api.objects("v1", "Service", namespace):
            address = service["spec"].get("clusterIP", "None")
            for port in service["spec"].get("ports", []) if address not in ("", "None") else []:
                if (service["metadata"]["name"], port.get("name", "")) in backed:
                    yield address, port


def _backed(endpoint_slice: Manifest) -> Iterator[tuple[str, str]]:
    """Yield the Service's name and the port's name where the slice has a ready endpoint."""
    if any(each.get("conditions", {}).get("ready", True) for each in endpoint_slice.get("endpoints") or []):
        for port in endpoint_slice.get("ports") or []:
            yield endpoint_slice["metadata"].get("labels", {}).get(SERVICE_LABEL, ""), port.get("name") or ""


def _probe(node: Source, address: str, port: Manifest) -> Probe:
    is_udp = port.get("protocol") == "UDP"
    return Probe(node, address, port["port"], "udp" if is_udp else "tcp", timeout=PROBE_SECONDS)
