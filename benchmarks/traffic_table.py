"""A traffic table of 9 Pods, 2 ports, TCP and UDP: our probes, one `kubectl exec` a cell, and cyclonus, in one run.

Runs on a cluster that is up, in namespaces of its own, which are removed after. Prints a table and writes
`build/bench.json`. Nothing is asserted: machines differ, ratios and wrong cells are what counts.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks import cyclonus, record
from benchmarks.cells import CELLS, expected, score
from benchmarks.scene import deny_policy, scene, settle
from benchmarks.ways import CONFIRM, OURS, PARALLEL_EXECS, TIMEOUT, ways
from checker import paths
from checker.cluster import images, tools
from checker.objects import Api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmarks.ways import Run
    from checker.objects import Manifest

RESULTS = Path(__file__).parent / "results.json"
INCLUDE = paths.DOCS / "_includes" / "benchmark.md"
ROUNDS = 5


def measure(api: Api, rounds: int, console: Console) -> list[record.Round]:
    """Measure all ways, first with everything open and then with one Pod denied; each round another way begins.

    Raises:
        NotReadyError: the Pods do not run, or the policy is not enforced.
    """
    found = []
    with scene(api) as pods:
        for state, denied in zip(record.STATES, (False, True), strict=True):
            api.apply([deny_policy()] if denied else [])
            settle(api, pods, denied=denied)
            for each in _rounds(ways(api, pods), rounds, state, denied=denied):
                console.print(f"{state}, {each.way}: {each.seconds:.1f} s", style="dim", highlight=False)
                found.append(each)
    return found


def _rounds(ways: Mapping[str, Callable[[], Run]], rounds: int, state: str, *, denied: bool) -> Iterator[record.Round]:
    names = list(ways)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            run = ways[name]()
            wrong = asdict(score(run.seen, denied=denied))
            yield record.Round(state, name, round(run.seconds, 2), **wrong, mended=run.mended)


def versions(api: Api) -> dict[str, str]:
    """Return the versions of what took part; the network's as the images of its DaemonSets name them."""
    agents: list[Manifest] = api.objects("apps/v1", "DaemonSet", "kube-system")
    pods = [each["spec"]["template"]["spec"] for each in agents if each["metadata"]["name"] != "kube-proxy"]
    network = [each["image"].rpartition("/")[2] for pod in pods for each in pod["containers"]]
    return {
        "Kubernetes": api.request("GET", "/version")["gitVersion"],
        "cyclonus": cyclonus.version(),
        "agnhost": images.catalogue()["agnhost"].tag,
        "network": " and ".join(network),
    }


def show(found: record.Record, console: Console) -> None:
    """Print a table for each state."""
    for state in record.STATES:
        table = Table(title=state, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for number, heading in enumerate(record.HEADINGS[1:]):
            table.add_column(heading, justify="right" if number else "left", no_wrap=number < 2)
        for row in record.rows(found):
            if row[0] == state:
                table.add_row(*row[1:])
        console.print(table)


def write(found: record.Record, *, keep: bool) -> None:
    """Write `build/bench.json`; to keep the run is to put it into the repository and onto its page."""
    text = json.dumps(found.written(), indent=2) + "\n"
    paths.BUILD.mkdir(exist_ok=True)
    (paths.BUILD / "bench.json").write_text(text, encoding="utf-8")
    if keep:
        RESULTS.write_text(text, encoding="utf-8")
        INCLUDE.parent.mkdir(exist_ok=True)
        INCLUDE.write_text(record.markdown(found), encoding="utf-8")


def settings(rounds: int) -> dict[str, str | float]:
    """Return what was asked, and how patiently."""
    return {
        "ours": OURS,
        "rounds": rounds,
        "cells": len(CELLS),
        "denied": sum(not expected(cell, denied=True) for cell in CELLS),
        "timeout_seconds": TIMEOUT,
        "confirm_seconds": CONFIRM,
        "parallel_execs": PARALLEL_EXECS,
    }


def main() -> None:
    """Build cyclonus where it is missing, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results.json and the page's table")
    asked = parser.parse_args()
    console, api = Console(), Api()
    tools.kubectl()
    images.go_tool("cyclonus")
    machine = record.machine()
    rounds = measure(api, asked.rounds, console)
    found = record.Record(record.today(), machine, versions(api), settings(asked.rounds), rounds)
    show(found, console)
    write(found, keep=asked.keep)


if __name__ == "__main__":
    main()
