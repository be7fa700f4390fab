"""How sources, root file systems and images are built, as far as it shows without building any."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from checker import paths
from checker.cluster import (
    built_node,
    children,
    command,
    debian,
    docker,
    golang,
    images,
    layers,
    loading,
    parts,
    registry,
    source,
    store,
)
from checker.cluster import catalogue as catalogues
from checker.cluster.command import Output
from checker.errors import HostError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

CATALOGUE = catalogues.load()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEP_DIVE_CACHE", str(tmp_path))
    monkeypatch.delenv(registry.VARIABLE, raising=False)
    return tmp_path


def calls(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[list[str]]:
    seen: list[list[str]] = []
    monkeypatch.setattr(module, name, lambda argv, *_args, **_named: seen.append(list(argv)))
    return seen


def test_packages_named_as_their_program_are_built_in_one_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = calls(monkeypatch, children, "run")
    monkeypatch.setattr(golang, "program", lambda: "go")
    source.part(CATALOGUE.sources["kubernetes"]).make(tmp_path / "out", tmp_path / "log")
    source.part(CATALOGUE.sources["etcd"]).make(tmp_path / "etcd", tmp_path / "log")
    kubernetes, etcd = seen
    assert kubernetes[:2] == ["go", "build"]
    assert "-X k8s.io/component-base/version.gitVersion=v1.37.2" in kubernetes[2]
    assert f"{tmp_path}/out/" in kubernetes
    assert len([each for each in kubernetes if each.startswith("k8s.io/")]) == 8
    assert etcd[-3:] == ["-o", f"{tmp_path}/etcd/etcd", "go.etcd.io/etcd/server/v3"]


def test_a_build_uses_only_what_is_pinned() -> None:
    flags = golang.environment()["GOFLAGS"].split()
    assert "-mod=readonly" in flags
    assert golang.environment()["GOTOOLCHAIN"] == "local"
    assert golang.environment(cgo=True)["CGO_ENABLED"] == "1"


def test_a_prepared_source_is_built_in_a_copy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[tuple[list[str], Path]] = []
    monkeypatch.setattr(golang, "program", lambda: "go")
    monkeypatch.setattr(children, "run", lambda argv, _log, *, cwd, **_named: seen.append((list(argv), cwd)))
    prepared = dataclasses.replace(CATALOGUE.sources["pause"], prepare="prepare.sh", cgo=True)
    source.part(prepared).make(tmp_path / "out", tmp_path / "log")
    (script, where), (build, also) = seen
    assert script == ["bash", "./prepare.sh"]
    assert where == also != prepared.folder
    assert "-extldflags=-static" in build[2]


def test_the_go_needed_is_the_newest_that_a_source_asks_for() -> None:
    assert golang.needed() >= (1, 26)


@pytest.mark.parametrize(("said", "fits"), [("go version go1.99.1 linux/amd64", True), ("go version go1.20", False)])
def test_an_old_go_does_not_fit(monkeypatch: pytest.MonkeyPatch, said: str, fits: bool) -> None:
    monkeypatch.setattr(command, "run", lambda *_args, **_named: Output(0, said))
    assert (golang._fitting("go") == "go") is fits


def test_the_course_s_own_go_is_installed_into_its_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def run(argv: list[str], **_named: object) -> Output:
        seen.append(argv)
        return Output(1, err="no route")

    monkeypatch.setattr(command, "run", run)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    golang.program.cache_clear()
    with pytest.raises(HostError, match="cannot be installed: no route"):
        golang.program()
    pip = next(argv for argv in seen if "pip" in argv)
    assert pip[pip.index("--target") + 1] == str(paths.tools_dir() / "go")


def test_a_missing_mmdebstrap_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    with pytest.raises(HostError, match="needs mmdebstrap") as caught:
        debian.part(CATALOGUE.roots["python"]).make(tmp_path / "out", tmp_path / "log")
    assert caught.value.mend == "sudo apt-get install --yes mmdebstrap debian-archive-keyring"


def test_every_input_is_in_the_hash() -> None:
    image = CATALOGUE["coredns"]
    before = layers.inputs(CATALOGUE, image)
    tagged = dataclasses.replace(CATALOGUE.sources["coredns"], tags=("other",))
    other = dataclasses.replace(CATALOGUE, sources={**CATALOGUE.sources, "coredns": tagged})
    assert layers.inputs(other, image) != before
    assert built_node.name(other) != built_node.name(CATALOGUE)
    assert layers.inputs(CATALOGUE, dataclasses.replace(image, tag="v2")) != before
    assert layers.inputs(CATALOGUE, image) == before


def test_a_file_s_content_name_and_mode_are_in_the_hash(tmp_path: Path) -> None:
    file = tmp_path / "a"
    seen = set()
    for change in (
        lambda: file.write_text("1", encoding="utf-8"),
        lambda: file.write_text("2", encoding="utf-8"),
        lambda: file.chmod(0o755),
        lambda: file.rename(tmp_path / "b"),
    ):
        change()
        seen.add(parts.fingerprint(tmp_path))
    assert len(seen) == 4


def test_nothing_is_built_where_docker_has_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.VARIABLE, "build")
    monkeypatch.setattr(docker, "attempt", lambda *_args, **_named: Output(0))
    images.ensure()
    assert not list(paths.images_dir().glob("*"))


def test_a_missing_node_image_needs_every_source_and_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "attempt", lambda *_args, **_named: Output(1))
    below, above = images._stages(CATALOGUE, list(CATALOGUE))
    assert below[0].name == "kubernetes"
    assert {part.name for part in below} == {
        *(key for key in CATALOGUE.sources if key not in {"kind", "cyclonus"}),
        *(f"root-{key}" for key in CATALOGUE.roots),
    }
    assert [part.name for part in above] == ["node", "outside-images"]


def test_upstream_s_own_image_in_docker_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for label, there in (("", True), ("mine", True), ("older", False)):
        monkeypatch.setattr(docker, "attempt", lambda *_args, label=label, **_named: Output(0, f"{label}\n"))
        assert store._there("a:1", "mine") is there


def test_the_way_is_asked_once_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def attempt(*args: str, **_named: object) -> Output:
        asked.append(args[-1])
        return Output(1, err="dial tcp: connection refused")

    monkeypatch.setattr(docker, "answers", lambda: True)
    monkeypatch.setattr(docker, "attempt", attempt)
    assert images.way() == "built"
    assert len(asked) == 2  # one image of each registry
    assert images.way() == "built"
    assert len(asked) == 2
    assert "registry.k8s.io does not answer" in registry.decide(CATALOGUE).why
    registry.forget()
    monkeypatch.setattr(docker, "attempt", lambda *_args, **_named: Output(0))
    assert images.way() == "pulled"
    assert images.node_image() == CATALOGUE.node.reference


def test_without_docker_no_way_is_remembered_and_nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "run", lambda *_args, **_named: Output(command.NOT_FOUND))
    assert images.way() == "built"
    assert registry.remembered() is None
    with pytest.raises(HostError, match="Docker is not installed"):
        images.ensure()


def test_the_variable_decides_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.VARIABLE, "build")
    assert images.way() == "built"
    assert images.node_image().startswith("localhost/deep-dive/node:v1.37.2-")
    monkeypatch.setenv(registry.VARIABLE, "perhaps")
    with pytest.raises(UsageError, match="pull or build"):
        images.way()


def test_a_built_node_needs_no_lab_image_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: dict[str, object] = {}
    monkeypatch.setattr(loading, "load", lambda _cluster, wanted: loaded.update(wanted))
    monkeypatch.setenv(registry.VARIABLE, "build")
    images.load_into("deep-dive")
    assert not loaded
    monkeypatch.setenv(registry.VARIABLE, "pull")
    images.load_into("deep-dive")
    assert set(loaded) == {CATALOGUE[key].reference for key in ("agnhost", "python", "netshoot")}


def test_an_unknown_tool_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no source called helm"):
        images.go_tool("helm")
