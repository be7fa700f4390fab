"""A started lab as its checks see it: the `lab` fixture, which sends packets and compares."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter, defaultdict
from functools import cache
from typing import TYPE_CHECKING, Self

from checker import inventory, settling
from checker.diagnose import Subject
from checker.errors import CheckFailed, ContentError
from checker.places import Places
from checker.probe.client import Prober
from checker.probe.observe import observe
from checker.probe.outcome import Probe, Source
from checker.traffic import Difference, Flow, Outcome, Seen, Target, Traffic, split_place
from checker.workload import Workloads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from checker.diagnose import Snapshot
    from checker.lab import Lab
    from checker.probe.outcome import Result
    from checker.workload import Pod

ROLLOUT_SECONDS = 20.0
ROUND_PAUSE_SECONDS = 0.5
ROUNDS_AFTER_A_SURPRISE = 2
MISS_PROBABILITY = 1e-6
"""How likely a right answer may fail to show one of its Pods among the requests sent."""


class LiveLab:
    """What a check can ask of a lab: tables, answers, addresses. Use it as a context manager.

    Every method that asks raises `CheckFailed` where packets do not do what the lab asks for, and `ProbeError` where
    they could not be sent.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.api = lab.api
        self.namespace = lab.files.namespace
        self.workloads = Workloads(self.api, lab.files.namespaces)
        self.prober = Prober(self.api.cluster, self.api)
        self.places = Places(self.api, self.workloads, self.namespace, self.prober.outside_address)

    def __enter__(self) -> Self:
        self.prober.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.prober.__exit__(kind, error, trace)

    def settle(self) -> None:
        """Wait until rollouts are done and the last change in the lab's namespaces is old enough to be judged."""
        self.workloads.settle(ROLLOUT_SECONDS)
        settling.rest(self.api, self.lab.files.namespaces)

    def expect(self, traffic: Traffic) -> None:
        """Expect every cell of a table to do as stated, steadily."""
        seen = self.see(traffic)
        if differences := traffic.differences(seen):
            raise CheckFailed(
                str(differences[0]),
                cells=traffic.words(seen),
                detail="\n".join(str(each) for each in differences[1:]),
                subjects=tuple(Subject(each.flow.target, difference=each, table=traffic) for each in differences),
                command=self.places.reproduce(differences[0].flow),
            )

    def see(self, traffic: Traffic) -> dict[Flow, Seen]:
        """Return what the packets of each cell do, once that holds.

        Where all cells do as expected, one confirmed round is enough, since nothing is judged before it has settled.
        A surprise is believed when further rounds see the same.
        """
        self.settle()
        rounds = [self._round(traffic)]
        while traffic.differences(rounds[-1]) and len(rounds) <= ROUNDS_AFTER_A_SURPRISE:
            time.sleep(ROUND_PAUSE_SECONDS)
            rounds.append(self._round(traffic))
        return {flow: steady([each[flow] for each in rounds]) for flow in traffic.cells}

    def expect_answered_by(self, source: str, url: str, workload: str) -> None:
        """Expect that every running Pod of the workload, and nobody else, answers requests to the URL."""
        self.settle()
        target = Target.parse(url)
        wanted = {pod.name for pod in self.pods(workload)}
        counts = self.answers(source, url, requests_to_meet_all(len(wanted)))
        subjects, command = (Subject(target, workload),), self.places.curl(source, url)
        if missing := counts.pop("", 0):
            raise CheckFailed(
                f"{source} -> {target}: {missing} requests got no answer", subjects=subjects, command=command
            )
        if strangers := sorted(counts.keys() - wanted):
            raise CheckFailed(
                f"{source} -> {target} is answered by {strangers[0]}, which is no Pod of {workload}",
                subjects=subjects,
                command=command,
            )
        if silent := sorted(wanted - counts.keys()):
            raise CheckFailed(
                f"{source} -> {target} is never answered by {silent[0]}", subjects=subjects, command=command
            )

    def answers(self, source: str, url: str, times: int) -> Counter[str]:
        """Return how often each server answered requests to a URL; the empty name counts those without an answer."""
        target = Target.parse(url)
        if target.protocol != "http":
            raise ContentError(f"{url!r} is no http URL: only an HTTP server says who it is.")
        origin = self.sources(source)[0]
        probes = [Probe(origin, target.host, target.port, "http", path="/hostname") for _ in range(times)]
        return Counter(result.answered_by or "" for result in observe(self.prober, probes))

    def expect_client_address(self, source: str, target: str) -> None:
        """Expect that the server sees each source Pod's own address, so that nothing translates it on the way."""
        self.settle()
        parsed = Target.parse(target)
        pairs = [
            (origin, Probe(origin.source, address, parsed.port, "http", path="/clientip", target=behind))
            for origin in self.places.origins(source)
            for address, behind in self.places.addresses(parsed)
        ]
        for (origin, _), result in zip(pairs, observe(self.prober, [probe for _, probe in pairs]), strict=True):
            if result.outcome is not Outcome.OPEN:
                self._fail_on(Difference(Flow(source, parsed), Outcome.OPEN, Seen((result.outcome,), result.detail)))
            if result.client_address not in origin.addresses:
                raise CheckFailed(
                    f"{source} -> {target}: the server sees {result.client_address}, not {', '.join(origin.addresses)}",
                    subjects=(Subject(parsed, seen=result.client_address or ""),),
                )

    def expect_own_address(self, workload: str) -> None:
        """Expect that each Pod of the workload has an address out of its node's Pod range."""
        self.settle()
        ranges = {node["metadata"]["name"]: node["spec"].get("podCIDRs", []) for node in self.places.nodes}
        for pod in self.pods(workload):
            address = ipaddress.ip_address(pod.address)
            if not any(address in ipaddress.ip_network(each) for each in ranges.get(pod.node, [])):
                raise CheckFailed(
                    f"Pod {pod.name} has the address {pod.address}, which is not its own",
                    subjects=(Subject(Target.parse(f"{workload}:80")),),
                    command=f"kubectl -n {pod.namespace} get pods -o wide",
                )

    def restart(self, workload: str) -> None:
        """Replace the Pods of a workload and wait for the new ones."""
        old = {pod.uid for pod in self.pods(workload)}
        for pod in self.pods(workload):
            manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod.name, "namespace": pod.namespace}}
            self.api.delete([manifest])
        self.api.wait(lambda: self._replaced(workload, old), ROLLOUT_SECONDS, f"new Pods of {workload}")

    def pods(self, workload: str) -> list[Pod]:
        """Return the running Pods of a workload, `[namespace/]name`."""
        _, namespace, name = split_place(workload)
        return self.workloads.pods(name, namespace or self.namespace)

    def sources(self, text: str) -> list[Source]:
        """Return where the probes of a row start: each Pod of a workload, each node, or the outside."""
        return [each.source for each in self.places.origins(text)]

    def fail(self, reason: str, detail: str = "") -> None:
        """End the check as failed."""
        raise CheckFailed(reason, detail)

    def snapshot(self) -> Snapshot:
        """Return the lab's objects and listening sockets for a diagnosis."""
        return inventory.take(self.places, self.prober, self.lab.files.scenario)

    def _round(self, traffic: Traffic) -> dict[Flow, Seen]:
        owners: list[Flow] = []
        probes: list[Probe] = []
        # A row and a column stand in many cells: who they are is asked of the API server once a round.
        sources, addresses = cache(self.sources), cache(self.places.addresses)
        for flow in traffic.cells:
            for probe in _probes(flow, sources(flow.source), addresses(flow.target)):
                owners.append(flow)
                probes.append(probe)
        results: dict[Flow, list[Result]] = defaultdict(list)
        expected = [traffic.cells[flow] for flow in owners]
        for flow, result in zip(owners, observe(self.prober, probes, expected=expected), strict=True):
            results[flow].append(result)
        return {flow: _seen(each) for flow, each in results.items()}

    def _replaced(self, workload: str, old: set[str]) -> bool:
        _, namespace, name = split_place(workload)
        namespace = namespace or self.namespace
        now = [pod for pod in self.workloads.running() if pod.workload == name and pod.namespace == namespace]
        return len(now) == len(old) and all(pod.ready and pod.uid not in old for pod in now)

    def _fail_on(self, difference: Difference) -> None:
        raise CheckFailed(
            str(difference),
            subjects=(Subject(difference.flow.target, difference=difference),),
            command=self.places.reproduce(difference.flow),
        )


