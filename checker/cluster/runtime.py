"""The container runtime on a host without CAP_SYS_RESOURCE.

There, runc refuses every privileged container. A small wrapper (`cluster/source/runc-granted`) asks runc only for what
the host can grant; it is made Docker's default runtime. On every other host nothing here is used.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checker import paths
from checker.cluster import docker, images
from checker.errors import HostError

if TYPE_CHECKING:
    from rich.console import Console

NAME = "runc-granted"
CAPABILITY_BIT = 24  # CAP_SYS_RESOURCE in linux/capability.h
CONFIG = Path("/etc/docker/daemon.json")
# Beside the system's programs, not in the cache: Docker must go on working after the cache folder is deleted.
PROGRAM = Path("/usr/local/lib") / paths.SLUG / NAME


def host_grants(status: Path = Path("/proc/self/status")) -> bool:
    """Whether processes of this host may hold CAP_SYS_RESOURCE, by the bounding set in a /proc status file."""
    for line in status.read_text(encoding="ascii").splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> CAPABILITY_BIT & 1)
    return True


def installed() -> bool:
    """Whether the wrapper is there and Docker's configuration names it."""
    return PROGRAM.exists() and _read().get("default-runtime") == NAME


def install(console: Console) -> None:
    """Build the wrapper and make it Docker's default runtime; takes effect at once where dockerd is running.

    Raises:
        HostError: no right to change Docker's configuration, or no Go to build the wrapper with.
        BuildError: the wrapper cannot be built.
    """
    if os.geteuid() != 0:
        raise HostError("This host lacks CAP_SYS_RESOURCE, and only root can teach Docker that.", "sudo make up")
    if not PROGRAM.exists():
        _build()
    backup = _write(merged(_read()))
    kept = f" (the old file is kept as {backup})" if backup else ""
    console.print(
        f"This host lacks CAP_SYS_RESOURCE: {NAME} is now Docker's default runtime, set in {CONFIG}{kept}.",
        highlight=False,
    )
    _reload()


def remove() -> None:
    """Take the wrapper out of Docker's configuration, and delete it."""
    config = _read()
    if config.get("default-runtime") == NAME:
        del config["default-runtime"]
    config.get("runtimes", {}).pop(NAME, None)
    if not config.get("runtimes", True):
        del config["runtimes"]
    _write(config)
    shutil.rmtree(PROGRAM.parent, ignore_errors=True)
    _reload()


def merged(config: dict[str, Any]) -> dict[str, Any]:
    """Return Docker's configuration with the wrapper as default runtime; everything else stays as it is."""
    runtimes = {**config.get("runtimes", {}), NAME: {"path": str(PROGRAM)}}
    return {**config, "default-runtime": NAME, "runtimes": runtimes}


def _build() -> None:
    made = images.go_tool(NAME)
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(made, PROGRAM)


def _read() -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(CONFIG.read_text(encoding="utf-8") or "{}")
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise HostError(f"{CONFIG} cannot be read: {error}", f"python3 -m json.tool {CONFIG}") from error
    return config


def _write(config: dict[str, Any]) -> Path | None:
    """Write Docker's configuration; return where the old one is kept, if it was there and differs."""
    old = CONFIG.read_text(encoding="utf-8") if CONFIG.exists() else None
    new = json.dumps(config, indent=2) + "\n"
    if old == new:
        return None
    backup = CONFIG.with_name(f"{CONFIG.name}.before-deep-dive") if old is not None else None
    if backup and not backup.exists():  # the first backup is the learner's own file
        shutil.copy2(CONFIG, backup)
    CONFIG.parent.mkdir(parents=True, exist_ok=True)
    CONFIG.write_text(new, encoding="utf-8")
    return backup


def _reload() -> None:
    """Let a running dockerd read its configuration again: both settings can be changed in flight."""
    pid = _dockerd_pid()
    if pid and docker.answers():
        os.kill(pid, signal.SIGHUP)


def _dockerd_pid() -> int | None:
    try:
        return int(Path("/var/run/docker.pid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
