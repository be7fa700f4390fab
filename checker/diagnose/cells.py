"""From the cells of traffic tables to connections between ends, and what policies mean for them. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

from checker.diagnose.services import resolve_target_port, service_of
from checker.diagnose.snapshot import Object, Snapshot, Subject, container_ports, is_ready
from checker.policy import Decision, End, decide
from checker.traffic import Outcome, split_place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from checker.traffic import Flow, Target, Traffic

OPENNESS = (Outcome.NO_NAME, Outcome.DROPPED, Outcome.OPEN)
"""What policies can make of a connection, from the least to the most that gets through."""

DNS_NAMESPACE, DNS_SERVICE, DNS_PORT = "kube-system", "kube-dns", 53


@dataclass(frozen=True)
class Connection:
    """A connection as policies see it: after names are resolved and Services translated.

    Args:
        lookups: the connections to the cluster's DNS that must come about first.
        client: the address that the source has of its own, where kube-proxy puts the node's in its place.
    """

    source: End
    target: End
    port: int
    protocol: str
    lookups: tuple[Connection, ...] = ()
    client: str = ""

    def decide(self, policies: Sequence[Object]) -> Decision:
        """Return what policies mean for it, look-ups apart."""
        return decide(policies, self.source, self.target, self.port, self.protocol)

    def outcome(self, policies: Sequence[Object]) -> Outcome:
        """Return what policies make of it: open, dropped, or no-name where a look-up does not get through."""
        if any(not each.decide(policies).allowed for each in self.lookups):
            return Outcome.NO_NAME
        return Outcome.OPEN if self.decide(policies).allowed else Outcome.DROPPED


class Cells:
    """The connections of cells, over one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._known: dict[Flow, tuple[Connection, ...]] = {}

    def connections(self, flow: Flow) -> tuple[Connection, ...]:
        """Return the connections that a cell stands for; none where the snapshot does not tell."""
        if flow not in self._known:
            self._known[flow] = tuple(self._connections(flow))
        return self._known[flow]

    def predict(self, policies: Sequence[Object], flow: Flow) -> frozenset[Outcome]:
        """Return what policies make of the connections of a cell; nothing where the snapshot does not tell."""
        return frozenset(each.outcome(policies) for each in self.connections(flow))

    @cached_property
    def pods(self) -> list[End]:
        """Return every Pod that has an address."""
        return [self._pod_end(pod) for pod in self.snapshot.pods if _has_address(pod)]

    @cached_property
    def nodes(self) -> list[End]:
        """Return every node."""
        return [_node_end(node) for node in self.snapshot.nodes]

    def workload(self, text: str) -> list[End]:
        """Return the Pods of a workload, `[namespace/]name`."""
        _, namespace, name = split_place(text)
        found = self.snapshot.pods_of(name, namespace or self.snapshot.namespace)
        return [self._pod_end(pod) for pod in found if _has_address(pod)]

    def sources(self, text: str) -> list[End]:
        """Return the ends that a row's probes start from."""
        place, _, name = split_place(text)
        if place == "outside":
            return [End("outside", self.snapshot.outside)]
        return self._nodes_named(name) if place == "node" else self.workload(text)

    def backends(self, service: Object, port: int) -> list[tuple[End, int]]:
        """Return the Pods behind a port of a Service, each with the port that it is reached on."""
        entry = next((each for each in service["spec"].get("ports", []) if each["port"] == port), None)
        pods = [pod for pod in self.snapshot.selected(service) if _has_address(pod)]
        ready = [pod for pod in pods if is_ready(pod)] or pods
        if service["spec"].get("clusterIP") == "None":
            return [(self._pod_end(pod), port) for pod in ready]
        numbers = ((pod, resolve_target_port(pod, entry)) for pod in ready) if entry else ()
        return [(self._pod_end(pod), number) for pod, number in numbers if number]

    def service(self, target: Target) -> Object | None:
        """Return the Service that a target names, or whose ClusterIP it is."""
        if _is_address(target.host):
            return next((each for each in self.snapshot.services if each["spec"].get("clusterIP") == target.host), None)
        found = service_of(self.snapshot, Subject(target)) if target.place in ("clusterip", "name") else None
        return self.snapshot.service(*found) if found else None

    def _connections(self, flow: Flow) -> Iterable[Connection]:
        target, protocol = flow.target, "UDP" if flow.target.protocol == "udp" else "TCP"
        if target.place == "node":
            return self._through_nodes(flow, protocol)
        if target.place == "name" and not _is_address(target.host):
            return self._by_name(flow, protocol)
        ends = self._targets(target)
        pairs = product(self.sources(flow.source), ends)
        itself = target.place == "pods"  # no Pod is probed by itself; through a Service it may meet itself
        return [
            Connection(source, end, port, protocol)
            for source, (end, port) in pairs
            if not (itself and source.address == end.address)
        ]

    def _targets(self, target: Target) -> list[tuple[End, int]]:
        if target.place == "pods":
            return [(end, target.port) for end in self.workload(f"{target.namespace}/{target.host}".lstrip("/"))]
        if service := self.service(target):
            return self.backends(service, target.port)
        if target.place == "outside":
            return [(End("outside", self.snapshot.outside), target.port)]
        if target.place == "name" and _is_address(target.host):
            known = (end for end in (*self.pods, *self.nodes) if end.address == target.host)
            return [(next(known, End(target.host, target.host)), target.port)]
        return []

    def _by_name(self, flow: Flow, protocol: str) -> Iterable[Connection]:
        ends = self._targets(flow.target)
        if not ends and service_of(self.snapshot, Subject(flow.target)) is None and self.snapshot.outside:
            ends = [(End("outside", self.snapshot.outside), flow.target.port)]
        for source in self.sources(flow.source):
            lookups = tuple(self.lookups(source))
            for end, port in ends:
                yield Connection(source, end, port, protocol, lookups)

    def lookups(self, source: End) -> list[Connection]:
        """Return the connections by which a Pod resolves names: by UDP, to every Pod of the cluster's DNS."""
        service = self.snapshot.service(DNS_SERVICE, DNS_NAMESPACE)
        if service is None or not source.is_pod:
            return []
        return [Connection(source, end, port, "UDP") for end, port in self.backends(service, DNS_PORT)]

    def _through_nodes(self, flow: Flow, protocol: str) -> Iterable[Connection]:
        nodes = self._nodes_named(flow.target.host)
        service = self._node_port_service(flow.target.port)
        if service is None:
            pairs = product(self.sources(flow.source), nodes)
            return [Connection(source, node, flow.target.port, protocol) for source, node in pairs]
        entry = next(each for each in service["spec"]["ports"] if each.get("nodePort") == flow.target.port)
        local = service["spec"].get("externalTrafficPolicy") == "Local"
        return [
            Connection(source, end, port, protocol)
            if local
            else Connection(node, end, port, protocol, client=source.address)
            for source, node, (end, port) in product(
                self.sources(flow.source), nodes, self.backends(service, entry["port"])
            )
            if not local or end.node == node.node
        ]

    def _node_port_service(self, port: int) -> Object | None:
        for service in self.snapshot.services:
            if any(each.get("nodePort") == port for each in service["spec"].get("ports", [])):
                return service
        return None

    def _nodes_named(self, name: str) -> list[End]:
        return [node for node in self.nodes if not name or node.name == name or node.name.endswith(f"-{name}")]

    def _pod_end(self, pod: Object) -> End:
        metadata = pod["metadata"]
        return End(
            name=f"{metadata['namespace']}/{metadata['name']}",
            address=pod["status"]["podIP"],
            namespace=metadata["namespace"],
            labels=metadata.get("labels") or {},
            namespace_labels=self._namespace_labels.get(metadata["namespace"], {}),
            ports={
                each["name"]: (each["containerPort"], each.get("protocol", "TCP"))
                for each in container_ports(pod)
                if "name" in each
            },
            node=pod["spec"].get("nodeName", ""),
            host_network=bool(pod["spec"].get("hostNetwork")),
        )

    @cached_property
    def _namespace_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {each["metadata"]["name"]: each["metadata"].get("labels") or {} for each in self.snapshot.namespaces}


def expectations(table: Traffic) -> dict[Flow, Outcome]:
    """Return for each cell of a table what policies must make of it; cells that say nothing of policies are left out.

    A refusal is an answer of the target's own, so packets must get there.
    """
    means = {each: each for each in OPENNESS} | {Outcome.REFUSED: Outcome.OPEN}
    return {flow: means[outcome] for flow, outcome in table.cells.items() if outcome in means}


def _has_address(pod: Object) -> bool:
    return bool(pod.get("status", {}).get("podIP")) and "deletionTimestamp" not in pod["metadata"]


def _node_end(node: Object) -> End:
    name = node["metadata"]["name"]
    addresses = [each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"]
    return End(name, addresses[0] if addresses else "", node=name)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
