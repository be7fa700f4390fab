"""Where things are: the repository's folders and the course's cache folder."""

from __future__ import annotations

import os
from pathlib import Path

SLUG = "kubernetes-networking-deep-dive"
ROOT = Path(__file__).resolve().parent.parent
LABS = ROOT / "labs"
DOCS = ROOT / "docs"
CLUSTER_SRC = ROOT / "cluster"
BUILD = ROOT / "build"


def cluster_name() -> str:
    """Return the name of the cluster to work on: `$DEEP_DIVE_CLUSTER`, else `deep-dive`."""
    return os.environ.get("DEEP_DIVE_CLUSTER") or "deep-dive"


def work_dir() -> Path:
    """Return the folder of the learner's copies: `$DEEP_DIVE_WORK`, else `work/` in the repository."""
    return Path(os.environ.get("DEEP_DIVE_WORK") or ROOT / "work")


def cache_dir() -> Path:
    """Return the one folder outside the repository that the course writes to."""
    if own := os.environ.get("DEEP_DIVE_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / SLUG


def tools_dir() -> Path:
    """Return the folder of the pinned tools: kind, kubectl, go."""
    return cache_dir() / "tools"


def images_dir() -> Path:
    """Return the folder of image archives, named by the hash of their inputs."""
    return cache_dir() / "images"


def logs_dir() -> Path:
    """Return the folder of build logs."""
    return cache_dir() / "logs"


def cluster_dir(name: str | None = None) -> Path:
    """Return the folder that keeps a cluster's kubeconfig and state."""
    return cache_dir() / "clusters" / (name or cluster_name())


def kubeconfig(name: str | None = None) -> Path:
    """Return the checker's own kubeconfig file for a cluster."""
    return cluster_dir(name) / "kubeconfig"
