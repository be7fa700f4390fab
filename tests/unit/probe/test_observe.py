"""The rules on what may be believed, with real packets where the network can be made to do it."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from checker.errors import ProbeError
from checker.probe.case import ATTEMPTS, HOLD_SECONDS
from checker.probe.control import CLUSTER_DNS, TIMES
from checker.probe.observe import observe
from checker.probe.outcome import Listener, Network, Probe, Query, Result, Source
from checker.traffic import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checker.probe.client import Prober

SERVER = "10.99.2.2"
OPEN, DROPPED, REFUSED = Outcome.OPEN, Outcome.DROPPED, Outcome.REFUSED
UNREACHABLE, NO_NAME = Outcome.UNREACHABLE, Outcome.NO_NAME


@pytest.fixture
def see(net: Any, prober: Prober) -> Any:
    def see(port: int, protocol: Any = "tcp", **fields: Any) -> Result:
        fields = {"target": net.server.source, **fields}
        probe = Probe(fields.pop("source", net.client.source), SERVER, port, protocol, **fields)
        return observe(prober, [probe], timeout=0.4, confirm=0.6)[0]

    return see


def test_open_is_believed_at_once(see: Any) -> None:
    result = see(8080, "http")
    assert (result.outcome, result.history, result.flapping) == (OPEN, (OPEN,), False)


def test_a_refusal_is_confirmed_and_says_that_nothing_listens(see: Any) -> None:
    result = see(7)
    assert (result.outcome, result.history) == (REFUSED, (REFUSED, REFUSED))
    assert "nothing listens on 7/tcp in server" in result.detail


def test_a_refusal_names_the_wrong_address(see: Any) -> None:
    assert "server listens on 127.0.0.1:8081/tcp only" in see(8081).detail


def test_a_refusal_on_the_way_is_told_from_one_by_the_target(see: Any, net: Any) -> None:
    net.rule("-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset")
    assert "server does listen on 8080/tcp" in see(8080).detail


@pytest.mark.parametrize(("port", "protocol"), [(8080, "tcp"), (8080, "http"), (9090, "udp")])
def test_dropped_is_proven(see: Any, net: Any, port: int, protocol: str) -> None:
    net.rule("-s", "10.99.1.2", "-j", "DROP")  # everything that the source sends, as a policy on its egress would
    result = see(port, protocol)
    assert (result.outcome, result.history, result.flapping) == (DROPPED, (DROPPED, DROPPED), False)
    assert "client can send, server answers itself" in result.detail


def test_silence_where_nothing_listens_is_not_dropped(see: Any, net: Any) -> None:
    net.rule("-d", SERVER, "-j", "DROP")
    result = see(7)
    assert (result.outcome, result.history) == (UNREACHABLE, (DROPPED, DROPPED))
    assert "nothing listens on 7/tcp in server" in result.detail
    assert "server listens on 127.0.0.1:8081/tcp only" in see(8081).detail


def test_a_server_that_never_answers_is_not_dropped(see: Any) -> None:
    result = see(9091, "udp")
    assert result.outcome is UNREACHABLE
    assert "not even from inside it is there an answer" in result.detail


def _link(net: Any, pod: str, state: str) -> None:
    namespace = getattr(net, pod).namespace
    subprocess.run(["ip", "-n", namespace, "link", "set", "eth0", state], check=True)
    if state == "up":
        gateway = {"client": "10.99.1.1", "server": "10.99.2.1"}[pod]
        subprocess.run(["ip", "-n", namespace, "route", "add", "default", "via", gateway], check=True)


def test_a_source_whose_link_is_down_is_unreachable(see: Any, net: Any) -> None:
    _link(net, "client", "down")
    try:
        result = see(8080)
    finally:
        _link(net, "client", "up")
    assert result.outcome is UNREACHABLE


def test_a_source_whose_cable_is_cut_is_not_dropped(see: Any, net: Any) -> None:
    name = net.client.namespace.removesuffix("-client") + "1"
    cut = ["ip", "-n", net.router, "link", "set", name]
    subprocess.run([*cut, "down"], check=True)
    try:
        result = see(8080)
    finally:
        subprocess.run([*cut, "up"], check=True)
    assert result.outcome is UNREACHABLE
    assert "its link eth0 is down" in result.detail


def test_a_source_whose_gateway_is_gone_is_not_dropped(see: Any, net: Any) -> None:
    namespace = net.client.namespace
    route = ["ip", "-n", namespace, "route", "replace", "default", "via"]
    subprocess.run([*route, "10.99.1.77"], check=True)
    try:
        result = see(8080)
    finally:
        subprocess.run([*route, "10.99.1.1"], check=True)
    assert result.outcome is UNREACHABLE
    assert "its gateway 10.99.1.77 does not answer" in result.detail


def test_a_target_whose_cable_is_cut_is_not_dropped(see: Any, net: Any) -> None:
    net.rule("-d", SERVER, "-j", "DROP")  # else the router would say that nobody is there
    name = net.client.namespace.removesuffix("-client") + "2"
    cut = ["ip", "-n", net.router, "link", "set", name]
    subprocess.run([*cut, "down"], check=True)
    try:
        result = see(8080)
    finally:
        subprocess.run([*cut, "up"], check=True)
    assert result.outcome is UNREACHABLE


def test_a_lost_packet_is_not_believed(see: Any, net: Any) -> None:
    drop = ["-p", "tcp", "--syn", "-m", "limit", "--limit", "1/hour", "--limit-burst", "1", "-j", "DROP"]
    net.rule(*drop)
    result = see(8080)
    assert (result.outcome, result.history, result.flapping) == (OPEN, (DROPPED, OPEN, OPEN), False)
    assert result.detail == "not at once: dropped, open, open"


def test_an_open_elsewhere_is_the_control_of_an_unknown_target(net: Any, prober: Prober) -> None:
    net.rule("-s", "10.99.1.2", "-p", "tcp", "-j", "DROP")
    probes = [Probe(source, SERVER, 8080) for source in (net.client.source, net.server.source)]
    results = observe(prober, probes, timeout=0.4, confirm=0.6)
    assert [result.outcome for result in results] == [DROPPED, OPEN]
    assert "server meets it open" in results[0].detail


# What a network cannot be made to do at will is played by a script.

POD = Source("pod", "client", "node-1", "uid")
NODE = Source("node", "node-1", "node-1")
PROBE = Probe(POD, "10.96.0.7", 80)


class Script:
    """A prober that answers from a list of outcomes for each source, the last one for ever."""

    def __init__(self, **answers: Sequence[Result]) -> None:
        self.answers = {name: list(results) for name, results in answers.items()}
        self.asked: list[Probe] = []

    def run(self, probes: Sequence[Probe]) -> list[Result]:
        self.asked += probes
        return [self._answer(self.answers[probe.source.kind]) for probe in probes]

    def _answer(self, answers: list[Result]) -> Result:
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def networks(self, pairs: Sequence[tuple[Source, str]]) -> list[Network]:
        return [Network(("10.244.1.2",), "10.244.1.2", "") for _ in pairs]

    def listeners(self, sources: Sequence[Source]) -> dict[Source, list[Listener]]:
        return {source: [] for source in sources}

    def node_sources(self) -> list[Source]:
        return [NODE]


def saw(*outcomes: Outcome) -> list[Result]:
    return [Result(outcome, 0.1, PROBE.host) for outcome in outcomes]


def observed(script: Script, **options: Any) -> Result:
    return observe(script, [PROBE], **options)[0]  # type: ignore[arg-type] - a script in a prober's place


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, as they would have been."""
    now, paused = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        paused.append(round(seconds, 3))
        now[0] += seconds

    monkeypatch.setattr("checker.probe.observe.time.monotonic", lambda: now[0])
    monkeypatch.setattr("checker.probe.observe.time.sleep", sleep)
    return paused


