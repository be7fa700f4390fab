"""From a recipe of the catalogue to the layers of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checker import paths
from checker.cluster import archive, debian, parts, source
from checker.cluster.archive import File, Folder

if TYPE_CHECKING:
    from pathlib import Path

    from checker.cluster.catalogue import Catalogue, Image

INPUTS_LABEL = "deep-dive.inputs"

# What a program finds in an image that holds nothing else.
SCRATCH = (
    Folder("/tmp", 0o1777),
    File("/etc/passwd", b"root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n"),
)


def needed(catalogue: Catalogue, image: Image) -> list[parts.Part]:
    """Return the parts that an image is made from: sources and a root file system."""
    recipe = image.build
    roots = [debian.part(catalogue.roots[recipe.root])] if recipe.root else []
    return [source.part(catalogue.sources[key]) for key in sorted(recipe.sources)] + roots


def inputs(catalogue: Catalogue, image: Image) -> str:
    """Return the hash of all that an image is made from."""
    below = [part.inputs for part in needed(catalogue, image)]
    files = [paths.CLUSTER_SRC / path for path in image.build.files.values()]
    return parts.fingerprint(image.build, image.reference, below, *files)


def program(catalogue: Catalogue, name: str) -> Path:
    """Return where a built program is, given as `source/program`."""
    key, _, file = name.partition("/")
    return source.part(catalogue.sources[key]).path / file


def of(catalogue: Catalogue, image: Image) -> tuple[archive.Layer, ...]:
    """Return an image's layers; the parts that it needs must have been made."""
    recipe = image.build
    programs = (File(path, program(catalogue, name), 0o755) for path, name in recipe.programs.items())
    files = (_file(path, paths.CLUSTER_SRC / name) for path, name in recipe.files.items())
    tree = archive.tree(paths.CLUSTER_SRC / recipe.tree) if recipe.tree else ()
    own = (*tree, *programs, *files)
    if not recipe.root:
        return ((*SCRATCH, *own),)
    root = debian.part(catalogue.roots[recipe.root]).path
    return (root, own) if own else (root,)


def image(catalogue: Catalogue, image: Image) -> archive.Image:
    """Return an image as it is written into an archive, under its name and with the hash of its inputs as a label."""
    recipe = image.build
    return archive.Image(
        (image.reference,),
        of(catalogue, image),
        entrypoint=recipe.entrypoint,
        cmd=recipe.cmd,
        labels={INPUTS_LABEL: inputs(catalogue, image)},
    )


def _file(path: str, content: Path) -> File:
    return File(path, content.read_bytes(), 0o755 if content.stat().st_mode & 0o100 else 0o644)
