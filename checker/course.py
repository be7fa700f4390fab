"""The course on disk: its labs, their answers and hints, and whether they are well formed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import yaml

from checker import paths
from checker.errors import ContentError, UsageError
from checker.hints import Hints
from checker.objects import read_manifests, yaml_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from checker.objects import Manifest

_STEM = re.compile(r"\d\d-[a-z0-9-]+")
_FAILS = re.compile(r"# fails: (?P<reason>.+?) \((?P<check>check_\w+), hint (?P<hint>[\w-]+)\)")
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "title": str,
    "part": str,
    "minutes": int,
    "namespaces": list,
    "needs": dict,
    "teaches": list,
    "out_of_scope": list,
}
_NEEDS: dict[str, type] = {"addons": list, "policy": bool, "exclusive": bool}
_OPTIONAL = {"needs"}


@dataclass(frozen=True)
class Needs:
    """What a lab needs of its cluster.

    Args:
        addons: names of add-ons to install first.
        policy: whether network policies must be enforced.
        exclusive: whether it changes the cluster itself, so that no other lab may run beside it.
    """

    addons: tuple[str, ...] = ()
    policy: bool = False
    exclusive: bool = False


@dataclass(frozen=True)
class Expectation:
    """What a wrong answer states on its first line: the check that fails, why, and the hint it earns.

    In the reason `…` stands for whatever varies.
    """

    check: str
    reason: str
    hint: str

    def fits(self, reason: str) -> bool:
        """Tell whether a failed check's reason contains the stated one."""
        return re.search(".*".join(re.escape(part) for part in self.reason.split("…")), reason) is not None


@dataclass(frozen=True)
class Answer:
    """An answer of known worth: `kind` is start, solution, also-right or wrong; only a wrong one has an expectation."""

    kind: str
    name: str
    path: Path
    expectation: Expectation | None = None

    @property
    def right(self) -> bool:
        """Tell whether the check must pass."""
        return self.kind in ("solution", "also-right")

    @property
    def manifests(self) -> list[Manifest]:
        """Return the answer's manifests, in order."""
        return read_manifests(self.path)

    def __str__(self) -> str:
        return self.kind if self.kind == self.name else f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class LabFiles:
    """One lab's folder, `labs/NN-stem`."""

    folder: Path
    title: str
    part: str
    minutes: int
    namespaces: tuple[str, ...]
    teaches: tuple[str, ...]
    out_of_scope: tuple[str, ...]
    needs: Needs = field(default_factory=Needs)

    @property
    def stem(self) -> str:
        """Return the folder's name, for example `03-clusterip`."""
        return self.folder.name

    @property
    def number(self) -> int:
        """Return the number that the stem begins with."""
        return int(self.stem[:2])

    @property
    def namespace(self) -> str:
        """Return the first namespace: the one that names without a namespace refer to."""
        return self.namespaces[0]

    @property
    def check_file(self) -> Path:
        """Return the path of the checks."""
        return self.folder / "check_lab.py"

    @property
    def scenario(self) -> list[Manifest]:
        """Return the manifests that the learner must leave as they are."""
        return read_manifests(self.folder / "scenario")

    @property
    def start(self) -> list[Manifest]:
        """Return the manifests that the learner edits, as they are at the start."""
        return read_manifests(self.folder / "start")

    @property
    def work(self) -> Path:
        """Return the folder of the learner's copies of start/."""
        return paths.work_dir() / self.stem

    @cached_property
    def hints(self) -> Hints:
        """Return the lab's hints."""
        return Hints.read(self.folder / "hints.md")

    @property
    def solution(self) -> Answer:
        """Return the reference answer."""
        return Answer("solution", "solution", self.folder / "solution")

    def answers(self) -> Iterator[Answer]:
        """Yield the start, every wrong answer, every other right one, and the solution.

        Raises:
            ContentError: a wrong answer does not state its expectation.
        """
        yield Answer("start", "start", self.folder / "start")
        for path in _entries(self.folder / "wrong"):
            yield Answer("wrong", path.stem, path, read_expectation(path))
        for path in _entries(self.folder / "also-right"):
            yield Answer("also-right", path.stem, path)
        yield self.solution

    @classmethod
    def read(cls, folder: Path) -> LabFiles:
        """Read `lab.yaml` of a lab's folder.

        Raises:
            ContentError: the file is missing or malformed; names file, line and what was expected.
        """
        raw = _read_fields(folder / "lab.yaml")
        needs = raw.pop("needs", {})
        raw |= {key: tuple(value) for key, value in raw.items() if isinstance(value, list)}
        return cls(folder=folder, needs=Needs(**{**needs, "addons": tuple(needs.get("addons", ()))}), **raw)