def _probes(flow: Flow, sources: Sequence[Source], addresses: Sequence[tuple[str, Source | None]]) -> list[Probe]:
    target = flow.target
    found = [
        Probe(source, address, target.port, target.protocol, path=target.path, target=behind)
        for source in sources
        for address, behind in addresses
        if behind is None or behind != source
    ]
    if not found:
        raise ContentError(f"{flow}: there is nothing to probe.")
    return found


def _seen(results: Sequence[Result]) -> Seen:
    details = [result.detail for result in results if result.detail]
    flapping = any(result.flapping for result in results)
    return Seen(tuple(result.outcome for result in results), details[0] if details else "", flapping)


def steady(rounds: Sequence[Seen]) -> Seen:
    """Return the last round, marked as flapping where the rounds do not agree."""
    last = rounds[-1]
    agree = all(each.outcomes == last.outcomes for each in rounds)
    return Seen(last.outcomes, last.detail, last.flapping or not agree)


def requests_to_meet_all(servers: int) -> int:
    """Return how many requests meet every one of some servers, picked at random, but for one case in a million.

    The chance to miss one of k servers in n requests is at most k(1 - 1/k)^n.
    """
    count = 10
    while servers > 1 and servers * (1 - 1 / servers) ** count > MISS_PROBABILITY:
        count += 1
    return count
