"""What a repair is tried on: the policies, the first cell at odds, and the values that its fields could have. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

from checker.diagnose.cells import DNS_NAMESPACE
from checker.diagnose.words import namespace
from checker.policy import matches
from checker.policy_edit import Place, edited, places, replaced
from checker.traffic import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from checker.diagnose.cells import Cells, Connection
    from checker.diagnose.snapshot import Object
    from checker.policy_edit import Path
    from checker.traffic import Flow
    from checker.verdict import Cause

NAME_LABEL = "kubernetes.io/metadata.name"
CONTROLLER_LABELS = {"pod-template-hash", "controller-revision-hash", "pod-template-generation"}


@dataclass(frozen=True)
class Repair:
    """A single edit that might mend what failed.

    Args:
        cause: the fault that it would mend.
        policies: all of them, after the edit.
        opens: it counts only where it lets through something that should be and is not; else an edit that merely
            makes a rule useless would pass for one that mends it.
    """

    cause: Cause
    policies: Sequence[Object]
    opens: bool = False


@dataclass(frozen=True)
class Scene:
    """The policies and cells that repairs are tried on.

    Args:
        expected: for each cell what policies must make of it.
        first: the first cell at odds, `connection` the first of its connections at odds.
        leak: more of it gets through than should; otherwise less does.
    """

    cells: Cells
    policies: Sequence[Object]
    expected: Mapping[Flow, Outcome]
    first: Flow
    connection: Connection
    leak: bool

    def editable(self) -> Iterator[tuple[int, Object]]:
        """Yield the policies that are the learner's, with their numbers."""
        for number, policy in enumerate(self.policies):
            if (namespace(policy), policy["metadata"]["name"]) not in self.cells.snapshot.guarded:
                yield number, policy

    def at_stake(self) -> Iterator[Place]:
        """Yield the rules of the learner's policies beside either end of the first cell; others have no say in it."""
        mine = {number for number, _ in self.editable()}
        spaces = {self.connection.source.namespace, self.connection.target.namespace}
        return (each for each in places(self.policies) if each.number in mine and namespace(each.policy) in spaces)

    def peers_at_stake(self) -> Iterator[tuple[Place, int, Object]]:
        """Yield every entry of `from` or `to` of those rules, with its number."""
        return ((place, index, peer) for place in self.at_stake() for index, peer in enumerate(place.peers))

    def ports_at_stake(self) -> Iterator[tuple[Place, int, Object]]:
        """Yield every entry of `ports` of those rules, with its number."""
        return ((place, index, entry) for place in self.at_stake() for index, entry in enumerate(place.ports))

    def changed(self, place: Place, cause: Cause, *changes: tuple[Path, Any], opens: bool = False) -> Repair:
        """Return the repair that makes changes to the policy of a rule."""
        return Repair(cause, replaced(self.policies, place.number, edited(place.policy, *changes)), opens)

    def with_peers(self, place: Place, cause: Cause, peers: list[Any]) -> Repair:
        """Return the repair that gives a rule other peers."""
        return self.changed(place, cause, ((*place.path, place.peers_key), peers))

    @cached_property
    def spaces(self) -> list[str]:
        """Return the names of the namespaces that the lab's Pods run in."""
        return list(dict.fromkeys(end.namespace for end in self.cells.pods if end.namespace != DNS_NAMESPACE))

    @cached_property
    def selectors(self) -> list[dict[str, Any]]:
        """Return label selectors that mean some Pod: by all of its labels, by two of them, or by one."""
        found: dict[tuple[tuple[str, str], ...], None] = {}
        for end in self.cells.pods:
            pairs = [pair for pair in sorted(end.labels.items()) if pair[0] not in CONTROLLER_LABELS]
            for size in {1, 2, len(pairs)} - {0}:
                found.update(dict.fromkeys(combinations(pairs, size)))
        return [{"matchLabels": dict(pairs)} for pairs in found]

    @cached_property
    def space_selectors(self) -> list[dict[str, Any]]:
        """Return label selectors that mean some namespace in which Pods run, or all."""
        found: dict[tuple[str, str], None] = {}
        for end in self.cells.pods:
            found.update(dict.fromkeys(sorted(end.namespace_labels.items())))
        return [*({"matchLabels": {key: value}} for key, value in found), {}]

    @cached_property
    def peers(self) -> list[dict[str, Any]]:
        """Return the peers that a rule could name by selectors."""
        alone = [{"podSelector": pods} for pods in [*self.selectors, {}]]
        spaces = [{"namespaceSelector": space} for space in self.space_selectors]
        return alone + spaces + [{**space, "podSelector": pods} for space in spaces for pods in self.selectors]

    @cached_property
    def ports(self) -> list[list[dict[str, Any]]]:
        """Return lists of ports that a rule could have: one that should be open, both of its protocols, or all."""
        single = []
        for flow, outcome in self.expected.items():
            if outcome is Outcome.OPEN:
                single += [{"protocol": each.protocol, "port": each.port} for each in self.cells.connections(flow)]
        single = [each for number, each in enumerate(single) if each not in single[:number]]
        twins = [list(pair) for pair in combinations(single, 2) if pair[0]["port"] == pair[1]["port"]]
        return [[each] for each in single] + twins + ([single] if len(single) > 1 else [])

    def chosen(self, policy: Object) -> list[str]:
        """Return the names of the Pods that a policy's podSelector means in its own namespace."""
        wanted = policy["spec"].get("podSelector") or {}
        here = (end for end in self.cells.pods if end.namespace == namespace(policy) and end.is_pod)
        return [end.name.partition("/")[2] for end in here if matches(wanted, end.labels)]
