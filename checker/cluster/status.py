"""The status of a cluster: its nodes, its DNS and agents as they answer now, its outside, and where kubectl points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kubernetes.client.exceptions import ApiException
from rich.console import Group
from rich.table import Table

from checker.cluster import health, kubeconfig, outside, survey
from checker.errors import ClusterError, CourseError
from checker.objects import Api

if TYPE_CHECKING:
    from rich.console import RenderableType

    from checker.cluster.outside import Outside
    from checker.cluster.survey import Survey
    from checker.objects import Manifest

ZONE = "topology.kubernetes.io/zone"


@dataclass(frozen=True)
class Node:
    """One node: Docker's word for its container, then Kubernetes' view; these are empty while that cannot be asked.

    `answer` is what is wrong with its probe agent or with DNS as it sees it; empty if nothing is.
    """

    name: str
    container: str
    ready: bool | None = None
    zone: str = ""
    address: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Status:
    """All there is to say about a cluster; `fault` is the first thing wrong, None if nothing is."""

    name: str
    fault: ClusterError | None
    nodes: tuple[Node, ...]
    outside: Outside | None
    current_context: str

    @property
    def context(self) -> str:
        """The kubectl context of this cluster."""
        return f"kind-{self.name}"


def take(name: str) -> Status:
    """Ask everything that can be asked at the moment.

    Raises:
        HostError: Docker does not answer.
    """
    found = survey.take(name)
    fault = survey.fault(found)
    nodes = tuple(Node(node, found.nodes[node]) for node in sorted(found.nodes))
    if found.nodes and not (found.missing or found.paused or found.stopped):
        nodes, late = _asked(found, nodes)
        fault = fault or late
    place = outside.find(name) if found.outside_runs else None
    return Status(name, fault, nodes, place, kubeconfig.current())


def render(status: Status) -> RenderableType:
    """Return the status for the terminal."""
    headline = str(status.fault) if status.fault else f"The cluster {status.name} is up."
    table = Table(box=None, pad_edge=False)
    for column in ("node", "container", "ready", "zone", "address", "agent and DNS"):
        table.add_column(column)
    for node in status.nodes:
        ready = {True: "yes", False: "no", None: "?"}[node.ready]
        answer = node.answer or ("answer" if node.ready else "?")
        table.add_row(node.name, node.container, ready, node.zone, node.address, answer)
    return Group(headline, *([table] if status.nodes else []), *_footer(status))


def _asked(found: Survey, nodes: tuple[Node, ...]) -> tuple[tuple[Node, ...], ClusterError | None]:
    """Add Kubernetes' view of the nodes; return with it the first thing that only shows from inside."""
    try:
        api = Api(found.name)
        live = {each["metadata"]["name"]: each for each in api.objects("v1", "Node")}
        answers = health.answers(api, live)
    except (CourseError, ApiException) as error:
        return nodes, ClusterError(str(error).splitlines()[0], "make up")
    seen = tuple(_seen(node, live.get(node.name, {}), answers.get(node.name, "")) for node in nodes)
    wrong = [node.answer or f"Node {node.name} is not Ready." for node in seen if node.answer or not node.ready]
    return seen, ClusterError(wrong[0], "make up") if wrong else None


def _seen(node: Node, live: Manifest, answer: str) -> Node:
    addresses = {each["type"]: each["address"] for each in live.get("status", {}).get("addresses", [])}
    return Node(
        node.name,
        node.container,
        health.is_ready(live),
        live.get("metadata", {}).get("labels", {}).get(ZONE, ""),
        addresses.get("InternalIP", ""),
        answer,
    )


def _footer(status: Status) -> list[str]:
    lines = []
    if status.outside:
        lines.append(f"outside   {status.outside.address}, also called {', '.join(status.outside.names)}")
    if status.nodes:
        other = (
            "" if status.current_context == status.context else f"; it points at {status.current_context or 'nothing'}"
        )
        lines.append(f"kubectl   kubectl config use-context {status.context}{other}")
    return lines
