"""How far a learner has come with a lab's hints: what failed last, and how many rungs they have seen."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from checker import paths

if TYPE_CHECKING:
    from pathlib import Path

    from checker.verdict import CheckRecord


@dataclass(frozen=True)
class Progress:
    """The last failure of a lab on a cluster, and the rungs of its ladder shown so far."""

    check: str = ""
    cause: str = ""
    rungs: int = 0

    def after(self, failure: CheckRecord | None) -> Progress:
        """Return the progress after a check: the rungs stay seen while the same fault remains."""
        if failure is None:
            return Progress()
        cause = failure.cause.id if failure.cause else ""
        same = (self.check, self.cause) == (failure.name, cause)
        return Progress(failure.name, cause, max(self.rungs, 1) if same else 1)


def load(stem: str) -> Progress:
    """Return what is kept for a lab on the cluster in use; nothing kept is no failure yet."""
    try:
        return Progress(**json.loads(_file(stem).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Progress()


def save(stem: str, progress: Progress) -> None:
    """Keep the progress of a lab on the cluster in use."""
    file = _file(stem)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(progress)), encoding="utf-8")


def _file(stem: str) -> Path:
    return paths.cluster_dir() / f"hints-{stem}.json"
