"""What there is of a cluster on this machine, by one look at its containers, and the first thing wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from checker.cluster import docker, state
from checker.cluster.state import Stage
from checker.errors import ClusterError

NODE_SUFFIXES = ("-control-plane", "-worker", "-worker2")
OUTSIDE_SUFFIXES = ("-outside", "-outside-web", "-outside-dns")


@dataclass(frozen=True)
class Survey:
    """Containers of one cluster by name, each with Docker's word for its state, and the stage on record."""

    name: str
    stage: Stage
    nodes: dict[str, str]
    outside: dict[str, str]

    @property
    def missing(self) -> list[str]:
        """Nodes that should be there and are not."""
        return [self.name + suffix for suffix in NODE_SUFFIXES if self.name + suffix not in self.nodes]

    @property
    def strangers(self) -> list[str]:
        """Nodes of a kind cluster of this name that is not shaped like ours."""
        return [node for node in self.nodes if node.removeprefix(self.name) not in NODE_SUFFIXES]

    @property
    def paused(self) -> list[str]:
        """Nodes that are paused."""
        return [node for node, is_ in self.nodes.items() if is_ == "paused"]

    @property
    def stopped(self) -> list[str]:
        """Nodes that neither run nor are paused."""
        return [node for node, is_ in self.nodes.items() if is_ not in ("running", "paused")]

    @property
    def outside_runs(self) -> bool:
        """Whether all three containers of the outside run."""
        return all(self.outside.get(self.name + suffix) == "running" for suffix in OUTSIDE_SUFFIXES)


def take(name: str) -> Survey:
    """Look at a cluster's containers: one call of Docker, nothing else is asked.

    Raises:
        HostError: Docker does not answer.
    """
    found = docker.containers(f"{name}-")
    nodes = {each.name: each.state for each in found if each.kind_cluster == name}
    outside = {each.name: each.state for each in found if each.our_cluster == name}
    return Survey(name, state.read(name).stage, nodes, outside)


def fault(survey: Survey) -> ClusterError | None:
    """Return the first thing that keeps labs from running on the cluster, or None."""
    sentence = _fault_of_nodes(survey) or _fault_of_making(survey)
    return ClusterError(sentence, "make up") if sentence else None


def _fault_of_nodes(survey: Survey) -> str | None:
    if not survey.nodes:
        return _fault_of_nothing(survey)
    if survey.stage is Stage.CREATING:
        return f"The cluster {survey.name} is half made: its creation was broken off."
    if survey.missing:
        return f"The cluster {survey.name} lacks {_listed(survey.missing)}."
    if survey.paused:
        return f"{_listed(survey.paused).capitalize()} {_is(survey.paused)} paused."
    if len(survey.stopped) == len(survey.nodes):
        return f"The cluster {survey.name} is stopped."
    if survey.stopped:
        return f"{_listed(survey.stopped).capitalize()} {_is(survey.stopped)} stopped."
    return None


def _fault_of_nothing(survey: Survey) -> str:
    if survey.stage is Stage.CREATING:
        return f"The cluster {survey.name} was never finished, and nothing is left of it."
    if survey.stage is Stage.NONE:
        return f"There is no cluster called {survey.name} yet."
    return f"The cluster {survey.name} was deleted."


def _fault_of_making(survey: Survey) -> str | None:
    if survey.stage is not Stage.READY:
        return f"The cluster {survey.name} is half made: it never became ready."
    if not survey.outside_runs:
        return f"The outside of the cluster {survey.name} does not run."
    return None


def _listed(nodes: list[str]) -> str:
    return ("node " if len(nodes) == 1 else "nodes ") + " and ".join(nodes)


def _is(nodes: list[str]) -> str:
    return "is" if len(nodes) == 1 else "are"
