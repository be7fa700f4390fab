"""The ladders of hints of one lab: for each check, and for each recognised cause below it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checker.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_CHECK = re.compile(r"## (check_\w+)")
_CAUSE = re.compile(r"### ([\w-]+)(?::.*)?")
_RUNG = re.compile(r"(?:[-*]|\d+\.) (.*)")

Key = tuple[str, str]


@dataclass(frozen=True)
class Hints:
    """Ladders by check and cause; the cause is empty for the general ladder of a check."""

    ladders: Mapping[Key, tuple[str, ...]]

    def ladder(self, check: str, cause: str = "") -> tuple[str, ...]:
        """Return the rungs, gentlest first: those of the cause where there are any, else the check's general ones."""
        return self.ladders.get((check, cause)) or self.ladders.get((check, ""), ())

    def knows(self, check: str, cause: str) -> bool:
        """Tell whether that cause has a ladder of its own below that check."""
        return (check, cause) in self.ladders

    @classmethod
    def read(cls, file: Path) -> Hints:
        """Read `hints.md`: `## check_NAME`, below it a list, one rung an item; `### CAUSE` starts a cause's own list.

        Raises:
            ContentError: the file is missing, a line stands outside a list, or a ladder is empty.
        """
        if not file.is_file():
            raise ContentError(f"{file} is missing.")
        ladders = _parse(file)
        for (check, cause), rungs in ladders.items():
            if not rungs:
                raise ContentError(f"{file}: `{cause or check}` has no hint.")
        return cls({key: tuple(rungs) for key, rungs in ladders.items()})


def _parse(file: Path) -> dict[Key, list[str]]:
    ladders: dict[Key, list[str]] = {}
    key: Key | None = None
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if heading := _heading(line, key):
            key = heading
            if key in ladders:
                raise ContentError(f"{file}, line {number}: `{key[1] or key[0]}` stands here a second time.")
            ladders[key] = []
        elif key and (rung := _RUNG.match(line)):
            ladders[key].append(rung[1].strip())
        elif key and line.startswith("  ") and ladders[key]:
            ladders[key][-1] += " " + line.strip()
        elif line.strip() and (key or line.startswith("##")):
            raise ContentError(f"{file}, line {number}: expected a list item, found `{line.strip()}`.")
    return ladders


def _heading(line: str, key: Key | None) -> Key | None:
    if found := _CHECK.fullmatch(line.strip()):
        return found[1], ""
    if key and (found := _CAUSE.fullmatch(line.strip())):
        return key[0], found[1]
    return None
