"""kind and kubectl: those on PATH where they fit, else pinned ones in the course's own folder of tools."""

from __future__ import annotations

import functools
import json
import os
import shutil
from pathlib import Path

from checker import paths
from checker.cluster import command, docker, images
from checker.errors import BuildError

KIND_VERSION = "v0.33."
KUBERNETES_MINOR = 37
KUBECTL_SKEW = 1  # minor versions that kubectl may be away from the cluster, by Kubernetes' own promise


@functools.cache
def kind() -> Path:
    """Return a kind that fits; build one from the pinned source if neither PATH nor our folder has it.

    Raises:
        BuildError: kind cannot be built.
    """
    found = find_kind()
    return found or images.go_tool("kind")


@functools.cache
def kubectl() -> Path:
    """Return a kubectl that fits; take it out of the node image if neither PATH nor our folder has it.

    Raises:
        BuildError: the node image has no kubectl to take.
        HostError: Docker does not answer.
    """
    return find_kubectl() or _from_node_image(paths.tools_dir() / "kubectl")


def find_kind() -> Path | None:
    """Return a kind that is already there and fits, or None."""
    return next((path for path in _candidates("kind") if kind_fits(_say(path, "version"))), None)


def find_kubectl() -> Path | None:
    """Return a kubectl that is already there and fits, or None."""
    fitting = (path for path in _candidates("kubectl") if kubectl_fits(_say(path, "version", "--client", "-o", "json")))
    return next(fitting, None)


def kind_fits(said: str) -> bool:
    """Whether `kind version` tells of the pinned minor version."""
    return KIND_VERSION in said


def kubectl_fits(said: str) -> bool:
    """Whether `kubectl version --client -o json` tells of a version close enough to the cluster's."""
    try:
        version = json.loads(said)["clientVersion"]
        minor = int(str(version["minor"]).rstrip("+"))
    except (ValueError, KeyError, TypeError):
        return False
    return str(version.get("major")) == "1" and abs(minor - KUBERNETES_MINOR) <= KUBECTL_SKEW


def environment() -> dict[str, str]:
    """Return the variables for a shell in which `kind` and `kubectl` are the fitting ones."""
    folders = [str(tool.parent) for tool in (find_kind(), find_kubectl()) if tool]
    return {"PATH": os.pathsep.join(dict.fromkeys([*folders, *os.get_exec_path()]))}


def advice() -> str:
    """Return the command that makes the fitting kubectl the learner's own, for one shell; empty if it is already."""
    fitting = find_kubectl()
    on_path = shutil.which("kubectl")
    if not fitting or (on_path and Path(on_path) == fitting):
        return ""
    return f"export PATH={fitting.parent}:$PATH"


def _candidates(name: str) -> list[Path]:
    on_path = shutil.which(name)
    own = paths.tools_dir() / name
    return ([Path(on_path)] if on_path else []) + ([own] if own.exists() else [])


def _say(path: Path, *args: str) -> str:
    return command.run([str(path), *args], seconds=20).out


def _from_node_image(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    container = docker.run("create", images.node_image())
    try:
        docker.run("cp", f"{container}:/usr/bin/kubectl", str(target))
    finally:
        docker.attempt("rm", "--force", container)
    if not kubectl_fits(_say(target, "version", "--client", "-o", "json")):
        raise BuildError("The node image's kubectl does not run on this machine.", "make doctor")
    return target
