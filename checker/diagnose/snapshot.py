"""The objects and listening sockets that a diagnosis reads: taken once, after a check has failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from checker.traffic import Traffic

if TYPE_CHECKING:
    from checker.traffic import Difference, Target

Object = Mapping[str, Any]

LOOPBACK = ("127.", "::1")


@dataclass(frozen=True)
class Socket:
    """A listening socket of a Pod: the address it is bound to, its port, `tcp` or `udp`."""

    address: str
    port: int
    protocol: str = "tcp"

    @property
    def loopback(self) -> bool:
        """Tell whether only the Pod itself can reach it."""
        return self.address.startswith(LOOPBACK)


@dataclass(frozen=True)
class Subject:
    """What failed.

    Args:
        target: where the packets went.
        workload: whose Pods should have answered, where the check names one.
        seen: the client's address as the server saw it, where that was not the client's own.
        difference: the cell that differs, where a table was checked.
        table: the whole of that table, and what else the lab asks for.
    """

    target: Target
    workload: str = ""
    seen: str = ""
    difference: Difference | None = None
    table: Traffic | None = None

    def beside(self, table: Traffic) -> Subject:
        """Return it with what else the lab asks for; a cell of its own table counts more than the same one there."""
        own = self.table.cells if self.table else {}
        return replace(self, table=Traffic({**table.cells, **own})) if self.difference else self


@dataclass(frozen=True)
class Snapshot:
    """The state of a lab's namespaces.

    Args:
        namespace: the one that names without a namespace refer to.
        services, pods, slices: objects as the API returns them; with them the cluster's DNS Service and its Pods.
        policies: the NetworkPolicies of the lab's namespaces, and of those where one lands by mistake.
        guarded: namespace and name of the policies that the lab made and the learner leaves as they are.
        namespaces, nodes: all of the cluster's.
        outside: the address of the outside; empty where nobody knows it.
        workloads: the name of each Pod's workload, by the Pod's UID.
        sockets: the listening sockets of each Pod that could be looked into, by the Pod's UID.
    """

    namespace: str
    services: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    slices: Sequence[Object] = ()
    policies: Sequence[Object] = ()
    guarded: frozenset[tuple[str, str]] = frozenset()
    namespaces: Sequence[Object] = ()
    nodes: Sequence[Object] = ()
    outside: str = ""
    workloads: Mapping[str, str] = field(default_factory=dict)
    sockets: Mapping[str, Sequence[Socket]] = field(default_factory=dict)

    def service(self, name: str, namespace: str) -> Object | None:
        """Return a Service by name."""
        return next((each for each in self.services if _is(each, name, namespace)), None)

    def pods_of(self, workload: str, namespace: str) -> list[Object]:
        """Return the Pods of a workload."""
        return [
            pod
            for pod in self.pods
            if pod["metadata"]["namespace"] == namespace and self.workloads.get(pod["metadata"]["uid"]) == workload
        ]

    def selected(self, service: Object) -> list[Object]:
        """Return the Pods that a Service's selector matches."""
        selector = service["spec"].get("selector") or {}
        return [
            pod
            for pod in self.pods
            if selector
            and pod["metadata"]["namespace"] == service["metadata"]["namespace"]
            and selector.items() <= pod["metadata"].get("labels", {}).items()
        ]

    def knows_sockets(self, pod: Object) -> bool:
        """Tell whether the Pod could be looked into, so that no socket means that it listens on nothing."""
        return pod["metadata"]["uid"] in self.sockets

    def listening(self, pod: Object) -> list[Socket]:
        """Return a Pod's listening sockets, by port."""
        return sorted(self.sockets.get(pod["metadata"]["uid"], ()), key=lambda each: (each.port, each.protocol))


def is_ready(pod: Object) -> bool:
    """Tell whether a Pod's Ready condition is true."""
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def container_ports(pod: Object) -> list[Object]:
    """Return the ports that a Pod's containers declare."""
    return [port for container in pod["spec"]["containers"] for port in container.get("ports", [])]


def _is(each: Object, name: str, namespace: str) -> bool:
    return bool(each["metadata"]["name"] == name and each["metadata"]["namespace"] == namespace)
