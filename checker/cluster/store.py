"""Where built images are kept: in Docker, or as archives in the cache folder."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from checker.cluster import archive, built_node, children, docker, layers, parts
from checker.cluster.catalogue import OUTSIDE
from checker.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from checker.cluster.catalogue import Catalogue, Image


def results(catalogue: Catalogue, wanted: Sequence[Image]) -> Iterator[tuple[parts.Part, Sequence[Image]]]:
    """Yield each part that makes wanted images available, with the images that it is made from."""
    if any(image.preloaded or image == catalogue.node for image in wanted):
        yield built_node.part(catalogue), (catalogue.node, *catalogue.preloaded)
    if beside := [image for image in wanted if OUTSIDE in image.uses]:
        yield _in_docker(catalogue, beside), beside
    for image in wanted:
        if not image.preloaded and image != catalogue.node:
            yield _archived(catalogue, image), [image]


def archive_of(catalogue: Catalogue, image: Image) -> Path:
    """Return the archive of a built image.

    Raises:
        BuildError: it was not built yet.
    """
    part = _archived(catalogue, image)
    if not part.made:
        raise BuildError(f"The image {image.reference} has not been built yet.", "make up")
    return part.path


def install(program: Path, tool: Path) -> None:
    """Copy a program to where tools are, replacing one that may be running."""
    tool.parent.mkdir(parents=True, exist_ok=True)
    half = tool.with_name(f".half-{tool.name}-{os.getpid()}")
    shutil.copy2(program, half)
    half.replace(tool)


def _archived(catalogue: Catalogue, image: Image) -> parts.Part:
    def make(target: Path, log: Path) -> None:
        log.write_text(f"writing {target}\n", encoding="utf-8")
        with target.open("wb") as out:
            archive.write(out, [layers.image(catalogue, image)])

    return parts.Part(f"image-{image.key}", layers.inputs(catalogue, image), make)


def _in_docker(catalogue: Catalogue, images: Sequence[Image]) -> parts.Part:
    """Return the part that puts images into Docker, for the containers beside the cluster."""
    inputs = {image.reference: layers.inputs(catalogue, image) for image in images}

    def make(target: Path, log: Path) -> None:
        missing = [image for image in images if not _there(image.reference, inputs[image.reference])]
        built = [layers.image(catalogue, image) for image in missing]
        children.feed([docker.client(), "load"], log, lambda out: archive.write(out, built))
        target.write_text("\n".join(inputs) + "\n", encoding="utf-8")

    def there() -> bool:
        return all(_there(reference, wanted) for reference, wanted in inputs.items())

    return parts.Part("outside-images", parts.fingerprint(inputs), make, there)


def _there(reference: str, inputs: str) -> bool:
    """Whether Docker has an image, ours of these inputs, or upstream's, which is as good and is left alone."""
    template = f'{{{{index .Config.Labels "{layers.INPUTS_LABEL}"}}}}'
    output = docker.attempt("image", "inspect", "--format", template, reference)
    return output.ok and output.out.strip() in {"", inputs}
