"""Runs many attempts at once in one thread, each a generator that yields what it waits for.

Part of the agent: standard library only, no import of the rest of the package.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import socket
import threading
import time
from collections.abc import Generator, Iterable

Wait = tuple[socket.socket | None, int, float]
"""A socket (None: only time passes), the `selectors` events awaited, and the moment (`time.monotonic`) to give up."""

Task = Generator[Wait, bool, None]
"""Yields waits; is sent True when the socket is ready, False when the moment has come."""


class Pacer:
    """Spaces the first packets of new connections, over all threads that share it.

    Policy engines that judge each new connection in user space lose some of a burst.
    """

    def __init__(self, spacing: float) -> None:
        self.spacing = spacing
        self._lock = threading.Lock()
        self._next = 0.0

    def turn(self) -> Task:
        """Wait for the next free moment."""
        with self._lock:
            now = time.monotonic()
            slot = max(now, self._next)
            self._next = slot + self.spacing
        if slot > now:
            yield None, 0, slot


class _Runner:
    """One task and the count of its waits, by which an outdated deadline is told."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.waits = 0
        self.socket: socket.socket | None = None


class Loop:
    """Drives tasks until all have ended; they report their results themselves."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._deadlines: list[tuple[float, int, int, _Runner]] = []
        self._order = itertools.count()
        self._running = 0

    def run(self, tasks: Iterable[Task]) -> None:
        """Run the tasks side by side; an exception of one ends them all."""
        with self._selector:
            for task in tasks:
                self._running += 1
                self._advance(_Runner(task), None)
            while self._running:
                self._turn()

    def _turn(self) -> None:
        while self._deadlines[0][2] != self._deadlines[0][3].waits:
            heapq.heappop(self._deadlines)  # that wait ended before its time
        pause = max(0.0, self._deadlines[0][0] - time.monotonic())
        for key, _ in self._selector.select(pause):
            self._advance(key.data, True)
        now = time.monotonic()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, _, waits, runner = heapq.heappop(self._deadlines)
            if runner.waits == waits:
                self._advance(runner, False)

    def _advance(self, runner: _Runner, ready: bool | None) -> None:
        if runner.socket is not None:
            self._selector.unregister(runner.socket)
        runner.waits += 1
        try:
            runner.socket, events, until = next(runner.task) if ready is None else runner.task.send(ready)
        except StopIteration:
            runner.socket = None
            self._running -= 1
            return
        if runner.socket is not None:
            self._selector.register(runner.socket, events, runner)
        heapq.heappush(self._deadlines, (until, next(self._order), runner.waits, runner))
