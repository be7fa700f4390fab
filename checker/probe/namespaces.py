"""The network namespaces that probes run in: found by Pod UID, entered, and read without sending a packet.

Part of the agent: standard library only, no import of the rest of the package. Needs the host's process namespace.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PROC = Path("/proc")
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS = 0x8913
IFF_UP, IFF_RUNNING = 0x1, 0x40
ARP_COMPLETE = 0x2
LISTENING = {"tcp": "0A", "udp": "07"}  # TCP_LISTEN, and TCP_CLOSE by which an unconnected UDP socket is shown
DISCARD_PORT = 9

_libc = ctypes.CDLL(None, use_errno=True)


class NoPlaceError(Exception):
    """There is no such network namespace here."""


class Place:
    """One network namespace, and the root folder of a process in it.

    Args:
        pid: a process in it; 0 stands for the agent itself.
        name: for messages.
    """

    def __init__(self, pid: int, name: str) -> None:
        self.name = name
        self.proc = PROC / str(pid) if pid else PROC / "thread-self"
        self._own = pid == 0

    def enter(self) -> None:
        """Move the calling thread into the namespace, for good.

        Raises:
            NoPlaceError: its last process has just ended.
        """
        if self._own:
            return
        try:
            with (self.proc / "ns/net").open() as file:
                if _libc.setns(file.fileno(), CLONE_NEWNET):
                    code = ctypes.get_errno()
                    raise NoPlaceError(f"cannot enter the network namespace of {self.name}: {os.strerror(code)}")
        except OSError as error:
            raise NoPlaceError(f"cannot enter the network namespace of {self.name}: {error.strerror}") from error

    def read(self, path: str) -> str:
        """Return a file of the place's own root folder, empty where there is none.

        Raises:
            NoPlaceError: the process that led here has just ended.
        """
        full = self._inside(Path(path))
        try:
            return full.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            if not (self.proc / "root").exists():
                raise NoPlaceError(f"the last process of {self.name} has just ended") from error
            return ""

    def _inside(self, path: Path) -> Path:
        """Follow links as a process of the place would: an absolute one starts from its root, not from ours."""
        root = Path("/") if self._own else self.proc / "root"
        for _ in range(8):
            full = root / path.relative_to("/")
            if not full.is_symlink():
                return full
            path = Path(os.path.normpath(path.parent / full.readlink()))
        return full

    def net(self, table: str) -> list[str]:
        """Return the lines of a file of /proc/net, without its heading."""
        try:
            return (self.proc / "net" / table).read_text().splitlines()[1:]
        except FileNotFoundError:  # no IPv6 here
            return []


class Places:
    """Finds places and remembers the process that leads to each Pod."""

    def __init__(self) -> None:
        self._pids: dict[str, int] = {}

    def find(self, wanted: Collection[Mapping[str, Any]]) -> dict[str, Place | NoPlaceError]:
        """Return the place (or why there is none) for each wanted one, by its key."""
        pods = {place["pod"] for place in wanted if place.get("pod")}
        lost = {uid for uid in pods if not _is_of_pod(self._pids.get(uid, 0), uid)}
        if lost:
            for uid in lost:
                self._pids.pop(uid, None)
            self._pids.update(_scan(lost))
        return {key(place): self._place(place) for place in wanted}

    def _place(self, place: Mapping[str, Any]) -> Place | NoPlaceError:
        if place.get("node"):
            return Place(1, "the node")
        uid = place.get("pod")
        if not uid:
            return Place(0, "the agent")
        if uid not in self._pids:
            return NoPlaceError(f"no process of the Pod with UID {uid} runs on this node")
        return Place(self._pids[uid], f"the Pod with UID {uid}")


def key(place: Mapping[str, Any]) -> str:
    """Return a text that tells places apart."""
    return str(place.get("pod") or ("node" if place.get("node") else "own"))


def _is_of_pod(pid: int, uid: str) -> bool:
    try:
        return _names_pod((PROC / str(pid) / "cgroup").read_text(), uid)
    except OSError:
        return False


def _names_pod(groups: str, uid: str) -> bool:
    """Tell whether a process's cgroups are a Pod's; the kubelet writes the UID with `-`, or with `_` under systemd."""
    return f"pod{uid}" in groups or f"pod{uid.replace('-', '_')}" in groups


def _scan(uids: Collection[str]) -> dict[str, int]:
    """Return a process of each Pod: one that sees the Pod's hosts file if there is one, for it resolves names."""
    found: dict[str, list[int]] = {}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            groups = (entry / "cgroup").read_text()
        except OSError:
            continue
        for uid in uids:
            if _names_pod(groups, uid):
                found.setdefault(uid, []).append(int(entry.name))
    chosen = {uid: min(pids, key=_preference) for uid, pids in found.items()}
    return {uid: pid for uid, pid in chosen.items() if _preference(pid)[0] < 2}