class Course:
    """All labs of a folder, in the order of their numbers."""

    def __init__(self, folder: Path = paths.LABS) -> None:
        self.folder = folder

    def stems(self) -> list[str]:
        """Return the labs' stems.

        Raises:
            ContentError: something in the folder is not a lab.
        """
        stems = sorted(each.name for each in self.folder.iterdir() if each.is_dir() and each.name != "__pycache__")
        for stem in stems:
            if not _STEM.fullmatch(stem):
                raise ContentError(f"labs/{stem}: expected a folder named NN-stem.")
        return stems

    def labs(self) -> list[LabFiles]:
        """Return every lab."""
        return [LabFiles.read(self.folder / stem) for stem in self.stems()]

    def find(self, number: int) -> LabFiles:
        """Return the lab of that number.

        Raises:
            UsageError: there is none; says which there are.
        """
        known = self.stems()
        for stem in known:
            if int(stem[:2]) == number:
                return LabFiles.read(self.folder / stem)
        there = ", ".join(str(int(stem[:2])) for stem in known) or "none"
        raise UsageError(f"There is no lab {number}; there are: {there}.", "make")


def read_expectation(path: Path) -> Expectation:
    """Return what a wrong answer states on its first line.

    Raises:
        ContentError: the line is not `# fails: REASON (check_NAME, hint ID)`.
    """
    files = yaml_files(path)
    if not files:
        raise ContentError(f"{path} holds no YAML file.")
    with files[0].open(encoding="utf-8") as lines:
        first = lines.readline().strip()
    found = _FAILS.fullmatch(first)
    if not found:
        raise ContentError(f"{files[0]}, line 1: expected `# fails: REASON (check_NAME, hint ID)`, found `{first}`.")
    return Expectation(found["check"], found["reason"], found["hint"])


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(each for each in folder.iterdir() if each.is_dir() or each.suffix == ".yaml")


def _read_fields(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise ContentError(f"{file} is missing.")
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        if not isinstance(root, yaml.MappingNode):
            raise ContentError(f"{file}, line 1: expected keys such as `title:`.")
        values = _typed_values(file, root, _FIELDS)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ContentError(f"{file}, line {line}: not valid YAML: {error.problem}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:  # a character that no YAML file may hold
        raise ContentError(f"{file}: not valid YAML: {' '.join(str(error).split())}.") from error
    if missing := [key for key in _FIELDS if key not in values and key not in _OPTIONAL]:
        raise ContentError(f"{file}: expected the key `{missing[0]}`.")
    if not values["namespaces"]:
        raise ContentError(f"{file}: expected at least one namespace in `namespaces`.")
    return values


def _typed_values(file: Path, root: yaml.MappingNode, known: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in root.value:
        key, where = str(key_node.value), f"{file}, line {key_node.start_mark.line + 1}"
        if key not in known:
            raise ContentError(f"{where}: unknown key `{key}`; expected one of {', '.join(known)}.")
        if key in values:
            raise ContentError(f"{where}: `{key}` stands here a second time.")
        value = yaml.SafeLoader("").construct_document(value_node)
        if not isinstance(value, known[key]) or (known[key] is int and isinstance(value, bool)):
            raise ContentError(f"{where}: `{key}` is {value!r}; expected {_words(known[key])}.")
        if isinstance(value, list) and not all(isinstance(each, str) for each in value):
            raise ContentError(f"{where}: `{key}` is {value!r}; expected a list of words.")
        values[key] = _typed_values(file, value_node, _NEEDS) if key == "needs" else value
    return values


def _words(kind: type) -> str:
    return {str: "text", int: "a whole number", list: "a list", dict: "keys and values", bool: "true or false"}[kind]
