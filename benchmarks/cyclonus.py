"""Cyclonus as its authors built it: `cyclonus probe` on Pods that are there, its printed table read back.

https://github.com/mattfenwick/cyclonus: one exec of `agnhost connect` a cell, 15 at a time (pkg/connectivity/
interpreter.go), each tried once; whatever ends an exec with an error counts as blocked (pkg/connectivity/probe/
jobrunner.go).
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from typing import TYPE_CHECKING

from benchmarks.cells import NAMESPACES, PODS, PORTS, PROTOCOLS, Cell, Seen
from checker.cluster import images

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from checker.objects import Api

SIGNS = {".": True, "X": False, "!": None}
"""Allowed, blocked, and what could not be run (pkg/connectivity/probe/connectivity.go)."""

BEGINS = "running kube probe on try"
ENDS = "evaluating test case"


def version() -> str:
    """Return the version that go.mod pins."""
    text = (images.catalogue().sources["cyclonus"].folder / "go.mod").read_text(encoding="utf-8")
    found = re.search(r"github\.com/mattfenwick/cyclonus (v\S+)", text)
    if not found:
        raise ValueError("cluster/source/cyclonus/go.mod does not pin cyclonus")
    return found[1]


def run(api: Api, timeout: float) -> tuple[Seen, float]:
    """Let cyclonus probe the table once.

    Args:
        api: of the cluster that holds the Pods.
        timeout: of each connection, in whole seconds.

    Returns:
        What it saw, and the seconds that it probed. Its preparations are not counted: it looks up what is there at
        five requests a second.

    Raises:
        RuntimeError: cyclonus failed.
        ValueError: what it printed is not understood.
    """
    environment = {**os.environ, "KUBECONFIG": str(api.kubeconfig)}
    with subprocess.Popen(
        [str(images.go_tool("cyclonus")), *_arguments(api.context, timeout)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        lines = [(time.monotonic(), line.rstrip("\n")) for line in process.stdout]
    if process.returncode:
        raise RuntimeError(f"cyclonus ended with {process.returncode}: {lines[-1][1] if lines else 'no output'}")
    return read([line for _, line in lines]), spent(lines)


def _arguments(context: str, timeout: float) -> list[str]:
    return [
        "probe",
        f"--context={context}",
        f"--server-namespace={','.join(NAMESPACES)}",
        f"--server-pod={','.join(PODS)}",
        f"--server-port={','.join(map(str, PORTS))}",
        f"--server-protocol={','.join(PROTOCOLS).upper()}",
        "--probe-mode=pod-ip",
        f"--job-timeout-seconds={timeout:.0f}",
        "--perturbation-wait-seconds=0",  # the policy has settled already
        "--noisy",
    ]


def spent(lines: Iterable[tuple[float, str]]) -> float:
    """Return the seconds between the line that says that it begins to probe, and the first one after it has done so.

    Raises:
        ValueError: one of them is missing.
    """
    lines = list(lines)
    try:
        begin = next(at for at, line in lines if BEGINS in line)
        return next(at for at, line in lines if line.startswith(ENDS)) - begin
    except StopIteration:
        raise ValueError("cyclonus did not say when it began or ended") from None


def read(lines: Sequence[str]) -> Seen:
    """Read the table of what it saw: rows are sources, columns targets, and a field has one sign a port.

    The sources stand in the order of the targets, whose names it writes in capitals. The ports' order stands in the
    first field.

    Raises:
        ValueError: there is no such table, or it has a sign that is not known.
    """
    start = next((number for number, line in enumerate(lines) if line.startswith("kube results")), None)
    if start is None:
        raise ValueError("cyclonus printed no results")
    heads, *rows = _records(lines[start + 1 :])
    ports = [_port(word) for word in heads[0]]
    targets = [" ".join(row[0]) for row in rows]
    if [" ".join(head) for head in heads[1:]] != [target.upper() for target in targets]:
        raise ValueError("cyclonus' table has other rows than columns")
    return {
        Cell(source, target, *port): _sign(sign)
        for source, row in zip(targets, rows, strict=True)
        for target, field in zip(targets, row[1:], strict=True)
        for port, sign in zip(ports, field, strict=True)
    }


def _records(lines: Iterable[str]) -> list[list[list[str]]]:
    """Return the table's records, each a list of fields, each a list of words; a record may span lines."""
    records: list[list[list[str]]] = []
    fresh = True
    for line in lines:
        if line.startswith("+"):
            fresh = True
        elif line.startswith("|"):
            fields = [field.split() for field in line.strip("|").split("|")]
            if fresh:
                records.append([[] for _ in fields])
            for known, more in zip(records[-1], fields, strict=True):
                known.extend(more)
            fresh = False
        else:
            break
    return records


def _port(word: str) -> tuple[int, str]:
    protocol, _, port = word.partition("/")
    return int(port), protocol.lower()


def _sign(sign: str) -> bool | None:
    try:
        return SIGNS[sign]
    except KeyError:
        raise ValueError(f"cyclonus' table has the sign {sign!r}") from None
