"""`make status`: the cluster, what is wrong with it, and which labs run on it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from rich.table import Table

from checker import paths
from checker.cluster import health, survey
from checker.course import Course
from checker.lab import Lab
from checker.objects import Api

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Overview:
    """The state of a cluster in words.

    Args:
        stage: how far its making came.
        problems: a sentence each; empty where labs can run.
        nodes, outside: containers by name with Docker's word for their state.
        labs: stems of the labs that are started on it.
    """

    cluster: str
    stage: str
    problems: list[str]
    nodes: dict[str, str]
    outside: dict[str, str]
    labs: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """Return 0 where labs can run, else 2."""
        return 2 if self.problems else 0


def take() -> Overview:
    """Look at the cluster in use: at its containers, then at Kubernetes where they run."""
    name = paths.cluster_name()
    found = survey.take(name)
    parts = (name, found.stage.value)
    if wrong := survey.fault(found):
        return Overview(*parts, [str(wrong)], found.nodes, found.outside)
    api = Api(name)
    labs = [lab.stem for lab in Course().labs() if Lab(lab, api).is_started()]
    return Overview(*parts, health.problems(api), found.nodes, found.outside, labs)


def show(console: Console, as_json: bool) -> int:
    """Print the overview; returns the exit code."""
    overview = take()
    if as_json:
        print(json.dumps(asdict(overview), indent=2))
        return overview.exit_code
    console.print(f"Cluster {overview.cluster}, context kind-{overview.cluster}")
    for problem in overview.problems:
        console.print(f"[bold yellow]?[/] {problem}")
    table = Table.grid(padding=(0, 2))
    for name, state in {**overview.nodes, **overview.outside}.items():
        table.add_row(f"  {name}", state)
    console.print(table)
    console.print("Labs: " + (", ".join(overview.labs) or "none is started"))
    return overview.exit_code
