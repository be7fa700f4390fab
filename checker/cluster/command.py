"""One run of a program: its exit code and what it printed, always with a deadline."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checker.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOT_FOUND = 127


@dataclass(frozen=True)
class Output:
    """What a program left behind: exit code, standard output, standard error."""

    code: int
    out: str = ""
    err: str = ""

    @property
    def ok(self) -> bool:
        """Whether the program ended well."""
        return self.code == 0

    @property
    def last_line(self) -> str:
        """The last line that it printed, which is where programs put the reason."""
        lines = [line.strip() for line in f"{self.out}\n{self.err}".splitlines() if line.strip()]
        return lines[-1] if lines else f"exit code {self.code}"


def run(
    argv: Sequence[str], *, seconds: float, stdin: bytes | None = None, env: Mapping[str, str] | None = None
) -> Output:
    """Run a program to its end. A program that is not there ends with code 127, as in a shell.

    Args:
        argv: the program and its arguments; no shell is involved.
        seconds: after this long it is killed.
        stdin: what it reads; nothing if None.
        env: variables that differ from our own.

    Raises:
        HostError: it did not end in time.
    """
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=seconds,
            env={**os.environ, **(env or {})},
            check=False,
        )
    except (FileNotFoundError, NotADirectoryError):
        return Output(NOT_FOUND, err=f"{argv[0]}: not found")
    except subprocess.TimeoutExpired as error:
        shown = " ".join(argv[:2])
        raise HostError(f"`{shown}` did not end within {seconds:.0f} s.", "make doctor") from error
    return Output(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
