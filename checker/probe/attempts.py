"""One attempt by TCP, UDP or HTTP: what the packets met, and who answered.

Part of the agent: standard library only, no import of the rest of the package. The outcome is that of the transport:
an HTTP server that accepts and then stalls, resets or talks nonsense is `open`, with no status and a detail.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple, TypeVar

Wait = tuple[Any, int, float]
T = TypeVar("T")
Steps = Generator[Wait, bool, T]

BODY_LIMIT = 64 * 1024
COMPANIONS = {"hostname": "clientip", "clientip": "hostname"}
COMPANION_SECONDS = 0.5
IP_RECVERR = 11  # <linux/in.h>; without it UDP is not told that a host or network is unreachable

# How errno tells what became of a packet. EPERM: a filter inside the sender's own namespace ate it, which a
# sender elsewhere would see as silence. EACCES and EINVAL: `prohibit` and `blackhole` routes.
OUTCOMES = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "refused",
    errno.ETIMEDOUT: "dropped",
    errno.EPERM: "dropped",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EACCES: "unreachable",
    errno.EINVAL: "unreachable",
}

Record = dict[str, Any]


class BrokenError(Exception):
    """The connection opened, and then no whole answer came."""


def attempt(probe: Mapping[str, Any], address: str, pace: Callable[[], Steps[None]]) -> Steps[Record]:
    """Try to reach an address as the probe says; return outcome, answer and detail, ready for JSON.

    Raises:
        OSError: the attempt itself could not be made, which says nothing about the network.
    """
    talk = {"tcp": _tcp, "udp": _udp, "http": _http}[probe["protocol"]]
    record: Record = {"outcome": "open", "detail": ""}
    yield from pace()
    started = time.monotonic()
    style = socket.SOCK_DGRAM if probe["protocol"] == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, style) as sock:
        sock.setblocking(False)
        if probe["protocol"] == "udp":
            sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        try:
            yield from talk(sock, probe, address, started, record)
        except OSError as error:
            if error.errno not in OUTCOMES:
                raise
            record.update(outcome=OUTCOMES[error.errno], detail=_detail(error))
        except BrokenError as error:
            record.update(status=None, detail=f"connected, then {error}")
    record["seconds"] = round(time.monotonic() - started, 6)
    return record


def _detail(error: OSError) -> str:
    code = error.errno or 0
    return f"{errno.errorcode.get(code, code)}: {os.strerror(code)}"


def _tcp(sock: socket.socket, probe: Mapping[str, Any], address: str, started: float, record: Record) -> Steps[None]:
    yield from _connect(sock, (address, probe["port"]), started + probe["timeout"])
    record["local"] = sock.getsockname()[0]


def _connect(sock: socket.socket, target: tuple[str, int], until: float) -> Steps[None]:
    code = sock.connect_ex(target)
    if code == errno.EINPROGRESS:
        ready = yield sock, selectors.EVENT_WRITE, until
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if ready else errno.ETIMEDOUT
    if not code:
        code = _doubt(sock)
    if code:
        raise OSError(code, os.strerror(code))


def _doubt(sock: socket.socket) -> int:
    """Return 0 where the socket has a peer; one without a pending error may have been refused all the same."""
    try:
        sock.getpeername()
    except OSError as error:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or error.errno or errno.ENOTCONN
    return 0


def _udp(sock: socket.socket, probe: Mapping[str, Any], address: str, started: float, record: Record) -> Steps[None]:
    """Send the payload and wait for any answer; a connected socket is told of ICMP errors."""
    sock.connect((address, probe["port"]))
    sock.send(probe["payload"].encode())
    if not (yield sock, selectors.EVENT_READ, started + probe["timeout"]):
        raise TimeoutError(errno.ETIMEDOUT, "no answer")
    body = sock.recv(65535).decode(errors="replace")
    record.update(body=body, local=sock.getsockname()[0])
    _identify(record, probe["payload"], body)
    companion = COMPANIONS.get(probe["payload"])
    if companion:
        with contextlib.suppress(OSError):  # the outcome stands, whatever becomes of the second question
            sock.send(companion.encode())
            if (yield sock, selectors.EVENT_READ, time.monotonic() + COMPANION_SECONDS):
                _identify(record, companion, sock.recv(65535).decode(errors="replace"))


def _http(sock: socket.socket, probe: Mapping[str, Any], address: str, started: float, record: Record) -> Steps[None]:
    """Ask for the path; for agnhost's two questions, ask the other one as well, over the same connection."""
    yield from _tcp(sock, probe, address, started, record)
    until = started + probe["timeout"]
    stream = Stream(sock)
    companion = COMPANIONS.get(probe["path"].lstrip("/")) if probe["method"] == "GET" else None
    response = yield from stream.ask(probe, probe["path"], until, last=companion is None)
    record.update(status=response.status, headers=response.headers, body=response.body.decode(errors="replace"))
    if response.cut:
        record["detail"] = f"the body is cut after {BODY_LIMIT} bytes"
    if response.status != 200 or companion is None:
        return
    _identify(record, probe["path"].lstrip("/"), record["body"])
    try:
        response = yield from stream.ask(probe, f"/{companion}", time.monotonic() + COMPANION_SECONDS, last=True)
    except (BrokenError, OSError):
        return  # the server closed after its first answer, as it may
    if response.status == 200:
        _identify(record, companion, response.body.decode(errors="replace"))


