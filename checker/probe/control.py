"""The controls without which silence proves nothing, and the reasons behind a refusal.

`dropped` says that something on the way ate the packets. So the source must be able to send and the target to answer:

- The source: an address, a route to the target, a link that is up with carrier, and a next hop that answers on that
  link (its neighbour entry). All of this is read inside the source's own network namespace. A control packet would not
  do: a policy that denies all egress eats it like any other, while no policy reaches ARP or the routing table. Nor
  would a connection to the source's own address: it never leaves the loopback.
- The target, where it is known: the same question asked from inside its own network namespace to its own address is
  answered (so that something listens there, bound to the right address, and a UDP server is one that replies), and
  its own network is whole. No policy stands between a Pod and itself.
- The target, where it is not known (a Service's address): somebody else met it `open` in the same round, or a node
  does. Policies let a node reach its own Pods, so the node of a Pod behind the Service can always tell. The nodes are
  asked while the silence is being confirmed, each a few times, since a Service chooses among its Pods by chance.

Silence from a target that could not have answered is `unreachable`, never `dropped`. Silence that none of this explains
raises `ProbeError`. Silence of the cluster's DNS server is controlled by a query from the node.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from checker.errors import ProbeError
from checker.probe.outcome import Probe
from checker.traffic import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from checker.probe.client import Prober
    from checker.probe.outcome import Listener, Network, Result, Source

CLUSTER_DNS = "10.96.0.10"
"""kubeadm's choice, the tenth address of the Service range. Another server that is silent is the Pod's own affair."""

TIMES = 4
"""How often each node is asked for a target that is not known."""

Findings = dict[int, "Result"]
Witnessed = list[tuple[Probe, "Result"]]


def witnesses(prober: Prober, seen: Sequence[tuple[Probe, Result]], seconds: float) -> list[Probe]:
    """Return what to ask of the nodes about silent targets that are not known and that nobody else meets open."""
    met = {_spot(*each) for each in seen if _open(each[1])}
    lonely = [each for each in seen if _silent(each[1]) and not each[0].target and _spot(*each) not in met]
    nodes = prober.node_sources() if lonely else []
    asked = dict.fromkeys(_from(node, *each, seconds) for each in lonely for node in nodes)
    return [probe for probe in asked for _ in range(TIMES)]


def explain(
    prober: Prober, probes: Sequence[Probe], results: Sequence[Result], witnessed: Sequence[tuple[Probe, Result]] = ()
) -> list[Result]:
    """Return the results with every silence proven or explained, and every refusal with its reason.

    Args:
        prober: asks for what is not known yet.
        probes: of the last attempts.
        results: of them.
        witnessed: what came of asking `witnesses` meanwhile.

    Raises:
        ProbeError: a silence could not be explained.
    """
    found: Findings = {}
    found.update(_refusals(prober, probes, results))
    silent = [number for number, result in enumerate(results) if _silent(result)]
    found.update(_silences(prober, probes, results, silent, witnessed))
    _require_dns(prober, probes, results)
    return [found.get(number, result) for number, result in enumerate(results)]


def _refusals(prober: Prober, probes: Sequence[Probe], results: Sequence[Result]) -> Findings:
    """Say what listens, where a connection to a known target was refused."""
    refused = {
        number: target
        for number, result in enumerate(results)
        if result.outcome is Outcome.REFUSED and (target := probes[number].target)
    }
    listening = prober.listeners(list(dict.fromkeys(refused.values()))) if refused else {}
    return {
        number: _with(results[number], what_listens(probes[number], target, listening[target], results[number].address))
        for number, target in refused.items()
    }


def what_listens(probe: Probe, target: Source, listeners: Iterable[Listener], address: str) -> str:
    """Say in one clause whether something listens where a probe went."""
    port, protocol = probe.target_port or probe.port, _transport(probe)
    on_port = [each for each in listeners if (each.port, each.protocol) == (port, protocol)]
    if not on_port:
        return f"nothing listens on {port}/{protocol} in {target}"
    if probe.target_port == 0 and not any(each.serves(address) for each in on_port):
        return f"{target} listens on {', '.join(map(str, on_port))} only"
    return f"{target} does listen on {port}/{protocol}"


def _silences(
    prober: Prober,
    probes: Sequence[Probe],
    results: Sequence[Result],
    silent: Sequence[int],
    witnessed: Sequence[tuple[Probe, Result]],
) -> Findings:
    pairs = [(probes[number].source, results[number].address) for number in silent]
    networks = dict(zip(silent, prober.networks(pairs) if pairs else [], strict=True))
    cut_off = {number for number, network in networks.items() if network.problem}
    found = {
        number: _unreachable(results[number], f"{probes[number].source} cannot send: {networks[number].problem}")
        for number in cut_off
    }
    known = [number for number in silent if number not in cut_off and probes[number].target]
    unknown = [number for number in silent if number not in cut_off and not probes[number].target]
    found.update(_known_targets(prober, probes, results, {number: networks[number] for number in known}))
    found.update(_unknown_targets(prober, probes, results, unknown, witnessed))
    return found


def _known_targets(
    prober: Prober, probes: Sequence[Probe], results: Sequence[Result], networks: Mapping[int, Network]
) -> Findings:
    """Ask each silent target from inside its own namespace."""
    if not networks:
        return {}
    targets = {number: target for number in networks if (target := probes[number].target)}
    back = prober.networks([(target, networks[number].source) for number, target in targets.items()])
    homes = dict(zip(targets, back, strict=True))
    found = {
        number: _unreachable(results[number], f"{targets[number]} cannot answer: {home.problem}")
        for number, home in homes.items()
        if home.problem
    }
    whole = [number for number in targets if number not in found]
    own = {number: _own_probe(probes[number], targets[number], homes[number], results[number]) for number in whole}
    distinct = list(dict.fromkeys(own.values()))
    answers = dict(zip(distinct, prober.run(distinct) if distinct else [], strict=True))
    mute = [number for number in whole if answers[own[number]].outcome is not Outcome.OPEN]
    listening = prober.listeners(list({targets[number] for number in mute})) if mute else {}
    for number in whole:
        target, result = targets[number], results[number]
        if number in mute:
            why = what_listens(own[number], target, listening[target], own[number].host)
            found[number] = _unreachable(result, f"{why}, and not even from inside it is there an answer")
        else:
            found[number] = _proven(probes[number], result, f"{target} answers itself")
    return found


def _own_probe(probe: Probe, target: Source, home: Network, result: Result) -> Probe:
    """Return the question of a probe as the target can put it to itself."""
    address = result.address if result.address in home.addresses else home.source
    port = probe.target_port or probe.port
    return Probe(target, address, port, _transport(probe), payload=probe.payload, timeout=probe.timeout)


def _unknown_targets(
    prober: Prober,
    probes: Sequence[Probe],
    results: Sequence[Result],
    silent: Sequence[int],
    witnessed: Sequence[tuple[Probe, Result]],
) -> Findings:
    """Look for somebody who meets the same address `open`; ask from the nodes where there is nobody."""
    seen = [*zip(probes, results, strict=True), *witnessed]
    asked = witnesses(prober, [each for each in seen if _open(each[1])] + [(probes[n], results[n]) for n in silent], 0)
    seen += zip(asked, prober.run(asked) if asked else [], strict=True)
    met = {_spot(probe, result): probe.source for probe, result in reversed(seen) if _open(result)}
    for number in silent:
        if _spot(probes[number], results[number]) not in met:
            raise ProbeError(
                f"No answer came to {probes[number]}, and nothing shows that the target could have answered: "
                f"not even from a node is it open.",
                "make status",
            )
    return {
        number: _proven(probes[number], results[number], f"{met[_spot(probes[number], results[number])]} meets it open")
        for number in silent
    }


def _from(node: Source, probe: Probe, result: Result, seconds: float) -> Probe:
    """Return the question of a probe as a node can put it; 0 seconds stand for the probe's own patience."""
    transport, patience = _transport(probe), seconds or probe.timeout
    return replace(probe, source=node, host=result.address, protocol=transport, timeout=patience)


