"""The doctor: what this machine has and lacks for the course, with the command that mends each lack."""

from __future__ import annotations

import functools
import importlib.util
import platform
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from checker import paths
from checker.cluster import apt, daemon, docker, golang, host, images, privileged, runtime, tools
from checker.cluster.host import GIB
from checker.errors import CourseError, HostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

MEMORY_NEEDED, MEMORY_GOOD = 2 * GIB, 4 * GIB  # measured: three nodes at rest hold 1.2 GiB
DISK_NEEDED, DISK_GOOD = 4 * GIB, 16 * GIB  # measured: a cluster takes 3 GiB, images and a build from source 11 GiB
INSTANCES, WATCHES = 512, 65536  # kind's advice for several nodes; Docker's and systemd's own use included
SYSCTL = f"sudo sysctl fs.inotify.max_user_instances={INSTANCES} fs.inotify.max_user_watches=524288"


class State(StrEnum):
    """How one part of the machine is."""

    OK = "ok"
    MISSING = "missing"  # the course cannot work like this
    WARNING = "warning"  # it can, with the drawback that the text names
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report; `mend` is a command as typed in a shell, empty where none is needed."""

    part: str
    state: State
    text: str
    mend: str = ""


def examine() -> list[Finding]:
    """Examine every part of the machine; a part that cannot be examined is `unknown`, never an exception."""
    return [_examine(part) for part in PARTS]


def require(*parts: str) -> None:
    """Make sure that these parts are not missing.

    Raises:
        HostError: the first one that is, with the command that mends it.
    """
    for part in parts:
        finding = _examine(part)
        if finding.state is State.MISSING:
            raise HostError(finding.text, finding.mend or "make doctor")


def healthy(findings: list[Finding]) -> bool:
    """Whether nothing is missing."""
    return all(each.state is not State.MISSING for each in findings)


def show(findings: list[Finding], console: Console) -> None:
    """Print the report."""
    console.print(render(findings))


def render(findings: list[Finding]) -> Table:
    """Return the report as a table: a line each, and below it the command that mends it."""
    style = {State.OK: "green", State.MISSING: "red", State.WARNING: "yellow", State.UNKNOWN: "blue"}
    table = Table(box=None, pad_edge=False, show_header=False)
    for each in findings:
        mend = f"\n[bold]{each.mend}[/]" if each.mend else ""
        table.add_row(f"[{style[each.state]}]{each.state}[/]", each.part, f"{each.text}{mend}")
    return table


def _examine(part: str) -> Finding:
    try:
        return PARTS[part]()
    except HostError as error:
        return Finding(part, State.MISSING, error.message, error.mend or "")
    except (CourseError, OSError) as error:
        return Finding(part, State.UNKNOWN, str(error))


def _docker() -> Finding:
    version = docker.run("version", "--format", "{{.Client.Version}} with daemon {{.Server.Version}}", seconds=15)
    return Finding("docker", State.OK, f"Docker {version} answers.")


def _node() -> Finding:
    why = privileged.complaint()
    if why is None:
        return Finding("node", State.UNKNOWN, f"A privileged container was not tried on {platform.machine()}.")
    if why:
        mend = "make up" if "apply caps" in why or "not permitted" in why else "docker info"
        return Finding("node", State.MISSING, f"Docker cannot run a privileged node: {why}", mend)
    return Finding("node", State.OK, "Docker can run privileged nodes.")


def _cgroup() -> Finding:
    version = str(docker.info().get("CgroupVersion", "")) if docker.answers() else str(host.cgroup_version())
    if version == "2":
        return Finding("cgroup", State.OK, "cgroup v2.")
    mend = "sudo grubby --update-kernel=ALL --args=systemd.unified_cgroup_hierarchy=1"
    if not shutil.which("grubby"):
        mend = ""  # the kernel's command line is set in another way on each other system
    return Finding("cgroup", State.WARNING, "cgroup v1: works, but Kubernetes and kind will drop it.", mend)


def _capability() -> Finding:
    if runtime.host_grants():
        return Finding("capability", State.OK, "CAP_SYS_RESOURCE is there.")
    if runtime.installed():
        return Finding("capability", State.OK, f"No CAP_SYS_RESOURCE; Docker uses {runtime.NAME} instead of runc.")
    return Finding(
        "capability", State.WARNING, "No CAP_SYS_RESOURCE; `make up` gives Docker another runtime.", "make up"
    )


def _memory() -> Finding:
    free = host.memory_available()
    text = f"{free / GIB:.1f} GiB of memory available"
    if free < MEMORY_NEEDED:
        return Finding("memory", State.MISSING, f"{text}; a cluster needs {MEMORY_NEEDED // GIB} GiB.", "make down")
    if free < MEMORY_GOOD:
        return Finding("memory", State.WARNING, f"{text}; {MEMORY_GOOD // GIB} GiB make life easier.")
    return Finding("memory", State.OK, f"{text}.")


def _disk() -> Finding:
    places = [paths.cache_dir()]
    if daemon.local() and docker.answers():
        places.append(Path(docker.info().get("DockerRootDir", "/var/lib/docker")))
    place = min(places, key=host.disk_free)
    free = host.disk_free(place)
    text = f"{free / GIB:.0f} GiB free at {place}"
    if free < DISK_NEEDED:
        return Finding(
            "disk", State.MISSING, f"{text}; at least {DISK_NEEDED // GIB} GiB are needed.", "docker system df"
        )
    if free < DISK_GOOD:
        return Finding("disk", State.WARNING, f"{text}; a build from source takes {DISK_GOOD // GIB} GiB.")
    return Finding("disk", State.OK, f"{text}.")


def _inotify() -> Finding:
    instances, watches = host.inotify()
    text = f"inotify: {instances} instances and {watches} watches a user"
    if instances < INSTANCES or watches < WATCHES:
        return Finding("inotify", State.WARNING, f"{text}; three nodes may need more.", SYSCTL)
    return Finding("inotify", State.OK, f"{text}.")


def _tool(name: str) -> Finding:
    found = tools.find_kind() if name == "kind" else tools.find_kubectl()
    if found:
        return Finding(name, State.OK, f"{found} fits.")
    other = shutil.which(name)
    reason = f"{other} is of another version than the course's" if other else "Not on PATH"
    return Finding(name, State.WARNING, f"{reason}; `make up` gets one into {paths.tools_dir()}.", "make up")


def _go() -> Finding:
    wanted = ".".join(map(str, golang.needed()))
    text = f"Go {wanted} or newer builds from source; `make up` gets one into {paths.tools_dir()} if there is none"
    if images.way() == "pulled" and tools.find_kind():
        text = "Go is not needed: images are pulled, and there is a kind"
    return Finding("go", State.OK, f"{text}; on PATH: {shutil.which('go') or 'none'}.")


def _builder(name: str, package: str) -> Finding:
    """A program that is needed only to build images from source."""
    if found := shutil.which(name):
        return Finding(name, State.OK, f"{found} is there.")
    if images.way() == "pulled":
        return Finding(name, State.OK, "Not there, and not needed: images are pulled.")
    mend = "YES=1 make up" if apt.usable() else f"sudo apt-get install --yes {package}"
    return Finding(name, State.MISSING, f"Without a registry, {name} is needed.", mend)


def _queue() -> Finding:
    nft, xt = host.queue("nft"), host.queue("xt")
    if nft:
        return Finding(
            "queue", State.OK, "The kernel queues packets for programs (nftables): policies can be enforced."
        )
    if xt and images.way() == "built":
        return Finding("queue", State.OK, "No nft queue in the kernel; the images built here use iptables' NFQUEUE.")
    if nft is None:
        return Finding("queue", State.UNKNOWN, "This kernel does not tell whether it has nft queue; policy labs will.")
    return Finding("queue", State.WARNING, "No nft queue in the kernel: kind's own engine will not enforce policies.")


def _registries() -> Finding:
    if images.way() == "pulled":
        return Finding("registries", State.OK, "A registry answers: images are pulled.")
    return Finding("registries", State.OK, "No registry answers: images are built from source, once.")


def _venv() -> Finding:
    if importlib.util.find_spec("ensurepip"):
        return Finding("venv", State.OK, f"Python {platform.python_version()} can make virtual environments.")
    return Finding("venv", State.MISSING, "Python lacks its venv module.", "sudo apt-get install --yes python3-venv")


PARTS: dict[str, Callable[[], Finding]] = {
    "docker": _docker,
    "node": _node,
    "cgroup": _cgroup,
    "capability": _capability,
    "memory": _memory,
    "disk": _disk,
    "inotify": _inotify,
    "kind": functools.partial(_tool, "kind"),
    "kubectl": functools.partial(_tool, "kubectl"),
    "go": _go,
    "mmdebstrap": functools.partial(_builder, "mmdebstrap", "mmdebstrap"),
    "queue": _queue,
    "registries": _registries,
    "venv": _venv,
}
