"""The checker: starts labs on a live kind cluster and proves with packets whether an answer is right."""

from checker.errors import CheckFailed, CourseError, ProbeError
from checker.traffic import Outcome, Traffic

__all__ = ["CheckFailed", "CourseError", "Outcome", "ProbeError", "Traffic"]
