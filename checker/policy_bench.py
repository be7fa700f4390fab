"""Where mutants of a lab's policies are tried: which there are, how one is put in place, whether it differs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from checker import settling, tables
from checker.behaviour import Behaviour
from checker.mutants import mutants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checker.lab import Lab
    from checker.live import LiveLab
    from checker.mutants import Mutant
    from checker.policy import Object

API_VERSION, KIND = "networking.k8s.io/v1", "NetworkPolicy"


class PolicyBench:
    """The policies of a solved lab; that a mutant behaves otherwise is said by the model of policies.

    Args:
        lab: with its solution applied.
        live: the same, to read Pods and sockets from.
    """

    def __init__(self, lab: Lab, live: LiveLab) -> None:
        self.lab = lab
        self.behaviour = Behaviour(live.snapshot(), tables.load(lab.files.check_file))
        self.guarded = self.behaviour.snapshot.guarded
        self.scenario = [each for each in self.behaviour.snapshot.policies if _key(each) in self.guarded]
        self.solution = self._own()
        self.right = self.behaviour.of([*self.scenario, *self.solution])

    def mutants(self) -> list[Mutant]:
        """Return every mutant."""
        return mutants(self.solution, self.behaviour.surroundings)

    def put(self, mutant: Mutant) -> bool:
        """Put a mutant in the place of what is there; tells whether it behaves otherwise than the solution."""
        self._replace(mutant.objects)
        return self.behaviour.of([*self.scenario, *mutant.objects]) != self.right

    def _own(self) -> list[Object]:
        """Return the solution's policies as the API server has them, without what it keeps for itself."""
        live = ((each["metadata"]["namespace"], each["metadata"]["name"], each) for each in self._live())
        return [
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "metadata": {"name": name, "namespace": space},
                "spec": each["spec"],
            }
            for space, name, each in live
        ]

    def _replace(self, policies: Sequence[Object]) -> None:
        """Make these the only policies of the lab's namespaces, beside the scenario's own."""
        there = [
            {**each, "apiVersion": API_VERSION, "kind": KIND}
            for name in self.lab.files.namespaces
            for each in self.lab.api.objects(API_VERSION, KIND, name)
            if _key(each) not in self.guarded
        ]
        self.lab.api.delete(there)
        self.lab.api.apply([dict(each) for each in policies])
        if not policies:
            time.sleep(settling.SETTLE_SECONDS)  # a deletion leaves no time of its own that a check could wait for

    def _live(self) -> list[Any]:
        spaces = self.behaviour.surroundings.namespaces
        return [
            each
            for each in self.behaviour.snapshot.policies
            if _key(each) not in self.guarded and each["metadata"]["namespace"] in spaces
        ]


def _key(policy: Any) -> tuple[str, str]:
    return policy["metadata"]["namespace"], policy["metadata"]["name"]
