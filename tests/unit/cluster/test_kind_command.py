"""The kind command: played by a shell script, run as the real one is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checker import paths
from checker.cluster import kind_command, tools
from checker.errors import ClusterError, HostError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    monkeypatch.setenv("DEEP_DIVE_CACHE", str(tmp_path / "cache"))
    paths.cluster_dir("c").mkdir(parents=True)
    program = tmp_path / "kind"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(tools, "kind", lambda: program)


def test_steps_are_heard_as_they_begin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = [" • Preparing nodes 📦 📦 📦   ...", " ✓ Preparing nodes 📦 📦 📦 ", " • Starting control-plane 🕹️  ..."]
    play(monkeypatch, tmp_path, "\n".join(f"echo '{line}' >&2" for line in lines))
    heard: list[str] = []

    kind_command.create("c", "kind: Cluster", heard.append)

    assert heard == ["Preparing nodes", "Starting control-plane"]
    assert (paths.logs_dir() / "kind-c.log").read_text().splitlines() == lines


def test_it_gets_our_kubeconfig_our_configuration_and_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "podman")
    play(monkeypatch, tmp_path, 'echo " • $KIND_EXPERIMENTAL_PROVIDER"; echo "$@"; cat "$8"')

    kind_command.create("c", "kind: Cluster", lambda provider: None if provider == "docker" else pytest.fail(provider))

    folder = paths.cluster_dir("c")
    assert (paths.logs_dir() / "kind-c.log").read_text().splitlines()[1:] == [
        f"create cluster --name c --kubeconfig {folder}/kubeconfig --config {folder}/kind.yaml",
        "kind: Cluster",
    ]


@pytest.mark.parametrize(
    ("script", "error", "sentence"),
    [
        (
            "echo 'ERROR: failed to create cluster: port in use'; echo 'Command Output: x'; exit 1",
            ClusterError,
            "kind could not create the cluster: failed to create cluster: port in use",
        ),
        ("exit 1", ClusterError, "kind could not create the cluster: no output"),
        ("echo 'write /x: no space left on device'; exit 1", HostError, "The disk that Docker writes to is full."),
    ],
)
def test_a_failure_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, error: type[Exception], sentence: str
) -> None:
    play(monkeypatch, tmp_path, script)

    with pytest.raises(error) as caught:
        kind_command.create("c", "", lambda _: None)

    assert sentence in str(caught.value)


def test_ctrl_c_ends_kind_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    play(monkeypatch, tmp_path, f"echo ' • Preparing nodes'; sleep 30; touch {tmp_path}/went-on")

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kind_command.create("c", "", interrupt)
    assert not (tmp_path / "went-on").exists()


@pytest.mark.parametrize("action", [kind_command.delete, kind_command.export])
def test_what_kind_cannot_do_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, action: Callable[[str], None]
) -> None:
    play(monkeypatch, tmp_path, "echo 'ERROR: unknown cluster' >&2; exit 1")

    with pytest.raises(ClusterError, match="ERROR: unknown cluster"):
        action("c")
