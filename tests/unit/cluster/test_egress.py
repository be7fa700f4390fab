"""The fence around the cluster's network: set once, taken back wholly."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from checker.cluster import egress, network
from checker.cluster.command import Output
from checker.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.unit.cluster.conftest import Programs

NETWORK = [{"Id": "0123456789abcdef", "IPAM": {"Config": [{"Subnet": "172.18.0.0/16"}]}, "Options": {}}]


class Tables:
    """Plays one iptables program: keeps the rules of its chains."""

    def __init__(self, *chains: str) -> None:
        self.chains: dict[str, list[str]] = {chain: [f"-A {chain} -j RETURN"] for chain in chains}

    def __call__(self, argv: Sequence[str]) -> Output:
        action, chain, *rule = argv[3:]
        if chain not in self.chains:
            return Output(1, err="iptables: No chain/target/match by that name.")
        rules, line = self.chains[chain], f"-A {chain} {' '.join(rule)}"
        if action == "-S":
            return Output(0, "\n".join([f"-N {chain}", *rules]) + "\n")
        if action == "-I":
            rules.insert(0, line)
        elif line not in rules:
            return Output(1, err="iptables: Bad rule.")
        elif action == "-D":
            rules.remove(line)
        return Output(0)


@pytest.fixture
def tables(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tables]:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(egress, "_has_protocol", lambda _: True)
    made = {"iptables": Tables("DOCKER-USER", "FORWARD"), "ip6tables": Tables("FORWARD")}
    for name, answer in made.items():
        programs.on(f"{name} --wait", answer)
    programs.on("docker network inspect", json.dumps(NETWORK))
    return made


RULE = "-i br-0123456789ab ! -o br-0123456789ab -m comment --comment deep-dive-egress -j DROP"


def test_the_rules_come_first_in_their_chains(tables: dict[str, Tables]) -> None:
    egress.block()

    assert tables["iptables"].chains["DOCKER-USER"][0] == f"-A DOCKER-USER {RULE}"
    assert tables["ip6tables"].chains["FORWARD"][0] == f"-A FORWARD {RULE}"


def test_blocking_twice_is_blocking_once(tables: dict[str, Tables]) -> None:
    egress.block()
    egress.block()

    assert len(egress.rules()) == 1
    assert len(tables["iptables"].chains["DOCKER-USER"]) == 2


def test_unblocking_takes_back_ours_and_no_others(tables: dict[str, Tables]) -> None:
    before = {name: {chain: list(rules) for chain, rules in each.chains.items()} for name, each in tables.items()}
    egress.block()

    egress.unblock()
    egress.unblock()

    assert {name: each.chains for name, each in tables.items()} == before


@pytest.mark.usefixtures("tables")
def test_a_rule_that_cannot_be_set_is_an_error(programs: Programs) -> None:
    programs.on("iptables --wait -I", Output(4, err="iptables: Permission denied"))

    with pytest.raises(HostError, match="`iptables -I` failed: iptables: Permission denied"):
        egress.block()


@pytest.mark.usefixtures("tables")
def test_only_root_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(HostError, match="Only root"):
        egress.block()


def test_the_network_is_made_where_there_is_none(programs: Programs) -> None:
    programs.on("docker inspect", "1500")
    programs.on("docker network inspect", Output(1, err="Error: No such network: kind"))

    def create(argv: Sequence[str]) -> Output:
        if "--ipv6" in argv:
            return Output(1, err="IPv6 is not enabled")
        programs.on("docker network inspect", json.dumps(NETWORK))
        return Output(0)

    programs.on("docker network create", create)

    assert network.ensure() == network.Network("br-0123456789ab", ("172.18.0.0/16",))
    assert len(programs.lines("network create")) == 2


def test_a_docker_that_is_down_is_no_missing_network(programs: Programs) -> None:
    programs.on("docker network inspect", Output(1, err="Cannot connect to the Docker daemon at unix:///x."))

    with pytest.raises(HostError, match="not running"):
        network.find()
