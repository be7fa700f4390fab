"""The node image that we build: Debian, containerd, kubelet, kubeadm, and every image that a fresh cluster needs.

What `kind build node-image` does, from parts of our own and without its network plugin.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import IO, TYPE_CHECKING

from checker import paths
from checker.cluster import archive, children, docker, layers, parts
from checker.cluster.archive import File, Link
from checker.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

    from checker.cluster.catalogue import Catalogue

CONTAINERD_SECONDS = 30
SHOWN_HASH = 12

# Units of Debian that wait for devices, logins or clocks that a node has not: each would cost start-up time or fail.
MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "getty.target",
    "nftables.service",
    "remote-fs.target",
    "systemd-binfmt.service",
    "systemd-logind.service",
    "systemd-modules-load.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "systemd-udev-trigger.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udevd.service",
)
ENABLED = ("containerd.service", "kubelet.service")
UNITS = "/etc/systemd/system"


def part(catalogue: Catalogue) -> parts.Part:
    """Return the part that is the node image: an image in Docker, and a small file that says which."""
    inputs = _inputs(catalogue)
    reference = name(catalogue)

    def make(target: Path, log: Path) -> None:
        _build(catalogue, reference, log)
        target.write_text(f"{reference}\n", encoding="utf-8")

    return parts.Part("node", inputs, make, lambda: docker.attempt("image", "inspect", reference).ok)


def name(catalogue: Catalogue) -> str:
    """Return the reference of the node image that we build; its tag carries the hash of all inputs."""
    recipe = catalogue.node.build
    return f"{recipe.name}:{recipe.version}-{_inputs(catalogue)[:SHOWN_HASH]}"


def _inputs(catalogue: Catalogue) -> str:
    node = catalogue.node
    below = [layers.inputs(catalogue, image) for image in (node, *catalogue.preloaded)]
    return parts.fingerprint(below, MASKED, ENABLED, paths.CLUSTER_SRC / "node" / "rootfs")


def _build(catalogue: Catalogue, reference: str, log: Path) -> None:
    unique = uuid.uuid4().hex[:SHOWN_HASH]
    base, container = f"{catalogue.node.build.name}-base:{unique}", f"deep-dive-node-build-{unique}"
    try:
        children.feed([docker.client(), "load"], log, lambda out: archive.write(out, [_base(catalogue, base, log)]))
        docker.run("run", "--detach", "--name", container, "--entrypoint", "sleep", base, "infinity")
        _import_images(catalogue, container, log)
        change = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'
        docker.run("commit", "--change", change, container, reference, seconds=600)
        _remove_older(str(catalogue.node.build.name), reference)
    finally:
        docker.attempt("rm", "--force", "--volumes", container)
        docker.attempt("rmi", base)  # its layers stay, as those of the node image


def _remove_older(repository: str, reference: str) -> None:
    """Remove node images of older inputs. Docker refuses that for one that a cluster still uses, as it should."""
    for each in docker.run("images", "--format", "{{.Repository}}:{{.Tag}}", repository).splitlines():
        if each != reference:
            docker.attempt("rmi", each)


def _base(catalogue: Catalogue, reference: str, log: Path) -> archive.Image:
    node = catalogue.node
    root, own = layers.of(catalogue, node)
    assert isinstance(own, tuple)
    masks = (Link(f"{UNITS}/{unit}", "/dev/null") for unit in MASKED)
    enabled = (Link(f"{UNITS}/multi-user.target.wants/{unit}", f"../{unit}") for unit in ENABLED)
    made = (
        File("/kind/version", str(node.build.version).encode()),
        File("/etc/containerd/cri-base.json", _container_spec(layers.program(catalogue, "containerd/ctr"), log)),
    )
    # systemd stops on this signal, and looks for this variable to know that it is in a container.
    return archive.Image(
        (reference,),
        (root, (*own, *made, *masks, *enabled)),
        env=("container=docker",),
        stop_signal="SIGRTMIN+3",
    )


def _container_spec(ctr: Path, log: Path) -> bytes:
    """Return what containerd starts every container from: its own default, without limits.

    A limit there would be one that the node may not be allowed to set.
    """
    spec = json.loads(children.read([str(ctr), "oci", "spec"], log))
    spec["process"].pop("rlimits", None)
    return json.dumps(spec, indent=1, sort_keys=True).encode()


def _import_images(catalogue: Catalogue, container: str, log: Path) -> None:
    """Put the preloaded images into containerd's store, packed: the nodes unpack what they use."""

    def write(out: IO[bytes]) -> None:
        archive.write(out, [layers.image(catalogue, image) for image in catalogue.preloaded])

    docker.run("exec", "--detach", container, "containerd")
    deadline = time.monotonic() + CONTAINERD_SECONDS
    while not docker.attempt("exec", container, "ctr", "version").ok:
        if time.monotonic() > deadline:
            raise BuildError(f"containerd did not start in the container {container}; the log is {log}.", "make up")
        time.sleep(0.2)
    # Pinned: else the kubelet deletes an image that no Pod uses when the disk fills, and nothing could bring it back.
    pinned = "--label=io.cri-containerd.pinned=pinned"
    command = [
        "ctr",
        "--namespace=k8s.io",
        "images",
        "import",
        pinned,
        "--all-platforms",
        "--no-unpack",
        "--digests",
        "-",
    ]
    children.feed([docker.client(), "exec", "--interactive", container, *command], log, write)
    docker.run("exec", container, "pkill", "-x", "containerd")
    docker.attempt("exec", container, "sh", "-c", "while pgrep -x containerd; do sleep 0.1; done", seconds=30)
