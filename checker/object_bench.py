"""Where mutants of a lab's Services, Ingresses and routes are tried: what the API server makes of one decides.

There is no model of every controller, so a mutant that the API server takes counts as behaving otherwise unless its
effect, as `checker.effect` reads it, is the solution's own. Some of what differs on paper is the same on the wire; a
lab says of each such mutant why that is so, in its mutants.yaml:

    - mutant: "Ingress/shop: spec.rules[0].http.paths[0].pathType Prefix -> Exact"
      why: nothing lies below this path
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from kubernetes.client.exceptions import ApiException

from checker import effect
from checker.errors import ContentError
from checker.lab import DELETE_MARK
from checker.object_mutants import mutants, vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    from checker.lab import Lab
    from checker.live import LiveLab
    from checker.mutants import Mutant
    from checker.objects import Manifest


class RefusedError(Exception):
    """The API server does not take a mutant, so that it could be nobody's answer."""


class ObjectBench:
    """The objects of a solved lab.

    Args:
        lab: with its solution applied and settled.
        live: the same, to settle with.

    Raises:
        ContentError: mutants.yaml is malformed, or names a mutant that there is not.
    """

    def __init__(self, lab: Lab, live: LiveLab) -> None:
        self.lab = lab
        self.live = live
        answer = lab.files.solution.manifests
        self.solution = [each for each in answer if DELETE_MARK not in each["metadata"].get("annotations", {})]
        self.doomed = [each for each in answer if each not in self.solution]
        self.right = self._effect()
        self.declared = declared(lab.files.folder / "mutants.yaml", {str(each) for each in self.mutants()})

    def mutants(self) -> list[Mutant]:
        """Return every mutant."""
        files = self.lab.files
        return mutants(self.solution, vocabulary([*files.scenario, *files.start, *self.solution]))

    def put(self, mutant: Mutant) -> bool:
        """Put a mutant in the place of what is there, from the start as a learner would; tells whether it differs.

        Raises:
            RefusedError: the API server does not take it.
        """
        lab, api = self.lab, self.lab.api
        kept = {_key(each) for each in lab.files.start}
        api.delete([each for each in self.solution if _key(each) not in kept], lab.files.namespace)
        api.apply(lab.files.start, lab.files.namespace)
        api.delete(self.doomed, lab.files.namespace)
        try:
            api.apply([dict(each) for each in mutant.objects], lab.files.namespace)
        except ApiException as error:
            if error.status in (400, 403, 422):
                raise RefusedError(str(error.reason)) from error
            raise
        self.live.settle()
        return self._effect(mutant) != self.right and str(mutant) not in self.declared

    def _effect(self, mutant: Mutant | None = None) -> effect.Effect:
        changed = {_key(each): dict(each) for each in mutant.objects} if mutant else {}
        stated = [changed.get(_key(each), each) for each in self.solution]
        return effect.of(self.lab.api, stated, self.lab.files.namespace)


def declared(file: Path, known: set[str]) -> dict[str, str]:
    """Return the mutants that a lab declares to be the same on the wire, each with the reason.

    Raises:
        ContentError: the file is malformed, or names a mutant that there is not.
    """
    if not file.is_file():
        return {}
    try:
        entries: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        found = {str(each["mutant"]): str(each["why"]) for each in entries}
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise ContentError(f"{file}: expected a list of `mutant:` and `why:`.") from error
    if unknown := sorted(found.keys() - known):
        raise ContentError(f"{file}: there is no mutant `{unknown[0]}`.")
    return found


def _key(manifest: Manifest | Any) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]
