"""Image archives: the layout that Docker reads, and the same bytes from the same inputs."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from checker.cluster import archive
from checker.cluster.archive import File, Folder, Image, Link

if TYPE_CHECKING:
    from pathlib import Path

LAYER = (File("/usr/bin/tool", b"#!/bin/sh\n", 0o755), Link("/etc/link", "../usr"), Folder("/tmp", 0o1777))


def written(*images: Image) -> bytes:
    out = io.BytesIO()
    archive.write(out, images)
    return out.getvalue()


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: content.read() for member in tar if (content := tar.extractfile(member))}


def manifest(data: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(members(data)["manifest.json"])
    return found


def layer_of(entries: tuple[archive.Entry, ...]) -> list[tarfile.TarInfo]:
    out = io.BytesIO()
    archive.write_layer(out, entries)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        return tar.getmembers()


def test_docker_finds_the_image_its_config_and_its_layers() -> None:
    data = written(Image(("a/b:1",), (LAYER,), entrypoint=("/tool",), cmd=("x",), labels={"k": "v"}))
    (entry,) = manifest(data)
    config = json.loads(members(data)[entry["Config"]])
    layer = gzip.decompress(members(data)[entry["Layers"][0]])
    assert entry["RepoTags"] == ["a/b:1"]
    assert config["config"]["Entrypoint"] == ["/tool"]
    assert config["config"]["Cmd"] == ["x"]
    assert config["config"]["Labels"] == {"k": "v"}
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_bytes(b"x" * 100_000)
    image = Image(("a:1",), ((File("/usr/bin/p", file, 0o755), *LAYER),))
    first = written(image)
    file.touch()
    assert written(image) == first
    shuffled = Image(("a:1",), ((*reversed(LAYER), File("/usr/bin/p", file, 0o755)),))
    assert written(shuffled) == first


def test_a_shared_layer_is_written_once(tmp_path: Path) -> None:
    root = tmp_path / "root.tar"
    with root.open("wb") as out:
        archive.write_layer(out, LAYER)
    other = (File("/usr/bin/other", b""),)
    data = written(Image(("a:1",), (root,)), Image(("b:1",), (root, other)))
    assert len([name for name in members(data) if name.endswith(".tar.gz")]) == 2
    first, second = manifest(data)
    assert second["Layers"][0] == first["Layers"][0]


def test_a_layer_is_sorted_owned_by_root_and_has_its_folders() -> None:
    found = layer_of(LAYER)
    assert [member.name for member in found] == ["etc", "etc/link", "tmp", "usr", "usr/bin", "usr/bin/tool"]
    assert {(member.uid, member.gid, member.mtime) for member in found} == {(0, 0, 0)}
    modes = {member.name: member.mode for member in found}
    assert modes["usr/bin/tool"] == 0o755
    assert modes["tmp"] == 0o1777
    assert found[1].linkname == "../usr"


def test_a_file_below_bin_would_hide_debians_programs() -> None:
    with pytest.raises(ValueError, match="write below /usr instead"):
        layer_of((File("/bin/tool", b""),))


def test_a_tree_keeps_what_git_keeps(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "conf").write_text("x", encoding="utf-8")
    (tmp_path / "run").write_text("y", encoding="utf-8")
    (tmp_path / "run").chmod(0o700)
    assert archive.tree(tmp_path) == (File("/etc/conf", b"x", 0o644), File("/run", b"y", 0o755))
