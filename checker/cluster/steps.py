"""The steps of a long command, each with how long it took."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console


@contextlib.contextmanager
def step(console: Console, title: str) -> Iterator[Callable[[str], None]]:
    """Show a step while it runs and leave a line with its time.

    Yields:
        A function that shows what the step is at, where there is a terminal.
    """
    started = time.monotonic()
    with console.status(f"{title} …") as status:

        def say(detail: str) -> None:
            status.update(f"{title}: {detail} … {time.monotonic() - started:.0f} s")

        yield say
    console.print(f"  [green]✓[/] {title} [dim]{time.monotonic() - started:.1f} s[/]", highlight=False)
