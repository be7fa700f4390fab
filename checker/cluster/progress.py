"""How a build shows itself: what is being made, n of m, elapsed, what the last build of it took."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Iterator


class Reporter:
    """Shows steps on a console: live lines on a terminal, one line at each begin and end elsewhere.

    Args:
        console: where to; None makes one for standard error.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._live = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[number]} {task.description}"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[before]}"),
            console=self.console,
            transient=True,
        )

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, highlight=False)

    @contextmanager
    def step(self, name: str, number: int, total: int, last: float | None) -> Iterator[None]:
        """Show a step while it runs, and at its end what it took.

        Args:
            name: what is being made.
            number: which of them, from 1.
            total: how many there are.
            last: seconds that the last build of it took; None if there was none.
        """
        of = f"[{number}/{total}]".replace("[", r"\[")
        before = f"last time {clock(last)}" if last is not None else "first time"
        start = time.monotonic()
        if not self.console.is_terminal:
            self.say(f"{of} {name} … ({before})")
        task = self._live.add_task(name, number=of, before=before)
        if self.console.is_terminal:
            self._live.start()
        try:
            yield
            self.say(f"{of} {name}: done in {clock(time.monotonic() - start)}")
        finally:
            self._live.remove_task(task)
            if not self._live.tasks:
                self._live.stop()


def clock(seconds: float) -> str:
    """Return a duration as people say it: `8 s`, `5 min 09 s`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"
