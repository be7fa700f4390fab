"""The health of a running cluster, asked for from inside: nodes, DNS and probe agents must answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kubernetes.client.exceptions import ApiException

from checker.cluster import agents
from checker.errors import CourseError, NotReadyError, ProbeError
from checker.probe.client import Prober
from checker.probe.outcome import Probe, Source
from checker.traffic import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from checker.objects import Api, Manifest

DNS_ADDRESS = "10.96.0.10"  # the tenth address of the Service subnet in kind.yaml: kubeadm's choice for DNS
DNS_NAME = "kubernetes.default.svc.cluster.local"
DNS_SECONDS = 0.5
POLL_SECONDS = 0.25
STEADY = 3
"""Looks in a row that must find nothing wrong: after a restart one CoreDNS may know the names and the other not yet."""


def problems(api: Api) -> list[str]:
    """Return what is wrong, a sentence each; empty if every node is Ready and answers, DNS through it included."""
    try:
        nodes = readiness(api)
        wrong = [f"Node {node} is not Ready." for node, ready in nodes.items() if not ready]
        if not wrong and not agents.up_to_date(api):
            wrong = ["The probe agents are not all running."]
        return wrong or [sentence for sentence in answers(api, nodes).values() if sentence]
    except (CourseError, ApiException) as error:
        return [str(error).splitlines()[0]]


def wait(api: Api, seconds: float) -> None:
    """Deploy the probe agents and wait until nothing is wrong.

    Raises:
        NotReadyError: something still is after that many seconds; says what.
    """
    deadline = time.monotonic() + seconds
    deployed, well = False, 0
    while True:
        deployed = deployed or _deployed(api)
        wrong = problems(api)
        well = 0 if wrong or not deployed else well + 1
        if well == STEADY:
            return
        if time.monotonic() > deadline:
            reason = wrong[0] if wrong else "The probe agents cannot be deployed."
            raise NotReadyError(f"The cluster did not become ready in {seconds:.0f} s. {reason}", "make down up")
        time.sleep(POLL_SECONDS)


def readiness(api: Api) -> dict[str, bool]:
    """Return of each node whether Kubernetes calls it Ready."""
    return {node["metadata"]["name"]: is_ready(node) for node in api.objects("v1", "Node")}


def is_ready(node: Manifest) -> bool:
    """Whether a node object says that it is Ready."""
    conditions = {each["type"]: each["status"] for each in node.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True"


def answers(api: Api, nodes: Iterable[str]) -> dict[str, str]:
    """Let each node's agent ask the cluster's DNS; return a sentence for each node, empty where all is well."""
    names = list(nodes)
    probes = [_dns_probe(node) for node in names]
    with Prober(api.cluster, api) as prober:
        try:
            results = prober.run(probes)
        except ProbeError as error:
            return dict.fromkeys(names, error.message)
    heard = {node: result.outcome for node, result in zip(names, results, strict=True)}
    return {
        node: "" if outcome is Outcome.OPEN else f"CoreDNS does not answer on node {node}: {outcome}."
        for node, outcome in heard.items()
    }


def _dns_probe(node: str) -> Probe:
    return Probe(Source("node", node, node), DNS_NAME, protocol="name", nameserver=DNS_ADDRESS, timeout=DNS_SECONDS)


def _deployed(api: Api) -> bool:
    """Deploy; a namespace on its way out or an API server on its way up makes it fail for a while."""
    try:
        agents.deploy(api)
    except (CourseError, ApiException):
        return False
    return True
