"""kind's Docker network: what the nodes and the outside are plugged into."""

from __future__ import annotations

import json
from dataclasses import dataclass

from checker.cluster import docker

NAME = "kind"
# The same settings as kind's own: it takes a network of that name as it finds it.
_OPTIONS = ("--driver", "bridge", "--opt", "com.docker.network.bridge.enable_ip_masquerade=true")
_IPV6 = ("--ipv6", "--subnet", "fc00:f853:ccd:e793::/64")


@dataclass(frozen=True)
class Network:
    """The network as it is: the bridge interface on the Docker host, and the subnets as CIDR text."""

    bridge: str
    subnets: tuple[str, ...]


def find() -> Network | None:
    """Return kind's network, or None if there is none yet.

    Raises:
        HostError: Docker does not answer.
    """
    output = docker.attempt("network", "inspect", NAME)
    if not output.ok:
        if "no such network" in output.err.lower() or "not found" in output.err.lower():
            return None
        raise docker.problem(output, ("network", "inspect"))
    (found,) = json.loads(output.out)[:1]
    bridge = (found.get("Options") or {}).get("com.docker.network.bridge.name") or f"br-{found['Id'][:12]}"
    return Network(bridge, tuple(each["Subnet"] for each in found["IPAM"]["Config"] or []))


def ensure() -> Network:
    """Return kind's network; make it if there is none, without IPv6 where the host has none.

    Raises:
        HostError: Docker does not answer, or refuses.
    """
    if found := find():
        return found
    mtu = docker.inspect("bridge", '{{index .Options "com.docker.network.driver.mtu"}}') or "1500"
    options = (*_OPTIONS, "--opt", f"com.docker.network.driver.mtu={mtu}")
    if not docker.attempt("network", "create", *options, *_IPV6, NAME).ok:
        docker.run("network", "create", *options, NAME)
    made = find()
    if made is None:
        raise docker.problem(docker.attempt("network", "inspect", NAME), ("network", "inspect"))
    return made
