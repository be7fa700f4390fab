"""The probe agents in the cluster: one Pod a node, with the files of `checker/probe` that run there."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
from typing import TYPE_CHECKING

from checker import objects, paths
from checker.cluster import docker

if TYPE_CHECKING:
    from checker.objects import Api, Manifest

NAMESPACE = "deep-dive-system"
NAME = "probe-agent"
HASH_ANNOTATION = "deep-dive/content"
SOURCE = paths.ROOT / "checker" / "probe"
ENTRY = "agent"
IMAGE = "python"  # in the catalogue of images


@functools.cache
def files() -> dict[str, str]:
    """Return the agent's files by name: the one that is started, and all that it imports from beside it."""
    found: dict[str, str] = {}
    wanted = [ENTRY]
    while wanted:
        name = wanted.pop()
        if f"{name}.py" not in found:
            found[f"{name}.py"] = (SOURCE / f"{name}.py").read_text(encoding="utf-8")
            wanted += _siblings(found[f"{name}.py"])
    return dict(sorted(found.items()))


def content_hash() -> str:
    """Return a hash of the agent's files and of the manifests that run them."""
    manifest = (paths.CLUSTER_SRC / "agents.yaml").read_text(encoding="utf-8")
    return hashlib.sha256("\0".join([manifest, *files().values()]).encode()).hexdigest()[:16]


def manifests() -> list[Manifest]:
    """Return the objects to apply, in order; the hash in the Pod template makes new Pods of new files."""
    namespace, daemon_set = objects.read_manifests(paths.CLUSTER_SRC / "agents.yaml")
    metadata = daemon_set["spec"]["template"]["metadata"]
    metadata["annotations"] = {HASH_ANNOTATION: content_hash()}
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "data": files(),
    }
    return [namespace, config_map, daemon_set]


def deploy(api: Api) -> None:
    """Apply the agents; Kubernetes replaces those that run other files.

    Raises:
        ClusterError: the API server does not answer.
    """
    api.apply(manifests())


def deploy_early(control_plane: str) -> None:
    """Apply the agents from inside the control plane's node, while kind still joins the workers.

    Best effort: whatever goes wrong here, `deploy` does again. It saves the seconds in which nothing else is to do.
    """
    argv = ("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "apply", "--server-side", "--force-conflicts")
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests()}).encode()
    manager = f"--field-manager={objects.FIELD_MANAGER}"
    docker.attempt("exec", "-i", control_plane, *argv, manager, "-f", "-", stdin=content)


def up_to_date(api: Api) -> bool:
    """Whether every node runs an agent of the current files."""
    daemon_set = api.get(manifests()[-1])
    if daemon_set is None:
        return False
    wanted = daemon_set["spec"]["template"]["metadata"].get("annotations", {}).get(HASH_ANNOTATION)
    status = daemon_set.get("status", {})
    return bool(
        wanted == content_hash()
        and status.get("observedGeneration") == daemon_set["metadata"]["generation"]
        and status.get("desiredNumberScheduled", 0) > 0
        and status.get("desiredNumberScheduled")
        == status.get("updatedNumberScheduled")
        == status.get("numberAvailable")
    )


def _siblings(source: str) -> list[str]:
    imports = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import))
    names = [alias.name for node in imports for alias in node.names]
    return [name for name in names if (SOURCE / f"{name}.py").exists()]
