"""Compare what a page says comes out with what came out, line by line.

`…` in a line stands for whatever varies there; a line of `…` alone stands for any number of lines, none
included. Spaces at the end of a line do not count, and a gap of two or more spaces between columns matches
any other such gap: tables of kubectl grow with what they hold. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ANY = "…"
_GAP = re.compile(r"(?<=\S) {2,}")


@dataclass(frozen=True)
class Step:
    """One line of a comparison.

    Args:
        mark: ` ` the line is as expected, `-` expected and not there, `+` there and not expected.
        text: the line, as it came out, or, for `-`, as the page has it.
    """

    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.mark} {self.text}"


def line_matches(expected: str, actual: str) -> bool:
    """Say whether one line of output is the line that the page shows."""
    return bool(_pattern(expected.rstrip()).fullmatch(actual.rstrip()))


def compare(expected: Sequence[str], actual: Sequence[str]) -> list[Step]:
    """Return the shortest way from the expected lines to the actual ones, in order."""
    wanted, got = _trim(expected), _trim(actual)
    cost = _costs(wanted, got)
    steps: list[Step] = []
    i = j = 0
    while i < len(wanted) or j < len(got):
        step, i, j = _next_step(wanted, got, cost, i, j)
        steps.extend(step)
    return steps


def same(steps: Sequence[Step]) -> bool:
    """Say whether a comparison found no difference."""
    return all(step.mark == " " for step in steps)


def _next_step(wanted: list[str], got: list[str], cost: list[list[int]], i: int, j: int) -> tuple[list[Step], int, int]:
    here = cost[i][j]
    if i < len(wanted) and wanted[i] == ANY:
        if cost[i + 1][j] == here:
            return [], i + 1, j
        return [Step(" ", got[j])], i, j + 1
    if i < len(wanted) and j < len(got) and cost[i + 1][j + 1] == here and line_matches(wanted[i], got[j]):
        return [Step(" ", got[j])], i + 1, j + 1
    if i < len(wanted) and cost[i + 1][j] == here - 1:
        return [Step("-", wanted[i])], i + 1, j
    return [Step("+", got[j])], i, j + 1


def _costs(wanted: list[str], got: list[str]) -> list[list[int]]:
    """Return how many lines differ, at best, from line i of the expected and line j of the actual on."""
    rows, columns = len(wanted), len(got)
    cost = [[(rows - i) + (columns - j) for j in range(columns + 1)] for i in range(rows + 1)]
    for i in range(rows, -1, -1):
        for j in range(columns, -1, -1):
            cost[i][j] = min(_ways(wanted, got, cost, i, j), default=0)
    return cost


def _ways(wanted: list[str], got: list[str], cost: list[list[int]], i: int, j: int) -> list[int]:
    ways = []
    gap = i < len(wanted) and wanted[i] == ANY
    if i < len(wanted):
        ways.append(cost[i + 1][j] + (0 if gap else 1))
    if j < len(got):
        ways.append(cost[i][j + 1] + (0 if gap else 1))
    if i < len(wanted) and j < len(got) and not gap and line_matches(wanted[i], got[j]):
        ways.append(cost[i + 1][j + 1])
    return ways


@lru_cache(maxsize=4096)
def _pattern(expected: str) -> re.Pattern[str]:
    cells = [".*".join(re.escape(part) for part in cell.split(ANY)) for cell in _GAP.split(expected)]
    return re.compile(" {2,}".join(cells))


def _trim(lines: Sequence[str]) -> list[str]:
    """Drop blank lines at both ends, and the spaces round a lone `…`."""
    trimmed = [ANY if line.strip() == ANY else line.rstrip() for line in lines]
    while trimmed and not trimmed[-1]:
        trimmed.pop()
    while trimmed and not trimmed[0]:
        trimmed.pop(0)
    return trimmed
