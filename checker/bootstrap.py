"""Make the repository's own Python environment, .venv, without touching the user's.

Runs before anything is installed: standard library only, and readable by Python 3.7, so that an old Python can be told.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
INPUTS = ("pyproject.toml", "constraints.txt")
STAMP = ".installed.{}"


def main(extras: list[str]) -> int:
    """Install the package and the extras that are asked for, unless that is done; returns the exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this very line is for those who have less
        return say(
            f"The course needs Python 3.11 or newer; this is {sys.version_info[0]}.{sys.version_info[1]}.",
            "make PYTHON=python3.12 …",
        )
    wanted = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in INPUTS)).hexdigest()
    if is_installed(extras, wanted):
        return 0
    if not (VENV / "bin" / "pip").exists():
        try:
            import ensurepip  # noqa: F401 - Debian ships it apart
        except ImportError:
            return say("Python's venv module is incomplete here.", "apt-get install python3-venv")
        venv.create(str(VENV), with_pip=True)
    print("Installing the course's Python packages into .venv", flush=True)
    package = f".[{','.join(extras)}]" if extras else "."
    command = [
        str(VENV / "bin" / "pip"),
        "install",
        "-q",
        "--disable-pip-version-check",
        "-c",
        "constraints.txt",
        "-e",
        package,
    ]
    if subprocess.run(command, cwd=str(ROOT)).returncode:
        return say("pip could not install the course's packages; its words are above.", "make doctor")
    (VENV / STAMP.format("-".join(sorted(extras)))).write_text(wanted, encoding="utf-8")
    return 0


def is_installed(extras: list[str], wanted: str) -> bool:
    """Tell whether an earlier run installed at least these extras from the same files."""
    for stamp in VENV.glob(STAMP.format("*")):
        if stamp.read_text(encoding="utf-8") == wanted and set(extras) <= set(stamp.name.split(".")[-1].split("-")):
            return True
    return False


def say(message: str, mend: str) -> int:
    """Print what is wrong and what mends it; returns the exit code 2."""
    sys.stderr.write(f"? {message}\n  Run: {mend}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
