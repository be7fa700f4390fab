"""A traffic table of 9 Pods and 2 ports, by our probes and by one `kubectl exec` a cell.

Runs on a cluster that is up, in a namespace of its own, which is removed after. Prints a table and writes
`build/bench.json`. Nothing is asserted: machines differ, the ratio is what counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from checker import paths
from checker.objects import Api
from checker.probe.client import Prober
from checker.probe.observe import observe
from checker.probe.outcome import Probe, Source
from checker.traffic import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from checker.objects import Manifest

NAMESPACE = "deep-dive-bench"
PODS = 9
PORTS = (8080, 8081)
IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.66.1"
DENIED = "pod-0"
"""Everything that enters this Pod is denied in the second half."""

PARALLEL_EXECS = 15
TIMEOUT = 1.0
CONFIRM = 3.0
ROUNDS = 5
READY_SECONDS = 120.0
POLICY_SECONDS = 20.0


@dataclass(frozen=True)
class Cell:
    """A source and a target Pod's address and port."""

    source: Source
    target: Source
    address: str
    port: int


@dataclass(frozen=True)
class Measurement:
    """How long one way took for all cells, and what it saw."""

    way: str
    cells: str
    seconds: float
    outcomes: dict[str, int]


def pod(name: str) -> Manifest:
    """Return a Pod that answers on both ports; half of them on each worker."""
    container = {"image": IMAGE, "imagePullPolicy": "IfNotPresent"}
    containers = [
        {**container, "name": f"port-{port}", "args": ["netexec", f"--http-port={port}", f"--udp-port={port}"]}
        for port in PORTS
    ]
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "bench"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "bench", "pod": name}},
        "spec": {"containers": containers, "topologySpreadConstraints": [spread], "terminationGracePeriodSeconds": 0},
    }


