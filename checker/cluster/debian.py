"""Debian root file systems, made by mmdebstrap from Debian's packages."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from checker.cluster import children, parts
from checker.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

    from checker.cluster.catalogue import Root

INSTALL = "apt-get install --yes mmdebstrap debian-archive-keyring"
EPOCH = "1767225600"  # the newest time that a file in a root may have, so that two builds give the same bytes
OMITTED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")


def part(root: Root) -> parts.Part:
    """Return the part that holds a root file system: an uncompressed tar."""

    def make(target: Path, log: Path) -> None:
        check()
        # mmdebstrap chooses the format by the file's name.
        tar = target.with_name(f"{target.name}.tar")
        tar.unlink(missing_ok=True)
        children.run([*_command(root), str(tar)], log, env={"SOURCE_DATE_EPOCH": EPOCH})
        tar.replace(target)

    return parts.Part(f"root-{root.key}", parts.fingerprint(root, OMITTED, EPOCH), make)


def check() -> None:
    """Make sure that mmdebstrap is there.

    Raises:
        HostError: it is not; says how to install it.
    """
    if not shutil.which("mmdebstrap"):
        if shutil.which("apt-get"):
            raise HostError("Building the images needs mmdebstrap, which is not installed.", f"sudo {INSTALL}")
        raise HostError(
            "No container registry answers, and without Debian's mmdebstrap the images cannot be built here: "
            "carry them over from a machine that has them (make images-save there).",
            "make images-load FILE=images.tar",
        )


def _command(root: Root) -> list[str]:
    omitted = [f"--dpkgopt=path-exclude={pattern}" for pattern in OMITTED]
    return [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(root.packages)}",
        '--aptopt=APT::Install-Recommends "false"',
        *omitted,
        root.suite,
    ]
