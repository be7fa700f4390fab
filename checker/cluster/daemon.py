"""The Docker daemon of this machine: installed and started on request, stopped only where we started it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from checker import paths
from checker.cluster import apt, command, consent, docker, privileged, runtime
from checker.errors import HostError

if TYPE_CHECKING:
    from rich.console import Console

START_SECONDS = 45


def ensure(console: Console) -> None:
    """Make sure that Docker answers; install and start it where that is possible and the user agrees.

    Raises:
        HostError: Docker does not answer and cannot be started here; says why and what to run.
    """
    output = docker.attempt("version", seconds=15)
    if not output.ok:
        _bring_up(output, console)
    # The trial decides: behind a mounted socket, dockerd may hold what we lack.
    if local() and not runtime.host_grants() and not runtime.installed() and privileged.complaint():
        runtime.install(console)


def local() -> bool:
    """Whether Docker runs on this very machine, as far as its address tells."""
    return os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").startswith("unix:")


def stop() -> bool:
    """Stop dockerd if we started it; return whether we did."""
    pid = started_by_us()
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + START_SECONDS
    while _is_dockerd(pid) and time.monotonic() < deadline:
        time.sleep(0.2)
    _pid_file().unlink(missing_ok=True)
    return True


def started_by_us() -> int | None:
    """Return the process id of the dockerd that we started, if it still runs."""
    try:
        pid = int(_pid_file().read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if _is_dockerd(pid) else None


def log_file() -> Path:
    """Return the log of the dockerd that we start."""
    return paths.logs_dir() / "dockerd.log"


def _bring_up(output: command.Output, console: Console) -> None:
    failure = docker.problem(output, ("version",))
    if not (local() and apt.usable()):
        raise failure
    if output.code == command.NOT_FOUND or not _program():
        apt.offer(("docker.io",), "Docker is missing.", console)
        if docker.answers():  # where the package's own scripts have started it
            return
    elif docker.is_down(output):
        consent.require("Docker is not running. Start it?", failure, console)
    else:
        raise failure
    _start(console)


def _start(console: Console) -> None:
    if not runtime.host_grants() and not runtime.installed():
        runtime.install(console)
    if docker.has_systemd():
        docker_unit = command.run(["systemctl", "start", "docker"], seconds=START_SECONDS * 2)
        if not docker_unit.ok:
            raise HostError(f"systemd cannot start Docker: {docker_unit.last_line}", "journalctl -u docker -n 20")
    else:
        _spawn()
    _wait()
    console.print(f"Docker is running; its log is {log_file()}." if not docker.has_systemd() else "Docker is running.")


def _spawn() -> None:
    """Start dockerd in a session of its own, so that Ctrl-C and the end of our terminal leave it alone."""
    log_file().parent.mkdir(parents=True, exist_ok=True)
    with log_file().open("ab") as log:
        process = subprocess.Popen(
            [_program() or "dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    _pid_file().write_text(str(process.pid), encoding="ascii")


def _wait() -> None:
    deadline = time.monotonic() + START_SECONDS
    while not docker.answers():
        if time.monotonic() > deadline or (not docker.has_systemd() and started_by_us() is None):
            raise HostError(f"dockerd did not start: {_last_log_line()}", f"tail -n 20 {log_file()}")
        time.sleep(0.25)


def _last_log_line() -> str:
    lines = log_file().read_text(encoding="utf-8", errors="replace").splitlines() if log_file().exists() else []
    return lines[-1] if lines else "it said nothing"


def _pid_file() -> Path:
    return paths.cache_dir() / "dockerd.pid"


def _is_dockerd(pid: int) -> bool:
    """Whether the process is a living dockerd: a number may have been given to another process since."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
        return state != "Z" and b"dockerd" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    except OSError:
        return False


def _program() -> str | None:
    return shutil.which("dockerd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