def deny_policy() -> Manifest:
    """Return the policy that denies all that enters one Pod."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny", "namespace": NAMESPACE},
        "spec": {"podSelector": {"matchLabels": {"pod": DENIED}}, "policyTypes": ["Ingress"]},
    }


@contextlib.contextmanager
def pods(api: Api) -> Iterator[list[Any]]:
    """Make the Pods, wait until they run, and remove them after."""
    api.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
    try:
        api.wait(lambda: _account(api), READY_SECONDS, "the namespace's service account")
        api.apply([pod(f"pod-{number}") for number in range(PODS)])
        api.wait(lambda: len(_ready(api)) == PODS, READY_SECONDS, f"{PODS} Pods to be ready")
        yield _ready(api)
    finally:
        api.delete_namespaces([NAMESPACE])


def _account(api: Api) -> bool:
    return any(each["metadata"]["name"] == "default" for each in api.objects("v1", "ServiceAccount", NAMESPACE))


def _ready(api: Api) -> list[Manifest]:
    found = api.objects("v1", "Pod", NAMESPACE)
    return [
        live
        for live in found
        if {"type": "Ready", "status": "True"}.items()
        <= next((each for each in live["status"].get("conditions", []) if each["type"] == "Ready"), {}).items()
    ]


def table_cells(running: Sequence[Manifest]) -> list[Cell]:
    """Return all cells: every Pod to every Pod, itself as well, on every port."""
    sources = {
        live["metadata"]["name"]: Source(
            "pod", live["metadata"]["name"], live["spec"]["nodeName"], live["metadata"]["uid"]
        )
        for live in running
    }
    addresses = {live["metadata"]["name"]: live["status"]["podIP"] for live in running}
    return [
        Cell(source, target, addresses[target.name], port)
        for source in sources.values()
        for target in sources.values()
        for port in PORTS
    ]


def by_probes(api: Api, cells: Sequence[Cell]) -> list[Outcome]:
    """Probe all cells, confirmed and controlled; opens the streams anew."""
    probes = [Probe(cell.source, cell.address, cell.port, timeout=TIMEOUT, target=cell.target) for cell in cells]
    with Prober(api.cluster, api) as prober:
        return [result.outcome for result in observe(prober, probes, confirm=CONFIRM)]


def by_exec(api: Api, cells: Sequence[Cell]) -> list[Outcome]:
    """Run `agnhost connect` by one `kubectl exec` a cell, not confirmed."""
    kubectl = paths.tools_dir() / "kubectl"
    command = [str(kubectl) if kubectl.exists() else "kubectl", "--kubeconfig", str(api.kubeconfig)]
    command += ["--context", api.context, "-n", NAMESPACE, "exec"]

    def one(cell: Cell) -> Outcome:
        connect = ["/agnhost", "connect", f"--timeout={TIMEOUT:g}s", f"{cell.address}:{cell.port}"]
        done = subprocess.run(
            [*command, cell.source.name, "-c", f"port-{PORTS[0]}", "--", *connect],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return Outcome.OPEN
        words = {"TIMEOUT": Outcome.DROPPED, "REFUSED": Outcome.REFUSED}
        said = next((outcome for word, outcome in words.items() if word in done.stdout + done.stderr), None)
        if said is None:
            raise RuntimeError(f"kubectl exec failed: {done.stderr}")
        return said

    with ThreadPoolExecutor(PARALLEL_EXECS) as pool:
        return list(pool.map(one, cells))


def measure(way: str, cells: str, run: Any, *arguments: Any) -> Measurement:
    """Time one way over all cells."""
    started = time.monotonic()
    outcomes = run(*arguments)
    return Measurement(way, cells, time.monotonic() - started, dict(Counter(map(str, outcomes))))


def enforce(api: Api, cells: Sequence[Cell]) -> bool:
    """Apply the policy and wait until it bites everywhere; False where the cluster enforces none."""
    api.apply([deny_policy()])
    probes = [
        Probe(cell.source, cell.address, cell.port, timeout=0.3)
        for cell in cells
        if cell.target.name == DENIED != cell.source.name
    ]
    until = time.monotonic() + POLICY_SECONDS
    with Prober(api.cluster, api) as prober:
        while any(result.outcome is Outcome.OPEN for result in prober.run(probes)):
            if time.monotonic() > until:
                return False
            time.sleep(0.3)
    return True


def all_measurements(api: Api, console: Console) -> list[Measurement]:
    """Measure both ways, all open and then with denied cells."""
    with pods(api) as running:
        cells = table_cells(running)
        found = _both(api, cells, f"{len(cells)} open")
        if enforce(api, cells):
            found += _both(api, cells, f"{len(cells)}, {2 * (PODS - 1)} denied")
        else:
            console.print("This cluster enforces no NetworkPolicy: the denied cells are not measured.")
    return found


def _both(api: Api, cells: Sequence[Cell], what: str) -> list[Measurement]:
    ours = [measure("probes", what, by_probes, api, cells) for _ in range(ROUNDS)]
    return [*ours, measure("kubectl exec", what, by_exec, api, cells)]


def report(found: Sequence[Measurement], console: Console) -> dict[str, Any]:
    """Print the table and return what is written to the file."""
    table = Table(title=f"{PODS} Pods x {len(PORTS)} ports, stream set-up included")
    for heading in ("cells", "probes, median (min to max)", f"kubectl exec, {PARALLEL_EXECS} in parallel", "ratio"):
        table.add_column(heading, justify="left" if heading == "cells" else "right")
    ratios = {}
    for what in dict.fromkeys(each.cells for each in found):
        ours = [each.seconds for each in found if each.cells == what and each.way == "probes"]
        theirs = next(each.seconds for each in found if each.cells == what and each.way != "probes")
        ratios[what] = theirs / median(ours)
        spread = f"{median(ours):.2f} s ({min(ours):.2f} to {max(ours):.2f})"
        table.add_row(what, spread, f"{theirs:.1f} s", f"{ratios[what]:.0f}x")
    console.print(table)
    for each in found:
        console.print(f"{each.way}, {each.cells}: {each.seconds:.2f} s, {each.outcomes}", style="dim")
    machine = {"cpus": os.cpu_count(), "load": os.getloadavg(), "python": platform.python_version()}
    return {"machine": machine, "ratios": ratios, "measurements": [asdict(each) for each in found]}


def main() -> None:
    """Measure, print, and write `build/bench.json`."""
    console = Console()
    record = report(all_measurements(Api(), console), console)
    paths.BUILD.mkdir(exist_ok=True)
    (paths.BUILD / "bench.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