def _preference(pid: int) -> tuple[int, int]:
    """Rank a process: 0 in a container with a hosts file, 1 without (the pause container), 2 already ended."""
    if not (PROC / str(pid) / "ns/net").exists():
        return 2, pid
    return (0 if (PROC / str(pid) / "root/etc/hosts").exists() else 1), pid


def listeners(place: Place) -> list[dict[str, Any]]:
    """Return the listening TCP and bound UDP sockets of a namespace."""
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        protocol = table[:3]
        for line in place.net(table):
            _, local, _, state, *_ = line.split()
            if state == LISTENING[protocol]:
                address, port = local.split(":")
                found.append({"address": _address(address), "port": int(port, 16), "protocol": protocol})
    return found


def _address(digits: str) -> str:
    """Return an address that /proc writes as hexadecimal words in the byte order of the machine."""
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    raw = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, raw)


def network(place: Place, host: str) -> dict[str, Any]:
    """Tell what keeps a namespace from sending to an address; the calling thread must be in it.

    Looks at addresses, the route, the link and the next hop's neighbour entry. No packet is sent, so that no policy
    can change the answer.
    """
    addresses = own_addresses(place)
    report = {"addresses": addresses, "source": "", "problem": ""}
    if not addresses:
        return {**report, "problem": "it has no address"}
    try:
        report["source"] = _source_address(host)
    except OSError as error:
        return {**report, "problem": f"it has no route to {host} ({error.strerror})"}
    if host not in addresses:
        report["problem"] = _link_problem(place, host)
    return report


def own_addresses(place: Place) -> list[str]:
    """Return the IPv4 addresses of a namespace, those of the loopback left out."""
    trie = "\n".join(place.net("fib_trie"))
    found = re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", trie)
    return [address for address in dict.fromkeys(found) if not address.startswith("127.")]


def _source_address(host: str) -> str:
    """Return the address that packets to a host would carry: connecting UDP looks up the route and sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((host, DISCARD_PORT))
        address: str = sock.getsockname()[0]
        return address


def _link_problem(place: Place, host: str) -> str:
    interface, gateway = _route(place, host)
    if not interface:
        return ""  # routed by a rule that this table does not show
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sH14x", interface.encode(), 0)
        (flags,) = struct.unpack_from("16xH", fcntl.ioctl(sock, SIOCGIFFLAGS, request))
    if not flags & IFF_UP or not flags & IFF_RUNNING:
        return f"its link {interface} is down"
    hop = gateway or host
    entries = [line.split() for line in place.net("arp")]
    states = [int(entry[2], 16) for entry in entries if entry[0] == hop and entry[-1] == interface]
    if states and not any(state & ARP_COMPLETE for state in states):
        return f"its gateway {hop} does not answer on {interface}" if gateway else f"{hop} does not answer on its link"
    return ""


def _route(place: Place, host: str) -> tuple[str, str]:
    """Return interface and gateway of the longest matching route of the main table."""
    target = struct.unpack("=I", socket.inet_aton(host))[0]
    matching = []
    for line in place.net("route"):
        interface, network_, gateway, _, _, _, metric, mask, *_ = line.split()
        if target & int(mask, 16) == int(network_, 16):
            matching.append((int(mask, 16).bit_count(), -int(metric), interface, gateway))
    if not matching:
        return "", ""
    _, _, interface, gateway = max(matching)
    return interface, "" if gateway == "00000000" else _address(gateway)
