"""Image archives, as `docker load` and `ctr images import` read them: the same inputs give the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import shutil
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORMAT = "1"  # part of every input hash: change it when the same inputs give other bytes
CREATED = "1970-01-01T00:00:00Z"
SEARCH_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

# Symbolic links into /usr on a merged Debian root; a layer that writes below them replaces the link by a folder.
MERGED = ("bin", "sbin", "lib", "lib64")


@dataclass(frozen=True)
class File:
    """A file in a layer: absolute path, content (or the file that holds it), permissions."""

    path: str
    content: bytes | Path
    mode: int = 0o644


@dataclass(frozen=True)
class Link:
    """A symbolic link in a layer."""

    path: str
    target: str


@dataclass(frozen=True)
class Folder:
    """A folder in a layer. Those on the way to a file need not be given."""

    path: str
    mode: int = 0o755


Entry = File | Link | Folder
Layer = Path | tuple[Entry, ...]  # a tar file as it is, or entries


@dataclass(frozen=True)
class Image:
    """An image to be written: its names, its layers from the bottom up, how it starts."""

    names: tuple[str, ...]
    layers: tuple[Layer, ...]
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str | None = None


def architecture() -> str:
    """Return this machine's architecture as images and Go name it."""
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


def write(out: IO[bytes], images: Iterable[Image]) -> None:
    """Write one archive of some images to a stream, which need not be seekable. A shared layer is written once.

    Raises:
        ValueError: an entry lies below /bin, /sbin or /lib, where it would hide a Debian root's programs.
    """
    with tarfile.open(fileobj=out, mode="w|") as archive:
        layers: dict[Layer, str] = {}
        configs: set[str] = set()
        manifest = []
        for image in images:
            for layer in image.layers:
                if layer not in layers:
                    layers[layer] = _add_layer(archive, layer)
            config = _config(image, [layers[layer] for layer in image.layers])
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            if name not in configs:
                configs.add(name)
                _add(archive, name, config)
            files = [_layer_file(layers[layer]) for layer in image.layers]
            manifest.append({"Config": name, "RepoTags": list(image.names), "Layers": files})
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def write_layer(out: IO[bytes], entries: Iterable[Entry]) -> None:
    """Write entries as an uncompressed tar: sorted, owned by root, without times."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for entry in _with_parents(entries):
            info = tarfile.TarInfo(entry.path.lstrip("/"))
            if isinstance(entry, Link):
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.target, 0o777
                archive.addfile(info)
            elif isinstance(entry, Folder):
                info.type, info.mode = tarfile.DIRTYPE, entry.mode
                archive.addfile(info)
            else:
                info.mode = entry.mode
                with _opened(entry.content) as content:
                    info.size = content.seek(0, io.SEEK_END)
                    content.seek(0)
                    archive.addfile(info, content)


def tree(folder: Path) -> tuple[Entry, ...]:
    """Return the files below a folder as entries, with the permissions that git keeps: executable or not."""
    return tuple(
        File(f"/{path.relative_to(folder)}", path.read_bytes(), 0o755 if path.stat().st_mode & 0o100 else 0o644)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )


def _with_parents(entries: Iterable[Entry]) -> list[Entry]:
    found = {entry.path: entry for entry in entries}
    for path in list(found):
        if PurePosixPath(path).parts[1] in MERGED:
            raise ValueError(f"{path}: write below /usr instead, {MERGED} are links there in a Debian root")
        for parent in PurePosixPath(path).parents:
            if str(parent) != "/":
                found.setdefault(str(parent), Folder(str(parent)))
    return [found[path] for path in sorted(found)]


def _opened(content: bytes | Path) -> IO[bytes]:
    return content.open("rb") if isinstance(content, Path) else io.BytesIO(content)


class _Digesting(io.RawIOBase):
    """Passes bytes on and takes their SHA-256 as they go by."""

    def __init__(self, out: IO[bytes]) -> None:
        self.out = out
        self.sha = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override] # bytes are all that tarfile writes
        self.sha.update(data)
        return self.out.write(data)


def _add_layer(archive: tarfile.TarFile, layer: Layer) -> str:
    """Add a layer, compressed, and return the digest of the uncompressed one, by which a config names it."""
    with tempfile.TemporaryFile() as packed:
        # Level 1: a few percent larger than level 6, several times as fast, and it is done for every build.
        with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=1, mtime=0) as zipped:
            digesting = _Digesting(zipped)  # type: ignore[arg-type] # GzipFile writes as a file does
            if isinstance(layer, Path):
                with layer.open("rb") as plain:
                    shutil.copyfileobj(plain, digesting, 1 << 20)
            else:
                write_layer(digesting, layer)  # type: ignore[arg-type] # so does RawIOBase
        digest = digesting.sha.hexdigest()
        info = tarfile.TarInfo(_layer_file(digest))
        info.size = packed.tell()
        packed.seek(0)
        archive.addfile(info, packed)
    return digest


def _layer_file(digest: str) -> str:
    return f"{digest}.tar.gz"


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def _config(image: Image, layers: list[str]) -> bytes:
    run: dict[str, object] = {"Env": [SEARCH_PATH, *image.env]}
    optional: dict[str, object] = {
        "Entrypoint": list(image.entrypoint),
        "Cmd": list(image.cmd),
        "Labels": dict(image.labels),
        "StopSignal": image.stop_signal,
    }
    run |= {key: value for key, value in optional.items() if value}
    config = {
        "architecture": architecture(),
        "os": "linux",
        "created": CREATED,
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}" for layer in layers]},
        "history": [{"created": CREATED, "created_by": "kubernetes-networking-deep-dive"} for _ in layers],
    }
    return json.dumps(config, sort_keys=True).encode()