@pytest.mark.usefixtures("waits")
def test_a_cell_that_never_agrees_is_flapping() -> None:
    result = observed(Script(pod=saw(*[OPEN, REFUSED] * 3)), everything=True)
    assert (result.flapping, result.outcome) == (True, REFUSED)
    assert result.detail == "flapping: open, refused, open, refused, open, refused"
    assert len(result.history) == ATTEMPTS


@pytest.mark.usefixtures("waits")
def test_an_outcome_that_comes_back_must_be_seen_three_times() -> None:
    returned = observed(Script(pod=saw(DROPPED, OPEN, DROPPED, OPEN), node=saw(OPEN)), expected=[OPEN])
    assert (returned.flapping, len(returned.history)) == (False, 6)
    result = observed(Script(pod=saw(DROPPED, OPEN, DROPPED, OPEN, OPEN, DROPPED), node=saw(OPEN)), expected=[OPEN])
    assert result.flapping


def test_what_is_expected_is_confirmed_once(waits: list[float]) -> None:
    assert observed(Script(pod=saw(OPEN)), expected=[OPEN]).history == (OPEN,)
    assert observed(Script(pod=saw(OPEN)), expected=[None]).history == (OPEN,)
    assert observed(Script(pod=saw(REFUSED)), expected=[REFUSED]).history == (REFUSED, REFUSED)
    assert waits == []


