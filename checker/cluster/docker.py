"""Docker, as its command line sees it: run a command, list containers, copy files in."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checker.cluster import command
from checker.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checker.cluster.command import Output

SECONDS = 60
KIND_LABEL = "io.x-k8s.kind.cluster"
OURS_LABEL = "deep-dive.cluster"

# A client that speaks only newer versions of the API than the daemon knows; another client may do.
_WRONG_API = re.compile(r"client version .* is too (new|old)|API version .* (not supported|too (new|old))")


@dataclass(frozen=True)
class Container:
    """A container: its state is one of Docker's words: running, paused, exited, created, restarting, dead."""

    name: str
    state: str
    kind_cluster: str = ""
    our_cluster: str = ""


def run(*args: str, seconds: float = SECONDS, stdin: bytes | None = None) -> str:
    """Run `docker args…` and return what it printed, without the last newline.

    Raises:
        HostError: it failed; the sentence says whether Docker is missing, down, closed to this user or out of space.
    """
    output = attempt(*args, seconds=seconds, stdin=stdin)
    if not output.ok:
        raise problem(output, args)
    return output.out.rstrip("\n")


def attempt(*args: str, seconds: float = SECONDS, stdin: bytes | None = None) -> Output:
    """Run `docker args…` and return its output, whatever the exit code.

    Raises:
        HostError: it did not end within that many seconds.
    """
    output = command.run([client(), *args], seconds=seconds, stdin=stdin)
    if not output.ok and _WRONG_API.search(output.err) and _use_another_client():
        return command.run([client(), *args], seconds=seconds, stdin=stdin)
    return output


def answers() -> bool:
    """Whether a Docker daemon answers this user."""
    return attempt("version", "--format", "{{.Server.Version}}", seconds=15).ok


def info() -> dict[str, Any]:
    """Return what `docker info` knows.

    Raises:
        HostError: Docker does not answer.
    """
    data: dict[str, Any] = json.loads(run("info", "--format", "{{json .}}"))
    if errors := data.get("ServerErrors"):
        raise problem(command.Output(1, err="\n".join(errors)), ("info",))
    return data


def containers(prefix: str) -> list[Container]:
    """Return all containers whose name starts with the prefix, running or not, in one call."""
    line = f'{{{{.Names}}}}\t{{{{.State}}}}\t{{{{.Label "{KIND_LABEL}"}}}}\t{{{{.Label "{OURS_LABEL}"}}}}'
    listed = run("ps", "--all", "--filter", f"name=^/?{re.escape(prefix)}", "--format", line, seconds=15)
    return [Container(*row.split("\t")) for row in listed.splitlines()]


def inspect(name: str, template: str) -> str:
    """Return one value of a container, network or image by a Go template; empty if there is none of that name."""
    output = attempt("inspect", "--format", template, name)
    return output.out.strip() if output.ok else ""


def copy_in(container: str, files: Mapping[str, bytes]) -> None:
    """Write files into a container, running or not; keys are absolute paths.

    Raises:
        HostError: Docker refuses.
    """
    run("cp", "-", f"{container}:/", stdin=tar(files))


def tar(files: Mapping[str, bytes], mode: int = 0o644) -> bytes:
    """Return a tar archive of the files, its parent folders included, owned by root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folders = {parent for path in files for parent in Path(path.lstrip("/")).parents if parent != Path()}
        for folder in sorted(folders):
            entry = tarfile.TarInfo(str(folder))
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for path, content in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def client() -> str:
    """Return the docker program to run: the one that proved to speak with the daemon, else the first on PATH."""
    return _chosen[-1] if _chosen else "docker"


def problem(output: Output, args: tuple[str, ...] = ()) -> HostError:
    """Return the error that says in one sentence why a docker command failed, and what mends it."""
    text = output.err.lower()
    if output.code == command.NOT_FOUND:
        return HostError("Docker is not installed.", install_command())
    if "permission denied" in text and ("docker.sock" in text or "docker daemon" in text):
        return HostError(
            "Docker is there, but this user may not use it.", 'sudo usermod -aG docker "$USER"; newgrp docker'
        )
    if is_down(output):
        return HostError("Docker is installed, but not running.", start_command())
    if "no space left on device" in text:
        return HostError("The disk that Docker writes to is full.", "docker system df")
    return HostError(f"`docker {' '.join(args[:2])}` failed: {output.last_line}", "make doctor")


def is_down(output: Output) -> bool:
    """Whether a docker command failed because no daemon listens."""
    text = output.err.lower()
    return "cannot connect to the docker daemon" in text or "error during connect" in text


def install_command() -> str:
    """Return the command that installs Docker on this machine."""
    if not shutil.which("apt-get"):
        return "make doctor  # once Docker is installed, see https://docs.docker.com/engine/install/"
    return "YES=1 make up" if os.geteuid() == 0 else "sudo apt-get install --yes docker.io"


def start_command() -> str:
    """Return the command that starts Docker on this machine."""
    if has_systemd():
        return "sudo systemctl start docker"
    return "YES=1 make up" if os.geteuid() == 0 else "sudo dockerd"


def has_systemd() -> bool:
    """Whether systemd runs this machine, as sd_booted(3) tells."""
    return Path("/run/systemd/system").is_dir()


_chosen: list[str] = []


def _use_another_client() -> bool:
    """Choose another docker program on PATH that the daemon understands, for kind as well."""
    for folder in os.get_exec_path():
        candidate = Path(folder, "docker")
        if not os.access(candidate, os.X_OK):
            continue
        if command.run([str(candidate), "version"], seconds=15).ok:
            _chosen.append(str(candidate))
            os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
            return True
    return False
