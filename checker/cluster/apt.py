"""Debian packages, installed where the user is root on Debian or Ubuntu and agrees."""

from __future__ import annotations

import os
import platform
import shutil
from typing import TYPE_CHECKING

from checker.cluster import command, consent
from checker.errors import HostError

if TYPE_CHECKING:
    from rich.console import Console

SECONDS = 900
LOCK_SECONDS = 120  # another apt-get may be at work, on a machine that has just booted for example


def usable() -> bool:
    """Whether we can install packages here: root on Debian or one of its children."""
    return os.geteuid() == 0 and bool(shutil.which("apt-get")) and _is_debian()


def offer(packages: tuple[str, ...], need: str, console: Console) -> None:
    """Install packages if the user agrees.

    Args:
        packages: their names.
        need: one sentence that says what is missing, before the question.
        console: where the question is asked.

    Raises:
        HostError: not agreed to, or apt-get failed.
    """
    listed = " ".join(packages)
    consent.require(
        f"{need} Install {listed} with apt-get?", HostError(need, f"apt-get install --yes {listed}"), console
    )
    wait = f"DPkg::Lock::Timeout={LOCK_SECONDS}"
    _run(["apt-get", "-o", wait, "update"], console)
    _run(["apt-get", "-o", wait, "install", "--yes", "--no-install-recommends", *packages], console)


def _run(argv: list[str], console: Console) -> None:
    console.print(f"  {' '.join(argv)}", highlight=False)
    output = command.run(argv, seconds=SECONDS, env={"DEBIAN_FRONTEND": "noninteractive"})
    if output.ok:
        return
    reason = next((line for line in output.err.splitlines() if line.startswith("E:")), output.last_line)
    raise HostError(f"`{argv[0]} {argv[3]}` failed: {reason}", " ".join(argv))


def _is_debian() -> bool:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return False
    return bool({"debian", "ubuntu"} & {release.get("ID", ""), *release.get("ID_LIKE", "").split()})