def test_a_surprise_must_hold(waits: list[float]) -> None:
    assert observed(Script(pod=saw(OPEN)), expected=[DROPPED]).history == (OPEN, OPEN, OPEN)
    assert waits == [HOLD_SECONDS]


def test_a_surprise_must_hold_after_the_cluster_has_settled(waits: list[float]) -> None:
    result = observed(Script(pod=saw(OPEN)), expected=[DROPPED], settle=lambda: time.sleep(2) is None)
    assert (waits, result.history) == ([2, HOLD_SECONDS], (OPEN, OPEN, OPEN))


@pytest.mark.usefixtures("waits")
def test_a_surprise_that_goes_away_was_none() -> None:
    result = observed(Script(pod=saw(OPEN, DROPPED), node=saw(OPEN)), expected=[DROPPED])
    assert (result.outcome, result.history, result.flapping) == (DROPPED, (OPEN, DROPPED, DROPPED, DROPPED), False)


def test_an_expected_silence_is_confirmed_from_two_ports_with_patience_of_its_own() -> None:
    script = Script(pod=saw(DROPPED), node=saw(OPEN))
    result = observed(script, timeout=0.5, confirm=3, silence=1.5, expected=[DROPPED])
    assert result.history == (DROPPED, DROPPED, DROPPED)
    assert [probe.timeout for probe in script.asked if probe.source is POD] == [0.5, 1.5, 1.5]
    assert {probe.timeout for probe in script.asked if probe.source is NODE} == {1.5}
    assert "no answer within 1.5 s, confirmed" in result.detail


def test_a_surprising_silence_gets_all_the_patience() -> None:
    script = Script(pod=saw(DROPPED), node=saw(OPEN))
    observed(script, timeout=0.5, confirm=3, silence=1.5, expected=[OPEN])
    assert {probe.timeout for probe in script.asked if probe.source is POD} == {0.5, 3}


def test_where_answers_are_slow_silence_must_last_longer() -> None:
    slow = replace(PROBE, source=NODE)
    script = Script(pod=saw(DROPPED), node=[Result(OPEN, 0.45, PROBE.host)])
    observe(script, [PROBE, slow], silence=1.5, expected=[DROPPED, OPEN])  # type: ignore[arg-type]
    assert [probe.timeout for probe in script.asked if probe.source is POD] == [1.0, 2.25, 2.25]


def test_nothing_counts_that_was_seen_before_the_cluster_had_settled() -> None:
    script = Script(pod=saw(OPEN, REFUSED))
    assert observed(script, expected=[OPEN], settle=lambda: True).outcome is REFUSED
    script = Script(pod=saw(OPEN, REFUSED))
    assert observed(script, expected=[OPEN], settle=lambda: False).outcome is OPEN


