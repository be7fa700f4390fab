"""The canary: a policy lab is judged only where a denied packet is dropped, and says so where it is not."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from checker import canary
from checker.cluster import survey
from checker.errors import ClusterError
from checker.lab import Lab, open_lab
from checker.probe.client import Prober

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checker.objects import Api
    from tests.live.conftest import Checker

CHAIN = "NODE-POLICY"  # hands new connections to the policy engine, in the node image that is built here


def on_node(node: str, *words: str) -> str:
    command = ["docker", "exec", node, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


@pytest.fixture
def lab_19(cluster: str) -> Iterator[Lab]:
    lab = open_lab(19, cluster)
    lab.reset()
    yield lab
    lab.stop()


@pytest.fixture
def unenforced(cluster: str) -> Iterator[None]:
    """Take the rules away that hand packets to the engine, on every node; it then fails open without a word."""
    nodes = list(survey.take(cluster).nodes)
    kept = {node: on_node(node, "iptables", "-t", "mangle", "-S", CHAIN).splitlines()[1:] for node in nodes}
    assert all(kept.values()), "this test knows only the node image that is built here"
    for node in nodes:
        on_node(node, "iptables", "-t", "mangle", "-F", CHAIN)
    yield
    for node, rules in kept.items():
        for rule in rules:
            on_node(node, "iptables", "-t", "mangle", *rule.split())


def test_canary_is_quiet_where_policies_are_enforced(api: Api) -> None:
    canary.deploy(api)
    with Prober(api.cluster, api) as prober:
        canary.require_enforcement(api, prober)


@pytest.mark.usefixtures("unenforced")
def test_canary_names_the_directions_that_leak(api: Api) -> None:
    canary.deploy(api)
    with Prober(api.cluster, api) as prober, pytest.raises(ClusterError, match="ingress and egress policies"):
        canary.require_enforcement(api, prober)


@pytest.mark.usefixtures("lab_19", "unenforced")
def test_policy_lab_could_not_be_checked_where_nothing_is_enforced(checker: Checker) -> None:
    done = checker("check", "19")
    assert done.returncode == 2, done.stdout
    assert "does not enforce ingress and egress policies" in " ".join(done.stdout.split())
