"""Every error that the course raises, as one tree.

CourseError                 something kept us from doing what you asked; says what, and what mends it
├── HostError               this machine lacks something: Docker, memory, a kernel feature
├── BuildError              an image or a tool could not be built or pulled
├── ClusterError            the cluster is missing, stopped, half made or does not answer
│   └── ForeignClusterError the cluster in reach is not the course's own
├── ContentError            a file of the course is malformed: file, line, what was expected
├── UsageError              the request does not fit: unknown lab, check before start
├── NotReadyError           something did not become ready before its deadline
└── ProbeError              a probe could not run; says nothing about the network under test
CheckFailed                 the cluster works, the packets are not what the lab asks for

Each `CourseError` ends a command with exit code 2 ("could not check"); `CheckFailed` with 1.
"""

from __future__ import annotations


class CourseError(Exception):
    """Something kept the course from doing its work.

    Args:
        message: one sentence that says what is wrong.
        mend: the command that mends it, as typed in a shell; None where there is none.
    """

    exit_code = 2

    def __init__(self, message: str, mend: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.message} Run: {self.mend}" if self.mend else self.message

    def _render_traceback_(self) -> list[str]:
        """Show the one sentence in a notebook, where IPython would print a traceback."""
        return [str(self)]


class HostError(CourseError):
    """This machine lacks something that the course needs."""


class BuildError(CourseError):
    """An image or a tool could be neither pulled nor built."""


class ClusterError(CourseError):
    """The cluster is missing, stopped, half made or does not answer."""


class ForeignClusterError(ClusterError):
    """The cluster in reach is not the course's own, so nothing was done to it."""


class ContentError(CourseError):
    """A file of the course is malformed."""


class UsageError(CourseError):
    """The request does not fit the state of things, or names what does not exist."""


class NotReadyError(CourseError):
    """Something did not become ready before its deadline."""


class ProbeError(CourseError):
    """A probe could not run. Never an outcome: it says nothing about the network under test."""


class CheckFailed(AssertionError):  # noqa: N818 - a verdict, not a fault of the program
    """The learner's cluster behaves otherwise than the lab asks.

    Args:
        reason: the first differing fact as one line, for example `frontend -> backend:9090 is open, expected dropped`.
        detail: everything else worth showing, as lines of plain text.
        subjects: what the diagnosis should look at; its types are the diagnosis' own.
        command: shows the difference, typed in a shell.
        cells: the whole table, where it is one that differs: source, target, expected and seen of each cell, as words.
    """

    def __init__(
        self,
        reason: str,
        detail: str = "",
        subjects: tuple[object, ...] = (),
        command: str = "",
        cells: tuple[tuple[str, str, str, str], ...] = (),
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.subjects = subjects
        self.command = command
        self.cells = cells
