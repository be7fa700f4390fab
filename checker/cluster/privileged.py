"""Whether Docker can run a privileged container here, tried with the smallest possible image and nothing pulled."""

from __future__ import annotations

import os
import platform
import struct

from checker.cluster import docker

# Machine number in the ELF header, and the code of exit(0).
_EXIT = {
    "x86_64": (62, bytes.fromhex("b83c000000 31ff 0f05")),
    "aarch64": (183, bytes.fromhex("a80b80d2 000080d2 010000d4")),
}
_BASE = 0x400000


def complaint() -> str | None:
    """Return why Docker cannot run a privileged container; empty if it can, None on a processor we have no program for.

    Raises:
        HostError: Docker does not answer.
    """
    machine = platform.machine()
    if machine not in _EXIT:
        return None
    image = f"deep-dive-doctor:{os.getpid()}"
    docker.run("import", "-", image, stdin=docker.tar({"/true": program(machine)}, mode=0o755))
    try:
        output = docker.attempt("run", "--rm", "--privileged", "--network", "none", image, "/true")
    finally:
        docker.attempt("rmi", "--force", image)
    return "" if output.ok else output.last_line


def program(machine: str) -> bytes:
    """Return an ELF program that does nothing, well: a header, one segment, the call exit(0)."""
    number, code = _EXIT[machine]
    start = 64 + 56
    size = start + len(code)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 2, number, 1, _BASE + start, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + code
