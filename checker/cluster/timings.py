"""What each part of a build took, kept in `timings.json` beside the logs."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, TypedDict

from checker import paths

if TYPE_CHECKING:
    from pathlib import Path


class Timing(TypedDict):
    """A part's last build: how long it took and when; and whether the last run found it in the cache."""

    seconds: float
    built: str  # UTC, ISO 8601
    cached: bool


_lock = threading.Lock()


def file() -> Path:
    """Return where the timings are kept."""
    return paths.logs_dir() / "timings.json"


def read() -> dict[str, Timing]:
    """Return the timings of all parts; empty where nothing was built yet or the file is torn."""
    try:
        found: dict[str, Timing] = json.loads(file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def last(part: str) -> float | None:
    """Return how many seconds the last build of a part took, or None if it was never built here."""
    timing = read().get(part)
    return timing["seconds"] if timing else None


def note_built(part: str, seconds: float) -> None:
    """Keep what a build took."""
    built = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    _change(part, {"seconds": round(seconds, 1), "built": built, "cached": False})


def note_cached(part: str) -> None:
    """Keep that a part was found made; what its build took stays."""
    timing = read().get(part)
    if timing and not timing["cached"]:
        _change(part, {**timing, "cached": True})


def _change(part: str, timing: Timing) -> None:
    with _lock:
        new = read() | {part: timing}
        file().parent.mkdir(parents=True, exist_ok=True)
        half = file().with_suffix(".half")
        half.write_text(json.dumps(new, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        half.replace(file())
