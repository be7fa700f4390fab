"""Servers for the tests of the probes, in one process: HTTP, UDP, DNS, and some that misbehave. Standard library only.

Prints `ready` once all of them listen; ends with its input. Written without the resolver's own code, to check it.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HTTP, LOCAL_HTTP, MUTE, RESET, NONSENSE, CHUNKED, UNENDING, SPOILED = 8080, 8081, 8082, 8083, 8084, 8085, 8086, 8087
UDP, MUTE_UDP, DNS = 9090, 9091, 53
NAME = "server-1"
ADDRESS = "10.99.2.2"
ZONE = {
    ("web.lab.svc.cluster.local", 1): [ADDRESS],
    ("two.lab.svc.cluster.local", 1): [ADDRESS, "10.99.2.3"],
    ("www.example.com", 1): [ADDRESS],
    ("big.example.com", 1): [f"10.1.0.{n}" for n in range(1, 60)],
    ("six.example.com", 28): ["2001:db8::7"],
    ("lies.example.com", 1): [ADDRESS],
    ("alias.example.com", 1): [ADDRESS],
}
EXISTING = {name for name, _ in ZONE}


class Handler(BaseHTTPRequestHandler):
    """Answers as agnhost's netexec does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        answers = {"/hostname": NAME, "/clientip": f"{self.client_address[0]}:{self.client_address[1]}"}
        answers["/host"] = self.headers.get("Host", "")
        answers["/long"] = "x" * 200_000
        body = answers.get(self.path, "not found").encode()
        self.send_response(200 if self.path in answers else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_GET  # noqa: N815 - names that http.server asks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def dns_answer(query: bytes, *, udp: bool) -> list[bytes]:
    """Return the messages to send for a query; none for a name that is to stay without an answer."""
    number, labels, at = query[:2], [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += query[at] + 1
    name, kind = ".".join(labels).lower(), struct.unpack_from(">H", query, at + 1)[0]
    question = query[12 : at + 5]
    if name == "silent.example.com":
        return []
    if name == "rubbish.example.com":
        return [b"\x00\x01rubbish"]
    data = ZONE.get((name, kind), [])
    rcode = 2 if name == "broken.example.com" else 0 if name in EXISTING else 3
    truncated = udp and len(data) > 30
    records = [
        _record(b"\xc0\x0c", kind, socket.inet_pton(socket.AF_INET6 if kind == 28 else socket.AF_INET, each))
        for each in data
    ]
    if name == "alias.example.com":
        target = b"\x03www\xc0" + bytes([12 + 6])  # www + a pointer to `example.com` inside the question
        records.insert(0, _record(b"\xc0\x0c", 5, target))
    if truncated:
        records = []
    flags = 0x8180 | rcode | (0x0200 if truncated else 0)
    message = number + struct.pack(">5H", flags, 1, len(records), 0, 0) + question + b"".join(records)
    if name == "lies.example.com" and udp:
        return [bytes([message[0] ^ 1]) + message[1:], message]
    return [message]


def _record(owner: bytes, kind: int, data: bytes) -> bytes:
    return owner + struct.pack(">HHIH", kind, 1, 5, len(data)) + data


def serve_dns_udp(sock: socket.socket) -> None:
    while True:
        query, client = sock.recvfrom(4096)
        for message in dns_answer(query, udp=True):
            sock.sendto(message, client)


def serve_dns_tcp(connection: socket.socket) -> None:
    (length,) = struct.unpack(">H", connection.recv(2))
    for message in dns_answer(connection.recv(length), udp=False):
        data = struct.pack(">H", len(message)) + message
        connection.sendall(data[:40])  # in two parts, as a network may
        connection.sendall(data[40:])


def serve_udp(sock: socket.socket) -> None:
    while True:
        data, client = sock.recvfrom(4096)
        answers = {b"hostname": NAME, b"clientip": f"{client[0]}:{client[1]}"}
        sock.sendto(answers.get(data, data.decode()).encode(), client)


def mute(connection: socket.socket) -> None:
    connection.recv(1)
    threading.Event().wait()


def reset(connection: socket.socket) -> None:
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def say(text: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(text)
        connection.close()

    return talk


def listen(port: int, talk: Callable[[socket.socket], None]) -> None:
    server = socket.create_server(("", port))

    def serve() -> None:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_talk, args=(talk, connection), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()


def _talk(talk: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with contextlib.suppress(OSError, struct.error):
        talk(connection)
        connection.close()


def bind(port: int, serve: Callable[[socket.socket], None]) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", port))
    threading.Thread(target=serve, args=(sock,), daemon=True).start()


def main() -> None:
    """Start all servers."""
    for address, port in (("", HTTP), ("127.0.0.1", LOCAL_HTTP)):
        server = ThreadingHTTPServer((address, port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    listen(MUTE, mute)
    listen(RESET, reset)
    listen(NONSENSE, say(b"SSH-2.0-something\r\n\r\n"))
    listen(
        CHUNKED, say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n there\r\n0\r\n\r\n")
    )
    listen(UNENDING, say(b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nuntil the end"))
    listen(SPOILED, say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"))
    listen(DNS, serve_dns_tcp)
    bind(DNS, serve_dns_udp)
    bind(UDP, serve_udp)
    bind(MUTE_UDP, lambda sock: [sock.recv(99) for _ in iter(int, 1)] and None)
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
