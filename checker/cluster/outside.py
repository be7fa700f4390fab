"""The outside: the part of the world that is not in the cluster, as three containers with one address.

A client (the probe agent), a web server and a name server that is authoritative for `example.com` and `corp.example`,
on the nodes' Docker network. Nothing here leads to the internet: for the labs, this is the internet.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from checker import paths
from checker.cluster import agents, docker, images, network
from checker.errors import ClusterError

SOURCE = paths.CLUSTER_SRC / "outside"
HASH_LABEL = "deep-dive.outside"
WEB_PORT = 80
UDP_PORT = 8081
ROLES = ("", "-web", "-dns")
IMAGES = ("python", "agnhost", "coredns")
NAMES = ("example.com", "www.example.com", "wiki.corp.example", "db.corp.example")


@dataclass(frozen=True)
class Outside:
    """Where the outside is: its one IPv4 address, and the names that its name server has for it."""

    container: str
    address: str
    names: tuple[str, ...] = NAMES


def container(name: str) -> str:
    """Return the name of the client's container."""
    return f"{name}-outside"


def ensure(name: str) -> Outside:
    """Make the outside of a cluster, mend it, or leave it as it is.

    Raises:
        BuildError: an image is neither there nor to be had.
        HostError: Docker refuses.
    """
    found = {each.name: each.state for each in docker.containers(container(name)) if each.our_cluster == name}
    for each, state in found.items():
        if state == "paused":
            docker.run("unpause", each)
            found[each] = "running"
    wanted = [container(name) + role for role in ROLES]
    if any(found.get(each) != "running" for each in wanted) or not is_current(name):
        _make(name)
    return find(name)


def is_current(name: str) -> bool:
    """Whether the outside of a cluster was made from the files as they are now."""
    return docker.inspect(container(name), f'{{{{index .Config.Labels "{HASH_LABEL}"}}}}') == content_hash()


def find(name: str) -> Outside:
    """Return where the outside of a cluster is.

    Raises:
        ClusterError: there is none, or it does not run.
    """
    template = f"{{{{with index .NetworkSettings.Networks {network.NAME!r}}}}}{{{{.IPAddress}}}}{{{{end}}}}"
    address = docker.inspect(container(name), template.replace("'", '"'))
    if not address:
        raise ClusterError(f"The outside container of the cluster {name} does not run.", "make up")
    return Outside(container(name), address)


def remove(name: str) -> None:
    """Remove the outside of a cluster, if there is one."""
    ours = [each.name for each in docker.containers(container(name)) if each.our_cluster == name]
    if ours:
        docker.run("rm", "--force", "--volumes", *ours)


def content_hash() -> str:
    """Return a hash of everything that the outside is made from: zones, agent and this very recipe."""
    digest = hashlib.sha256(agents.content_hash().encode())
    for file in sorted(SOURCE.iterdir()):
        digest.update(file.name.encode() + file.read_bytes())
    digest.update("\n".join(_references()).encode())
    return digest.hexdigest()[:16]


def zones(address: str) -> dict[str, bytes]:
    """Return the name server's files, by their paths in its container, with the address filled in."""
    return {
        f"/outside/{file.name}": file.read_bytes().replace(b"ADDRESS", address.encode())
        for file in sorted(SOURCE.iterdir())
    }


def _make(name: str) -> None:
    network.ensure()
    remove(name)
    python, agnhost, coredns = _references()
    client = container(name)
    labels = ("--label", f"{docker.OURS_LABEL}={name}", "--restart", "on-failure:1")
    alone = ("--network", network.NAME, "--hostname", "outside", "--dns", "127.0.0.1", "--init")
    docker.run("create", "--name", client, *labels, *alone, *_hash_label(), python, "sleep", "infinity")
    docker.copy_in(client, {f"/agent/{file}": content.encode() for file, content in agents.files().items()})
    docker.run("start", client)
    shared = ("--network", f"container:{client}")
    ports = (f"--http-port={WEB_PORT}", f"--udp-port={UDP_PORT}")
    docker.run("run", "--detach", "--name", f"{client}-web", *labels, *shared, agnhost, "netexec", *ports)
    docker.run("create", "--name", f"{client}-dns", *labels, *shared, coredns, "-conf", "/outside/Corefile")
    docker.copy_in(f"{client}-dns", zones(find(name).address))
    docker.run("start", f"{client}-dns")


def _hash_label() -> tuple[str, str]:
    return "--label", f"{HASH_LABEL}={content_hash()}"


def _references() -> list[str]:
    catalogue = images.catalogue()
    return [catalogue[each].reference for each in IMAGES]
