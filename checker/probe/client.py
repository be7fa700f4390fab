"""The host's side of probing: one agent a node and one outside, asked all at once, each answer checked.

Whatever is missing, late, torn or foreign raises `ProbeError`: a probe that could not run is never an outcome.
"""

from __future__ import annotations

import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self, TypeVar

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from checker.errors import ProbeError
from checker.probe.channel import ChannelError, ExecChannel, ProcessChannel
from checker.probe.outcome import Listener, Network, Result, Source
from checker.probe.session import MEND, OPEN_SECONDS, Item, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from checker.objects import Api
    from checker.probe.channel import Channel
    from checker.probe.outcome import Probe

NAMESPACE = "deep-dive-system"
SELECTOR = "app=probe-agent"
COMMAND = ("python3", "-u", "/agent/agent.py")
OUTSIDE = ""
"""Stands for the outside wherever a node's name is the key."""

SETUP_SECONDS = 3.0
"""Allowed to a batch beyond what its probes may take."""
SPACING_SECONDS = 0.004
"""Allowed for pacing to each probe: twice the agent's own spacing."""

T = TypeVar("T")


class Prober:
    """Sends probes from Pods, nodes and the outside. Use it as a context manager: streams stay open until its end.

    Args:
        cluster_name: the kind cluster, for the outside container's name.
        api: of that cluster.
        openers: how to reach the agent of a node; None finds the cluster's own. For tests.
    """

    def __init__(self, cluster_name: str, api: Api, openers: Mapping[str, Callable[[], Channel]] | None = None) -> None:
        self.cluster = cluster_name
        self.api = api
        self._openers = openers
        self._sessions: dict[str, Session] = {}
        self._pods: dict[str, str] | None = None
        self._lock = threading.Lock()
        self._listing = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all streams, upon which the agents end."""
        sessions, self._sessions = list(self._sessions.values()), {}
        with ThreadPoolExecutor(max_workers=len(sessions) or 1) as pool:
            list(pool.map(Session.close, sessions))

    def run(self, probes: Sequence[Probe]) -> list[Result]:
        """Send all probes at once and return what each saw, in their order; one attempt each, not confirmed.

        Raises:
            ProbeError: a probe could not run.
        """
        allowed = max((_longest(probe) for probe in probes), default=0) + SPACING_SECONDS * len(probes)
        asked = [(probe.source, probe.item()) for probe in probes]
        return self._ask("probe", asked, allowed, Result.read)

    def listeners(self, sources: Sequence[Source]) -> dict[Source, list[Listener]]:
        """Return the listening TCP and bound UDP sockets in the network namespace of each source.

        Raises:
            ProbeError: a namespace could not be read.
        """
        answers = self._ask("listeners", [(source, {"place": source.place}) for source in sources], 0, _read_listeners)
        return dict(zip(sources, answers, strict=True))

    def networks(self, pairs: Sequence[tuple[Source, str]]) -> list[Network]:
        """Tell for each source and IPv4 address what keeps the one from sending to the other; no packet is sent.

        Raises:
            ProbeError: a namespace could not be read.
        """
        asked = [(source, {"place": source.place, "host": host}) for source, host in pairs]
        return self._ask("network", asked, 0, _read_network)

    def node_sources(self) -> list[Source]:
        """Return the nodes that have an agent.

        Raises:
            ProbeError: the API server does not say.
        """
        try:
            names = self._agent_pods() if self._openers is None else self._openers
        except ChannelError as error:
            raise ProbeError("The cluster's API server does not answer.", MEND) from error
        return [Source("node", name, name) for name in sorted(names) if name != OUTSIDE]

    def outside_address(self) -> str:
        """Return the outside container's IPv4 address on the nodes' network.

        Raises:
            ProbeError: there is no such container, or it does not run.
        """
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
        command = ["docker", "inspect", "--format", form, outside_container(self.cluster)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=OPEN_SECONDS, check=True)
            return done.stdout.split()[0]
        except (OSError, subprocess.SubprocessError, IndexError) as error:
            raise ProbeError("The outside container does not run.", MEND) from error

    def _ask(
        self,
        operation: str,
        asked: Sequence[tuple[Source, Item]],
        seconds: float,
        read: Callable[[Mapping[str, Any]], T],
    ) -> list[T]:
        """Ask the agents side by side; sort their answers back into the order of the items."""
        groups: dict[str, list[int]] = {}
        for number, (source, _) in enumerate(asked):
            groups.setdefault(source.node, []).append(number)
        sessions = {node: self._session(node) for node in groups}

        def one(node: str) -> list[tuple[int, T]]:
            items = [asked[number][1] for number in groups[node]]
            answers = sessions[node].ask(operation, items, seconds + SETUP_SECONDS)
            return list(zip(groups[node], _read_all(answers, read, sessions[node].where), strict=True))

        with ThreadPoolExecutor(max_workers=len(groups) or 1) as pool:
            found = dict(pair for part in pool.map(one, groups) for pair in part)
        return [found[number] for number in range(len(asked))]

    def _session(self, node: str) -> Session:
        with self._lock:
            known = self._sessions.get(node)
            if known is None or known.failed:
                self._pods = None if known else self._pods  # an agent that went may be back under another name
                where = f"on node {node}" if node != OUTSIDE else "outside the cluster"
                self._sessions[node] = Session(where, self._opener(node))
            return self._sessions[node]

    def _opener(self, node: str) -> Callable[[], Channel]:
        if self._openers is not None:
            return self._openers[node]
        if node == OUTSIDE:
            return lambda: ProcessChannel(["docker", "exec", "-i", outside_container(self.cluster), *COMMAND])
        return lambda: self._exec(node)

    def _exec(self, node: str) -> Channel:
        """Open the exec stream; runs in the session's thread, whose deadline holds for the look-up of the Pod too."""
        pod = self._agent_pods().get(node)
        if not pod:
            raise ChannelError("its Pod does not run there")
        return ExecChannel(self.api.new_client(), NAMESPACE, pod, COMMAND)

    def _agent_pods(self) -> dict[str, str]:
        """Return the agent's running Pod on each node."""
        with self._listing:
            if self._pods is None:
                self._pods = {pod.spec.node_name: pod.metadata.name for pod in _running(self._list_pods())}
            return self._pods

    def _list_pods(self) -> Sequence[Any]:
        try:
            found = self.api.core.list_namespaced_pod(NAMESPACE, label_selector=SELECTOR, _request_timeout=OPEN_SECONDS)
        except (ApiException, HTTPError) as error:
            raise ChannelError("the cluster's API server does not answer") from error
        items: Sequence[Any] = found.items
        return items


