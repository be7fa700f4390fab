"""The host's side: what an agent may do wrong, each an error and none an outcome."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from checker.errors import ProbeError
from checker.probe import session
from checker.probe.channel import Channel, ChannelError, ProcessChannel
from checker.probe.client import Prober
from checker.probe.outcome import Probe, Source
from checker.traffic import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OUTSIDE = Source("outside", "outside")
HELLO = """
import json, sys, time, os
def say(**record): print(json.dumps(record), flush=True)
def ask(): return json.loads(sys.stdin.readline())
GOOD = dict(outcome="open", seconds=0.1, address="10.0.0.1", queries=[], detail="")
say(hello=1, python="3", node="n")
"""


@pytest.fixture
def probe_with(request: pytest.FixtureRequest) -> Any:
    """Run one probe, or some, with an agent whose program is given."""

    def probe_with(program: str, count: int = 1, hello: str = HELLO) -> Any:
        def opener() -> Channel:
            return ProcessChannel([sys.executable, "-c", hello + program])

        prober = Prober("none", None, {"": opener})  # type: ignore[arg-type] - no cluster, no API
        request.addfinalizer(prober.close)
        return prober.run([Probe(OUTSIDE, "10.0.0.1", 80)] * count)

    return probe_with


def test_a_good_answer_is_an_outcome(probe_with: Any) -> None:
    (result,) = probe_with("n = ask()['nonce']; say(nonce=n, id=0, **GOOD); say(nonce=n, done=1); sys.stdin.read()")
    assert (result.outcome, result.history) == (Outcome.OPEN, (Outcome.OPEN,))


def test_answers_come_back_in_the_order_of_the_probes(probe_with: Any) -> None:
    program = """
n = ask()['nonce']
for id in (2, 0, 1): say(nonce=n, id=id, **{**GOOD, 'detail': str(id)})
say(nonce=n, done=3); sys.stdin.read()
"""
    assert [result.detail for result in probe_with(program, 3)] == ["0", "1", "2"]


def test_characters_and_lines_may_arrive_in_pieces(probe_with: Any) -> None:
    program = """
