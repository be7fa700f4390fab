"""Resolves names as a Pod would, from its own resolv.conf and hosts file, and tells every query that it sent.

Part of the agent: standard library only, no import of the rest of the package. Follows resolv.conf(5) as glibc reads
it, except that each query waits no longer than the probe's own timeout and that only the record types asked for
(IPv4 addresses, if nothing else is said) are queried.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

Wait = tuple[Any, int, float]
Pace = Callable[[], Generator[Wait, bool, None]]

TYPES = {"A": 1, "AAAA": 28}
CNAME = 5
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
FINAL = ("NOERROR", "NXDOMAIN")
NO_ANSWER = ("time-out", "port refused", "unreachable", "not a DNS answer")
DNS_PORT = 53


class Config(NamedTuple):
    """What a resolv.conf says; seconds for the timeout."""

    nameservers: tuple[str, ...] = ("127.0.0.1",)
    search: tuple[str, ...] = ()
    ndots: int = 1
    timeout: float = 5.0
    attempts: int = 2
    tcp: bool = False


class Answer(NamedTuple):
    """What one DNS message says."""

    number: int
    rcode: str
    truncated: bool
    question: tuple[str, int]
    addresses: tuple[str, ...]
    aliases: tuple[str, ...]


class Resolution(NamedTuple):
    """The addresses found, each query sent (ready for JSON), and why there is no address."""

    addresses: tuple[str, ...]
    queries: list[dict[str, Any]]
    detail: str


def read_config(text: str) -> Config:
    """Read a resolv.conf; unknown lines and options are passed over, as the C libraries do."""
    servers: list[str] = []
    fields: dict[str, Any] = {}
    for line in text.splitlines():
        word, *values = line.split("#", 1)[0].split(";", 1)[0].split() or [""]
        if word == "nameserver" and values and _is_address(values[0]):
            servers.append(values[0])
        elif word in ("search", "domain"):
            fields["search"] = tuple(value.rstrip(".") for value in values if value != ".")
        elif word == "options":
            fields.update(_options(values))
    if servers:
        fields["nameservers"] = tuple(servers[:3])  # MAXNS of the C libraries
    return Config(**fields)


def _options(values: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for value in values:
        name, _, number = value.partition(":")
        if name == "use-vc":
            found["tcp"] = True
        elif name in ("ndots", "timeout", "attempts") and number.isdigit():
            ceiling = {"ndots": 15, "timeout": 30, "attempts": 5}[name]
            found[name] = min(int(number), ceiling) if name == "ndots" else max(1, min(int(number), ceiling))
    return found


def read_hosts(text: str) -> dict[str, list[str]]:
    """Return the addresses of each name, in lower case, of a hosts file."""
    hosts: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *names = line.split("#", 1)[0].split() or [""]
        for name in names:
            hosts.setdefault(name.lower(), []).append(address)
    return hosts


def candidates(name: str, config: Config) -> list[str]:
    """Return the full names to try, in order: ndots decides whether the search list comes first."""
    if name.endswith("."):
        return [name[:-1]]
    searched = [f"{name}.{domain}" for domain in config.search]
    return [name, *searched] if name.count(".") >= config.ndots else [*searched, name]


def encode(number: int, name: str, kind: int) -> bytes:
    """Return a query as a DNS message (RFC 1035), recursion desired.

    Raises:
        ValueError: the name is no DNS name.
    """
    labels = b""
    for label in name.split("."):
        raw = label.encode("ascii")
        if not 0 < len(raw) < 64:
            raise ValueError(f"{name!r} is not a DNS name")
        labels += bytes([len(raw)]) + raw
    return struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, kind, 1)


def decode(message: bytes) -> Answer:
    """Read a DNS message.

    Raises:
        ValueError: it is torn or malformed.
    """
    try:
        return _decode(message)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError("malformed DNS message") from error


def _decode(message: bytes) -> Answer:
    number, flags, questions, answers = struct.unpack_from(">4H", message)
    name, at = _name(message, 12)
    (kind,) = struct.unpack_from(">H", message, at)
    if not flags & 0x8000 or questions != 1:
        raise ValueError("not an answer to one question")
    at += 4
    addresses, aliases = [], []
    for _ in range(answers):
        _, at = _name(message, at)
        record, _, _, length = struct.unpack_from(">HHIH", message, at)
        at += 10
        data = message[at : at + length]
        if record in TYPES.values():
            family = socket.AF_INET if record == TYPES["A"] else socket.AF_INET6
            addresses.append(socket.inet_ntop(family, data))
        elif record == CNAME:
            aliases.append(_name(message, at)[0])
        at += length
    rcode = RCODES.get(flags & 15, f"RCODE{flags & 15}")
    return Answer(number, rcode, bool(flags & 0x0200), (name.lower(), kind), tuple(addresses), tuple(aliases))


def _name(message: bytes, at: int) -> tuple[str, int]:
    labels: list[str] = []
    end = 0
    for _ in range(128):  # a compressed name that points in circles ends here
        length = message[at]
        if length >= 0xC0:
            end = end or at + 2
            at = (length & 0x3F) << 8 | message[at + 1]
        elif length == 0:
            return ".".join(labels), end or at + 1
        else:
            labels.append(message[at + 1 : at + 1 + length].decode("ascii"))
            at += 1 + length
    raise ValueError("endless name in a DNS message")


class Resolver:
    """Looks names up by one resolv.conf and hosts file.

    Args:
        limit: seconds that one query may take at most, whatever resolv.conf says.
        pace: waits until a new packet may be sent.
    """

    def __init__(self, config: Config, hosts: dict[str, list[str]], limit: float, pace: Pace) -> None:
        self._config = config
        self._hosts = hosts
        self._limit = min(limit, config.timeout)
        self._pace = pace
        self._queries: list[dict[str, Any]] = []

    def resolve(self, name: str, types: Sequence[str] = ("A",)) -> Generator[Wait, bool, Resolution]:
        """Look a name up; an IP address stands for itself."""
        known = [name] if _is_address(name) else self._hosts.get(name.lower(), [])
        known = [each for each in known if ("AAAA" if ":" in each else "A") in types or each == name]
        if known:
            return Resolution(tuple(known), [], "")
        for candidate in candidates(name, self._config):
            found: list[str] = []
            for kind in types:
                answered = yield from self._candidate(candidate, kind)
                if not answered:
                    return Resolution((), self._queries, self._silence())
                found += self._queries[-1]["addresses"]
            if found:
                return Resolution(tuple(found), self._queries, "")
        said = ", ".join(f"{query['name']} {_meaning(query)}" for query in self._queries)
        return Resolution((), self._queries, said or f"{name!r} is not a DNS name")

    def _silence(self) -> str:
        return "no DNS server answered: " + ", ".join(
            dict.fromkeys(f"{query['server']} {query['rcode']}" for query in self._queries)
        )

    def _candidate(self, name: str, kind: str) -> Generator[Wait, bool, bool]:
        """Ask the servers in turn; tell whether any of them answered at all."""
        heard = False
        for _ in range(self._config.attempts):
            for server in self._config.nameservers:
                query = yield from self._ask(name, kind, server)
                if query["rcode"] in FINAL:
                    return True
                heard = heard or query["rcode"] not in NO_ANSWER
        return heard

    def _ask(self, name: str, kind: str, server: str) -> Generator[Wait, bool, dict[str, Any]]:
        query = yield from self._exchange(name, kind, server, "tcp" if self._config.tcp else "udp")
        if query.pop("truncated", False):
            query = yield from self._exchange(name, kind, server, "tcp")
            query.pop("truncated", None)
        return query

    def _exchange(self, name: str, kind: str, server: str, protocol: str) -> Generator[Wait, bool, dict[str, Any]]:
        query: dict[str, Any] = {"name": name, "type": kind, "server": server, "protocol": protocol}
        query.update(rcode="time-out", addresses=[], aliases=[], seconds=0.0)
        self._queries.append(query)
        number = int.from_bytes(os.urandom(2), "big")
        try:
            message = encode(number, name, TYPES[kind])
        except ValueError:  # never sent by a C library either; answered as if the name did not exist
            query["rcode"] = "NXDOMAIN"
            return query
        yield from self._pace()
        started = time.monotonic()
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        style = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        with socket.socket(family, style) as sock:
            sock.setblocking(False)
            expected = number, (name.lower(), TYPES[kind])
            talk = _tcp if protocol == "tcp" else _udp
            try:
                answer = yield from talk(sock, server, message, expected, started + self._limit)
            except OSError as error:
                answer, query["rcode"] = None, _failure(error)
            except ValueError:
                answer, query["rcode"] = None, "not a DNS answer"
        if answer:
            query.update(rcode=answer.rcode, addresses=list(answer.addresses), aliases=list(answer.aliases))
            query["truncated"] = answer.truncated and protocol == "udp"
        query["seconds"] = round(time.monotonic() - started, 6)
        return query


Expected = tuple[int, tuple[str, int]]
Talk = Generator[Wait, bool, "Answer | None"]


def _udp(sock: socket.socket, server: str, message: bytes, expected: Expected, until: float) -> Talk:
    sock.connect((server, DNS_PORT))
    sock.send(message)
    while (yield sock, selectors.EVENT_READ, until):
        answer = decode(sock.recv(65535))
        if (answer.number, answer.question) == expected:
            return answer
    return None


def _tcp(sock: socket.socket, server: str, message: bytes, expected: Expected, until: float) -> Talk:
    sock.connect_ex((server, DNS_PORT))
    if not (yield sock, selectors.EVENT_WRITE, until):
        return None
    if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(code, "connect")
    sock.send(struct.pack(">H", len(message)) + message)
    received = b""
    while len(received) < 2 or len(received) < 2 + int.from_bytes(received[:2], "big"):
        if not (yield sock, selectors.EVENT_READ, until):
            return None
        part = sock.recv(65535)
        if not part:
            raise ValueError("closed before a whole answer")
        received += part
    answer = decode(received[2:])
    if (answer.number, answer.question) != expected:
        raise ValueError("answer to another question")
    return answer


def _failure(error: OSError) -> str:
    if isinstance(error, PermissionError):  # a filter of the sender's own namespace ate the packet
        return "time-out"
    return "port refused" if isinstance(error, ConnectionError) else "unreachable"


def _meaning(query: dict[str, Any]) -> str:
    return "has no address" if query["rcode"] == "NOERROR" else str(query["rcode"])


def _is_address(name: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in name else socket.AF_INET, name)
    except (OSError, ValueError):
        return False
    return True
