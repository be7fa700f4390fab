"""kind and kubectl: which ones fit, and where they come from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from checker import paths
from checker.cluster import images, tools
from checker.cluster.command import Output
from checker.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.unit.cluster.conftest import Programs


def version(minor: str) -> str:
    return json.dumps({"clientVersion": {"major": "1", "minor": minor, "gitVersion": f"v1.{minor}.0"}})


@pytest.fixture(autouse=True)
def fresh(programs: Programs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tools.kind.cache_clear()
    tools.kubectl.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(images, "node_image", lambda: "some/node:v1")
    programs.on("docker create some/node:v1", "4711")
    programs.on("docker rm", "")
    (tmp_path / "bin").mkdir()


@pytest.mark.parametrize(
    ("minor", "fits"), [("35", False), ("36", True), ("37", True), ("37+", True), ("38", True), ("39", False)]
)
def test_kubectl_may_be_one_minor_away(minor: str, fits: bool) -> None:
    assert tools.kubectl_fits(version(minor)) is fits


@pytest.mark.parametrize("said", ["", "Client Version: v1.37.0", "[]", '{"clientVersion": {"minor": ""}}'])
def test_a_kubectl_that_says_nothing_useful_does_not_fit(said: str) -> None:
    assert not tools.kubectl_fits(said)


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        ("kind v0.33.0 go1.26.8 linux/amd64", True),
        ("kind v0.33.1 go1.26.8 linux/amd64", True),
        ("kind v0.32.0 go1.25 linux/amd64", False),
        ("", False),
    ],
)
def test_kind_is_of_the_pinned_minor(said: str, fits: bool) -> None:
    assert tools.kind_fits(said) is fits


def test_one_on_the_path_that_fits_is_taken(programs: Programs, tmp_path: Path) -> None:
    programs.on("kubectl version", version("38"))

    there = _program(tmp_path / "bin" / "kubectl")

    assert tools.kubectl() == there


def test_one_that_does_not_fit_is_passed_over_for_ours(programs: Programs, tmp_path: Path) -> None:
    own = _program(paths.tools_dir() / "kubectl")
    other = _program(tmp_path / "bin" / "kubectl")
    programs.on("kubectl version", lambda argv: _said(version("32" if argv[0] == str(other) else "37")))

    assert tools.kubectl() == own


def test_kubectl_comes_out_of_the_node_image(programs: Programs) -> None:
    target = paths.tools_dir() / "kubectl"
    programs.on("kubectl version", version("37"))

    def copy(argv: Sequence[str]) -> Output:
        assert argv[2:] == ["4711:/usr/bin/kubectl", str(target)]
        _program(target)
        return _said("")

    programs.on("docker cp", copy)

    assert tools.kubectl() == target
    assert "docker rm --force 4711" in programs.lines("docker")


def test_a_kubectl_for_another_processor_is_an_error(programs: Programs) -> None:
    programs.on("docker cp", "")

    with pytest.raises(BuildError, match="does not run on this machine"):
        tools.kubectl()


def test_kind_is_built_where_none_fits(programs: Programs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _program(tmp_path / "bin" / "kind")
    programs.on("kind version", "kind v0.20.0")
    monkeypatch.setattr(images, "go_tool", lambda name: tmp_path / "built" / name)

    assert tools.kind() == tmp_path / "built" / "kind"


def test_a_shell_finds_the_fitting_ones_first(programs: Programs, tmp_path: Path) -> None:
    _program(paths.tools_dir() / "kubectl")
    programs.on("kubectl version", version("37"))

    assert tools.environment()["PATH"].split(":") == [str(paths.tools_dir()), str(tmp_path / "bin")]


def _program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    path.chmod(0o755)
    return path


def _said(text: str) -> Output:
    return Output(0, text)
