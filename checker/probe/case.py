"""One cell on its way to an outcome: the attempts made so far, and whether they are enough to be believed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from checker.traffic import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checker.probe.outcome import Probe, Result

ATTEMPTS = 6
"""The most that one cell gets. A lost packet costs one or two; so many without agreement are flapping."""

HOLD_SECONDS = 1.0
"""A surprise is believed when it has been seen for so long."""

PAUSE_SECONDS = 0.25
"""Between attempts that do not agree: at once, they would all fall into the same moment."""

PORTS = 2
"""Fresh ports from which an expected silence is confirmed at once, since a single packet can be lost."""

QUERIES = 2
"""Times that a silent DNS server is asked for one name, by the default of resolv.conf(5)."""


@dataclass(frozen=True)
class Patience:
    """Seconds that attempts may take.

    Args:
        first: of the first attempt; None takes the probe's own.
        confirm: of every further one.
        silence: of further attempts at a cell that is silent and expected to be.
    """

    first: float | None
    confirm: float
    silence: float


@dataclass
class Case:
    """One probe, the outcome that would be no surprise (None: any), and its attempts, oldest first.

    By `time.monotonic`, `spans` holds for each attempt when it began and ended, and `settled_at` is the moment from
    which on the cluster can be judged.
    """

    probe: Probe
    expected: Outcome | None = None
    settled_at: float = 0.0
    attempts: list[Result] = field(default_factory=list)
    spans: list[tuple[float, float]] = field(default_factory=list)

    def add(self, result: Result, began: float, ended: float) -> None:
        """Take up one attempt."""
        self.attempts.append(result)
        self.spans.append((began, ended))

    @property
    def last(self) -> Result:
        """Return the latest attempt."""
        return self.attempts[-1]

    @property
    def silent(self) -> bool:
        """Tell whether the latest attempt met silence."""
        return self.last.outcome is Outcome.DROPPED

    @property
    def surprises(self) -> bool:
        """Tell whether the latest attempt saw other than expected."""
        return self.expected not in (None, self.last.outcome)

    @property
    def doubted(self) -> bool:
        """Tell whether one attempt is not enough: it is when open, by HTTP answered as well, and no surprise."""
        answered = self.probe.protocol != "http" or self.last.status is not None
        return self.surprises or self.last.outcome is not Outcome.OPEN or not answered

    @property
    def agrees(self) -> bool:
        """Tell whether the latest attempts agree: two, or three once an outcome has come back after another."""
        changes = sum(not _alike(*pair) for pair in zip(self.attempts, self.attempts[1:], strict=False))
        return self._run >= (2 if changes < 2 else 3)

    @property
    def settled(self) -> bool:
        """Tell whether no further attempt is needed, or allowed."""
        held = not self.surprises or self.spans[-1][1] - self._since >= HOLD_SECONDS
        return (self.agrees and held) or len(self.attempts) >= ATTEMPTS

    @property
    def due(self) -> float:
        """Return the moment of the next attempt."""
        if self.agrees:
            return self._since + HOLD_SECONDS
        return self.spans[-1][1] + PAUSE_SECONDS if len(self.attempts) > 1 else 0.0

    def next(self, patience: Patience) -> list[Probe]:
        """Return what to send next: the probe with more patience, each from a fresh port."""
        if self.silent and self.expected is Outcome.DROPPED:
            return [replace(self.probe, timeout=patience.silence)] * PORTS
        share = QUERIES if self.last.dns_silent else 1
        return [replace(self.probe, timeout=patience.confirm / share)]

    def sum_up(self) -> Result:
        """Return the latest attempt with the story of all."""
        history = tuple(result.outcome for result in self.attempts)
        flapping = len(history) > 1 and not self.agrees
        if len(set(history)) == 1 and not flapping:
            return replace(self.last, history=history)
        story = ("flapping: " if flapping else "not at once: ") + ", ".join(history)
        detail = "; ".join(filter(None, (story, self.last.detail)))
        return replace(self.last, history=history, flapping=flapping, detail=detail)

    @property
    def _run(self) -> int:
        """Return how many of the latest attempts are alike."""
        alike = 1
        while alike < len(self.attempts) and _alike(self.attempts[-alike - 1], self.last):
            alike += 1
        return alike

    @property
    def _since(self) -> float:
        """Return since when the latest outcome has been seen, on a cluster that could be judged."""
        return max(self.spans[-self._run][0], self.settled_at)


def slowest(results: Sequence[Result]) -> float:
    """Return the seconds that the slowest answer took; 0 without any."""
    return max((result.seconds for result in results if result.outcome is Outcome.OPEN), default=0.0)


def _alike(one: Result, other: Result) -> bool:
    return one.outcome is other.outcome and (one.status is None) == (other.status is None)
