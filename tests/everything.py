"""`make test`: style, unit tests and docs, then live tests and the proof on a cluster of its own, deleted after.

Images are made ready in the background while the tests that need none run. Prints what each part took.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CLUSTER = "deep-dive-test"
FROM_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # a make called by the tests would take itself for one within another
MUTANT_SECONDS = "45"  # a lab; the lot that decides which ones are tried is the same each time
PYTHON = (sys.executable, "-m")
console = Console(highlight=False)


class Parts:
    """Runs the parts of the test one after the other and keeps what each took."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.rows: list[tuple[str, float, int]] = []

    def run(self, name: str, *command: str) -> bool:
        """Run one part; returns whether it succeeded."""
        console.rule(name, align="left")
        began = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, env=self.environment, check=False).returncode
        self.rows.append((name, time.monotonic() - began, code))
        return code == 0

    def wait(self, name: str, process: subprocess.Popen[bytes], began: float, log: Path) -> bool:
        """Wait for a part that runs in the background and show its output."""
        console.rule(name, align="left")
        code = process.wait()
        self.rows.append((name, time.monotonic() - began, code))
        print(log.read_text(encoding="utf-8", errors="replace")[-6000:])
        return code == 0

    def show(self) -> None:
        """Print the parts with their wall time."""
        table = Table(title="What each part took")
        for heading in ("part", "seconds", "result"):
            table.add_column(heading, justify="right" if heading == "seconds" else "left")
        for name, seconds, code in self.rows:
            table.add_row(name, f"{seconds:.0f}", "ok" if code == 0 else f"exit {code}")
        console.print(table)

    @property
    def ok(self) -> bool:
        """Tell whether every part that ran succeeded."""
        return all(code == 0 for _, _, code in self.rows)


def main() -> int:
    """Run everything; returns 0 where every part succeeded."""
    with tempfile.TemporaryDirectory() as work:
        own = {"DEEP_DIVE_CLUSTER": CLUSTER, "DEEP_DIVE_WORK": work, "KUBECONFIG": str(Path(work) / "kubeconfig")}
        outer = {name: value for name, value in os.environ.items() if name not in FROM_MAKE}
        parts = Parts({**outer, **own, "NO_MKDOCS_2_WARNING": "1"})
        try:
            _run(parts)
        finally:
            parts.show()
    return 0 if parts.ok else 1


def _run(parts: Parts) -> None:
    log = ROOT / "build" / "images.log"
    log.parent.mkdir(exist_ok=True)
    began = time.monotonic()
    with log.open("wb") as output:
        command = [*PYTHON, "checker", "images"]
        images = subprocess.Popen(command, cwd=ROOT, env=parts.environment, stdout=output, stderr=output)
    try:
        without_cluster = _without_cluster(parts)
        ready = parts.wait("images, in the background until here", images, began, log)
    finally:
        images.terminate()
        images.wait()
    if without_cluster and ready:
        _with_cluster(parts)


def _without_cluster(parts: Parts) -> bool:
    style = [
        parts.run("style: ruff", str(BIN / "ruff"), "check", "."),
        parts.run("format: ruff", str(BIN / "ruff"), "format", "--check", "."),
        parts.run("types: mypy", str(BIN / "mypy")),
        parts.run("imports: import-linter", str(BIN / "lint-imports")),
        parts.run("unit tests", *PYTHON, "pytest", "-q", "tests/unit"),
        parts.run("docs", str(BIN / "mkdocs"), "build", "--strict"),
    ]
    return all(style)


def _with_cluster(parts: Parts) -> None:
    try:
        if parts.run("cluster", *PYTHON, "checker", "up"):
            parts.run("the proof", *PYTHON, "checker", "prove")
            parts.run("mutants", *PYTHON, "checker", "mutants", "--seconds", MUTANT_SECONDS)
            parts.run("live tests", *PYTHON, "pytest", "-q", "-rs", "tests/live")
    finally:
        parts.run("cluster deleted", *PYTHON, "checker", "down")


if __name__ == "__main__":
    sys.exit(main())
