"""One running agent: requests out, answers in, each line checked.

Whatever is missing, late, torn or foreign raises `ProbeError`: a probe that could not run is never an outcome.
"""

from __future__ import annotations

import json
import queue
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

from checker.errors import ProbeError
from checker.probe.channel import Channel, ChannelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

MEND = "make up"
VERSION = 1
PING = "ping"

OPEN_SECONDS = 8.0
"""An exec needs a fraction of a second; on a machine busy with builds a few."""
QUIET_SECONDS = 4.0
"""An agent answers a ping at once: one that says nothing for so long is stopped, paused or gone."""
PING_SECONDS = 1.0
CLOSE_SECONDS = 1.0

Item = dict[str, Any]
Inbox = queue.SimpleQueue[dict[str, Any] | None]


class Session:
    """A running agent: opens its channel in a thread of its own, sends requests, sorts the answers by nonce.

    Args:
        where: for messages, such as `on node deep-dive-worker` or `outside the cluster`.
        opener: opens the channel; may block or raise `ChannelError`.
    """

    def __init__(self, where: str, opener: Callable[[], Channel]) -> None:
        self.where = where
        self.hello: dict[str, Any] = {}
        self._opener = opener
        self._channel: Channel | None = None
        self._lock = threading.Lock()
        self._waiting: dict[str, Inbox] = {}
        self._failure = ""
        self._ready = threading.Event()
        self._heard = time.monotonic()
        self._thread = threading.Thread(target=self._serve, name=f"agent {where}", daemon=True)
        self._thread.start()

    def ask(self, operation: str, items: Sequence[Item], seconds: float) -> list[dict[str, Any]]:
        """Send one request and return an answer for each item, in the order of the items.

        Args:
            operation: `probe`, `listeners` or `network`.
            items: what is asked, ready for JSON, each with its `place`.
            seconds: after which an answer counts as late.

        Raises:
            ProbeError: an answer is missing, late, torn or foreign, or the agent reports an error.
        """
        channel = self._opened()
        nonce, inbox = secrets.token_hex(8), Inbox()
        with self._lock:
            self._waiting[nonce] = inbox
            failed = bool(self._failure)
        if failed:
            raise self._error()
        try:
            numbered = [{**item, "id": number} for number, item in enumerate(items)]
            self._heard = time.monotonic()
            channel.send(_line(nonce=nonce, op=operation, items=numbered))
            return self._collect(inbox, len(items), time.monotonic() + seconds)
        finally:
            with self._lock:
                self._waiting.pop(nonce, None)

    @property
    def failed(self) -> bool:
        """Tell whether the agent is gone."""
        return bool(self._failure)

    def close(self) -> None:
        """Let the agent end; break the stream if it does not.

        The thread must have ended before the interpreter does, which a thread that wakes too late would abort.
        """
        channel = self._channel
        if channel:
            channel.end()
            self._thread.join(CLOSE_SECONDS)
            if self._thread.is_alive():
                channel.abort()
                self._thread.join(CLOSE_SECONDS)

    def _opened(self) -> Channel:
        if not self._ready.wait(OPEN_SECONDS):
            raise ProbeError(f"The probe agent {self.where} did not start within {OPEN_SECONDS:.0f} s.", MEND)
        if self._channel is None or self._failure:
            raise self._error()
        return self._channel

    def _error(self) -> ProbeError:
        return ProbeError(f"The probe agent {self.where} {self._failure or 'is gone'}.", MEND)

    def _collect(self, inbox: Inbox, count: int, until: float) -> list[Item]:
        answers: dict[int, dict[str, Any]] = {}
        for record in self._records(inbox, until):
            if "error" in record:
                raise ProbeError(f"The probe agent {self.where} reports: {record['error']}.", MEND)
            if "done" in record:
                break
            number = record.get("id")
            if not isinstance(number, int) or number in answers or number not in range(count):
                raise ProbeError(f"The probe agent {self.where} answered what was not asked.", MEND)
            answers[number] = record
        if len(answers) != count:
            missing = count - len(answers)
            raise ProbeError(f"The probe agent {self.where} left {missing} of {count} probes unanswered.", MEND)
        return [answers[number] for number in range(count)]

    def _records(self, inbox: Inbox, until: float) -> Iterator[dict[str, Any]]:
        """Yield the lines of one answer; ping while waiting, to tell a busy agent from a dead one."""
        while True:
            try:
                record = inbox.get(timeout=PING_SECONDS)
            except queue.Empty:
                self._check_alive(until)
                continue
            if record is None:
                raise self._error()
            yield record

    def _check_alive(self, until: float) -> None:
        now = time.monotonic()
        if now > until:
            raise ProbeError(f"The probe agent {self.where} did not answer in time.", MEND)
        if now - self._heard > QUIET_SECONDS:
            raise ProbeError(f"The probe agent {self.where} has said nothing for {QUIET_SECONDS:.0f} s.", MEND)
        if self._channel:
            self._channel.send(_line(nonce=PING, op="ping"))

    def _serve(self) -> None:
        """Open the channel and read it to its end; then everybody who waits is told."""
        try:
            channel = self._opener()
        except ChannelError as error:
            self._fail(f"could not be started: {error}")
            return
        self._channel = channel
        reason = "ended before its time"
        try:
            reason = self._read(channel)
        except ChannelError as error:
            reason = f"broke off: {error}"
        except ValueError as error:
            reason = f"sent a line that is no answer: {error}"
        finally:
            complaint = "" if reason.startswith("sent") else channel.complaint()
            self._fail(f"{reason}: {complaint.splitlines()[-1]}" if complaint else reason)
            channel.close()

    def _read(self, channel: Channel) -> str:
        buffer = b""
        while data := channel.receive():
            self._heard = time.monotonic()
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise ValueError(str(record)[:80])
                self._sort(record)
        return "ended in the middle of a line" if buffer else "ended before its time"

    def _sort(self, record: Mapping[str, Any]) -> None:
        """Give a line to whoever waits for it.

        Raises:
            ValueError: nobody does, or it is not the hello of an agent of our version.
        """
        if not self._ready.is_set():
            if record.get("hello") != VERSION:
                raise ValueError(f"expected its hello, version {VERSION}, not {str(record)[:80]}")
            self.hello = dict(record)
            self._ready.set()
            return
        nonce = record.get("nonce")
        if nonce == PING:
            return
        with self._lock:
            inbox = self._waiting.get(str(nonce))
        if inbox is None:
            raise ValueError(f"nobody asked for {str(record)[:80]}")
        inbox.put(dict(record))

    def _fail(self, failure: str) -> None:
        with self._lock:
            self._failure = failure
            for inbox in self._waiting.values():
                inbox.put(None)
        self._ready.set()


PING = "ping"


def _line(**record: Any) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"
