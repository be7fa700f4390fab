"""Programs built from source: one folder of `cluster/source/` each, through the Go module proxy."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from checker import paths
from checker.cluster import children, golang, parts

if TYPE_CHECKING:
    from checker.cluster.catalogue import Source


def part(source: Source) -> parts.Part:
    """Return the part that holds a source's programs: a folder with one file each."""

    def make(target: Path, log: Path) -> None:
        if source.prepare:
            with tempfile.TemporaryDirectory(dir=paths.cache_dir()) as scratch:
                build(source, _prepared(source, Path(scratch, source.key), log), target, log)
        else:
            build(source, source.folder, target, log)

    return parts.Part(source.key, parts.fingerprint(source, source.folder), make)


def build(source: Source, folder: Path, target: Path, log: Path) -> None:
    """Build the programs of a source into a folder.

    Args:
        source: what to build, and with which flags.
        folder: where its go.mod is.
        target: the folder to make.
        log: where Go's messages go.

    Raises:
        BuildError: Go failed; names the log.
        HostError: there is no Go that fits.
    """
    target.mkdir()
    env = golang.environment(cgo=source.cgo)
    named, plain = _by_name(source)
    if plain:
        children.run([*_command(source), "-o", f"{target}/", *plain], log, cwd=folder, env=env)
    for name, package in named.items():
        children.run([*_command(source), "-o", str(target / name), package], log, cwd=folder, env=env)


def _by_name(source: Source) -> tuple[dict[str, str], list[str]]:
    """Return the programs that must be named one by one, and the packages that Go names rightly in one go."""
    plain = [package for name, package in source.programs.items() if package.rpartition("/")[2] == name]
    named = {name: package for name, package in source.programs.items() if package not in plain}
    return named, plain


def _command(source: Source) -> list[str]:
    link = ["-s", "-w", *(f"-X {name}={value}" for name, value in source.stamp.items())]
    if source.cgo:
        link.append("-extldflags=-static")
    tags = [f"-tags={','.join(source.tags)}"] if source.tags else []
    return [golang.program(), "build", f"-ldflags={' '.join(link)}", *tags]


def _prepared(source: Source, scratch: Path, log: Path) -> Path:
    """Return a copy of the folder that the source's own script has made ready."""
    shutil.copytree(source.folder, scratch)
    env = golang.environment(cgo=source.cgo) | {"GO": golang.program()}
    children.run(["bash", f"./{source.prepare}"], log, cwd=scratch, env=env)
    return scratch
