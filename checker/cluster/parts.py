"""The parts of a build: each made once for the same inputs, kept in the cache, timed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checker import paths
from checker.cluster import archive, children, timings
from checker.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from checker.cluster.progress import Reporter

HASH_LENGTH = 16
WORKERS = 2
MEMORY_FOR_TWO = 6 * 2**30  # bytes; linking kube-apiserver alone takes more than two GiB
KEPT = 2  # results of a part that stay in the cache: this one and the one before it
COLD_BYTES = 14 * 2**30  # what a build from nothing takes: Go's caches, results, Docker's layers
WARM_BYTES = 4 * 2**30  # what it takes where Go's caches are filled


@dataclass(frozen=True)
class Part:
    """Something to be made into the cache: a file or a folder, at `path`.

    `make` gets the path to write to and the log to append to. `there` tells whether the result is to be had, where
    that is not a matter of the path alone: an image may have been deleted from Docker.
    """

    name: str
    inputs: str  # the hash of all that it is made from
    make: Callable[[Path, Path], None]
    there: Callable[[], bool] | None = None

    @property
    def path(self) -> Path:
        """Where the result is, once made."""
        return paths.images_dir() / f"{self.name}-{self.inputs[:HASH_LENGTH]}"

    @property
    def made(self) -> bool:
        """Whether the result is there already."""
        return self.there() if self.there else self.path.exists()

    @property
    def log(self) -> Path:
        """Where its build writes to."""
        return paths.logs_dir() / f"{self.name}.log"

    def build(self) -> None:
        """Make the result; it appears at `path` whole, or not at all."""
        paths.logs_dir().mkdir(parents=True, exist_ok=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        half = self.path.with_name(f".half-{self.path.name}")
        _remove(half)
        self.make(half, self.log)
        half.replace(self.path)
        self._drop_older()

    def _drop_older(self) -> None:
        pattern = f"{self.name}-{'[0-9a-f]' * HASH_LENGTH}"
        found = sorted(self.path.parent.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in found[KEPT:]:
            _remove(old)


def fingerprint(*inputs: object) -> str:
    """Return the hash of some inputs: plain values and dataclasses by value, paths by the content below them."""
    digest = hashlib.sha256()
    for each in (archive.FORMAT, archive.architecture(), *inputs):
        if isinstance(each, Path):
            _digest_path(digest, each)
        else:
            digest.update(json.dumps(each, default=_plain, sort_keys=True).encode())
        digest.update(b"\0")
    return digest.hexdigest()


def build(stages: Sequence[Sequence[Part]], reporter: Reporter) -> None:
    """Make the parts that are not there yet, stage after stage; within one, two at a time where memory allows.

    Raises:
        BuildError: one failed; the others that ran are ended, and what was done is kept.
        HostError: the disk is too full to begin.
    """
    if not _missing(stages):
        return
    check_disk()
    with one_at_a_time(reporter):
        missing = _missing(stages)  # again: the build that we waited for may have made them
        total = sum(map(len, missing))
        number = 0
        for stage in missing:
            _build_stage(stage, number, total, reporter)
            number += len(stage)


def _missing(stages: Sequence[Sequence[Part]]) -> list[list[Part]]:
    found = [[part for part in stage if not part.made] for stage in stages]
    for part in {part.name for stage in stages for part in stage} - {part.name for stage in found for part in stage}:
        timings.note_cached(part)
    return [stage for stage in found if stage]


def check_disk() -> None:
    """Refuse to begin where the disk cannot hold the result.

    Raises:
        HostError: not enough is free below the cache folder.
    """
    folder = paths.cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    warm = (folder / "go" / "build").exists() and (folder / "go" / "mod").exists()
    needed, free = WARM_BYTES if warm else COLD_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        gib = 2**30
        raise HostError(
            f"Building the images needs {needed / gib:.0f} GiB free at {folder}, and {free / gib:.1f} GiB are.",
            "DEEP_DIVE_CACHE=/a/folder/with/room make up",
        )


@contextmanager
def one_at_a_time(reporter: Reporter) -> Iterator[None]:
    """Keep a second build of this user waiting until the first is done."""
    paths.images_dir().mkdir(parents=True, exist_ok=True)
    with (paths.images_dir() / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            reporter.say("Another build is running; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_stage(stage: Sequence[Part], before: int, total: int, reporter: Reporter) -> None:
    children.allow()
    with ThreadPoolExecutor(_workers()) as pool:
        try:
            running = [
                pool.submit(_timed, part, number, total, reporter) for number, part in enumerate(stage, before + 1)
            ]
            for future in as_completed(running):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.stop_all()
            raise


def _timed(part: Part, number: int, total: int, reporter: Reporter) -> None:
    with reporter.step(part.name, number, total, timings.last(part.name)):
        start = time.monotonic()
        part.build()
        timings.note_built(part.name, time.monotonic() - start)


def _workers() -> int:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return WORKERS if memory >= MEMORY_FOR_TWO else 1


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _digest_path(digest: hashlib._Hash, path: Path) -> None:
    files: Iterable[Path] = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        if file.is_file():
            name = str(file.relative_to(path)) if path.is_dir() else file.name
            executable = bool(file.stat().st_mode & 0o100)
            digest.update(f"{name}\0{executable}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\0".encode())


def _plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{value!r} cannot be part of an input hash")
