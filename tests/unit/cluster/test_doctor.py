"""The doctor: each lack is seen, named, and comes with the command that mends it."""

from __future__ import annotations

import gzip
import io
import json
import platform
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from checker.cluster import doctor, host, images, privileged, runtime, tools
from checker.cluster.command import Output
from checker.cluster.doctor import State
from checker.cluster.host import GIB
from checker.errors import HostError

if TYPE_CHECKING:
    from tests.unit.cluster.conftest import Programs

DOWN = Output(1, err="Cannot connect to the Docker daemon at unix:///var/run/docker.sock.")


@pytest.fixture(autouse=True)
def good_host(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that lacks nothing."""
    programs.on("docker", "")
    programs.on("docker version", "28.0 with daemon 28.0")
    programs.on("docker info", json.dumps({"CgroupVersion": "2", "DockerRootDir": "/"}))
    programs.on("unshare --net", "")
    monkeypatch.setattr(host, "memory_available", lambda: 8 * GIB)
    monkeypatch.setattr(host, "disk_free", lambda _: 50 * GIB)
    monkeypatch.setattr(host, "inotify", lambda: (1024, 524288))
    monkeypatch.setattr(host, "queue", lambda _: True)
    monkeypatch.setattr(runtime, "host_grants", lambda: True)
    monkeypatch.setattr(images, "way", lambda: "pulled")
    monkeypatch.setattr(tools, "find_kind", lambda: Path("/bin/kind"))
    monkeypatch.setattr(tools, "find_kubectl", lambda: Path("/bin/kubectl"))


def finding(part: str) -> doctor.Finding:
    (found,) = [each for each in doctor.examine() if each.part == part]
    return found


def test_a_good_host_lacks_nothing() -> None:
    findings = doctor.examine()

    assert {each.part for each in findings} == set(doctor.PARTS)
    assert doctor.healthy(findings)
    doctor.require(*doctor.PARTS)


def test_without_docker_each_part_still_has_a_line(programs: Programs) -> None:
    programs.on("docker", Output(127, err="docker: not found"))

    findings = {each.part: each for each in doctor.examine()}

    assert findings["docker"].state is State.MISSING
    assert findings["docker"].mend
    assert findings["node"].state is State.MISSING
    assert findings["memory"].state is State.OK
    assert not doctor.healthy(list(findings.values()))


def test_require_raises_the_first_lack_with_its_command(programs: Programs) -> None:
    programs.on("docker", DOWN)

    with pytest.raises(HostError) as caught:
        doctor.require("memory", "docker", "node")
    assert caught.value.message == "Docker is installed, but not running."
    assert caught.value.mend


@pytest.mark.parametrize(("free", "state"), [(1 * GIB, State.MISSING), (3 * GIB, State.WARNING), (8 * GIB, State.OK)])
def test_memory(monkeypatch: pytest.MonkeyPatch, free: int, state: State) -> None:
    monkeypatch.setattr(host, "memory_available", lambda: free)

    assert finding("memory").state is state


@pytest.mark.parametrize(("free", "state"), [(GIB, State.MISSING), (9 * GIB, State.WARNING), (50 * GIB, State.OK)])
def test_disk(monkeypatch: pytest.MonkeyPatch, free: int, state: State) -> None:
    monkeypatch.setattr(host, "disk_free", lambda _: free)

    assert finding("disk").state is state


def test_few_inotify_instances_are_a_warning_with_the_sysctl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "inotify", lambda: (128, 524288))

    assert finding("inotify").state is State.WARNING
    assert "max_user_instances=512" in finding("inotify").mend


def test_cgroup_v1_is_a_warning(programs: Programs) -> None:
    programs.on("docker info", json.dumps({"CgroupVersion": "1"}))

    assert finding("cgroup").state is State.WARNING


def test_a_node_that_cannot_run_says_why(programs: Programs) -> None:
    programs.on("docker run", Output(126, err="OCI runtime create failed: unable to apply caps: not permitted"))

    assert finding("node").state is State.MISSING
    assert "unable to apply caps" in finding("node").text
    assert finding("node").mend == "make up"


def test_the_trial_image_does_not_stay(programs: Programs) -> None:
    programs.on("docker run", Output(126, err="refused"))
    finding("node")

    assert programs.lines("docker rmi")


@pytest.mark.parametrize(
    ("nft", "xt", "way", "state"),
    [
        (True, True, "pulled", State.OK),
        (False, True, "built", State.OK),
        (False, True, "pulled", State.WARNING),
        (False, False, "built", State.WARNING),
        (None, None, "pulled", State.UNKNOWN),
    ],
)
def test_queues(monkeypatch: pytest.MonkeyPatch, nft: bool | None, xt: bool | None, way: str, state: State) -> None:
    monkeypatch.setattr(host, "queue", lambda kind: nft if kind == "nft" else xt)
    monkeypatch.setattr(images, "way", lambda: way)

    assert finding("queue").state is state


@pytest.mark.parametrize(("way", "state"), [("pulled", State.OK), ("built", State.MISSING)])
def test_a_builder_is_needed_only_without_registries(monkeypatch: pytest.MonkeyPatch, way: str, state: State) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(images, "way", lambda: way)

    assert finding("mmdebstrap").state is state


def test_a_tool_that_does_not_fit_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "find_kind", lambda: None)

    assert finding("kind").state is State.WARNING
    assert finding("kind").mend == "make up"


def test_the_report_shows_state_part_and_command() -> None:
    said = io.StringIO()

    doctor.show([doctor.Finding("docker", State.MISSING, "Docker is gone.", "make up")], Console(file=said, width=100))

    assert "missing" in said.getvalue()
    assert "Docker is gone." in said.getvalue()
    assert "make up" in said.getvalue()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_trial_program_is_an_elf_of_its_own_size(machine: str) -> None:
    program = privileged.program(machine)

    assert program.startswith(b"\x7fELF\x02\x01\x01")
    assert int.from_bytes(program[96:104], "little") == len(program)


def test_the_trial_program_runs_here_and_ends_well(tmp_path: Path) -> None:
    file = tmp_path / "true"
    file.write_bytes(privileged.program(platform.machine()))
    file.chmod(file.stat().st_mode | stat.S_IXUSR)

    assert subprocess.run([file], check=False).returncode == 0


@pytest.mark.parametrize(
    ("line", "configured"),
    [("CONFIG_NFT_QUEUE=m", True), ("CONFIG_NFT_QUEUE=y", True), ("# CONFIG_NFT_QUEUE is not set", False)],
)
def test_the_kernel_configuration_is_read_packed_or_plain(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, configured: bool
) -> None:
    plain, packed = tmp_path / "config", tmp_path / "config.gz"
    plain.write_text(f"CONFIG_X=y\n{line}\n")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for file in (plain, packed):
        monkeypatch.setattr(host, "config_files", lambda file=file: [tmp_path / "none", file])
        assert host.configured("CONFIG_NFT_QUEUE") is configured


def test_a_kernel_that_does_not_tell_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(host, "config_files", lambda: [tmp_path / "none"])

    assert host.configured("CONFIG_NFT_QUEUE") is None


def test_the_cgroup_version_shows_in_the_file_system(tmp_path: Path) -> None:
    assert host.cgroup_version(tmp_path) == 1
    (tmp_path / "cgroup.controllers").touch()
    assert host.cgroup_version(tmp_path) == 2
