"""From a failed check to its cause: chooses the hint, never the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checker.diagnose import pods, policies, services
from checker.diagnose.snapshot import Snapshot, Socket, Subject

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker.verdict import Cause

__all__ = ["Snapshot", "Socket", "Subject", "explain"]


def explain(snapshot: Snapshot, subjects: Iterable[Subject]) -> Cause | None:
    """Return the first recognised fault of what failed, or None.

    Where packets were dropped, or should have been, policies are asked first.
    """
    subjects = list(subjects)
    causes = (_explain_one(snapshot, subject) for subject in subjects)
    return policies.explain(snapshot, subjects) or next((cause for cause in causes if cause), None)


def _explain_one(snapshot: Snapshot, subject: Subject) -> Cause | None:
    if subject.target.place in ("clusterip", "name"):
        return services.explain(snapshot, subject)
    if subject.target.place == "pods":
        return pods.explain(snapshot, subject)
    return None
