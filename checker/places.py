"""Where probes start and where they go: from the words of a table to addresses on the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from checker.diagnose import Subject
from checker.errors import CheckFailed, ContentError
from checker.objects import SERVICE_LABEL
from checker.probe.outcome import Source
from checker.traffic import split_place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from checker.objects import Api, Manifest
    from checker.traffic import Flow, Target
    from checker.workload import Pod, Workloads


@dataclass(frozen=True)
class Origin:
    """A source and its own addresses."""

    source: Source
    addresses: Sequence[str]


class Places:
    """Finds the Pods, nodes and addresses that a lab's tables name.

    Args:
        namespace: the one that names without a namespace refer to.
        outside_address: returns the address of the outside container.
    """

    def __init__(self, api: Api, workloads: Workloads, namespace: str, outside_address: Callable[[], str]) -> None:
        self.api = api
        self.workloads = workloads
        self.namespace = namespace
        self.outside_address = outside_address

    def origins(self, text: str) -> list[Origin]:
        """Return each Pod of a workload, each node, or the outside.

        Raises:
            CheckFailed: the workload has no running Pod.
            ContentError: the text names none of these.
        """
        place, namespace, name = split_place(text)
        if place == "outside":
            return [Origin(Source("outside", "outside"), (self.outside_address(),))]
        if place == "node":
            return [node_origin(node) for node in self.nodes if _matches(node, name, self.api.cluster)]
        if place == "pods":
            return [pod_origin(pod) for pod in self.workloads.pods(name, namespace or self.namespace)]
        raise ContentError(f"{text!r} is no source: expected a workload, node or outside.")

    def addresses(self, target: Target) -> list[tuple[str, Source | None]]:
        """Return the addresses or the name to probe, each with the Pod or node behind it where it is known.

        Raises:
            CheckFailed: the workload has no running Pod, or the Service no ClusterIP.
        """
        if target.place == "name":
            return [(target.host, None)]
        if target.place == "clusterip":
            return [(self.cluster_ip(target), None)]
        text = f"{target.namespace or self.namespace}/{target.host}"
        if target.place != "pods":
            text = f"{target.place}/{target.host}" if target.host else target.place
        return [(origin.addresses[0], origin.source) for origin in self.origins(text)]

    def cluster_ip(self, target: Target) -> str:
        """Return the ClusterIP of the Service that a target names.

        A port that the Service does not offer is not probed: no rule catches such packets, so they leave the cluster.

        Raises:
            CheckFailed: there is no such Service, it is headless, or it does not offer the port.
        """
        namespace = target.namespace or self.namespace
        live = self.api.get(_manifest("Service", target.host, namespace))
        if lacking := _lack(live, target):
            raise CheckFailed(
                f"Service {target.host} {lacking}",
                subjects=(Subject(target),),
                command=f"kubectl -n {namespace} get services",
            )
        assert live is not None
        return str(live["spec"]["clusterIP"])

    def behind(self, target: Target) -> tuple[Source, int] | None:
        """Return the Pod that answers for a Service, and the port on which it listens; None where it is not just one.

        With several behind it nobody knows to which of them a packet went.
        """
        namespace, name = self._service(target)
        service = self.api.get(_manifest("Service", name, namespace)) if name else None
        if service is None:
            return None
        slices = [
            each
            for each in self.api.objects("discovery.k8s.io/v1", "EndpointSlice", namespace)
            if each["metadata"].get("labels", {}).get(SERVICE_LABEL) == name
        ]
        return self._only_endpoint(slices, _port_name(service, target))

    def _service(self, target: Target) -> tuple[str, str]:
        """Return namespace and name of the Service that a target leads to, by its ClusterIP or its name in DNS."""
        if target.place == "clusterip":
            return target.namespace or self.namespace, target.host
        name, _, rest = target.host.partition(".")
        namespace, _, domain = rest.partition(".")
        known = (
            target.place == "name" and namespace and domain in ("", "svc", "svc.cluster.local", "svc.cluster.local.")
        )
        return (namespace, name) if known else ("", "")

    def _only_endpoint(self, slices: Sequence[Manifest], port_name: str | None) -> tuple[Source, int] | None:
        found = [
            (endpoint.get("targetRef", {}).get("uid"), port["port"])
            for each in slices
            for endpoint in each.get("endpoints") or []
            for port in each.get("ports") or []
            if (port.get("name") or "") == port_name and endpoint.get("conditions", {}).get("ready", True)
        ]
        if len(found) != 1:
            return None
        (uid, port), pods = found[0], {pod.uid: pod for pod in self.workloads.running()}
        return (pod_origin(pods[uid]).source, port) if uid in pods and not pods[uid].host_network else None

    @cached_property
    def nodes(self) -> list[Manifest]:
        """Return the cluster's nodes."""
        return self.api.objects("v1", "Node")

    def reproduce(self, flow: Flow) -> str:
        """Return the command that shows a flow, typed in a shell."""
        address = self.addresses(flow.target)[0][0]
        where = f"{address}:{flow.target.port}"
        if flow.target.protocol == "udp":
            return self.typed(flow.source, f"/agnhost connect --protocol=udp --timeout=2s {where}")
        return self.curl(flow.source, f"http://{where}/hostname")

    def curl(self, source: str, url: str) -> str:
        """Return the command that requests a URL from a source, typed in a shell."""
        return self.typed(source, f"curl -sS -m 2 {url}")

    def typed(self, source: str, command: str) -> str:
        """Return the command that runs another one at a source, typed in a shell."""
        place, namespace, name = split_place(source)
        if place == "pods":
            pod = self.workloads.pods(name, namespace or self.namespace)[0]
            return f"kubectl -n {pod.namespace} exec {pod.name} -- {command}"
        # Of the containers that share the outside's network, the web server has curl.
        container = self.origins(source)[0].source.node if place == "node" else f"{self.api.cluster}-outside-web"
        return f"docker exec {container} {command}"


def pod_origin(pod: Pod) -> Origin:
    """Return a Pod as a source."""
    return Origin(Source("pod", f"{pod.namespace}/{pod.name}", pod.node, pod.uid), (pod.address,))


def node_origin(node: Manifest) -> Origin:
    """Return a node as a source, in its own network namespace."""
    name = node["metadata"]["name"]
    addresses = [each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"]
    return Origin(Source("node", name, name), addresses)


def _matches(node: Manifest, name: str, cluster: str) -> bool:
    return not name or node["metadata"]["name"] in (name, f"{cluster}-{name}")


def _manifest(kind: str, name: str, namespace: str) -> Manifest:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}}


def _port_name(service: Manifest, target: Target) -> str | None:
    """Return the name of the Service's port that a target means, None where there is no such port."""
    protocol = "UDP" if target.protocol == "udp" else "TCP"
    for port in service["spec"].get("ports", []):
        if (port["port"], port.get("protocol", "TCP")) == (target.port, protocol):
            return str(port.get("name", ""))
    return None


def _lack(service: Manifest | None, target: Target) -> str:
    if service is None:
        return "does not exist"
    if service["spec"].get("clusterIP", "None") == "None":
        return "has no ClusterIP"
    protocol = "UDP" if target.protocol == "udp" else "TCP"
    offered = [each["port"] for each in service["spec"].get("ports", []) if each.get("protocol", "TCP") == protocol]
    return "" if target.port in offered else f"has no port {target.port}"
