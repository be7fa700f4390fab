"""The catalogue of images, as written in `cluster/images.yaml`: read, checked, typed."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from checker import paths
from checker.errors import ContentError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILE = paths.CLUSTER_SRC / "images.yaml"

NODE = "node"  # part of every node image
CLUSTER = "cluster"  # the node image itself
OUTSIDE = "outside"  # run by Docker, beside the nodes
CORE = frozenset({NODE, CLUSTER, OUTSIDE, "labs", "probes"})  # every other word is an add-on


@dataclass(frozen=True)
class Recipe:
    """How to build an image: layers from the bottom up, then how it starts.

    `programs` maps a path in the image to `source/program`; `files` and `tree` name files below `cluster/`.
    """

    root: str | None = None
    programs: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    tree: str | None = None
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    name: str | None = None  # where what we build is not to be called by upstream's name
    version: str | None = None  # of what we build, where it differs from the tag

    @property
    def sources(self) -> frozenset[str]:
        """The names of the sources that the programs come from."""
        return frozenset(program.partition("/")[0] for program in self.programs.values())


@dataclass(frozen=True)
class Image:
    """An image of the course."""

    key: str
    name: str
    tag: str
    uses: frozenset[str]
    build: Recipe
    digest: str | None = None

    @property
    def reference(self) -> str:
        """The name and tag, as manifests write it."""
        return f"{self.name}:{self.tag}"

    @property
    def pinned(self) -> str:
        """What to pull: by digest where it is known."""
        return f"{self.reference}@{self.digest}" if self.digest else self.reference

    @property
    def preloaded(self) -> bool:
        """Whether the node image that we build carries it: all but add-ons and the node image itself."""
        return CLUSTER not in self.uses and bool(self.uses & CORE)

    @property
    def pulled_alone(self) -> bool:
        """Whether it is pulled by itself, rather than coming inside the pulled node image."""
        return self.uses != {NODE}


@dataclass(frozen=True)
class Root:
    """A Debian root file system: a suite and the packages in it."""

    key: str
    suite: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """An upstream that is built from source; its go.mod stands in `cluster/source/KEY`."""

    key: str
    programs: Mapping[str, str]
    stamp: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    cgo: bool = False
    prepare: str | None = None

    @property
    def folder(self) -> Path:
        """Where its go.mod, go.sum and our own files are."""
        return paths.CLUSTER_SRC / "source" / self.key


@dataclass(frozen=True)
class Catalogue:
    """All images, root file systems and sources, by their keys."""

    images: Mapping[str, Image]
    roots: Mapping[str, Root]
    sources: Mapping[str, Source]

    def __getitem__(self, key: str) -> Image:
        try:
            return self.images[key]
        except KeyError:
            raise UsageError(f"There is no image called {key} in cluster/images.yaml.") from None

    def __iter__(self) -> Iterator[Image]:
        return iter(self.images.values())

    @property
    def node(self) -> Image:
        """The node image."""
        return next(image for image in self if CLUSTER in image.uses)

    @property
    def preloaded(self) -> tuple[Image, ...]:
        """The images inside the node image that we build."""
        return tuple(image for image in self if image.preloaded)

    def for_(self, use: str) -> tuple[Image, ...]:
        """Return the images that somebody needs, for example `outside` or an add-on's name."""
        return tuple(image for image in self if use in image.uses)


@functools.cache
def load(file: Path = FILE) -> Catalogue:
    """Read the catalogue.

    Raises:
        ContentError: it is malformed, or names a root, source or program that it does not define.
    """
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        found = Catalogue(
            images={key: _image(key, entry) for key, entry in data["images"].items()},
            roots={key: Root(key, entry["suite"], tuple(entry["packages"])) for key, entry in data["roots"].items()},
            sources={key: Source(key, **_frozen(entry)) for key, entry in data["sources"].items()},
        )
    except yaml.YAMLError as error:
        raise ContentError(f"{file.name}: not YAML: {error}") from error
    except KeyError as error:
        raise ContentError(f"{file.name}: an entry lacks {error}.") from error
    except (AttributeError, TypeError) as error:
        raise ContentError(f"{file.name}: an entry is not shaped as the file's first lines say: {error}") from error
    _check(found, file.name)
    return found


def _image(key: str, entry: dict[str, Any]) -> Image:
    recipe = Recipe(**_frozen(entry["build"]))
    uses = frozenset(entry["for"])
    return Image(key, entry["name"], str(entry["tag"]), uses, recipe, digest=entry.get("digest"))


def _frozen(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


def _check(found: Catalogue, file: str) -> None:
    made = {f"{source.key}/{program}" for source in found.sources.values() for program in source.programs}
    for image in found:
        if image.build.root and image.build.root not in found.roots:
            raise ContentError(f"{file}: {image.key} is built on the root {image.build.root}, which is not defined.")
        for program in image.build.programs.values():
            if program not in made:
                raise ContentError(f"{file}: {image.key} needs the program {program}, which no source makes.")
        for path in image.build.files.values():
            if not (paths.CLUSTER_SRC / path).is_file():
                raise ContentError(f"{file}: {image.key} needs the file cluster/{path}, which is not there.")
    if len(found.for_(CLUSTER)) != 1:
        raise ContentError(f"{file}: exactly one image must be for: [{CLUSTER}], the node image.")
