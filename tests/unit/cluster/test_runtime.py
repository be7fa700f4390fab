"""The runtime for hosts without CAP_SYS_RESOURCE: Docker's configuration is merged, never replaced."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from checker.cluster import images, runtime
from checker.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    file = tmp_path / "docker" / "daemon.json"
    made = tmp_path / "made"
    made.write_text("a program")
    monkeypatch.setattr(runtime, "CONFIG", file)
    monkeypatch.setattr(runtime, "PROGRAM", tmp_path / "lib" / "deep-dive" / "runc-granted")
    monkeypatch.setattr(runtime, "_dockerd_pid", lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(images, "go_tool", lambda _: made)
    return file


@pytest.mark.parametrize(("bounding", "granted"), [("000001fffeffffff", False), ("000001ffffffffff", True)])
def test_the_bounding_set_tells(tmp_path: Path, bounding: str, granted: bool) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tx\nCapEff:\t0000000000000000\nCapBnd:\t{bounding}\n")

    assert runtime.host_grants(status) is granted


def test_other_settings_stay_and_the_old_file_is_kept(config: Path) -> None:
    old = {"log-driver": "local", "runtimes": {"crun": {"path": "/usr/bin/crun"}}}
    config.parent.mkdir()
    config.write_text(json.dumps(old))
    said = io.StringIO()

    runtime.install(Console(file=said, width=300))

    new = json.loads(config.read_text())
    assert new["log-driver"] == "local"
    assert set(new["runtimes"]) == {"crun", "runc-granted"}
    assert new["default-runtime"] == "runc-granted"
    assert runtime.installed()
    backup = config.with_name("daemon.json.before-deep-dive")
    assert json.loads(backup.read_text()) == old
    assert str(backup) in said.getvalue()


def test_a_second_time_changes_nothing(config: Path) -> None:
    console = Console(file=io.StringIO())
    runtime.install(console)
    first = config.read_bytes()

    runtime.install(console)

    assert config.read_bytes() == first
    assert list(config.parent.iterdir()) == [config]


def test_it_can_be_taken_back(config: Path) -> None:
    config.parent.mkdir()
    config.write_text('{"log-driver": "local"}')
    runtime.install(Console(file=io.StringIO()))

    runtime.remove()

    assert json.loads(config.read_text()) == {"log-driver": "local"}
    assert not runtime.PROGRAM.exists()


def test_a_broken_file_is_not_overwritten(config: Path) -> None:
    config.parent.mkdir()
    config.write_text("{ not json")

    with pytest.raises(HostError, match="cannot be read"):
        runtime.install(Console(file=io.StringIO()))
    assert config.read_text() == "{ not json"


def test_only_root_can_do_it(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(HostError, match="CAP_SYS_RESOURCE") as caught:
        runtime.install(Console(file=io.StringIO()))
    assert caught.value.mend == "sudo make up"
    assert not config.exists()
