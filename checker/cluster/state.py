"""How far the making of a cluster got, kept beside its kubeconfig so that a broken-off `make up` is recognised."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from checker import paths
from checker.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Stage(StrEnum):
    """The stages of a cluster, in order."""

    NONE = "none"
    CREATING = "creating"  # kind is at work, or was when it was interrupted: nothing there can be trusted
    CREATED = "created"  # kind is done; agents, outside or DNS may still be missing
    READY = "ready"  # everything has answered once


@dataclass(frozen=True)
class State:
    """What is remembered of a cluster: its stage, and the CNI profile it was made with."""

    stage: Stage = Stage.NONE
    cni: str = "default"


def read(name: str) -> State:
    """Return the state of a cluster; an unreadable file counts as none, so that the cluster is looked at afresh."""
    try:
        data = json.loads((paths.cluster_dir(name) / "state.json").read_text(encoding="utf-8"))
        return State(Stage(data["stage"]), str(data["cni"]))
    except (OSError, ValueError, KeyError, TypeError):
        return State()


def write(name: str, state: State) -> None:
    """Remember the state of a cluster, in one step: a reader sees the old or the new one."""
    file = paths.cluster_dir(name) / "state.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(asdict(state)), encoding="utf-8")
    draft.replace(file)


def forget(name: str) -> None:
    """Forget a cluster: its state and its kubeconfig."""
    for file in ("state.json", "kubeconfig"):
        (paths.cluster_dir(name) / file).unlink(missing_ok=True)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Keep a second `make up` or `make down` of the same cluster out.

    Raises:
        ClusterError: another one is at work.
    """
    folder = paths.cluster_dir(name)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ClusterError(f"Another command is making or deleting the cluster {name}.", "make status") from error
        yield
