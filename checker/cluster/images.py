"""The images of the course: pulled or built, made known to Docker, loaded into the nodes of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checker import paths
from checker.cluster import built_node, docker, layers, loading, parts, pulling, registry, source, store
from checker.cluster import catalogue as catalogues
from checker.cluster.progress import Reporter
from checker.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from checker.cluster.catalogue import Catalogue, Image


def catalogue() -> Catalogue:
    """Return the catalogue of `cluster/images.yaml`.

    `catalogue()["agnhost"].reference` is an image as manifests name it.

    Raises:
        ContentError: the file is malformed.
    """
    return catalogues.load()


def way() -> registry.Way:
    """Return which way the images come: `pulled` or `built`. Decided once a machine, within seconds."""
    return registry.decide(catalogue()).way


def node_image() -> str:
    """Return the reference of the node image to give to kind. It is in Docker once `ensure` has been called."""
    found = catalogue()
    return found.node.reference if way() == "pulled" else built_node.name(found)


def ensure(names: Collection[str] | None = None, *, reporter: Reporter | None = None) -> None:
    """Make images available: the node image and those that run beside it in Docker, add-ons' as archives for the nodes.

    Takes one call of Docker where everything is there.

    Args:
        names: keys of the catalogue; None takes all but those of add-ons.
        reporter: shows progress; None makes one for standard error.

    Raises:
        BuildError: an image could be neither pulled nor built; names the log.
        HostError: a tool or disk space is missing.
        UsageError: the catalogue has no such image.
    """
    found = catalogue()
    wanted = _chosen(found, names)
    reporter = reporter or Reporter()
    if way() == "pulled":
        pulling.pull(wanted, reporter)
    else:
        stages = _stages(found, wanted)
        if stages[-1]:
            docker.run("version", seconds=15)  # now, rather than after the long part of the build
        parts.build(stages, reporter)


def load_into(cluster: str, names: Collection[str] | None = None) -> None:
    """Load images into every node of a cluster, side by side; what a node has already is skipped.

    Args:
        cluster: the kind cluster's name.
        names: keys of the catalogue; None takes those of the labs and the agents.

    Raises:
        BuildError: an image is not there; call `ensure` first.
        ClusterError: the cluster has no node that runs.
        UsageError: the catalogue has no such image.
    """
    found = catalogue()
    wanted = _chosen(found, names) if names is not None else [*found.for_("labs"), *found.for_("probes")]
    built = way() == "built"
    # The node image that we build has them inside; the pulled one has only its own.
    unique = {image.name: image for image in wanted}.values()
    missing = [image for image in unique if not (built and image.preloaded) and image.pulled_alone]
    if missing:
        loading.load(cluster, {image.reference: store.archive_of(found, image) if built else None for image in missing})


def go_tool(name: str, *, reporter: Reporter | None = None) -> Path:
    """Return one of our own tools, built from the source of its name: `kind`, `runc-granted`.

    Raises:
        BuildError: it cannot be built; names the log.
        HostError: there is no Go to build it with.
        UsageError: there is no source of that name.
    """
    try:
        part = source.part(catalogue().sources[name])
    except KeyError:
        raise UsageError(f"There is no source called {name} in cluster/images.yaml.") from None
    tool, stamp = paths.tools_dir() / name, paths.tools_dir() / f"{name}.inputs"
    if not (tool.exists() and stamp.exists() and stamp.read_text(encoding="ascii") == part.inputs):
        parts.build([[part]], reporter or Reporter())
        store.install(part.path / name, tool)
        stamp.write_text(part.inputs, encoding="ascii")
    return tool


def _chosen(found: Catalogue, names: Collection[str] | None) -> list[Image]:
    if names is None:
        return [image for image in found if image.uses & catalogues.CORE]
    return [found[name] for name in names]


def _stages(found: Catalogue, wanted: list[Image]) -> list[list[parts.Part]]:
    """Return what to build: first what the missing images are made from, then the images."""
    images: dict[str, parts.Part] = {}
    below: dict[str, parts.Part] = {}
    for part, made_from in store.results(found, wanted):
        if not part.made:
            images[part.name] = part
            below |= {each.name: each for image in made_from for each in layers.needed(found, image)}
    order = {key: number for number, key in enumerate(found.sources)}
    # The longest source, which the catalogue names first, runs beside the roots, which mostly wait for the network.
    return [sorted(below.values(), key=lambda part: order.get(part.name, 0.5)), list(images.values())]
