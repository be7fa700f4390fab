"""Parts of a build: made once for the same inputs, whole or not at all, timed, shown, never two processes at once."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from checker import paths
from checker.cluster import children, parts, timings
from checker.cluster.parts import Part
from checker.cluster.progress import Reporter, clock
from checker.errors import BuildError, HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

INPUTS = "0" * 64
PATIENCE = 30  # seconds; reached only where something hangs


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("DEEP_DIVE_CACHE", str(tmp_path))
    yield tmp_path
    children.allow()


@pytest.fixture
def shown() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def reporter(shown: io.StringIO) -> Reporter:
    return Reporter(Console(file=shown, width=200))


def writes(text: str) -> Part:
    return Part("thing", INPUTS, lambda target, _log: void(target.write_text(text, encoding="utf-8")))


def void(_: object) -> None: ...


def fails(target: Path, _log: Path) -> None:
    target.write_text("half", encoding="utf-8")
    raise BuildError("It broke.")


def test_a_part_is_made_once(reporter: Reporter, shown: io.StringIO) -> None:
    parts.build([[writes("first")]], reporter)
    parts.build([[writes("second")]], reporter)
    assert writes("").path.read_text(encoding="utf-8") == "first"
    assert shown.getvalue().count("[1/1] thing: done") == 1


def test_other_inputs_make_it_again(reporter: Reporter) -> None:
    parts.build([[writes("first")]], reporter)
    other = Part("thing", "1" * 64, writes("second").make)
    parts.build([[other]], reporter)
    assert other.path.read_text(encoding="utf-8") == "second"


def test_only_the_last_two_results_are_kept(reporter: Reporter) -> None:
    for digit in "123":
        parts.build([[Part("thing", digit * 64, writes(digit).make)]], reporter)
        time.sleep(0.01)  # their age decides
    assert sorted(path.name[6] for path in paths.images_dir().glob("thing-*")) == ["2", "3"]


def test_a_failed_build_leaves_no_result(reporter: Reporter) -> None:
    part = Part("thing", INPUTS, fails)
    with pytest.raises(BuildError):
        parts.build([[part]], reporter)
    assert not part.made
    parts.build([[writes("whole")]], reporter)
    assert part.path.read_text(encoding="utf-8") == "whole"


def test_stages_run_in_order_and_are_numbered_through(reporter: Reporter, shown: io.StringIO) -> None:
    first = Part("below", INPUTS, writes("below").make)
    second = Part("above", INPUTS, lambda target, _log: void(target.write_bytes(first.path.read_bytes())))
    parts.build([[first], [second]], reporter)
    assert second.path.read_text(encoding="utf-8") == "below"
    assert "[1/2] below" in shown.getvalue()
    assert "[2/2] above" in shown.getvalue()


def test_what_a_build_took_is_kept_and_told_the_next_time(reporter: Reporter, shown: io.StringIO) -> None:
    parts.build([[writes("x")]], reporter)
    found = json.loads(timings.file().read_text(encoding="utf-8"))["thing"]
    assert found["cached"] is False
    parts.build([[writes("x")]], reporter)
    assert timings.read()["thing"] == {**found, "cached": True}
    writes("x").path.unlink()
    parts.build([[writes("x")]], reporter)
    assert "first time" in shown.getvalue()
    assert "last time 0 s" in shown.getvalue()


def test_a_full_disk_is_told_before_anything_is_built(reporter: Reporter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "COLD_BYTES", 2**60)
    with pytest.raises(HostError, match="GiB free at") as caught:
        parts.build([[writes("x")]], reporter)
    assert caught.value.mend == "DEEP_DIVE_CACHE=/a/folder/with/room make up"
    assert not writes("x").made


def test_a_second_build_waits_and_finds_the_result(reporter: Reporter, shown: io.StringIO) -> None:
    begun, go_on = threading.Event(), threading.Event()
    made: list[str] = []

    def slow(target: Path, _log: Path) -> None:
        begun.set()
        go_on.wait(PATIENCE)
        made.append("slow")
        target.write_text("slow", encoding="utf-8")

    threads = [threading.Thread(target=parts.build, args=([[Part("thing", INPUTS, slow)]], reporter)) for _ in range(2)]
    threads[0].start()
    assert begun.wait(PATIENCE)
    threads[1].start()
    while "Another build is running" not in shown.getvalue():
        time.sleep(0.01)
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert made == ["slow"]


def test_a_failing_program_names_its_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with pytest.raises(BuildError, match=rf"sh -c failed with exit code 3; its log is {log}") as caught:
        children.run(["sh", "-c", "echo the reason; exit 3"], log)
    assert caught.value.mend == f"tail -n 40 {log}"
    assert "the reason" in log.read_text(encoding="utf-8")


def alive(stat: Path) -> bool:
    try:
        return ") Z " not in stat.read_text(encoding="ascii")  # a dead one may wait for its parent to notice
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_stopping_ends_what_a_program_started(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    problems: list[BaseException] = []

    def run() -> None:
        try:
            children.run(["sh", "-c", "sleep 60 & echo $!; wait"], log)
        except BuildError as error:
            problems.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while len(log.read_text(encoding="utf-8").splitlines() if log.exists() else []) < 2:
        time.sleep(0.01)
    grandchild = Path("/proc", log.read_text(encoding="utf-8").splitlines()[-1], "stat")
    children.stop_all()
    thread.join(PATIENCE)
    assert "was stopped" in str(problems[0])
    deadline = time.monotonic() + PATIENCE
    while alive(grandchild):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(BuildError, match="was stopped"):
        children.run(["true"], log)
    children.allow()
    children.run(["true"], log)


INTERRUPTED = """
import signal, sys
from pathlib import Path
from checker.cluster import children, parts
from checker.cluster.progress import Reporter

signal.signal(signal.SIGINT, signal.default_int_handler)

def make(target, log):
    target.write_text("half")
    children.run(["sh", "-c", "echo begun; sleep 60"], log)

try:
    parts.build([[parts.Part("thing", "0" * 64, make)]], Reporter())
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_ctrl_c_ends_a_build_and_leaves_no_result(cache: Path) -> None:
    build = subprocess.Popen([sys.executable, "-c", INTERRUPTED], cwd=paths.ROOT)
    log = cache / "logs" / "thing.log"
    try:
        while not (log.exists() and "\nbegun" in log.read_text(encoding="utf-8")):
            assert build.poll() is None
            time.sleep(0.01)
        build.send_signal(signal.SIGINT)
        assert build.wait(PATIENCE) == 130
    finally:
        build.kill()
        build.wait()
    assert not writes("").made


def test_a_program_reads_what_is_fed(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    children.feed(["cat"], log, lambda out: void(out.write(b"fed")))
    assert log.read_bytes().endswith(b"fed")
    with pytest.raises(BuildError, match="exit code 1"):
        children.feed(["false"], log, lambda out: void(out.write(b"x" * 1_000_000)))


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0 s"), (59.4, "59 s"), (309.2, "5 min 09 s")])
def test_a_duration_reads_as_people_say_it(seconds: float, said: str) -> None:
    assert clock(seconds) == said
