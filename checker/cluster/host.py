"""Facts of this machine, read from /proc, /sys and the kernel's configuration."""

from __future__ import annotations

import gzip
import os
import platform
from pathlib import Path
from typing import Literal

from checker.cluster import command

GIB = 1024**3
QUEUE_OPTIONS = {"nft": "CONFIG_NFT_QUEUE", "xt": "CONFIG_NETFILTER_XT_TARGET_NFQUEUE"}
_NFT_RULES = b"table inet t { chain c { type filter hook forward priority 0; queue num 100 bypass; } }"
_XT_RULE = ("-t", "mangle", "-A", "FORWARD", "-j", "NFQUEUE", "--queue-num", "100", "--queue-bypass")

QueueKind = Literal["nft", "xt"]


def cgroup_version(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Return 2 where the unified hierarchy is mounted, else 1."""
    return 2 if (root / "cgroup.controllers").exists() else 1


def memory_available(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return the bytes of memory that programs can still get."""
    for line in meminfo.read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def disk_free(path: Path) -> int:
    """Return the bytes free to this user where the path is, or where it would be made."""
    while not path.exists():
        path = path.parent
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def inotify(root: Path = Path("/proc/sys/fs/inotify")) -> tuple[int, int]:
    """Return how many inotify instances and watches a user may have."""
    instances, watches = ((root / f"max_user_{each}").read_text(encoding="ascii") for each in ("instances", "watches"))
    return int(instances), int(watches)


def queue(kind: QueueKind) -> bool | None:
    """Whether the kernel can hand packets to a program by nftables (`nft`) or iptables (`xt`); None if it is not told.

    Root tries a rule in a network namespace of its own; others read the kernel's configuration.
    """
    tried = _try_queue(kind) if os.geteuid() == 0 else None
    return tried if tried is not None else configured(QUEUE_OPTIONS[kind])


def configured(option: str) -> bool | None:
    """Whether the running kernel was configured with an option, built in or as a module; None if it does not say."""
    for file in config_files():
        try:
            content = file.read_bytes()
        except OSError:
            continue
        text = gzip.decompress(content) if file.suffix == ".gz" else content
        return any(f"{option}={value}".encode() in text.splitlines() for value in ("y", "m"))
    return None


def config_files() -> list[Path]:
    """Return where the running kernel's configuration may be."""
    release = platform.release()
    return [Path("/proc/config.gz"), Path(f"/boot/config-{release}"), Path(f"/lib/modules/{release}/config")]


def _try_queue(kind: QueueKind) -> bool | None:
    """Load a queue rule where it touches nobody; None if the tools for that are missing."""
    alone = ("unshare", "--net")
    if not command.run([*alone, "true"], seconds=10).ok:
        return None
    # A plain table first: what fails there says nothing about queues.
    plain, rule = (b"table inet t { }", _NFT_RULES) if kind == "nft" else (None, None)
    argv = [*alone, "nft", "-f", "-"] if kind == "nft" else [*alone, "iptables", "-t", "mangle", "-S"]
    if not command.run(argv, seconds=10, stdin=plain).ok:
        return None
    return command.run(argv if kind == "nft" else [*alone, "iptables", *_XT_RULE], seconds=10, stdin=rule).ok
