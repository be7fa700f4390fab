"""Which way the images come: pulled from their registries, or built because none answers. Decided once a machine."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, cast

from checker import paths
from checker.cluster import docker
from checker.errors import HostError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from checker.cluster.catalogue import Catalogue

Way = Literal["pulled", "built"]

VARIABLE = "DEEP_DIVE_IMAGES"
CHOICES: dict[str, Way] = {"pull": "pulled", "build": "built"}
SECONDS = 10  # for a registry to answer; one that refuses or has no address says so at once


@dataclass(frozen=True)
class Decision:
    """The way, and why it is that one."""

    way: Way
    why: str


def decide(catalogue: Catalogue) -> Decision:
    """Return the way: what `$DEEP_DIVE_IMAGES` says (pull or build), else what was decided before, else ask registries.

    Raises:
        UsageError: the variable has another value.
    """
    if chosen := os.environ.get(VARIABLE):
        if chosen not in CHOICES:
            raise UsageError(f"{VARIABLE} is {chosen}; it can be pull or build.")
        return Decision(CHOICES[chosen], f"{VARIABLE}={chosen}")
    if before := remembered():
        return before
    if not docker.answers():  # a guess for now, not to be remembered
        return Decision("built", "Docker does not answer, so no registry could be asked")
    return remember(_ask(catalogue))


def remembered() -> Decision | None:
    """Return what was decided on this machine before, if anything was."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
        return Decision(cast("Way", found["way"]), found["why"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(decision: Decision) -> Decision:
    """Keep a decision for the next time."""
    _file().parent.mkdir(parents=True, exist_ok=True)
    _file().write_text(json.dumps(asdict(decision)) + "\n", encoding="utf-8")
    return decision


def forget() -> None:
    """Let the next `decide` ask the registries again."""
    _file().unlink(missing_ok=True)


def host(name: str) -> str:
    """Return the registry's host of an image's full name."""
    return name.partition("/")[0]


def _file() -> Path:
    return paths.images_dir() / "way.json"


def _ask(catalogue: Catalogue) -> Decision:
    """Ask every registry that the core images come from for one image, side by side."""
    samples = {host(image.name): image.reference for image in catalogue if image.pulled_alone and image.preloaded}
    samples[host(catalogue.node.name)] = catalogue.node.reference
    with ThreadPoolExecutor(len(samples)) as pool:
        problems = dict(zip(samples, pool.map(_problem, samples.values()), strict=True))
    silent = {name: why for name, why in problems.items() if why}
    if silent:
        return Decision("built", "; ".join(f"{name} does not answer: {why}" for name, why in silent.items()))
    return Decision("pulled", f"{' and '.join(sorted(samples))} answered")


def _problem(reference: str) -> str:
    """Return why an image cannot be had from its registry; empty if it can."""
    try:
        output = docker.attempt("manifest", "inspect", reference, seconds=SECONDS)
    except HostError:
        return f"nothing within {SECONDS} s"
    return "" if output.ok else output.last_line
