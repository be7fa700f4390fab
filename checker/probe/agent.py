"""The probe agent: reads requests as JSON lines, sends packets from network namespaces, writes answers as JSON lines.

Started by `python3 -u /agent/agent.py`, on a node (with the host's processes in sight) or in the outside container.
Standard library only, CPython 3.11 or later. It ends when its input ends and leaves nothing behind.

Each request carries a nonce, and so does each line of its answer: a line an item, then one that counts them. What
cannot be done is an error line, never silence.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from checker.probe import attempts, loop, namespaces, resolver
else:  # where the agent runs there is no package, only its files side by side
    import attempts
    import loop
    import namespaces
    import resolver

VERSION = 1
SPACING = float(os.environ.get("PROBE_SPACING", "0.0015"))
"""Seconds between the first packets of new connections; measured: a burst loses 5 %, this loses a few in a thousand."""

Record = dict[str, Any]


class Output:
    """Writes one JSON object a line, whole lines only, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def write(self, **record: Any) -> None:
        """Write one line at once."""
        line = json.dumps(record, separators=(",", ":"))
        with self._lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


class Agent:
    """Answers requests; those that need a namespace in a thread for each namespace."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._places = namespaces.Places()
        self._pacer = loop.Pacer(SPACING)

    def handle(self, line: str) -> None:
        """Answer one line of input."""
        nonce = None
        try:
            request = json.loads(line)
            nonce = request["nonce"]
            operation = {"ping": self._ping, "probe": self._probe, "listeners": self._listeners}
            operation["network"] = self._network
            operation[request["op"]](nonce, request)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._output.write(nonce=nonce, error=f"unknown request: {type(error).__name__}: {error}")

    def _ping(self, nonce: str, request: Record) -> None:  # noqa: ARG002 - all operations are called alike
        self._output.write(nonce=nonce, done=0)

    def _probe(self, nonce: str, request: Record) -> None:
        def work(place: namespaces.Place, items: Sequence[Record], answer: Callable[..., None]) -> None:
            loop.Loop().run([self._attempt(place, item, answer) for item in items])

        self._spread(nonce, request["items"], work)

    def _listeners(self, nonce: str, request: Record) -> None:
        def work(place: namespaces.Place, items: Sequence[Record], answer: Callable[..., None]) -> None:
            for item in items:
                answer(item, listeners=namespaces.listeners(place))

        self._spread(nonce, request["items"], work)

    def _network(self, nonce: str, request: Record) -> None:
        def work(place: namespaces.Place, items: Sequence[Record], answer: Callable[..., None]) -> None:
            for item in items:
                answer(item, **namespaces.network(place, item["host"]))

        self._spread(nonce, request["items"], work)

    def _spread(self, nonce: str, items: Sequence[Record], work: Callable[..., None]) -> None:
        """Do the work in one thread for each place; say `done` when all have ended."""
        found = self._places.find([item["place"] for item in items])
        groups: dict[str, list[Record]] = {}
        for item in items:
            groups.setdefault(namespaces.key(item["place"]), []).append(item)

        def answer(item: Mapping[str, Any], **record: Any) -> None:
            self._output.write(nonce=nonce, id=item["id"], **record)

        threads = [
            threading.Thread(target=_enter_and_work, args=(found[name], group, work, answer), daemon=True)
            for name, group in groups.items()
        ]
        for thread in threads:
            thread.start()
        threading.Thread(target=self._finish, args=(nonce, threads, len(items)), daemon=True).start()

    def _finish(self, nonce: str, threads: Sequence[threading.Thread], count: int) -> None:
        for thread in threads:
            thread.join()
        self._output.write(nonce=nonce, done=count)

    def _attempt(self, place: namespaces.Place, item: Record, answer: Callable[..., None]) -> loop.Task:
        try:
            found = yield from self._resolve(place, item)
            record = {"address": next(iter(found.addresses), ""), "queries": found.queries}
            if not found.addresses:
                record.update(outcome="no-name", detail=found.detail, seconds=_total(found.queries))
            elif item["protocol"] == "name":
                record.update(outcome="open", detail=" ".join(found.addresses), seconds=_total(found.queries))
            else:
                record.update((yield from attempts.attempt(item, record["address"], self._pacer.turn)))
            answer(item, **record)
        except Exception as error:  # noqa: BLE001 - one probe's fault must not end the others of its namespace
            answer(item, error=f"the probe could not be made: {type(error).__name__}: {error}")

    def _resolve(self, place: namespaces.Place, item: Record) -> Any:
        config = resolver.read_config(place.read("/etc/resolv.conf"))
        hosts = resolver.read_hosts(place.read("/etc/hosts"))
        if server := item.get("nameserver"):
            config, hosts = config._replace(nameservers=(server,)), {}
        limit = item["timeout"]
        return resolver.Resolver(config, hosts, limit, self._pacer.turn).resolve(item["host"], item["types"])


def _enter_and_work(
    place: namespaces.Place | namespaces.NoPlaceError,
    items: Sequence[Record],
    work: Callable[..., None],
    answer: Callable[..., None],
) -> None:
    try:
        if isinstance(place, namespaces.NoPlaceError):
            raise place
        place.enter()
        work(place, items, answer)
    except Exception as error:  # noqa: BLE001 - whatever it is, the asker must hear of it
        reason = str(error) if isinstance(error, namespaces.NoPlaceError) else f"{type(error).__name__}: {error}"
        for item in items:
            answer(item, error=reason)


def _total(queries: Sequence[Record]) -> float:
    seconds: float = sum(query["seconds"] for query in queries)
    return round(seconds, 6)


def main() -> None:
    """Say hello, then answer line by line until the input ends."""
    output = Output()
    output.write(hello=VERSION, python=platform.python_version(), node=os.uname().nodename)
    agent = Agent(output)
    for line in sys.stdin:
        agent.handle(line)


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(1)  # nobody reads any more; the interpreter must not try to flush
    os._exit(0)  # each line is flushed as it is written; probes still in flight have nobody to report to
