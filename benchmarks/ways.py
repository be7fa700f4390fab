"""The three ways to fill the table, each timed: our probes, one `kubectl exec` a cell, cyclonus."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import cyclonus
from benchmarks.cells import CELLS, PORTS, PROTOCOLS, Cell, Seen
from benchmarks.scene import address, container, probe
from checker.cluster import tools
from checker.probe.client import Prober
from checker.probe.observe import observe
from checker.traffic import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from checker.objects import Api, Manifest

PARALLEL_EXECS = 15
TIMEOUT = 1.0
"""Seconds that each way waits for an answer; ours waits `CONFIRM` more before it believes a silence."""
CONFIRM = 3.0

OURS, EXEC, CYCLONUS = "our probes", "kubectl exec", "cyclonus"


@dataclass(frozen=True)
class Run:
    """What a way saw, how many seconds it took, and how many cells a further attempt mended, where it makes any."""

    seen: Seen
    seconds: float
    mended: int | None = None


def ways(api: Api, pods: Mapping[str, Manifest]) -> dict[str, Callable[[], Run]]:
    """Return the ways by their names, ready to be run on the Pods."""
    return {
        OURS: lambda: by_probes(api, pods),
        EXEC: lambda: by_exec(api, pods),
        CYCLONUS: lambda: Run(*cyclonus.run(api, TIMEOUT)),
    }


def by_probes(api: Api, pods: Mapping[str, Manifest]) -> Run:
    """Probe all cells as a check does, confirmed and controlled; the agents' streams are opened anew."""
    started = time.monotonic()
    with Prober(api.cluster, api) as prober:
        results = observe(prober, [probe(pods, cell, TIMEOUT) for cell in CELLS], confirm=CONFIRM)
    seconds = time.monotonic() - started
    mended = sum(not result.flapping and result.history[0] is not result.history[-1] for result in results)
    seen = {
        cell: None if result.flapping else result.outcome is Outcome.OPEN
        for cell, result in zip(CELLS, results, strict=True)
    }
    return Run(seen, seconds, mended)


def by_exec(api: Api, pods: Mapping[str, Manifest]) -> Run:
    """Run `agnhost connect` by one `kubectl exec` a cell, as a script would; nothing is confirmed."""
    base = [str(tools.kubectl()), f"--kubeconfig={api.kubeconfig}", f"--context={api.context}", "exec"]
    base.append(f"--container={container(PORTS[0], PROTOCOLS[0])}")

    def one(cell: Cell) -> bool | None:
        namespace, name = cell.source.split("/")
        connect = ["/agnhost", "connect", f"--timeout={TIMEOUT:g}s", f"--protocol={cell.protocol}"]
        command = [*base, f"--namespace={namespace}", name, "--", *connect, f"{address(pods, cell)}:{cell.port}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return understand(done.returncode, done.stderr)

    started = time.monotonic()
    with ThreadPoolExecutor(PARALLEL_EXECS) as pool:
        seen = dict(zip(CELLS, pool.map(one, CELLS), strict=True))
    return Run(seen, time.monotonic() - started)


def understand(code: int, said: str) -> bool | None:
    """Tell from an exec of `agnhost connect` whether the cell is open; None where the exec itself failed.

    Args:
        code: that kubectl ended with.
        said: on standard error; agnhost begins with TIMEOUT, REFUSED or OTHER where the network said no.
    """
    if code == 0:
        return True
    return False if said.startswith(("TIMEOUT", "REFUSED", "OTHER")) else None