n = ask()['nonce']
data = (json.dumps(dict(nonce=n, id=0, **{**GOOD, 'detail': 'grüße'}), ensure_ascii=False) + '\\n').encode()
for at in range(len(data)): os.write(1, data[at:at + 1])
say(nonce=n, done=1); sys.stdin.read()
"""
    assert probe_with(program)[0].detail == "grüße"


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("", "ended before its time"),
        ("raise SystemExit(0)", "ended before its time"),
        ("ask(); raise SystemExit('out of cheese')", "out of cheese"),
        ("n = ask()['nonce']; say(nonce=n, done=1); sys.stdin.read()", "left 1 of 1 probes unanswered"),
        ("n = ask()['nonce']; print(json.dumps(dict(nonce=n, id=0, **GOOD))[:40], end='')", "in the middle of a line"),
        ("n = ask()['nonce']; print(json.dumps(dict(nonce=n, id=0, **GOOD))[:40]); sys.stdin.read()", "no answer"),
        ("print('Traceback'); sys.stdin.read()", "no answer"),
        ("print(7); sys.stdin.read()", "no answer"),
        ("ask(); say(nonce='foreign', id=0, **GOOD); sys.stdin.read()", "nobody asked for"),
        ("ask(); say(id=0, **GOOD); sys.stdin.read()", "nobody asked for"),
        ("n = ask()['nonce']; say(nonce=n, id=1, **GOOD); sys.stdin.read()", "not asked"),
        ("n = ask()['nonce']; say(nonce=n, id=None, **GOOD); sys.stdin.read()", "not asked"),
        ("n = ask()['nonce']; [say(nonce=n, id=0, **GOOD) for _ in '12']; sys.stdin.read()", "not asked"),
        ("n = ask()['nonce']; say(nonce=n, id=0, error='no such Pod'); sys.stdin.read()", "no such Pod"),
        ("n = ask()['nonce']; say(nonce=n, id=0, outcome='open'); say(nonce=n, done=1); sys.stdin.read()", "no answer"),
        (
            "n = ask()['nonce']; GOOD['outcome'] = 'fine'; say(nonce=n, id=0, **GOOD); say(nonce=n, done=1); ask()",
            "fine",
        ),
    ],
)
def test_a_wrong_answer_is_an_error(probe_with: Any, program: str, words: str) -> None:
    with pytest.raises(ProbeError, match=words) as raised:
        probe_with(program)
    assert "outside the cluster" in raised.value.message
    assert raised.value.mend == "make up"


def test_an_agent_of_another_version_is_an_error(probe_with: Any) -> None:
    with pytest.raises(ProbeError, match="expected its hello"):
        probe_with("sys.stdin.read()", hello=HELLO.replace("hello=1", "hello=99"))


def test_a_command_that_is_not_there_is_an_error() -> None:
    def opener() -> Channel:
        return ProcessChannel(["no-such-program"])

    with Prober("none", None, {"": opener}) as prober, pytest.raises(ProbeError, match="could not be started"):  # type: ignore[arg-type]
        prober.run([Probe(OUTSIDE, "10.0.0.1", 80)])


def test_an_agent_that_says_nothing_is_given_up(probe_with: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PING_SECONDS", 0.1)
    monkeypatch.setattr(session, "QUIET_SECONDS", 0.4)
    started = time.monotonic()
    with pytest.raises(ProbeError, match="has said nothing"):
        probe_with("time.sleep(60)")
    assert time.monotonic() - started < 2


def test_an_agent_that_never_answers_but_lives_is_given_up(probe_with: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PING_SECONDS", 0.1)
    monkeypatch.setattr("checker.probe.client.SETUP_SECONDS", -1.5)
    with pytest.raises(ProbeError, match="did not answer in time"):
        probe_with("ask()\nwhile True: ask(); say(nonce='ping', done=0)")


def test_an_agent_that_does_not_start_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "OPEN_SECONDS", 0.2)
    release = threading.Event()

    def opener() -> Channel:
        release.wait()
        raise ChannelError("too late")

    prober = Prober("none", None, {"": opener})  # type: ignore[arg-type] - no cluster, no API
    with pytest.raises(ProbeError, match="did not start"):
        prober.run([Probe(OUTSIDE, "10.0.0.1", 80)])
    release.set()


@pytest.fixture
def channels() -> list[ProcessChannel]:
    return []


@pytest.fixture
def real(agent_file: Path, channels: list[ProcessChannel]) -> Iterator[Prober]:
    """A prober with the real agent, and the channels that it has opened."""

    def opener() -> Channel:
        channels.append(ProcessChannel([sys.executable, "-u", str(agent_file)]))
        return channels[-1]

    with Prober("none", None, {"": opener}) as prober:  # type: ignore[arg-type] - no cluster, no API
        yield prober


def test_an_agent_killed_in_mid_probe_is_an_error(real: Prober, channels: list[ProcessChannel]) -> None:
    probe = Probe(OUTSIDE, "127.0.0.1", 1)
    real.run([probe])
    timer = threading.Timer(0.2, os.kill, (channels[0]._process.pid, signal.SIGKILL))
    timer.start()
    with pytest.raises(ProbeError, match="ended before its time"):
        real.run([probe] * 2000)  # paced: takes 4 s
    assert real.run([probe])[0].outcome is Outcome.REFUSED  # the next run starts another
    assert len(channels) == 2


def test_an_agent_stopped_in_mid_probe_is_an_error(
    real: Prober, channels: list[ProcessChannel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PING_SECONDS", 0.1)
    monkeypatch.setattr(session, "QUIET_SECONDS", 0.5)
    real.run([Probe(OUTSIDE, "127.0.0.1", 1)])
    process = channels[0]._process
    os.kill(process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(ProbeError, match="has said nothing"):
            real.run([Probe(OUTSIDE, "127.0.0.1", 1)] * 2000)  # more than its pipe takes, too
    finally:
        os.kill(process.pid, signal.SIGCONT)


def test_requests_from_several_threads_do_not_mix(real: Prober) -> None:
    ports = list(range(1, 9))
    found: dict[int, str] = {}

    def work(port: int) -> None:
        results = real.run([Probe(OUTSIDE, f"127.0.0.{port}", port)] * 20)
        found[port] = {result.address for result in results}.pop()

    threads = [threading.Thread(target=work, args=(port,)) for port in ports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {port: f"127.0.0.{port}" for port in ports}


def test_closing_ends_the_agent(real: Prober, channels: list[ProcessChannel]) -> None:
    real.run([Probe(OUTSIDE, "127.0.0.1", 1)])
    real.close()
    assert channels[0]._process.returncode == 0


def test_nothing_to_ask_starts_nothing(real: Prober, channels: list[ProcessChannel]) -> None:
    assert real.run([]) == []
    assert real.listeners([]) == {}
    assert channels == []


def test_a_probe_becomes_json() -> None:
    probe = Probe(Source("pod", "lab/web", "node-1", "uid-1"), "web", 80, "http", headers=(("Host", "x"),))
    item = json.loads(json.dumps(probe.item()))
    assert (item["place"], item["headers"], item["types"]) == ({"pod": "uid-1"}, [["Host", "x"]], ["A"])
    assert str(probe) == "lab/web -> web:80/http"