def test_while_one_cell_is_waited_for_the_others_are_looked_at_again() -> None:
    other = replace(PROBE, source=NODE)
    script = Script(pod=saw(DROPPED), node=saw(OPEN))
    results = observe(script, [PROBE, other], expected=[DROPPED, OPEN])  # type: ignore[arg-type]
    assert results[1].history == (OPEN, OPEN)


def test_an_http_server_that_did_not_answer_is_asked_again() -> None:
    good, bad = Result(OPEN, 0.1, status=200), Result(OPEN, 0.1, detail="connected, then ECONNRESET")
    probe = replace(PROBE, protocol="http")
    for attempts, status in (([good], 200), ([bad, good, good], 200), ([bad, bad], None)):
        (result,) = observe(Script(pod=attempts), [probe])  # type: ignore[arg-type]
        assert (result.status, len(result.history)) == (status, len(attempts))


def test_later_attempts_have_more_patience() -> None:
    script = Script(pod=saw(REFUSED, REFUSED))
    observed(script, timeout=0.5, confirm=2)
    assert [probe.timeout for probe in script.asked] == [0.5, 2]


def test_the_node_is_the_control_of_an_unknown_target() -> None:
    script = Script(pod=saw(DROPPED, DROPPED), node=saw(OPEN))
    result = observed(script)
    assert (result.outcome, script.asked[-1].source) == (DROPPED, NODE)
    assert "node-1 meets it open" in result.detail


def test_a_node_is_asked_often_since_a_service_chooses_by_chance() -> None:
    script = Script(pod=saw(DROPPED), node=saw(REFUSED, REFUSED, OPEN))
    assert observed(script).outcome is DROPPED
    assert sum(probe.source is NODE for probe in script.asked) == TIMES


@pytest.mark.parametrize("node", [DROPPED, REFUSED, UNREACHABLE])
def test_silence_without_a_control_is_an_error(node: Outcome) -> None:
    with pytest.raises(ProbeError, match="nothing shows that the target could have answered"):
        observed(Script(pod=saw(DROPPED, DROPPED), node=saw(node)))


def no_name(rcode: str, server: str = CLUSTER_DNS) -> Result:
    query = Query("web.", "A", server, "udp", rcode, (), (), 0.1)
    detail = f"no DNS server answered: {server} {rcode}" if rcode == "time-out" else f"web {rcode}"
    return Result(NO_NAME, 0.1, queries=(query,), detail=detail)


def test_a_name_that_does_not_exist_needs_no_control() -> None:
    script = Script(pod=[no_name("NXDOMAIN")] * 2)
    assert observed(script).outcome is NO_NAME
    assert len(script.asked) == 2


def test_a_dns_server_that_is_kept_from_the_pod_is_no_name() -> None:
    script = Script(pod=[no_name("time-out")] * 2, node=saw(OPEN))
    assert observed(script, confirm=3).outcome is NO_NAME
    assert script.asked[1].timeout == 1.5  # it is asked twice
    assert (script.asked[-1].nameserver, script.asked[-1].protocol) == (CLUSTER_DNS, "name")


def test_a_dns_server_that_answers_nobody_is_an_error() -> None:
    with pytest.raises(ProbeError, match="answers nobody"):
        observed(Script(pod=[no_name("time-out")] * 2, node=[no_name("time-out")]))


def test_another_dns_server_that_answers_nobody_is_the_pods_own_affair() -> None:
    assert observed(Script(pod=[no_name("time-out", "10.0.0.9")] * 2)).outcome is NO_NAME


def test_results_keep_the_order_of_the_probes() -> None:
    script = Script(pod=saw(OPEN, REFUSED, OPEN, REFUSED))
    results = observe(script, [PROBE, PROBE, replace(PROBE, port=81)])  # type: ignore[arg-type]
    assert [result.outcome for result in results] == [OPEN, REFUSED, OPEN]
