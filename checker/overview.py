"""`make status`: the cluster as it is now, and which labs run on it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from checker import paths
from checker.cluster import status
from checker.course import Course
from checker.lab import Lab
from checker.objects import Api

if TYPE_CHECKING:
    from rich.console import Console

    from checker.cluster.status import Status


def show(console: Console, as_json: bool) -> int:
    """Print the overview; returns 0 where labs can run, else 2."""
    found = status.take(paths.cluster_name())
    labs = [] if found.fault else started(found)
    if as_json:
        content = {**asdict(replace(found, fault=None)), "fault": str(found.fault or ""), "labs": labs}
        print(json.dumps(content, indent=2))
    else:
        console.print(status.render(found))
        console.print(f"labs     {', '.join(labs) or 'none is started'}")
    return 2 if found.fault else 0


def started(found: Status) -> list[str]:
    """Return the stems of the labs that are started on a cluster that answers."""
    api = Api(found.name)
    return [lab.stem for lab in Course().labs() if Lab(lab, api).is_started()]
