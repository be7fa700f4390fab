"""Names as a Pod resolves them: the reading of its files, and the queries sent, to a real DNS server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from checker.probe import resolver
from checker.probe.outcome import Probe
from checker.traffic import Outcome

if TYPE_CHECKING:
    from checker.probe.client import Prober
    from checker.probe.outcome import Result

SERVER = "10.99.2.2"
CLUSTER = ("lab.svc.cluster.local", "svc.cluster.local", "cluster.local")


def test_config_is_read_as_the_manual_says() -> None:
    text = """
    # comment
    search first.example
    search lab.example. cluster.local .   ; the last one wins
    nameserver 10.96.0.10
    nameserver not-an-address
    nameserver ::1
    nameserver 10.0.0.2
    nameserver 10.0.0.3
    options ndots:5 timeout:2 attempts:3 edns0
    options use-vc
    nonsense
    """
    assert resolver.read_config(text) == resolver.Config(
        nameservers=("10.96.0.10", "::1", "10.0.0.2"),
        search=("lab.example", "cluster.local"),
        ndots=5,
        timeout=2,
        attempts=3,
        tcp=True,
    )


def test_an_empty_config_has_the_defaults_of_the_library() -> None:
    assert resolver.read_config("") == resolver.Config(("127.0.0.1",), (), 1, 5.0, 2, False)
    assert resolver.read_config("options ndots:99 timeout:0 attempts:x").ndots == 15


def test_hosts_are_read_without_case() -> None:
    assert resolver.read_hosts("10.0.0.1 One one.example # two\n\n10.0.0.2 one\n") == {
        "one": ["10.0.0.1", "10.0.0.2"],
        "one.example": ["10.0.0.1"],
    }


@pytest.mark.parametrize(
    ("name", "ndots", "expected"),
    [
        ("web", 5, ["web.lab.svc.cluster.local", "web.svc.cluster.local", "web.cluster.local", "web"]),
        ("www.example.com", 2, ["www.example.com", *(f"www.example.com.{domain}" for domain in CLUSTER)]),
        ("www.example.com", 3, [*(f"www.example.com.{domain}" for domain in CLUSTER), "www.example.com"]),
        ("www.example.com.", 5, ["www.example.com"]),
    ],
)
def test_ndots_decides_the_order(name: str, ndots: int, expected: list[str]) -> None:
    assert resolver.candidates(name, resolver.Config(search=CLUSTER, ndots=ndots)) == expected


@pytest.mark.parametrize(
    "message",
    [b"", b"\x00" * 11, b"\x00\x01\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01", b"\xff" * 40],
)
def test_torn_messages_are_told(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"DNS|question"):
        resolver.decode(message)


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64, "ü"])
def test_what_is_no_name_is_not_sent(name: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        resolver.encode(1, name, 1)


@pytest.fixture
def look_up(net: Any, prober: Prober) -> Any:
    def look_up(name: str, **fields: Any) -> Result:
        fields = {"timeout": 1.0, **fields}
        return prober.run([Probe(net.client.source, name, protocol="name", **fields)])[0]

    return look_up


@pytest.fixture
def resolv_conf(net: Any) -> Any:
    """Write the client's resolv.conf, and put the old one back."""
    file = Path("/etc/netns", net.client.namespace, "resolv.conf")
    old = file.read_text()
    yield file.write_text
    file.write_text(old)


def test_every_query_is_told(look_up: Any) -> None:
    result = look_up("www.example.com")
    assert (result.outcome, result.address) == (Outcome.OPEN, SERVER)
    assert [(query.name, query.rcode) for query in result.queries] == [
        *((f"www.example.com.{domain}", "NXDOMAIN") for domain in CLUSTER),
        ("www.example.com", "NOERROR"),
    ]
    assert {(query.type, query.server, query.protocol) for query in result.queries} == {("A", SERVER, "udp")}
    assert result.queries[-1].addresses == (SERVER,)
    assert 0 < sum(query.seconds for query in result.queries) <= result.seconds + 1e-5


def test_a_final_dot_costs_one_query(look_up: Any) -> None:
    assert len(look_up("www.example.com.").queries) == 1


def test_all_addresses_are_told(look_up: Any) -> None:
    assert look_up("two").detail == f"{SERVER} 10.99.2.3"


def test_a_name_that_does_not_exist_has_no_name(look_up: Any) -> None:
    result = look_up("nobody")
    assert (result.outcome, len(result.queries), result.dns_silent) == (Outcome.NO_NAME, 4, False)
    assert "NXDOMAIN" in result.detail


def test_a_name_without_an_address_has_no_name(look_up: Any) -> None:
    assert "has no address" in look_up("six.example.com.").detail
    assert look_up("six.example.com.", types=("A", "AAAA")).address == "2001:db8::7"


def test_aliases_are_followed_and_told(look_up: Any) -> None:
    result = look_up("alias.example.com.")
    assert (result.address, result.queries[0].aliases) == (SERVER, ("www.example.com",))


def test_a_truncated_answer_is_asked_for_again_by_tcp(look_up: Any) -> None:
    result = look_up("big.example.com.")
    assert [query.protocol for query in result.queries] == ["udp", "tcp"]
    assert len(result.queries[1].addresses) == 59


def test_an_answer_to_another_question_is_passed_over(look_up: Any) -> None:
    assert look_up("lies.example.com.").outcome is Outcome.OPEN


def test_rubbish_is_no_answer(look_up: Any) -> None:
    result = look_up("rubbish.example.com.")
    assert {query.rcode for query in result.queries} == {"not a DNS answer"}
    assert result.dns_silent


def test_a_failing_server_is_told_from_a_silent_one(look_up: Any) -> None:
    failing = look_up("broken.example.com.")
    assert (failing.outcome, failing.dns_silent) == (Outcome.NO_NAME, False)
    assert "SERVFAIL" in failing.detail
    silent = look_up("silent.example.com.", timeout=0.3)
    assert (silent.outcome, silent.dns_silent, len(silent.queries)) == (Outcome.NO_NAME, True, 2)
    assert "time-out" in silent.detail


def test_a_dropped_query_is_a_time_out(look_up: Any, net: Any) -> None:
    net.rule("-p", "udp", "--dport", "53", "-j", "DROP")
    result = look_up("web", timeout=0.3)
    assert result.dns_silent
    assert [query.rcode for query in result.queries] == ["time-out"] * 2


def test_tcp_alone_where_resolv_conf_says_so(look_up: Any, net: Any, resolv_conf: Any) -> None:
    net.rule("-p", "udp", "--dport", "53", "-j", "DROP")
    resolv_conf(f"nameserver {SERVER}\noptions use-vc\n")
    result = look_up("www.example.com")
    assert [query.protocol for query in result.queries] == ["tcp"]


def test_the_next_server_is_asked(look_up: Any, resolv_conf: Any) -> None:
    resolv_conf(f"nameserver 10.99.1.1\nnameserver 203.0.113.1\nnameserver {SERVER}\n")
    result = look_up("www.example.com")
    assert [query.rcode for query in result.queries] == ["port refused", "unreachable", "NOERROR"]


def test_another_server_can_be_asked(look_up: Any, resolv_conf: Any) -> None:
    resolv_conf("nameserver 203.0.113.1\n")
    assert look_up("pinned.", nameserver=SERVER).outcome is Outcome.NO_NAME  # its hosts file is passed over
    assert look_up("www.example.com.", nameserver=SERVER).outcome is Outcome.OPEN


def test_nonsense_has_no_name(look_up: Any) -> None:
    assert look_up("a..b.").outcome is Outcome.NO_NAME