def outside_container(cluster: str) -> str:
    """Return the name of a cluster's outside container."""
    return f"{cluster}-outside"


def _running(pods: Sequence[Any]) -> list[Any]:
    return [pod for pod in pods if pod.status.phase == "Running" and pod.metadata.deletion_timestamp is None]


def _longest(probe: Probe) -> float:
    """Return the seconds that a probe may take: the transport, and DNS when no server answers the first name.

    The agent asks at most three servers, five times each, and gives a name up at the first silence; names that are
    answered cost a round trip each.
    """
    is_address = probe.host.replace(".", "").isdigit()
    return probe.timeout * 2 + (0 if is_address else 3 * 5 * probe.timeout)


def _read_all(answers: Sequence[Mapping[str, Any]], read: Callable[[Mapping[str, Any]], T], where: str) -> list[T]:
    try:
        return [read(answer) for answer in answers]
    except (KeyError, TypeError, ValueError) as error:
        raise ProbeError(f"The probe agent {where} sent a line that is no answer: {error!r}.", MEND) from error


def _read_listeners(record: Mapping[str, Any]) -> list[Listener]:
    return [Listener(**each) for each in record["listeners"]]


def _read_network(record: Mapping[str, Any]) -> Network:
    return Network(tuple(record["addresses"]), record["source"], record["problem"])
