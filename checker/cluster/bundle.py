"""Everything that a machine without any network needs, in one tar file: images and tools."""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from checker import paths
from checker.cluster import archive, built_node, children, docker, images, registry, runtime, tools
from checker.errors import UsageError

if TYPE_CHECKING:
    from checker.cluster.progress import Reporter

IMAGES = "images.tar"
ABOUT = "about.json"
TOOLS = "tools"
LOG = "bundle.log"


def save(target: Path, *, reporter: Reporter | None = None) -> None:
    """Write all images and tools to one file; what is not there yet is pulled or built first.

    Raises:
        BuildError: an image or a tool could not be had.
        HostError: Docker does not answer, or the disk is full.
    """
    images.ensure(reporter=reporter)
    own = _tools(reporter)
    about = {"way": images.way(), "node": images.node_image(), "architecture": archive.architecture()}
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f".half-{target.name}")
    try:
        with tempfile.TemporaryDirectory(dir=paths.cache_dir()) as scratch, tarfile.open(half, "w") as out:
            (Path(scratch) / ABOUT).write_text(json.dumps(about), encoding="utf-8")
            children.allow()
            children.run([docker.client(), "save", "--output", f"{scratch}/{IMAGES}", *_references()], _log())
            out.add(f"{scratch}/{ABOUT}", ABOUT)
            out.add(f"{scratch}/{IMAGES}", IMAGES)
            for tool in own:
                out.add(tool, f"{TOOLS}/{tool.name}")
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)


def load(file: Path) -> None:
    """Take images and tools out of a file that `save` wrote; from then on neither network nor build is needed.

    Raises:
        HostError: Docker does not answer, or the disk is full.
        UsageError: the file is not there, is no such file, or is of another architecture or version of the course.
    """
    try:
        with tarfile.open(file) as bundle:
            about = json.load(_member(bundle, ABOUT))
            _check(about, file)
            _load_images(bundle)
            _load_tools(bundle)
    except FileNotFoundError:
        raise UsageError(f"There is no file {file}.", "make images-save") from None
    except (tarfile.TarError, KeyError, ValueError) as error:
        why = str(error).partition("\n")[0].rstrip(":")
        raise UsageError(f"{file} was not written by `make images-save`: {why}.", "make images-save") from error
    registry.remember(registry.Decision(about["way"], f"loaded from {file.name}"))


def _tools(reporter: Reporter | None) -> list[Path]:
    """Return the tools to save, with the files that say from which inputs we built them."""
    found = [tools.kind(), tools.kubectl()]
    if images.way() == "built":  # where images are pulled, a host that lacks a capability builds this one itself
        found.append(images.go_tool(runtime.NAME, reporter=reporter))
    stamps = [tool.with_name(f"{tool.name}.inputs") for tool in found]
    return found + [stamp for stamp in stamps if stamp.exists()]


def _references() -> list[str]:
    """Return what to take out of Docker: the node image, and what Docker or a pulled node's labs need besides."""
    found = images.catalogue()
    pulled = images.way() == "pulled"
    beside = [image for image in found if image.preloaded and image.pulled_alone]
    wanted = beside if pulled else found.for_("outside")
    return [images.node_image(), *(image.reference for image in wanted)]


def _check(about: dict[str, str], file: Path) -> None:
    if about["architecture"] != archive.architecture():
        raise UsageError(f"{file} is for {about['architecture']}, this machine is {archive.architecture()}.")
    found = images.catalogue()
    expected = found.node.reference if about["way"] == "pulled" else built_node.name(found)
    if about["node"] != expected:
        raise UsageError(f"{file} was written by another version of the course.", "make images-save")


def _load_images(bundle: tarfile.TarFile) -> None:
    content = _member(bundle, IMAGES)
    children.allow()
    children.feed([docker.client(), "load"], _log(), lambda out: _copy(content, out))


def _load_tools(bundle: tarfile.TarFile) -> None:
    folder = paths.tools_dir()
    folder.mkdir(parents=True, exist_ok=True)
    for member in bundle.getmembers():
        if member.name.startswith(f"{TOOLS}/"):
            member.name = Path(member.name).name
            bundle.extract(member, folder, filter="data")


def _member(bundle: tarfile.TarFile, name: str) -> IO[bytes]:
    content = bundle.extractfile(name)
    if not content:
        raise KeyError(name)
    return content


def _copy(content: IO[bytes], out: IO[bytes]) -> None:
    shutil.copyfileobj(content, out, 1 << 20)


def _log() -> Path:
    paths.logs_dir().mkdir(parents=True, exist_ok=True)
    return paths.logs_dir() / LOG
