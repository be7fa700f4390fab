"""The cells of the table, what each is known to be, and how a way's answers compare with that. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMESPACES = ("deep-dive-bench-x", "deep-dive-bench-y", "deep-dive-bench-z")
PODS = ("a", "b", "c")
PORTS = (80, 81)
PROTOCOLS = ("tcp", "udp")
WORKLOADS = tuple(f"{namespace}/{pod}" for namespace in NAMESPACES for pod in PODS)
DENIED = WORKLOADS[0]
"""Nothing enters this Pod while the policy is there."""


class Cell(NamedTuple):
    """One question: does `source` reach `target` on a port? Both are `namespace/pod`."""

    source: str
    target: str
    port: int
    protocol: str


Seen = dict[Cell, bool | None]
"""For each cell, whether it is open; None where the way could not tell."""

CELLS = tuple(
    Cell(source, target, port, protocol)
    for source in WORKLOADS
    for target in WORKLOADS
    for port in PORTS
    for protocol in PROTOCOLS
)


def expected(cell: Cell, *, denied: bool) -> bool:
    """Tell whether a cell must be open.

    A Pod always reaches itself: "a Pod cannot block access to itself" (Kubernetes documentation, Network Policies).
    """
    return not (denied and cell.target == DENIED != cell.source)


@dataclass(frozen=True)
class Score:
    """How many cells a way got wrong, or could not tell."""

    wrongly_open: int
    wrongly_closed: int
    untold: int


def score(seen: Mapping[Cell, bool | None], *, denied: bool) -> Score:
    """Compare what a way saw with what is known.

    Raises:
        ValueError: the way did not answer for exactly the cells of the table.
    """
    if seen.keys() != set(CELLS):
        raise ValueError(f"{len(seen)} cells answered, {len(CELLS)} asked")
    told = [(expected(cell, denied=denied), found) for cell, found in seen.items()]
    return Score(told.count((False, True)), told.count((True, False)), sum(found is None for _, found in told))
