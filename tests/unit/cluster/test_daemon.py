"""Docker's daemon: installed and started only where that is possible and agreed to."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from checker import paths
from checker.cluster import apt, daemon, docker, privileged, runtime
from checker.cluster.command import Output
from checker.errors import HostError

if TYPE_CHECKING:
    from tests.unit.cluster.conftest import Programs

DOWN = Output(1, err="Cannot connect to the Docker daemon at unix:///var/run/docker.sock.")


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture(autouse=True)
def ordinary_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "host_grants", lambda: True)
    monkeypatch.setattr(apt, "usable", lambda: True)
    monkeypatch.setattr(docker, "has_systemd", lambda: False)
    monkeypatch.setattr(daemon, "_program", lambda: "/usr/sbin/dockerd")


def test_a_docker_that_answers_is_left_alone(programs: Programs, console: Console) -> None:
    programs.on("docker version", "20.10")

    daemon.ensure(console)

    assert programs.ran == [["docker", "version"]]


def test_nothing_is_started_without_consent(programs: Programs, console: Console) -> None:
    programs.on("docker version", DOWN)

    with pytest.raises(HostError, match="not running"):
        daemon.ensure(console)


def test_yes_starts_it(programs: Programs, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YES", "1")
    answers = iter([DOWN, Output(0, "20.10")])
    programs.on("docker version", lambda _: next(answers))
    started: list[bool] = []
    monkeypatch.setattr(daemon, "_spawn", lambda: started.append(True))

    daemon.ensure(console)

    assert started


def test_systemd_is_asked_where_it_runs(programs: Programs, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(docker, "has_systemd", lambda: True)
    answers = iter([DOWN, Output(0, "20.10")])
    programs.on("docker version", lambda _: next(answers))
    programs.on("systemctl start docker", "")

    daemon.ensure(console)

    assert programs.lines("systemctl") == ["systemctl start docker"]


def test_a_missing_docker_is_installed_with_consent(
    programs: Programs, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YES", "1")
    programs.on("apt-get", "")

    def install(_: object) -> Output:
        programs.on("docker version", "20.10")
        return Output(0)

    programs.on("apt-get install docker.io", install)

    daemon.ensure(console)

    assert [line.split()[-1] for line in programs.lines("apt-get")] == ["update", "docker.io"]


def test_a_failing_apt_get_says_why(programs: Programs, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YES", "1")
    programs.on("apt-get", Output(100, err="Reading lists\nE: Unable to locate package docker.io\nmore"))

    with pytest.raises(HostError, match="`apt-get update` failed: E: Unable to locate"):
        daemon.ensure(console)


def test_others_are_told_the_command(programs: Programs, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YES", "1")
    monkeypatch.setattr(apt, "usable", lambda: False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    programs.on("docker version", DOWN)

    with pytest.raises(HostError) as caught:
        daemon.ensure(console)

    assert caught.value.mend == "sudo dockerd"


@pytest.mark.usefixtures("programs")
def test_only_our_own_dockerd_is_stopped() -> None:
    paths.cache_dir().mkdir(parents=True)
    (paths.cache_dir() / "dockerd.pid").write_text(str(os.getpid()))  # alive, and not a dockerd

    assert daemon.started_by_us() is None
    assert daemon.stop() is False


def test_a_dockerd_that_dies_says_its_last_line(
    programs: Programs, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YES", "1")
    programs.on("docker version", DOWN)

    def spawn() -> None:
        daemon.log_file().parent.mkdir(parents=True)
        daemon.log_file().write_text("starting\nfailed to start: no iptables\n")

    monkeypatch.setattr(daemon, "_spawn", spawn)

    with pytest.raises(HostError, match="dockerd did not start: failed to start: no iptables"):
        daemon.ensure(console)
    assert isinstance(daemon.log_file(), Path)


@pytest.mark.parametrize(("complaint", "installs"), [("", False), ("unable to apply caps", True)])
def test_a_running_docker_gets_the_other_runtime_only_where_it_needs_it(
    programs: Programs, console: Console, monkeypatch: pytest.MonkeyPatch, complaint: str, installs: bool
) -> None:
    programs.on("docker version", "20.10")
    installed: list[bool] = []
    monkeypatch.setattr(runtime, "host_grants", lambda: False)
    monkeypatch.setattr(runtime, "installed", lambda: False)
    monkeypatch.setattr(runtime, "install", lambda _: installed.append(True))
    monkeypatch.setattr(privileged, "complaint", lambda: complaint)

    daemon.ensure(console)

    assert bool(installed) is installs
