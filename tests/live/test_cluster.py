"""The cluster as such: found when it is there, mended when it is hurt, told from a half-made one, deleted wholly."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import yaml

from checker import paths
from checker.cluster import agents, docker, health, kubeconfig, outside, state, status, survey
from checker.cluster.state import Stage
from checker.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from checker.objects import Api
    from tests.live.conftest import Checker

OTHER = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "production", "cluster": {"server": "https://192.0.2.1:6443"}}],
    "users": [{"name": "production", "user": {}}],
    "contexts": [{"name": "production", "context": {"cluster": "production", "user": "production"}}],
    "current-context": "production",
}


@pytest.fixture(autouse=True)
def learners_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubeconfig in which another cluster is current."""
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(OTHER), encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(file))
    return file


@pytest.fixture
def hurt(cluster: str, checker: Checker) -> Iterator[str]:
    """The name of the cluster, which a test may hurt: it is up again afterwards."""
    yield cluster
    done = checker("up")
    assert done.returncode == 0, done.stdout + done.stderr


def up(checker: Checker) -> str:
    began = time.monotonic()
    done = checker("up")
    assert done.returncode == 0, done.stdout + done.stderr
    print(f"make up: {time.monotonic() - began:.1f} s")
    return done.stdout


def test_a_second_up_finds_everything(cluster: str, checker: Checker) -> None:
    up(checker)
    before = docker.run("ps", "--no-trunc", "--format", "{{.ID}} {{.CreatedAt}}", "--filter", f"name={cluster}-")

    assert "nothing to do" in up(checker)
    after = docker.run("ps", "--no-trunc", "--format", "{{.ID}} {{.CreatedAt}}", "--filter", f"name={cluster}-")
    assert after == before


def test_another_current_context_is_never_touched(
    cluster: str, checker: Checker, learners_kubeconfig: Path, api: Api
) -> None:
    assert "still points at production" in up(checker)

    content = yaml.safe_load(learners_kubeconfig.read_text(encoding="utf-8"))
    assert content["current-context"] == "production"
    assert content["contexts"][0] == OTHER["contexts"][0]
    assert [each["name"] for each in content["contexts"]] == ["production", f"kind-{cluster}"]
    assert not health.problems(api)

    kubeconfig.remove(f"kind-{cluster}")
    assert yaml.safe_load(learners_kubeconfig.read_text(encoding="utf-8")) == OTHER


@pytest.mark.parametrize(
    ("action", "suffix", "sentence"),
    [
        ("stop", "-worker", "Node {} is stopped."),
        ("pause", "-worker2", "Node {} is paused."),
        ("stop", "-control-plane", "Node {} is stopped."),
    ],
)
def test_a_node_that_does_not_run_is_named_and_mended(
    hurt: str, checker: Checker, api: Api, action: str, suffix: str, sentence: str
) -> None:
    node = hurt + suffix
    docker.run(action, node)

    wrong = survey.fault(survey.take(hurt))
    assert wrong is not None
    assert wrong.message == sentence.format(node)

    assert f"{sentence.format(node)} Mending it." in up(checker)
    assert survey.fault(survey.take(hurt)) is None
    assert health.problems(api) == []


def test_agents_that_the_learner_deleted_come_back(hurt: str, checker: Checker, api: Api) -> None:
    assert survey.fault(survey.take(hurt)) is None
    api.delete_namespaces([agents.NAMESPACE])

    assert "Mending it." in up(checker)
    assert health.problems(api) == []


def test_an_outside_that_is_gone_comes_back(hurt: str, checker: Checker) -> None:
    docker.run("rm", "--force", outside.container(hurt) + "-web")

    assert "The outside of the cluster" in str(survey.fault(survey.take(hurt)))
    up(checker)
    assert _from_outside(hurt, "print(get('http://www.example.com/hostname'))") == "outside"


def test_the_outside_serves_its_names_and_no_others(cluster: str) -> None:
    place = outside.find(cluster)
    names = json.dumps([*place.names, "elsewhere.test"])

    found = _from_outside(cluster, f"print([address(name) for name in {names}])")

    assert found == str([place.address] * len(place.names) + [None])


def test_the_status_shows_nodes_zones_and_the_outside(cluster: str) -> None:
    found = status.take(cluster)

    assert found.fault is None
    assert [(node.name, node.ready, node.zone, node.answer) for node in found.nodes] == [
        (f"{cluster}-control-plane", True, "zone-a", ""),
        (f"{cluster}-worker", True, "zone-a", ""),
        (f"{cluster}-worker2", True, "zone-b", ""),
    ]
    assert found.outside == outside.find(cluster)


def test_a_creation_that_was_broken_off_is_told_and_made_again(cluster: str, checker: Checker) -> None:
    name = f"{cluster}-half"
    environment = {**os.environ, "DEEP_DIVE_CLUSTER": name}
    try:
        _break_off(name, environment)

        wrong = survey.fault(survey.take(name))
        assert wrong is not None
        assert "is half made" in wrong.message
        assert survey.fault(survey.take(cluster)) is None

        done = checker("up", DEEP_DIVE_CLUSTER=name)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"The cluster {name} was left half made: it is made again." in done.stdout
        assert survey.fault(survey.take(name)) is None
        assert state.read(name).stage is Stage.READY
    finally:
        done = checker("down", DEEP_DIVE_CLUSTER=name)

    assert done.returncode == 0, done.stdout + done.stderr
    assert survey.take(name).nodes == {}
    assert survey.take(name).outside == {}
    assert not paths.kubeconfig(name).exists()
    assert survey.fault(survey.take(cluster)) is None


def test_a_cluster_that_never_was_is_one_sentence(checker: Checker) -> None:
    done = checker("check", "1", DEEP_DIVE_CLUSTER="never-made")

    assert done.returncode == ClusterError.exit_code
    assert "There is no cluster called never-made yet." in done.stdout + done.stderr
    assert "make up" in done.stdout + done.stderr


def _break_off(name: str, environment: dict[str, str]) -> None:
    """Start a creation and press Ctrl-C once there is a node."""
    process = subprocess.Popen(
        [sys.executable, "-m", "checker", "up"],
        cwd=paths.ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not survey.take(name).nodes:
            assert process.poll() is None, process.communicate()[0].decode()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        said = process.communicate(timeout=60)[0].decode()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode != 0, said
    assert "Traceback" not in said


def _from_outside(cluster: str, code: str) -> str:
    """Run Python in the outside's client container; it has `get(url)` and `address(name)`."""
    tools = """
import socket, urllib.request
def get(url):
    return urllib.request.urlopen(url, timeout=5).read().decode()
def address(name):
    try:
        return socket.gethostbyname(name)
    except OSError:
        return None
"""
    return docker.run("exec", outside.container(cluster), "python3", "-c", tools + code, seconds=30)
