"""What policies let through between all of a lab's Pods: the measure by which two sets of policies are the same. Pure.

Counted are every running Pod as a source and as a target, with every TCP and UDP port that something listens on, the
Pods of the cluster's DNS with the ports that they declare, and whatever else the lab's tables probe. A closed port is
not counted: nothing answers there whatever policies say, and which of the other 65 000 to ask would be chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checker.diagnose.cells import Cells, Connection
from checker.diagnose.snapshot import container_ports
from checker.mutants import Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from checker.diagnose import Snapshot
    from checker.diagnose.snapshot import Object
    from checker.policy import End
    from checker.traffic import Outcome, Traffic

Key = tuple[str, str, int, str]


class Behaviour:
    """The connections of a lab.

    Args:
        snapshot: of the lab, with the sockets of its Pods.
        tables: all that the lab probes.
    """

    def __init__(self, snapshot: Snapshot, tables: Traffic) -> None:
        self.snapshot = snapshot
        self.cells = Cells(snapshot)
        every = [*self._between_pods(), *(each for flow in tables.cells for each in self.cells.connections(flow))]
        self.connections = {_key(each): each for each in every}

    def of(self, policies: Sequence[Object]) -> dict[Key, Outcome]:
        """Return what policies make of every connection."""
        return {key: each.outcome(policies) for key, each in self.connections.items()}

    @property
    def surroundings(self) -> Surroundings:
        """Return what there is in the lab to put in place of a policy's values."""
        pods = [end for end in self.cells.pods if end.namespace in self._spaces()]
        labels: dict[str, set[str]] = {}
        for end in pods:
            for key, value in {**end.labels, **end.namespace_labels}.items():
                labels.setdefault(key, set()).add(value)
        ports = {port for end in pods for port, _ in self._listening(end)}
        return Surroundings(sorted(self._spaces()), labels, ports)

    def _spaces(self) -> set[str]:
        return {pod["metadata"]["namespace"] for pod in self.snapshot.pods if self.snapshot.knows_sockets(pod)}

    def _between_pods(self) -> Iterator[Connection]:
        sources = [end for end in self.cells.pods if end.namespace in self._spaces()]
        for target in self.cells.pods:
            for port, protocol in sorted(self._listening(target)):
                for source in sources:
                    if source.address != target.address:
                        yield Connection(source, target, port, protocol)

    def _listening(self, end: End) -> set[tuple[int, str]]:
        pod = next(each for each in self.snapshot.pods if _name(each) == end.name)
        if self.snapshot.knows_sockets(pod):
            open_ = (each for each in self.snapshot.listening(pod) if not each.loopback)
            return {(each.port, each.protocol.upper()) for each in open_}
        return set(_declared(pod))


def _declared(pod: Object) -> Iterable[tuple[int, str]]:
    return ((each["containerPort"], each.get("protocol", "TCP")) for each in container_ports(pod))


def _name(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _key(connection: Connection) -> Key:
    # Not by name: a cell reached through DNS is another than the same cell by address, since the look-up counts.
    by_name = " by name" if connection.lookups else ""
    return connection.source.name, connection.target.name + by_name, connection.port, connection.protocol
