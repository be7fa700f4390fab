"""What is probed, and what a probe saw; with the form of each on the wire to the agent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from checker.traffic import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

Protocol = Literal["tcp", "udp", "http", "name"]


@dataclass(frozen=True)
class Source:
    """A network namespace that probes start from.

    Args:
        kind: a Pod, a node, or the outside.
        name: for people, for example `lab-03/client-abc`.
        node: the node that it is on; empty for the outside.
        pod_uid: of the Pod, by which the agent finds its namespace.
    """

    kind: Literal["pod", "node", "outside"]
    name: str
    node: str = ""
    pod_uid: str = ""

    @property
    def place(self) -> dict[str, Any]:
        """Return how the agent is told of the namespace."""
        if self.kind == "pod":
            return {"pod": self.pod_uid}
        return {"node": True} if self.kind == "node" else {}

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Probe:
    """One attempted connection or look-up.

    Args:
        source: where it starts.
        host: an IPv4 address, or a name that is resolved as the source would; of several addresses the first is tried.
        port: 1 to 65535; unused by `name`.
        protocol: `tcp` connects, `udp` sends the payload and expects an answer, `http` sends a request, `name` only
            resolves.
        path: of the HTTP request. For `/hostname` and `/clientip`, agnhost's two questions, the other one is asked
            over the same connection as well, so that both `answered_by` and `client_address` are known.
        headers: of the HTTP request, as pairs; a Host header replaces the one made from `host` and `port`.
        timeout: seconds for the transport, and the most that one DNS query may take.
        payload: what UDP sends; `hostname` and `clientip` are asked as a pair, like the paths.
        target: the Pod, node or outside that should answer, for the control of `dropped`. May stand behind a Service.
        target_port: the port on which it listens, where a Service translates it; 0 means `port`.
        types: DNS record types to ask for, `A` and `AAAA`.
        nameserver: an address to ask instead of the source's own DNS servers; its hosts file is then passed over.
    """

    source: Source
    host: str
    port: int = 0
    protocol: Protocol = "tcp"
    path: str = "/hostname"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    timeout: float = 1.0
    payload: str = "hostname"
    target: Source | None = None
    target_port: int = 0
    types: tuple[str, ...] = ("A",)
    nameserver: str = ""

    def item(self) -> dict[str, Any]:
        """Return the probe as the agent reads it."""
        names = ("host", "port", "protocol", "path", "method", "headers", "timeout", "payload", "types", "nameserver")
        return {"place": self.source.place, **{name: getattr(self, name) for name in names}}

    def __str__(self) -> str:
        port = "" if self.protocol == "name" else f":{self.port}/{self.protocol}"
        return f"{self.source} -> {self.host}{port}"


@dataclass(frozen=True)
class Query:
    """One DNS query as it was sent, and what came back.

    `rcode` is that of the answer (`NOERROR`, `NXDOMAIN`, `SERVFAIL` …), or `time-out`, `port refused`, `unreachable`,
    `not a DNS answer`. `aliases` are the targets of CNAME records, in their order.
    """

    name: str
    type: str
    server: str
    protocol: Literal["udp", "tcp"]
    rcode: str
    addresses: tuple[str, ...]
    aliases: tuple[str, ...]
    seconds: float

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Query:
        """Read what the agent wrote."""
        fields = {**record, "addresses": tuple(record["addresses"]), "aliases": tuple(record["aliases"])}
        return cls(**fields)


@dataclass(frozen=True)
class Result:
    """What a probe saw.

    Args:
        outcome: of the transport; an HTTP server that accepts and then fails to answer is `open` without a status.
        seconds: the transport took, or all queries of a `name` probe.
        address: that was tried; empty without one.
        answered_by: the name that the server gave itself, None if it was not asked or did not say.
        client_address: the source address that the server saw, likewise.
        status: of the HTTP response, None without one.
        body: of the answer, at most 64 KiB.
        queries: all DNS queries, in their order.
        detail: what else there is to say, for people.
        headers: of the HTTP response.
        history: the outcome of each attempt, oldest first, where more than one was made.
        flapping: no two attempts in a row agreed, so that `outcome` is only the last one.
    """

    outcome: Outcome
    seconds: float
    address: str = ""
    answered_by: str | None = None
    client_address: str | None = None
    status: int | None = None
    body: str = ""
    queries: tuple[Query, ...] = ()
    detail: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    history: tuple[Outcome, ...] = field(default=())
    flapping: bool = False

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Result:
        """Read what the agent wrote.

        Raises:
            KeyError, TypeError, ValueError: that is no result.
        """
        outcome = Outcome(record["outcome"])
        return cls(
            outcome=outcome,
            seconds=float(record["seconds"]),
            address=record["address"],
            answered_by=record.get("answered_by"),
            client_address=record.get("client_address"),
            status=record.get("status"),
            body=record.get("body", ""),
            queries=tuple(Query.read(query) for query in record["queries"]),
            detail=record["detail"],
            headers=tuple((name, value) for name, value in record.get("headers", ())),
            history=(outcome,),
        )

    @property
    def dns_silent(self) -> bool:
        """Tell whether the name could not be resolved because no DNS server answered."""
        return self.outcome is Outcome.NO_NAME and self.detail.startswith("no DNS server answered")


@dataclass(frozen=True)
class Listener:
    """A listening TCP or bound UDP socket."""

    address: str
    port: int
    protocol: Literal["tcp", "udp"]

    def serves(self, address: str) -> bool:
        """Tell whether packets to an address of its namespace reach it; `::` takes IPv4 as well."""
        return self.address.removeprefix("::ffff:") in ("0.0.0.0", "::", address)

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}/{self.protocol}"


@dataclass(frozen=True)
class Network:
    """What keeps a namespace from sending to an address, found without a packet.

    Args:
        addresses: its own, without the loopback.
        source: the one that packets to the address would carry; empty without a route.
        problem: one clause such as `its link eth0 is down`; empty if all is well.
    """

    addresses: tuple[str, ...]
    source: str
    problem: str
