"""What goes wrong around a lab: one clear sentence, the command that mends it, never a false verdict."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest

from checker import paths
from checker.cluster import agents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from checker.lab import Lab
    from checker.objects import Api
    from tests.live.conftest import Checker

KEPT_BUSY = '''
"""A lab whose check probes until it is told to stop, so that a test can break things in the middle of it."""

import pathlib
import time

from checker import Traffic

TRAFFIC = Traffic.parse("""
              myapp:8080
    client    open
""")


def check_for_a_while(lab):
    """Packets flow for as long as the test likes."""
    folder = pathlib.Path(__file__).parent
    for _ in range(60):
        lab.expect(TRAFFIC)
        (folder / "probed").touch()
        if (folder / "stop").exists():
            return
        time.sleep(0.1)
'''


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True, timeout=60).stdout


def assert_could_not(done: subprocess.CompletedProcess[str], *sentences: str) -> None:
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert "Traceback" not in said
    for sentence in sentences:
        assert sentence in said


class Busy:
    """A check that runs in another process over a copy of lab 3 with checks of its own."""

    def __init__(self, folder: Path, cluster: str) -> None:
        self.folder = folder
        code = textwrap.dedent("""
            import sys, pathlib
            from checker import report
            from checker.course import LabFiles
            from checker.lab import Lab
            from checker.objects import Api
            from checker.plugin import run_checks
            record = run_checks(Lab(LabFiles.read(pathlib.Path(sys.argv[1])), Api()))
            print(report.to_json(record))
            sys.exit(record.exit_code)
        """)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "DEEP_DIVE_CLUSTER": cluster},
        )

    def wait_until_probing(self) -> None:
        deadline = time.monotonic() + 60
        while not (self.folder / "probed").exists():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def verdict(self) -> tuple[int, dict[str, Any], float]:
        began = time.monotonic()
        out, err = self.process.communicate(timeout=120)
        assert out, err
        return self.process.returncode, json.loads(out)["checks"][-1], time.monotonic() - began


@pytest.fixture
def busy(lab_3: Lab, tmp_path: Path) -> Iterator[Busy]:
    folder = tmp_path / lab_3.files.stem
    shutil.copytree(lab_3.files.folder, folder)
    (folder / "check_lab.py").write_text(KEPT_BUSY, encoding="utf-8")
    started = Busy(folder, lab_3.api.cluster)
    started.wait_until_probing()
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.wait()


def target_node(api: Api) -> str:
    pods = [each for each in api.objects("v1", "Pod", "lab-03") if each["metadata"]["name"].startswith("client")]
    return str(pods[0]["spec"]["nodeName"])


def test_check_in_the_middle_of_calm_passes(busy: Busy) -> None:
    """The control of the tests below: left alone, the same check passes."""
    (busy.folder / "stop").touch()
    code, record, _ = busy.verdict()
    assert (code, record["verdict"]) == (0, "passed"), record


def test_agent_killed_in_mid_check_could_not_check(busy: Busy, api: Api) -> None:
    node = target_node(api)
    pods = api.objects("v1", "Pod", agents.NAMESPACE)
    agent = next(each["metadata"]["name"] for each in pods if each["spec"]["nodeName"] == node)
    killed = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": agent, "namespace": agents.NAMESPACE}}
    api.request("DELETE", api.path(killed), {"gracePeriodSeconds": 0})
    code, record, _ = busy.verdict()
    assert (code, record["verdict"]) == (2, "could not check"), record
    assert node in record["reason"]
    assert record["mend"] == "make up"


def test_node_paused_in_mid_check_could_not_check(busy: Busy, api: Api, checker: Checker) -> None:
    node = target_node(api)
    docker("pause", node)
    try:
        code, record, seconds = busy.verdict()
        assert (code, record["verdict"]) == (2, "could not check"), record
        assert node in record["reason"]
        assert seconds < 45
        assert_could_not(checker("check", "3"), node, "paused", "make up")
    finally:
        docker("unpause", node)
    mended = checker("up")
    assert mended.returncode == 0, mended.stderr


def test_ctrl_c_in_mid_check_says_so(busy: Busy) -> None:
    busy.process.send_signal(signal.SIGINT)
    out, err = busy.process.communicate(timeout=30)
    assert busy.process.returncode != 0
    assert '"verdict": "passed"' not in out
    assert '"verdict": "failed"' not in out
    assert "KeyboardInterrupt" in err  # the command line turns it into a sentence: see the next test


def test_ctrl_c_ends_a_command_with_one_sentence(lab_3: Lab) -> None:
    command = [sys.executable, "-m", "checker", "check", "3"]
    environment = {**os.environ, "DEEP_DIVE_CLUSTER": lab_3.api.cluster}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=paths.ROOT, env=environment
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the first check is done, the packets are on their way
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "Stopped." in err
    assert "Traceback" not in err


def test_check_before_start(checker: Checker, lab_3: Lab) -> None:
    lab_3.stop()
    assert_could_not(checker("check", "3"), "Lab 3 is not started", "make lab-3")


def test_namespace_deleted_by_the_learner(checker: Checker, lab_3: Lab) -> None:
    lab_3.api.delete_namespaces(["lab-03"])
    assert_could_not(checker("check", "3"), "The namespace lab-03 of lab 3 is gone", "make reset-3")
    assert checker("reset", "3").returncode == 0
    assert checker("check", "3").returncode == 1


def test_unknown_lab(checker: Checker) -> None:
    for verb in ("start", "check", "hint", "reset", "stop", "solution", "prove"):
        assert_could_not(checker(verb, "99"), "There is no lab 99; there are: 1, 3")


def test_stopped_cluster(checker: Checker, lab_3: Lab) -> None:
    nodes = [lab_3.api.cluster + suffix for suffix in ("-control-plane", "-worker", "-worker2")]
    docker("stop", "-t", "5", *nodes)
    try:
        assert_could_not(checker("check", "3"), "is stopped", "make up")
        assert_could_not(checker("status"), "is stopped", "make up")
    finally:
        mended = checker("up")
    assert mended.returncode == 0, mended.stderr
    assert checker("check", "3").returncode == 1


def test_deleted_cluster(checker: Checker) -> None:
    assert_could_not(checker("check", "3", DEEP_DIVE_CLUSTER="absent"), "There is no cluster called absent", "make up")


def test_half_made_cluster(checker: Checker, cluster: str) -> None:
    """A record that says "creating" is what Ctrl-C in the middle of `make up` leaves behind."""
    file = paths.cluster_dir(cluster) / "state.json"
    kept = file.read_text(encoding="utf-8")
    file.write_text(kept.replace('"ready"', '"creating"'), encoding="utf-8")
    try:
        assert_could_not(checker("check", "3"), "half made", "make up")
    finally:
        file.write_text(kept, encoding="utf-8")


@pytest.mark.usefixtures("lab_3")
def test_another_context_is_never_touched(checker: Checker, tmp_path: Path) -> None:
    """The learner's current context leads elsewhere: the check works on its own, and the file stays as it was."""
    mine = tmp_path / "config"
    mine.write_text(
        textwrap.dedent("""
            apiVersion: v1
            kind: Config
            current-context: production
            contexts: [{name: production, context: {cluster: production, user: me}}]
            clusters: [{name: production, cluster: {server: "https://127.0.0.1:1"}}]
            users: [{name: me, user: {}}]
        """),
        encoding="utf-8",
    )
    before = mine.read_bytes()
    assert checker("check", "3", KUBECONFIG=str(mine)).returncode == 1
    assert mine.read_bytes() == before


def test_malformed_lab_is_named_with_file_and_line(lab_3: Lab, tmp_path: Path) -> None:
    from checker.course import LabFiles
    from checker.errors import ContentError

    folder = tmp_path / "03-clusterip"
    shutil.copytree(lab_3.files.folder, folder)
    text = (folder / "lab.yaml").read_text(encoding="utf-8").replace("minutes: ", "minutes: about ")
    (folder / "lab.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ContentError, match=r"lab\.yaml, line \d+: `minutes` is 'about \d+'; expected a whole number"):
        LabFiles.read(folder)


def test_no_docker(checker: Checker, tmp_path: Path) -> None:
    assert_could_not(checker("check", "3", PATH=str(tmp_path)), "Docker", "make doctor")


def test_docker_that_does_not_answer(checker: Checker, tmp_path: Path) -> None:
    assert_could_not(
        checker("check", "3", DOCKER_HOST=f"unix://{tmp_path}/docker.sock"), "Docker", "not running", "make up"
    )
