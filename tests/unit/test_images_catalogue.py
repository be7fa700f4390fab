"""The catalogue: the one in the repository holds together, and a malformed one is refused with a reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

from checker import paths
from checker.cluster import catalogue as catalogues
from checker.errors import ContentError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = "{name: example/a, tag: v1, for: [labs], build: {programs: {/usr/bin/a: up/a}}}"
NODE = "{name: example/node, tag: v1, for: [cluster], build: {name: localhost/node, version: v1}}"
REST = "roots: {tools: {suite: bookworm, packages: [bash]}}\nsources: {up: {programs: {a: example.com/a}}}\n"


def written(tmp_path: Path, images: str, rest: str = REST) -> Path:
    file = tmp_path / "images.yaml"
    file.write_text(f"images:\n  node: {NODE}\n  {images}\n{rest}", encoding="utf-8")
    return file


def test_the_catalogue_of_the_course_is_well_formed() -> None:
    found = catalogues.load()
    assert found.node.pinned.startswith("docker.io/kindest/node:v1.37.0@sha256:")
    assert found["agnhost"].reference == "registry.k8s.io/e2e-test-images/agnhost:2.66.1"
    assert {"python", "agnhost", "coredns"} == {image.key for image in found.for_("outside")}


def test_every_source_has_its_pins() -> None:
    for source in catalogues.load().sources.values():
        assert (source.folder / "go.mod").is_file(), source.key
        needs_sum = "require" in (source.folder / "go.mod").read_text(encoding="utf-8")
        assert (source.folder / "go.sum").is_file() == needs_sum, source.key


def test_no_folder_of_sources_is_left_over() -> None:
    folders = {path.name for path in (paths.CLUSTER_SRC / "source").iterdir() if path.is_dir()}
    assert folders == set(catalogues.load().sources)


def test_client_go_is_compiled_once() -> None:
    for key in ("coredns", "kube-network-policies", "kubernetes"):
        text = (catalogues.load().sources[key].folder / "go.mod").read_text(encoding="utf-8")
        versions = set(re.findall(r"k8s\.io/client-go (?:=> k8s\.io/client-go )?(v[\d.]+)", text)) - {"v0.0.0"}
        assert versions == {"v0.37.2"}, key


def test_manifests_of_the_node_image_name_only_images_that_it_carries() -> None:
    found = catalogues.load()
    manifests = yaml.safe_load_all((paths.CLUSTER_SRC / "node" / "default-cni.yaml").read_text(encoding="utf-8"))
    pods = [each["spec"]["template"]["spec"] for each in manifests if each["kind"] == "DaemonSet"]
    named = {container["image"] for pod in pods for container in pod["containers"]}
    assert named
    assert named <= {image.reference for image in found.preloaded}


def test_the_sandbox_image_is_the_one_of_the_catalogue() -> None:
    config = (paths.CLUSTER_SRC / "node/rootfs/etc/containerd/config.toml").read_text(encoding="utf-8")
    assert f'sandbox_image = "{catalogues.load()["pause"].reference}"' in config


def test_an_addon_is_only_an_entry(tmp_path: Path) -> None:
    found = catalogues.load(written(tmp_path, f"edge: {ENTRY.replace('labs', 'edge-proxy')}"))
    (image,) = found.for_("edge-proxy")
    assert not image.preloaded
    assert image.pulled_alone


@pytest.mark.parametrize(
    ("images", "rest", "said"),
    [
        ("a: {tag: v1, for: [labs], build: {}}", REST, "lacks 'name'"),
        (f"a: {ENTRY.replace('up/a', 'up/b')}", REST, "up/b, which no source makes"),
        ("a: {name: a, tag: v1, for: [labs], build: {root: bare}}", REST, "the root bare, which is not defined"),
        ("a: {name: a, tag: v1, for: [labs], build: {files: {/x: no/file}}}", REST, "cluster/no/file, which is not"),
        (f"a: {ENTRY.replace('labs', 'cluster')}", REST, "exactly one image"),
        ("a: {name: a, tag: v1, for: [labs], build: {roots: x}}", REST, "not shaped as the file's first lines say"),
        ("a: [", "", "not YAML"),
    ],
)
def test_a_malformed_catalogue_says_what_is_wrong(tmp_path: Path, images: str, rest: str, said: str) -> None:
    with pytest.raises(ContentError, match=re.escape(said)):
        catalogues.load(written(tmp_path, images, rest))


def test_an_unknown_image_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no image called nothing"):
        catalogues.load()["nothing"]
