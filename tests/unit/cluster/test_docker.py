"""Docker's command line: what its failures mean, and what its listings say."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from checker.cluster import command, docker
from checker.cluster.command import Output
from checker.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cluster.conftest import Programs

DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
CLOSED = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (Output(127, err="docker: not found"), "Docker is not installed."),
        (Output(1, err=DOWN), "Docker is installed, but not running."),
        (Output(1, err=CLOSED), "Docker is there, but this user may not use it."),
        (Output(1, err="write /var/lib/docker/x: no space left on device"), "The disk that Docker writes to is full."),
        (Output(1, err="Error: No such container: x"), "`docker rm x` failed: Error: No such container: x"),
    ],
)
def test_a_failure_becomes_one_sentence_and_a_command(programs: Programs, output: Output, sentence: str) -> None:
    programs.on("docker rm", output)

    with pytest.raises(HostError) as caught:
        docker.run("rm", "x")

    assert caught.value.message == sentence
    assert caught.value.mend


def test_a_listing_tells_names_states_and_whose_they_are(programs: Programs) -> None:
    programs.on("docker ps", "a-worker\trunning\ta\t\na-outside\tpaused\t\ta\n")

    worker, outside = docker.containers("a-")

    assert (worker.name, worker.state, worker.kind_cluster, worker.our_cluster) == ("a-worker", "running", "a", "")
    assert (outside.name, outside.state, outside.kind_cluster, outside.our_cluster) == ("a-outside", "paused", "", "a")


def test_what_is_not_there_has_no_values(programs: Programs) -> None:
    programs.on("docker inspect", Output(1, err="Error: No such object: x"))

    assert docker.inspect("x", "{{.Id}}") == ""


def test_an_archive_holds_files_below_their_folders() -> None:
    with tarfile.open(fileobj=io.BytesIO(docker.tar({"/a/b/file": b"text"}))) as archive:
        assert [(each.name, each.isdir()) for each in archive] == [("a", True), ("a/b", True), ("a/b/file", False)]
        file = archive.extractfile("a/b/file")
        assert file is not None
        assert file.read() == b"text"


def test_another_client_is_used_where_the_first_is_too_new(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(docker, "_chosen", [])
    for folder in ("new", "old"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "docker").write_text("")
        (tmp_path / folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/new:{tmp_path}/old")
    too_new = Output(1, err="Error response from daemon: client version 1.52 is too new. Maximum supported is 1.41")
    programs.on("docker", lambda argv: Output(0, "fine") if argv[0] == f"{tmp_path}/old/docker" else too_new)

    assert docker.run("version") == "fine"
    assert docker.client() == f"{tmp_path}/old/docker"


def test_a_program_that_hangs_is_an_error_with_a_deadline() -> None:
    with pytest.raises(HostError, match="did not end within 0 s"):
        command.run(["sleep", "5"], seconds=0.1)


def test_a_program_that_is_not_there_ends_like_in_a_shell() -> None:
    assert command.run(["no-such-program-here"], seconds=5).code == 127
