"""Images into the nodes of a running cluster, straight into containerd's store."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from checker.cluster import docker
from checker.errors import BuildError, ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CTR = ("ctr", "--namespace=k8s.io", "images")
SECONDS = 600


def load(cluster: str, images: Mapping[str, Path | None]) -> None:
    """Load images into every node, all nodes at once.

    Args:
        cluster: the kind cluster's name.
        images: the archive of each image; None takes it out of Docker.

    Raises:
        BuildError: a node refuses an image.
        ClusterError: the cluster has no node that runs.
    """
    nodes = nodes_of(cluster)
    with ThreadPoolExecutor(len(nodes)) as pool:
        list(pool.map(lambda node: _load_node(node, images), nodes))


def nodes_of(cluster: str) -> list[str]:
    """Return the running node containers of a cluster.

    Raises:
        ClusterError: there is none.
    """
    label = f"label={docker.KIND_LABEL}={cluster}"
    role = "label=io.x-k8s.kind.role"  # a load balancer would have another role, and no containerd
    listed = docker.run(
        "ps", "--filter", label, "--filter", role, "--filter", "status=running", "--format", "{{.Names}}"
    )
    if not listed:
        raise ClusterError(f"The cluster {cluster} has no node that runs.", "make up")
    return listed.splitlines()


def _load_node(node: str, images: Mapping[str, Path | None]) -> None:
    present = docker.run("exec", node, *CTR, "ls", "--quiet").split()
    for reference, archive in images.items():
        if reference not in present:
            _import(node, reference, archive)


def _import(node: str, reference: str, archive: Path | None) -> None:
    """Pipe one image into a node; only this machine's platform, since Docker may hold no other."""
    target = [
        docker.client(),
        "exec",
        "--interactive",
        node,
        *CTR,
        "import",
        "--digests",
        "--snapshotter=overlayfs",
        "-",
    ]
    if archive:
        with archive.open("rb") as content:
            done = subprocess.run(target, stdin=content, capture_output=True, timeout=SECONDS, check=False)
    else:
        with subprocess.Popen([docker.client(), "save", reference], stdout=subprocess.PIPE) as saved:
            done = subprocess.run(target, stdin=saved.stdout, capture_output=True, timeout=SECONDS, check=False)
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise BuildError(f"The node {node} does not take the image {reference}: {why[-1]}", "make up")
