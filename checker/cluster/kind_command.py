"""The kind command: create, delete, export, always with Docker, the course's network and our own kubeconfig."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from checker import paths
from checker.cluster import command, docker, network, tools
from checker.errors import ClusterError, CourseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DELETE_SECONDS = 120
EXPORT_SECONDS = 30
_STEP = re.compile(r" • ([\w -]*\w)")  # kind writes so where it has no terminal; what ends it is a picture


def create(name: str, config: str, heard: Callable[[str], None]) -> None:
    """Run `kind create cluster`; its output goes to a log.

    Args:
        name: the cluster's name.
        config: kind's configuration, YAML.
        heard: is called with the title of each of kind's steps as it begins.

    Raises:
        ClusterError: kind failed; names the log.
        HostError: the disk is full.
    """
    file, log_file = paths.cluster_dir(name) / "kind.yaml", paths.logs_dir() / f"kind-{name}.log"
    file.write_text(config, encoding="utf-8")
    log_file.parent.mkdir(parents=True, exist_ok=True)
    argv = _argv("create", "cluster", name, "--config", str(file))
    pipe = subprocess.PIPE
    with (
        log_file.open("w", encoding="utf-8") as log,
        subprocess.Popen(argv, stdout=pipe, stderr=subprocess.STDOUT, text=True, env=_environment()) as process,
    ):
        try:
            for line in process.stdout or ():
                log.write(line)
                if begins := _STEP.match(line):
                    heard(begins[1])
        except BaseException:  # Ctrl-C: kind must not go on alone
            process.terminate()
            raise
    if process.returncode != 0:
        raise _failure(log_file)


def delete(name: str) -> None:
    """Delete a cluster's nodes, and its entry in our own kubeconfig.

    Raises:
        ClusterError: kind could not.
    """
    output = command.run(_argv("delete", "cluster", name), seconds=DELETE_SECONDS, env=_environment())
    if not output.ok:
        raise ClusterError(f"kind could not delete the cluster {name}: {output.last_line}", "make doctor")


def export(name: str) -> None:
    """Write our own kubeconfig anew: the cache folder was deleted, the cluster was not.

    Raises:
        ClusterError: kind could not.
    """
    output = command.run(_argv("export", "kubeconfig", name), seconds=EXPORT_SECONDS, env=_environment())
    if not output.ok:
        raise ClusterError(f"kind has no kubeconfig of the cluster {name}: {output.last_line}", "make down up")


def _argv(verb: str, noun: str, name: str, *more: str) -> list[str]:
    return [str(tools.kind()), verb, noun, "--name", name, "--kubeconfig", str(paths.kubeconfig(name)), *more]


def _failure(log_file: Path) -> CourseError:
    text = log_file.read_text(encoding="utf-8")
    if "no space left on device" in text:
        return docker.problem(command.Output(1, err=text))
    lines = [line for line in text.splitlines() if line.startswith("ERROR")] or text.splitlines()[-1:] or ["no output"]
    return ClusterError(f"kind could not create the cluster: {lines[0].removeprefix('ERROR: ')}", f"less {log_file}")


def _environment() -> dict[str, str]:
    """Keep kind to Docker and to its usual network, whatever else the learner's shell asks of it."""
    return {**os.environ, "KIND_EXPERIMENTAL_PROVIDER": "docker", "KIND_EXPERIMENTAL_DOCKER_NETWORK": network.NAME}
