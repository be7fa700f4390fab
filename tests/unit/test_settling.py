"""Settling: how old the last change must be, and that every node has heard of a Service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import pytest

from checker import settling
from checker.probe.outcome import Probe, Result, Source
from checker.traffic import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

NODES = [Source("node", "one", "one"), Source("node", "two", "two")]


class Api:
    """A cluster with one Service in the namespace `lab`."""

    cluster = "course"

    def __init__(self, *, ready: bool = True, cluster_ip: str = "10.96.0.7", seconds_ago: float = 60) -> None:
        at = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat()
        metadata = {"name": "shop", "managedFields": [{"time": at}, {"manager": "no time"}]}
        port = {"name": "http", "port": 80}
        self._live = {
            "Service": [{"metadata": metadata, "spec": {"clusterIP": cluster_ip, "ports": [port, {"port": 81}]}}],
            "EndpointSlice": [
                {
                    "metadata": {"labels": {settling.SERVICE_LABEL: "shop"}},
                    "endpoints": [{"conditions": {"ready": ready}}],
                    "ports": [{"name": "http", "port": 8080}],
                }
            ],
        }

    def objects(self, _version: str, kind: str, namespace: str) -> list[dict[str, Any]]:
        return self._live.get(kind, []) if namespace == "lab" else []


class Agents:
    """Answers what the nodes see, a round at a time; the last round for ever."""

    def __init__(self, *rounds: Outcome) -> None:
        self.rounds = list(rounds)
        self.asked: list[Probe] = []

    def __call__(self, *_: object) -> Agents:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def node_sources(self) -> list[Source]:
        return NODES

    def run(self, probes: Sequence[Probe]) -> list[Result]:
        self.asked += probes
        outcome = self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]
        return [Result(outcome, seconds=0.0, address=probe.host) for probe in probes]


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(settling.time, "sleep", found.append)
    return found


def wait(monkeypatch: pytest.MonkeyPatch, api: Api, agents: Agents) -> bool:
    monkeypatch.setattr(settling, "Prober", agents)
    return settling.wait_for_services(api, ["lab", "lab-other"])  # type: ignore[arg-type]


def test_every_node_is_asked_for_each_port_with_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    agents = Agents(Outcome.OPEN)
    assert wait(monkeypatch, Api(), agents)
    assert [(each.source, each.host, each.port) for each in agents.asked] == [(node, "10.96.0.7", 80) for node in NODES]


def test_a_refusal_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    agents = Agents(Outcome.REFUSED, Outcome.REFUSED, Outcome.OPEN)
    assert wait(monkeypatch, Api(), agents)
    assert len(agents.asked) == 3 * len(NODES)


def test_what_a_policy_drops_has_reached_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wait(monkeypatch, Api(), Agents(Outcome.DROPPED))


def test_a_server_that_refuses_for_ever_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "SERVICES_SECONDS", -1)
    assert not wait(monkeypatch, Api(), Agents(Outcome.REFUSED))


@pytest.mark.parametrize("api", [Api(ready=False), Api(cluster_ip="None"), Api(cluster_ip="")])
def test_a_service_without_address_or_endpoint_is_not_asked(monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    agents = Agents(Outcome.REFUSED)
    assert wait(monkeypatch, api, agents)
    assert agents.asked == []


def test_a_fresh_change_rests_an_old_one_does_not(slept: list[float]) -> None:
    settling.rest(Api(seconds_ago=1), ["lab"])  # type: ignore[arg-type]
    settling.rest(Api(seconds_ago=60), ["lab"])  # type: ignore[arg-type]
    settling.rest(Api(), ["empty"])  # type: ignore[arg-type]
    assert slept == [pytest.approx(2, abs=0.2)]
