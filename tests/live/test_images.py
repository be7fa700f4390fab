"""Images in the nodes: an add-on's archive, or an image of Docker's, reaches every node, once."""

from __future__ import annotations

import io
import uuid
from typing import TYPE_CHECKING

import pytest

from checker.cluster import archive, docker, images, loading
from checker.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def reference(cluster: str) -> Iterator[str]:
    name = f"localhost/deep-dive/live-test:{uuid.uuid4().hex[:12]}"
    yield name
    for node in loading.nodes_of(cluster):
        docker.attempt("exec", node, *loading.CTR, "rm", name)
    docker.attempt("rmi", name)


@pytest.fixture
def small(reference: str, tmp_path: Path) -> Path:
    """An archive of an image that holds one line."""
    file = tmp_path / "small.tar"
    with file.open("wb") as out:
        archive.write(out, [archive.Image((reference,), ((archive.File("/line", reference.encode()),),))])
    return file


def holders(cluster: str, reference: str) -> list[str]:
    nodes = loading.nodes_of(cluster)
    return [node for node in nodes if reference in docker.run("exec", node, *loading.CTR, "ls", "--quiet").split()]


def test_an_archive_reaches_every_node(cluster: str, reference: str, small: Path) -> None:
    loading.load(cluster, {reference: small})
    assert len(holders(cluster, reference)) == 3
    small.unlink()
    loading.load(cluster, {reference: small})  # there already: the file is not even opened


def test_an_image_of_docker_reaches_every_node(cluster: str, reference: str, small: Path) -> None:
    docker.run("load", stdin=small.read_bytes())
    loading.load(cluster, {reference: None})
    assert len(holders(cluster, reference)) == 3


def test_the_images_of_the_labs_are_in_the_nodes(cluster: str) -> None:
    found = images.catalogue()
    for image in (*found.for_("labs"), *found.for_("probes")):
        assert len(holders(cluster, image.reference)) == 3, image.reference


def test_the_same_archive_twice_is_the_same_image(reference: str, small: Path) -> None:
    again = io.BytesIO()
    archive.write(again, [archive.Image((reference,), ((archive.File("/line", reference.encode()),),))])
    assert again.getvalue() == small.read_bytes()


def test_a_cluster_that_is_not_there_is_said() -> None:
    with pytest.raises(ClusterError, match="has no node that runs"):
        loading.load("deep-dive-no-such-cluster", {})