def _identify(record: Record, question: str, body: str) -> None:
    if question == "hostname":
        record["answered_by"] = body.strip()
    elif question == "clientip":
        record["client_address"] = body.strip().rpartition(":")[0].strip("[]")


class Response(NamedTuple):
    """One HTTP response; `cut` when the body went on past the limit."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    cut: bool


class Stream:
    """A connection on which HTTP/1.1 requests are sent and answered, one after the other."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = b""

    def ask(self, probe: Mapping[str, Any], path: str, until: float, *, last: bool) -> Steps[Response]:
        """Send one request and read its response.

        Raises:
            BrokenError: the response is late, torn or not HTTP.
        """
        data = request(probe, path, last=last)
        try:
            while data:
                data = data[self._sock.send(data) :]
                if data and not (yield self._sock, selectors.EVENT_WRITE, until):
                    raise BrokenError("the request was not taken in time")
            return (yield from self._response(probe["method"], until))
        except OSError as error:
            raise BrokenError(_detail(error)) from error

    def _response(self, method: str, until: float) -> Steps[Response]:
        while b"\r\n\r\n" not in self._buffer:
            yield from self._more(until)
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status, headers = parse_head(head.decode("latin-1"))
        if 100 <= status < 200 and status != 101:
            return (yield from self._response(method, until))
        fields = {name.lower(): value for name, value in headers}
        if method == "HEAD" or status in (101, 204, 304):
            body = b""
        elif "chunked" in fields.get("transfer-encoding", "").lower():
            body = yield from self._chunks(until)
        else:
            length = fields.get("content-length", "")
            body = yield from self._take(int(length) if length.isdigit() else None, until)
        return Response(status, headers, body[:BODY_LIMIT], len(body) > BODY_LIMIT)

    def _take(self, length: int | None, until: float) -> Steps[bytes]:
        """Take that many bytes, or all up to the end; of a longer body a little more than the limit."""
        wanted = BODY_LIMIT + 1 if length is None else min(length, BODY_LIMIT + 1)
        while len(self._buffer) < wanted and (yield from self._more(until, at_end=length is None)):
            pass
        taken, self._buffer = self._buffer[:wanted], self._buffer[wanted:]
        return taken

    def _chunks(self, until: float) -> Steps[bytes]:
        body = b""
        while len(body) <= BODY_LIMIT:
            line = yield from self._line(until)
            try:
                size = int(line.split(b";")[0], 16)
            except ValueError as error:
                raise BrokenError("a chunk of the answer has no size") from error
            if size == 0:
                while (yield from self._line(until)):
                    pass  # trailers
                break
            body += yield from self._take(size, until)
            if size <= BODY_LIMIT:
                yield from self._line(until)
        return body

    def _line(self, until: float) -> Steps[bytes]:
        while b"\r\n" not in self._buffer:
            yield from self._more(until)
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _more(self, until: float, *, at_end: bool = False) -> Steps[bool]:
        """Read what has come; False at the end of the stream where an end is allowed."""
        if not (yield self._sock, selectors.EVENT_READ, until):
            raise BrokenError("no whole answer in time")
        part = self._sock.recv(65536)
        if not part and not at_end:
            raise BrokenError("the server closed before a whole answer")
        self._buffer += part
        if len(self._buffer) > 4 * BODY_LIMIT:
            raise BrokenError("the answer has no end to its head")
        return bool(part)


def request(probe: Mapping[str, Any], path: str, *, last: bool) -> bytes:
    """Return the bytes of a request; the probe's own headers replace ours of the same name."""
    default_port = probe["port"] == 80
    host = f"[{probe['host']}]" if ":" in probe["host"] else probe["host"]
    fields = {"host": ("Host", host if default_port else f"{host}:{probe['port']}")}
    fields["user-agent"] = ("User-Agent", "probe")
    if last:
        fields["connection"] = ("Connection", "close")
    fields.update({name.lower(): (name, value) for name, value in probe["headers"]})
    lines = [f"{probe['method']} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.values())]
    return "\r\n".join([*lines, "", ""]).encode()


def parse_head(text: str) -> tuple[int, list[tuple[str, str]]]:
    """Return the status and the headers of a response.

    Raises:
        BrokenError: it is not HTTP.
    """
    first, *lines = text.split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/") or not rest[:3].isdigit():
        raise BrokenError("the server does not speak HTTP")
    pairs = (line.partition(":") for line in lines if ":" in line)
    return int(rest[:3]), [(name.strip(), value.strip()) for name, _, value in pairs]
