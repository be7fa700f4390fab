"""Long-running programs of a build: each writes to a log, and none outlives us."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from checker.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

GRACE_SECONDS = 10

_running: set[subprocess.Popen[bytes]] = set()
_lock = threading.Lock()
_stopped = threading.Event()


def run(argv: Sequence[str], log: Path, *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run a program to its end; what it prints is appended to the log.

    Raises:
        BuildError: it failed, or is not there; the sentence names the log.
    """
    with log.open("ab") as out, _started(argv, log, stdout=out, stderr=out, cwd=cwd, env=env) as child:
        _ended(child, argv, log)


def feed(argv: Sequence[str], log: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Run a program that reads what `write` writes.

    Raises:
        BuildError: it failed, or is not there; the sentence names the log.
    """
    with log.open("ab") as out, _started(argv, log, stdin=subprocess.PIPE, stdout=out, stderr=out) as child:
        assert child.stdin
        try:
            with child.stdin:
                write(child.stdin)
        except BrokenPipeError:
            pass  # it gave up early; its exit code and the log tell why
        _ended(child, argv, log)


def read(argv: Sequence[str], log: Path) -> bytes:
    """Run a program to its end and return what it printed; its complaints go to the log.

    Raises:
        BuildError: it failed, or is not there; the sentence names the log.
    """
    with log.open("ab") as err, tempfile.TemporaryFile() as out:
        with _started(argv, log, stdout=out, stderr=err) as child:
            _ended(child, argv, log)
        out.seek(0)
        return out.read()


def stop_all() -> None:
    """End every running program and whatever it started; nothing may be started afterwards until `allow` is called."""
    _stopped.set()
    with _lock:
        children = list(_running)
    for child in children:
        _signal(child, signal.SIGTERM)
    for child in children:
        try:
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            _signal(child, signal.SIGKILL)


def allow() -> None:
    """Let programs be started again."""
    _stopped.clear()


@contextmanager
def _started(
    argv: Sequence[str],
    log: Path,
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: IO[bytes],
    stderr: IO[bytes],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    stderr.write(f"$ {' '.join(argv)}\n".encode())
    stderr.flush()
    with _lock:
        if _stopped.is_set():
            raise BuildError("The build was stopped; what is done is kept.", "make up")
        try:
            # A session of its own: Ctrl-C reaches us alone, and we end the whole group.
            child = subprocess.Popen(
                argv,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise BuildError(f"{argv[0]} is not there; the log is {log}.", "make doctor") from error
        _running.add(child)
    try:
        yield child
    except BaseException:
        _signal(child, signal.SIGTERM)
        raise
    finally:
        child.wait()
        with _lock:
            _running.discard(child)


def _ended(child: subprocess.Popen[bytes], argv: Sequence[str], log: Path) -> None:
    code = child.wait()
    if _stopped.is_set():
        raise BuildError("The build was stopped; what is done is kept.", "make up")
    if code:
        raise BuildError(f"{' '.join(argv[:2])} failed with exit code {code}; its log is {log}.", f"tail -n 40 {log}")


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if child.poll() is None:
        os.killpg(child.pid, number)
