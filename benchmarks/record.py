"""What a run of the benchmark measured: written as JSON, shown as a table. Pure but for reading the machine's shape."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STATES = ("all open", "one Pod closed")
HEADINGS = ("table", "way", "seconds", "ratio", "wrongly open", "wrongly closed", "not told", "mended")


@dataclass(frozen=True)
class Round:
    """One way's pass over the whole table: its seconds, and how many cells it got wrong, or could not tell.

    `mended` cells are told rightly only because they were tried again; None where a way tries each cell once.
    """

    state: str
    way: str
    seconds: float
    wrongly_open: int
    wrongly_closed: int
    untold: int
    mended: int | None


@dataclass(frozen=True)
class Record:
    """All rounds of one run, where it ran, and with what."""

    date: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    rounds: Sequence[Round]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Record:
        """Read what `asdict` made of one."""
        return cls(**{**data, "rounds": [Round(**each) for each in data["rounds"]]})

    def written(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return asdict(self)


def rows(record: Record) -> list[tuple[str, ...]]:
    """Return the rows of the table, under `HEADINGS`; cells are counted over all rounds."""
    found: dict[tuple[str, str], list[Round]] = {}
    for each in sorted(record.rounds, key=lambda each: STATES.index(each.state)):
        found.setdefault((each.state, each.way), []).append(each)
    ours = {state: _median(rounds) for (state, way), rounds in found.items() if way == record.settings["ours"]}
    return [_row(state, way, rounds, ours[state]) for (state, way), rounds in found.items()]


def markdown(record: Record) -> str:
    """Return the table, and below it where and with what it was measured, as Markdown."""
    lines = [HEADINGS, ("---", "---", *["--:"] * (len(HEADINGS) - 2)), *rows(record)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\n{_circumstances(record)}\n"


def machine() -> dict[str, Any]:
    """Return the shape of this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpus": os.cpu_count(),
        "cpu": _cpu(Path("/proc/cpuinfo").read_text(encoding="utf-8")),
        "memory_gib": round(memory / 2**30),
        "kernel": platform.release().partition("-")[0],
        "load_before": round(os.getloadavg()[0], 2),
    }


def today() -> str:
    """Return the date, in UTC."""
    return datetime.now(UTC).date().isoformat()


def _cpu(text: str) -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()


def _median(rounds: Sequence[Round]) -> float:
    return median(each.seconds for each in rounds)


def _row(state: str, way: str, rounds: Sequence[Round], ours: float) -> tuple[str, ...]:
    seconds = [each.seconds for each in rounds]
    spread = f"{median(seconds):.1f} ({min(seconds):.1f} to {max(seconds):.1f})"
    counts = (_count(rounds, name) for name in ("wrongly_open", "wrongly_closed", "untold", "mended"))
    return (state, way, spread, f"{median(seconds) / ours:.1f}", *counts)


def _count(rounds: Sequence[Round], name: str) -> str:
    counts = [getattr(each, name) for each in rounds]
    return "-" if None in counts else str(sum(counts))


def _circumstances(record: Record) -> str:
    machine, settings = record.machine, record.settings
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return (
        f"Measured on {record.date}: {machine['cpus']} processors ({machine['cpu']}), {machine['memory_gib']} GiB, "
        f"Linux {machine['kernel']}, load {machine['load_before']} before. {versions}. "
        f"{settings['rounds']} rounds of {settings['cells']} cells; the policy closes {settings['denied']} of them."
    )
