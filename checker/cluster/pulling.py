"""Images from their registries, where those answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from checker import paths
from checker.cluster import children, docker, registry, timings
from checker.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checker.cluster.catalogue import Image
    from checker.cluster.progress import Reporter


def pull(images: Sequence[Image], reporter: Reporter) -> None:
    """Pull the images that Docker does not have.

    Raises:
        BuildError: a registry does not give one; names the log, and the way to build instead.
    """
    wanted = [image for image in images if image.pulled_alone]
    missing = [image for image in wanted if not docker.attempt("image", "inspect", image.reference).ok]
    for number, image in enumerate(missing, 1):
        with reporter.step(image.reference, number, len(missing), timings.last(image.key)):
            start = time.monotonic()
            _pull(image)
            timings.note_built(image.key, time.monotonic() - start)


def _pull(image: Image) -> None:
    log = paths.logs_dir() / f"pull-{image.key}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    children.allow()
    try:
        children.run([docker.client(), "pull", "--quiet", image.pinned], log)
    except BuildError as error:
        raise BuildError(
            f"{registry.host(image.name)} does not give {image.reference}; the log is {log}.",
            f"{registry.VARIABLE}=build make up",
        ) from error
    # A pull by digest leaves no tag, and manifests name the tag.
    if image.digest:
        docker.run("tag", f"{image.name}@{image.digest}", image.reference)
