"""The real agent, from real network namespaces, against real servers behind a real packet filter."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from checker.cluster import agents
from checker.errors import ProbeError
from checker.probe import AGENT_FILES, client
from checker.probe.outcome import Listener, Probe, Source
from checker.traffic import Outcome

if TYPE_CHECKING:
    from checker.probe.client import Prober
    from checker.probe.outcome import Result

SERVER = "10.99.2.2"
Ask = Any


@pytest.fixture
def ask(net: Any, prober: Prober) -> Ask:
    def ask(host: str, port: int = 0, protocol: Any = "tcp", **fields: Any) -> Result:
        return prober.run([Probe(fields.pop("source", net.client.source), host, port, protocol, **fields)])[0]

    return ask


def test_tcp_is_open_where_somebody_listens(ask: Ask) -> None:
    result = ask(SERVER, 8080)
    assert (result.outcome, result.address) == (Outcome.OPEN, SERVER)
    assert 0 < result.seconds < 0.5


def test_tcp_is_refused_where_nobody_listens(ask: Ask) -> None:
    result = ask(SERVER, 7)
    assert result.outcome is Outcome.REFUSED
    assert "ECONNREFUSED" in result.detail


def test_a_server_on_localhost_refuses_others_and_answers_itself(ask: Ask, net: Any) -> None:
    assert ask(SERVER, 8081).outcome is Outcome.REFUSED
    assert ask("127.0.0.1", 8081, source=net.server.source).outcome is Outcome.OPEN


@pytest.mark.parametrize(("protocol", "port"), [("tcp", 8080), ("udp", 9090), ("http", 8080)])
def test_silence_is_dropped_after_the_timeout(ask: Ask, net: Any, protocol: str, port: int) -> None:
    net.rule("-d", SERVER, "-j", "DROP")
    result = ask(SERVER, port, protocol, timeout=0.4)
    assert result.outcome is Outcome.DROPPED
    assert 0.38 < result.seconds < 2


@pytest.mark.parametrize(
    ("reject", "outcome"),
    [
        ("icmp-port-unreachable", Outcome.REFUSED),
        ("icmp-host-unreachable", Outcome.UNREACHABLE),
        ("icmp-net-unreachable", Outcome.UNREACHABLE),
        ("icmp-admin-prohibited", Outcome.UNREACHABLE),
    ],
)
@pytest.mark.parametrize("port", [8080, 9090])
def test_icmp_is_told_apart(ask: Ask, net: Any, reject: str, outcome: Outcome, port: int) -> None:
    net.rule("-d", SERVER, "-j", "REJECT", "--reject-with", reject)
    assert ask(SERVER, port, "tcp" if port == 8080 else "udp").outcome is outcome


def test_a_reset_by_a_filter_is_refused(ask: Ask, net: Any) -> None:
    net.rule("-d", SERVER, "-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset")
    assert ask(SERVER, 8080).outcome is Outcome.REFUSED


def test_no_route_is_unreachable(ask: Ask) -> None:
    assert ask("203.0.113.1", 80).outcome is Outcome.UNREACHABLE


def test_udp_is_open_when_answered(ask: Ask) -> None:
    result = ask(SERVER, 9090, "udp")
    assert (result.outcome, result.body) == (Outcome.OPEN, "server-1")
    assert (result.answered_by, result.client_address) == ("server-1", "10.99.1.2")


def test_udp_echoes_another_payload_unasked(ask: Ask) -> None:
    result = ask(SERVER, 9090, "udp", payload="echo")
    assert (result.body, result.answered_by) == ("echo", None)


def test_udp_is_refused_by_icmp(ask: Ask) -> None:
    assert ask(SERVER, 9099, "udp").outcome is Outcome.REFUSED


def test_http_tells_who_answered_and_whom_it_saw(ask: Ask) -> None:
    for path, body in (("/hostname", "server-1"), ("/clientip", "10.99.1.2:")):
        result = ask(SERVER, 8080, "http", path=path)
        assert (result.outcome, result.status) == (Outcome.OPEN, 200)
        assert result.body.startswith(body)
        assert (result.answered_by, result.client_address) == ("server-1", "10.99.1.2")
        assert ("Content-Length", str(len(result.body))) in result.headers


def test_http_sends_path_method_and_headers(ask: Ask) -> None:
    assert ask(SERVER, 8080, "http", path="/nowhere").status == 404
    assert ask(SERVER, 8080, "http", path="/host").body == f"{SERVER}:8080"
    assert ask(SERVER, 8080, "http", path="/host", headers=(("host", "shop.example"),)).body == "shop.example"
    head = ask(SERVER, 8080, "http", path="/host", method="HEAD")
    assert (head.status, head.body) == (200, "")


def test_http_body_has_a_limit(ask: Ask) -> None:
    result = ask(SERVER, 8080, "http", path="/long")
    assert (len(result.body), result.status) == (65536, 200)
    assert "cut" in result.detail


def test_http_reads_chunks_and_bodies_without_a_length(ask: Ask) -> None:
    assert ask(SERVER, 8085, "http").body == "hello there"
    assert ask(SERVER, 8086, "http").body == "until the end"


@pytest.mark.parametrize(
    ("port", "words"),
    [
        (8082, "no whole answer in time"),
        (8083, "ECONNRESET"),
        (8084, "does not speak HTTP"),
        (8087, "chunk"),
    ],
)
def test_http_that_opens_and_fails_is_open_without_a_status(ask: Ask, port: int, words: str) -> None:
    result = ask(SERVER, port, "http", path="/", timeout=0.4)
    assert (result.outcome, result.status) == (Outcome.OPEN, None)
    assert words in result.detail


def test_names_are_resolved_by_the_pods_own_files(ask: Ask) -> None:
    result = ask("web", 8080, "http")
    assert (result.outcome, result.address, result.answered_by) == (Outcome.OPEN, SERVER, "server-1")
    assert [(query.name, query.rcode) for query in result.queries] == [("web.lab.svc.cluster.local", "NOERROR")]
    assert ask("pinned", 8080).outcome is Outcome.OPEN
    assert ask("pinned.example", 0, "name").queries == ()


def test_listeners_are_read_in_the_namespace(net: Any, prober: Prober) -> None:
    found = prober.listeners([net.server.source, net.client.source])
    assert Listener("0.0.0.0", 8080, "tcp") in found[net.server.source]
    assert Listener("127.0.0.1", 8081, "tcp") in found[net.server.source]
    assert Listener("0.0.0.0", 9090, "udp") in found[net.server.source]
    assert found[net.client.source] == []


def test_network_is_told_without_a_packet(net: Any, prober: Prober) -> None:
    net.rule("-j", "DROP")
    (network,) = prober.networks([(net.client.source, SERVER)])
    assert (network.addresses, network.source, network.problem) == (("10.99.1.2",), "10.99.1.2", "")


def test_the_outside_is_the_agents_own_namespace(prober: Prober) -> None:
    (result,) = prober.run([Probe(Source("outside", "outside"), "127.0.0.1", 1)])
    assert result.outcome is Outcome.REFUSED


def test_a_pod_that_is_not_here_is_an_error(prober: Prober) -> None:
    with pytest.raises(ProbeError, match="no process of the Pod"):
        prober.run([Probe(Source("pod", "gone", "node-1", "0000-none"), SERVER, 80)])


def test_a_pod_is_found_again_after_its_process_was_replaced(ask: Ask, net: Any) -> None:
    assert ask(SERVER, 8080).outcome is Outcome.OPEN
    net.client.stop()
    with pytest.raises(ProbeError, match="no process of the Pod"):
        ask(SERVER, 8080)
    net.start_client()
    assert ask(SERVER, 8080).outcome is Outcome.OPEN


def test_new_connections_are_paced_and_in_flight_together(net: Any, prober: Prober) -> None:
    net.rule("-p", "tcp", "--dport", "8080", "-j", "DROP")
    probes = [Probe(net.client.source, SERVER, port, timeout=0.5) for port in [8080, 8082] * 40]
    prober.run(probes[:1])  # the agent has started
    started = time.monotonic()
    results = prober.run(probes)
    took = time.monotonic() - started
    assert [result.outcome for result in results] == [Outcome.DROPPED, Outcome.OPEN] * 40
    assert 0.5 + 79 * 0.0015 <= took < 4


class RawAgent:
    """The agent, spoken to line by line."""

    def __init__(self, agent: str, *options: str) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-u", *options, agent]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        assert self.process.stdin
        assert self.process.stdout
        self.input, self.output = self.process.stdin, self.process.stdout

    def say(self, line: str) -> dict[str, Any]:
        self.input.write(line + "\n")
        self.input.flush()
        record: dict[str, Any] = json.loads(self.output.readline())
        return record

    def finish(self) -> tuple[str, str]:
        return self.process.communicate(timeout=5)


@pytest.fixture
def raw(agent_file: Path) -> Any:
    agent = RawAgent(str(agent_file))
    yield agent
    agent.process.kill()
    agent.process.communicate()


def test_agent_says_hello_and_ends_with_its_input(raw: RawAgent) -> None:
    hello = json.loads(raw.output.readline())
    assert hello["hello"] == 1
    assert hello["python"] == sys.version.split()[0]
    assert raw.finish() == ("", "")
    assert raw.process.returncode == 0


@pytest.mark.parametrize(
    ("line", "nonce"),
    [
        ("", None),
        ("{", None),
        ("[]", None),
        ('{"nonce":"n"}', "n"),
        ('{"nonce":"n","op":"dance"}', "n"),
        ('{"nonce":"n","op":"probe"}', "n"),
        ('{"nonce":"n","op":"probe","items":[{}]}', "n"),
    ],
)
def test_what_the_agent_does_not_know_is_an_error_line(raw: RawAgent, line: str, nonce: str | None) -> None:
    raw.output.readline()
    record = raw.say(line)
    assert record["nonce"] == nonce
    assert "unknown request" in record["error"]
    assert raw.say('{"nonce":"p","op":"ping"}') == {"nonce": "p", "done": 0}


def test_the_agent_needs_nothing_but_its_own_files(tmp_path: Path) -> None:
    for name in AGENT_FILES:
        shutil.copy(Path(client.__file__).with_name(name), tmp_path)
    raw = RawAgent(str(tmp_path / "agent.py"), "-E", "-S")  # neither site-packages nor the environment
    assert json.loads(raw.output.readline())["hello"] == 1
    item = {"id": 0, "place": {}, "host": "127.0.0.1", "port": 1, "protocol": "tcp", "timeout": 1, "types": ["A"]}
    assert raw.say(json.dumps({"nonce": "n", "op": "probe", "items": [item]}))["outcome"] == "refused"
    raw.finish()


def test_the_files_named_are_the_files_deployed() -> None:
    assert sorted(AGENT_FILES) == sorted(agents.files())
