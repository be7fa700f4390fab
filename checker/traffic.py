"""What packets are expected to do, and how it differs from what they did. Pure: no input, no output."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import urlsplit

from checker.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Protocol = Literal["tcp", "udp", "http"]
NOT_PROBED = "-"


class Outcome(StrEnum):
    """What one probe saw.

    The words follow how a TCP connect ends (RFC 9293, section 3.5.2 for the refusal by a reset), and are used alike
    for UDP, where an ICMP port unreachable (RFC 1122, section 3.2.2.1) is the refusal.
    """

    OPEN = "open"
    REFUSED = "refused"
    DROPPED = "dropped"
    UNREACHABLE = "unreachable"
    NO_NAME = "no-name"


Place = Literal["pods", "clusterip", "node", "outside", "name"]

_TARGET = re.compile(r"(?P<host>[^\s:]+):(?P<port>\d+)(?:/(?P<protocol>udp|tcp))?")


@dataclass(frozen=True)
class Target:
    """Where probes of one column go.

    Args:
        text: as written in the table, for example `other/backend:8080/udp` or `http://my-service:80`.
        place: how the host is found: the Pods of a workload, a Service's ClusterIP, nodes, the outside, or a name
            that the source resolves itself.
        host: workload, Service, node or name.
        port: 1 to 65535.
        namespace: of the workload or Service; empty for the lab's own.
    """

    text: str
    place: Place
    host: str
    port: int
    protocol: Protocol = "tcp"
    namespace: str = ""
    path: str = "/hostname"

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read one target.

        Raises:
            ContentError: the text is not a target.
        """
        target = cls._of_url(text) if "://" in text else cls._of_place(text)
        if target is None:
            raise ContentError(f"{text!r} is not a target: expected name:port, name:port/udp or http://name:port/path.")
        return target

    @classmethod
    def _of_url(cls, text: str) -> Target | None:
        try:
            url = urlsplit(text)
            port = url.port or (80 if url.scheme == "http" else 0)
        except ValueError:
            return None
        if url.scheme not in ("tcp", "udp", "http") or not url.hostname or not port:
            return None
        return cls(text, "name", url.hostname, port, cast("Protocol", url.scheme), path=url.path or "/hostname")

    @classmethod
    def _of_place(cls, text: str) -> Target | None:
        found = _TARGET.fullmatch(text)
        if not found or not 0 < int(found["port"]) < 65536:
            return None
        place, namespace, name = split_place(found["host"])
        return cls(text, place, name, int(found["port"]), cast("Protocol", found["protocol"] or "tcp"), namespace)

    def __str__(self) -> str:
        return self.text


def split_place(text: str) -> tuple[Place, str, str]:
    """Split `[namespace/]workload`, `clusterip/service`, `node[/name]` or `outside` into place, namespace and name."""
    first, _, rest = text.partition("/")
    if first == "outside":
        return "outside", "", rest
    if first == "node":
        return "node", "", rest
    if first == "clusterip":
        namespace, _, name = rest.rpartition("/")
        return "clusterip", namespace, name
    return ("pods", first, rest) if rest else ("pods", "", first)


@dataclass(frozen=True)
class Flow:
    """One cell of a table: a source and a target."""

    source: str
    target: Target

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"


@dataclass(frozen=True)
class Seen:
    """What the probes of one cell saw: an outcome for each pair of a source and a target Pod, and a remark."""

    outcomes: tuple[Outcome, ...]
    detail: str = ""
    flapping: bool = False

    def __str__(self) -> str:
        counts = Counter(self.outcomes)
        if self.flapping:
            return "flapping"
        if len(counts) == 1:
            return str(self.outcomes[0])
        return ", ".join(f"{outcome} ({count} of {len(self.outcomes)})" for outcome, count in counts.items())

    def matches(self, expected: Outcome) -> bool:
        """Tell whether every pair saw the expected outcome, steadily."""
        return not self.flapping and set(self.outcomes) == {expected}


@dataclass(frozen=True)
class Difference:
    """A cell whose packets did other than expected."""

    flow: Flow
    expected: Outcome
    seen: Seen

    def __str__(self) -> str:
        return f"{self.flow} is {self.seen}, expected {self.expected}"

    @property
    def fact(self) -> str:
        """Return the cell and what was seen, without the expectation."""
        return f"{self.flow} is {self.seen}"


@dataclass(frozen=True)
class Traffic:
    """A table of sources and targets with the expected outcome of each cell."""

    cells: Mapping[Flow, Outcome] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Traffic:
        """Read a table: a line of targets, then a line for each source with a word a target.

        The words are the outcomes, or `-` for a cell that is not probed. `#` starts a comment.

        Raises:
            ContentError: a line does not fit, naming the line.
        """
        lines = [line.split("#", 1)[0].split() for line in text.splitlines()]
        lines = [words for words in lines if words]
        if len(lines) < 2:
            raise ContentError("A traffic table needs a line of targets and at least one source.")
        targets = [Target.parse(word) for word in lines[0]]
        cells: dict[Flow, Outcome] = {}
        for source, *words in lines[1:]:
            cells.update(_row(source, targets, words))
        return cls(cells)

    @property
    def sources(self) -> list[str]:
        """Return the sources, in the table's order."""
        return list(dict.fromkeys(flow.source for flow in self.cells))

    @property
    def targets(self) -> list[Target]:
        """Return the targets, in the table's order."""
        return list(dict.fromkeys(flow.target for flow in self.cells))

    def words(self, seen: Mapping[Flow, Seen]) -> tuple[tuple[str, str, str, str], ...]:
        """Return source, target, expected and seen of every cell, as words."""
        return tuple(
            (
                flow.source,
                str(flow.target),
                str(expected),
                str(expected if seen[flow].matches(expected) else seen[flow]),
            )
            for flow, expected in self.cells.items()
        )

    def differences(self, seen: Mapping[Flow, Seen]) -> list[Difference]:
        """Return the cells in which the packets did not do what was expected."""
        return [
            Difference(flow, expected, seen[flow])
            for flow, expected in self.cells.items()
            if not seen[flow].matches(expected)
        ]


def _row(source: str, targets: Sequence[Target], words: Sequence[str]) -> dict[Flow, Outcome]:
    if len(words) != len(targets):
        raise ContentError(f"The row {source!r} has {len(words)} cells for {len(targets)} targets.")
    row = {}
    for target, word in zip(targets, words, strict=True):
        if word == NOT_PROBED:
            continue
        try:
            row[Flow(source, target)] = Outcome(word)
        except ValueError as error:
            known = ", ".join(Outcome)
            raise ContentError(f"{source} -> {target}: {word!r} is no outcome; expected {known} or -.") from error
    return row
