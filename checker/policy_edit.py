"""Single edits of a policy: what a diagnosis tries out as a repair, and what a mutation does as damage. Pure."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from checker.policy import Direction, Object

Path = tuple[str | int, ...]
DROP: Final = object()
"""In place of a value: take the key or the list item away."""

DIRECTIONS: tuple[Direction, ...] = ("Ingress", "Egress")


def edited(policy: Object, *changes: tuple[Path, Any]) -> dict[str, Any]:
    """Return a copy of a policy with values put in at paths, one after the other; `DROP` takes away.

    A path that ends one behind a list's last item appends; missing mappings on the way are made.

    Raises:
        KeyError, IndexError: a path leads nowhere.
    """
    result: dict[str, Any] = copy.deepcopy(dict(policy))
    for path, value in changes:
        _put(result, path, value)
    return result


def replaced(policies: Sequence[Object], number: int, policy: Object | None) -> tuple[Object, ...]:
    """Return the policies with one of them replaced, or without it where None is given."""
    return (*policies[:number], *(() if policy is None else (policy,)), *policies[number + 1 :])


def show(path: Path) -> str:
    """Write a path as people do: `spec.ingress[0].ports[1].port`; a key with a dot in it stands in brackets."""
    words = []
    for step in path:
        plain = isinstance(step, str) and "." not in step and "/" not in step
        words.append(f".{step}" if plain else f"[{step}]")
    return "".join(words).removeprefix(".")


@dataclass(frozen=True)
class Place:
    """One rule among some policies: the policy's number in the list, the direction, the rule's number and the rule."""

    number: int
    policy: Object
    direction: Direction
    index: int
    rule: Object

    @property
    def path(self) -> Path:
        """Return the path of the rule."""
        return ("spec", self.direction.lower(), self.index)

    @property
    def peers_key(self) -> str:
        """Return `from` or `to`."""
        return "from" if self.direction == "Ingress" else "to"

    @property
    def peers(self) -> Sequence[Object]:
        """Return the rule's peers; none means everybody."""
        return self.rule.get(self.peers_key) or ()

    @property
    def ports(self) -> Sequence[Object]:
        """Return the rule's ports; none means every port."""
        return self.rule.get("ports") or ()

    @property
    def title(self) -> str:
        """Return the place as a sentence begins with it."""
        return f"{self.direction} rule {self.index + 1} of `{self.policy['metadata']['name']}`"

    def __str__(self) -> str:
        return f"{self.direction.lower()} rule {self.index + 1} of `{self.policy['metadata']['name']}`"


def places(policies: Sequence[Object]) -> Iterator[Place]:
    """Yield every rule of every policy."""
    for number, policy in enumerate(policies):
        for direction in DIRECTIONS:
            for index, rule in enumerate(policy["spec"].get(direction.lower()) or ()):
                yield Place(number, policy, direction, index, rule)


def _put(root: Any, path: Path, value: Any) -> None:
    for step in path[:-1]:
        root = root.setdefault(step, {}) if isinstance(root, dict) else root[step]
    last = path[-1]
    if value is DROP:
        del root[last]
    elif isinstance(root, list) and last == len(root):
        root.append(copy.deepcopy(value))
    else:
        root[last] = copy.deepcopy(dict(value) if isinstance(value, Mapping) else value)