def _transport(probe: Probe) -> Literal["tcp", "udp"]:
    return "udp" if probe.protocol == "udp" else "tcp"


def _node(prober: Prober, source: Source) -> Source:
    nodes = prober.node_sources()
    return next((node for node in nodes if node.name == source.node), nodes[0])


def _require_dns(prober: Prober, probes: Sequence[Probe], results: Sequence[Result]) -> None:
    """Require that the cluster's DNS server answers the node, where it was silent to somebody.

    Raises:
        ProbeError: it answers nobody, so that a missing name says nothing.
    """
    for probe, result in zip(probes, results, strict=True):
        if result.dns_silent and any(query.server == CLUSTER_DNS for query in result.queries):
            node = _node(prober, probe.source)
            question = replace(probe, source=node, host="kubernetes.default.svc.cluster.local.", protocol="name")
            (answer,) = prober.run([replace(question, nameserver=CLUSTER_DNS)])
            if answer.dns_silent:
                raise ProbeError(f"The cluster's DNS server {CLUSTER_DNS} answers nobody, not even {node}.", "make up")
            return  # one control will do: the server is the same for all


def _silent(result: Result) -> bool:
    return result.outcome is Outcome.DROPPED


def _open(result: Result) -> bool:
    return result.outcome is Outcome.OPEN


def _spot(probe: Probe, result: Result) -> tuple[str, int, bool]:
    return result.address, probe.port, probe.protocol == "udp"


def _unreachable(result: Result, why: str) -> Result:
    return _with(replace(result, outcome=Outcome.UNREACHABLE), f"no answer; {why}")


def _proven(probe: Probe, result: Result, why: str) -> Result:
    return _with(result, f"no answer within {probe.timeout:g} s, confirmed; {probe.source} can send, {why}")


def _with(result: Result, why: str) -> Result:
    kept = result.detail if result.flapping or result.outcome is Outcome.REFUSED else ""
    return replace(result, detail="; ".join(filter(None, (kept, why))))
