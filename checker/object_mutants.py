"""Mutants of a solution that is no policy: its Services, Ingresses, routes with one field changed at a time. Pure.

Whether the API server takes a mutant, and whether what it makes of it differs from the solution, is asked of the live
cluster: see `checker.object_trials`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from checker.mutants import Mutant
from checker.policy_edit import DROP, edited, replaced, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from checker.policy import Object
    from checker.policy_edit import Path

KINDS: Final = (
    "Service",
    "Ingress",
    "Gateway",
    "HTTPRoute",
    "ReferenceGrant",
    "IPAddressPool",
    "L2Advertisement",
)
"""What is taken apart. Workloads are not: a changed one is replaced Pod by Pod, and the lessons are not about them."""

CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "protocol": ("TCP", "UDP"),
    "pathType": ("Exact", "Prefix"),
    "externalTrafficPolicy": ("Cluster", "Local"),
    "internalTrafficPolicy": ("Cluster", "Local"),
    "sessionAffinity": ("None", "ClientIP"),
}
TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "Service": ("ClusterIP", "NodePort", "LoadBalancer"),
    "HTTPRoute": ("PathPrefix", "Exact"),
}
WEIGHT_FACTOR: Final = 5  # a smaller step could not be told from chance in some hundred requests
IDENTITY: Final = ("apiVersion", "kind", "metadata")


@dataclass(frozen=True)
class Vocabulary:
    """The values that a lab's manifests use: `words[key]` are those that stand under a key, `numbers` all ports."""

    words: Mapping[str, frozenset[str]] = field(default_factory=dict)
    numbers: frozenset[int] = frozenset()


def vocabulary(manifests: Iterable[Object]) -> Vocabulary:
    """Return the values that a lab's manifests use; names are kept by the kind of object that they name."""
    words: dict[str, set[str]] = defaultdict(set)
    numbers: set[int] = set()
    for manifest in manifests:
        words[manifest["kind"]].add(manifest["metadata"]["name"])
        for path, value in _scalars(manifest):
            if isinstance(value, str):
                words[_key(path)].add(value)
            elif _is_port(path, value):
                numbers.add(value)
    return Vocabulary({key: frozenset(each) for key, each in words.items()}, frozenset(numbers))


def mutants(objects: Sequence[Object], known: Vocabulary) -> list[Mutant]:
    """Return every mutant of a solution's objects, in the order of their fields; two that are the same are one."""
    found: list[Mutant] = []
    for number, each in enumerate(objects):
        if each["kind"] not in KINDS:
            continue
        name, kind = each["metadata"]["name"], each["kind"]
        found.append(Mutant(name, "metadata", "dropped: the whole object", replaced(objects, number, None), kind))
        for path, change, value in _changes(each, known):
            mutated = replaced(objects, number, edited(each, (path, value)))
            found.append(Mutant(name, show(path), change, mutated, kind))
    return [each for at, each in enumerate(found) if each.objects not in [other.objects for other in found[:at]]]


def _changes(live: Object, known: Vocabulary) -> Iterator[tuple[Path, str, Any]]:
    annotations = live["metadata"].get("annotations") or {}
    if annotations:
        yield from _fields(annotations, ("metadata", "annotations"), live["kind"], known)
    for key in live:
        if key not in IDENTITY:
            yield from _fields(live[key], (key,), live["kind"], known)


def _fields(value: Any, path: Path, kind: str, known: Vocabulary) -> Iterator[tuple[Path, str, Any]]:
    """Yield the changes of a value and, below it, of every key and item."""
    yield path, "dropped", DROP
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _fields(each, (*path, key), kind, known)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _fields(each, (*path, number), kind, known)
    else:
        for new in _others(value, path, kind, known):
            yield path, f"{value} -> {new}", new


def _others(value: Any, path: Path, kind: str, known: Vocabulary) -> list[Any]:
    """Return other values of a scalar: those that mean something in the lab, and one that does not."""
    key = _key(path)
    if isinstance(value, bool):
        return [not value]
    if key == "weight":
        return sorted({0, value * WEIGHT_FACTOR} - {value})
    if isinstance(value, int):
        return sorted({value + 1, *(known.numbers if _is_port(path, value) else ())} - {value})
    if choices := CHOICES.get(key, TYPES.get(kind, ()) if key == "type" else ()):
        return [each for each in choices if each != value]
    if value.startswith("/"):
        return sorted({"/", f"{value.rstrip('/')}x"} - {value})
    beside = frozenset[str]().union(*(each for each in known.words.values() if value in each))
    return [*sorted(beside - {value}), f"x-{value}"]


def _scalars(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _scalars(each, (*path, key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _scalars(each, (*path, number))
    else:
        yield path, value


def _key(path: Path) -> str:
    """Return the last name in a path: of a list's item, the list's."""
    return str(next((step for step in reversed(path) if isinstance(step, str)), ""))


def _is_port(path: Path, value: Any) -> bool:
    above = str(path[-2]) if len(path) > 1 else ""
    return isinstance(value, int) and (_key(path).lower().endswith("port") or (above, path[-1]) == ("port", "number"))
