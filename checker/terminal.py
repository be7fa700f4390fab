"""A learner's shell, driven by pexpect: type a command, wait for the prompt, read what came out.

The shell is a bash on a terminal of its own. Its prompt is a string that no output can hold by accident, so
the end of a command is known, not guessed. A command may open a shell inside a Pod or a node
(`kubectl run … -it`, `docker exec -it …`): the caller then says which prompt comes next, as the page shows it.
"""

from __future__ import annotations

import os
import re
import secrets
import warnings
from typing import TYPE_CHECKING, Self

import pexpect

from checker.console import LEARNER
from checker.errors import NotReadyError
from checker.paths import ROOT, tools_dir

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TIMEOUT = 180.0  # seconds for one command; a lab that starts, its Pods included, fits in
WIDTH, HEIGHT = 100, 50  # as a reader may have it: some tools, ss among them, spread over the whole width

# Colours and cursor moves (CSI), window titles (OSC), and the two-byte rest.
_ANSI = r"(?:\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\^_=>()][0AB]?)"
_PRESS_ENTER = "try pressing enter"
_QUIET = 3.0  # seconds without a prompt before Enter is pressed, where kubectl advises that


class Shell:
    """A bash with a known prompt. Use it as a context manager; leaving it ends what still runs.

    Args:
        kubeconfig: what `kubectl` in this shell talks to.
        environment: added to the process's own.
        folder: where the shell starts.
        timeout: seconds that one command may take unless `run` is told otherwise.
    """

    def __init__(
        self,
        kubeconfig: Path,
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path = ROOT,
        timeout: float = TIMEOUT,
    ) -> None:
        self.timeout = timeout
        self._sentinel = f"[{secrets.token_hex(8)}]$ "
        self._inside = LEARNER
        self._child = _spawn(_environment(kubeconfig, self._sentinel, environment or {}), folder)
        self._await(LEARNER, "bash", 10.0)
        self.run("export -n PS1 PS2 IGNOREEOF")  # a bash within this one has its own

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, command: str, *, prompt: str = LEARNER, timeout: float | None = None) -> list[str]:
        """Type a command and return its output, a line each, without colours and without the echo.

        Args:
            command: one or more lines, as typed.
            prompt: the prompt that comes next: `$ ` for this shell, else that of a shell inside a Pod or a node.
            timeout: seconds to wait for that prompt.

        Raises:
            NotReadyError: the prompt did not come in time, or the shell inside ended first; says what came instead.
        """
        echoes = self._inside != LEARNER
        self._child.sendline(command)
        text = self._await(prompt, command, self.timeout if timeout is None else timeout)
        return _as_lines(_without_echo(text, command) if echoes else text)

    def recover(self) -> None:
        """Come back to the learner's prompt from wherever the shell hangs: Ctrl-C, then Ctrl-D, at most three times.

        Raises:
            NotReadyError: the shell does not come back.
        """
        for key in "cdcdcd":
            self._child.sendcontrol(key)
            if self._answers(2.0, re.escape(self._sentinel)):
                self._inside = LEARNER
                return
        raise NotReadyError("The shell does not come back after Ctrl-C and Ctrl-D.")

    def close(self) -> None:
        """End the shell and everything that it started on its terminal."""
        self._child.close(force=True)

    def _await(self, prompt: str, command: str, timeout: float) -> str:
        wanted = [re.escape(self._sentinel)]
        if prompt != LEARNER:
            wanted.append(_prompt_pattern(prompt))
        found = self._expect(wanted, timeout, nudge=prompt != LEARNER)
        before = _plain(self._child.before or "")
        if found != len(wanted) - 1:
            raise NotReadyError(_complaint(found, prompt, command, timeout, before))
        if prompt not in (LEARNER, self._inside):
            before = self._enter(prompt, command, before)
        self._inside = prompt
        return before

    def _enter(self, prompt: str, command: str, before: str) -> str:
        """Get in step with a shell that has just opened: attaching to a Pod can show its first prompt twice."""
        pattern = _prompt_pattern(prompt)
        if not any(self._answers(2.0, pattern) for _ in range(5)):  # what is typed while it attaches can be lost
            raise NotReadyError(f"`{command.splitlines()[0]}` opened a shell that does not answer at {prompt!r}.")
        return "\n".join(line for line in before.split("\n") if line.rstrip() != prompt.rstrip())

    def _expect(self, wanted: list[str], timeout: float, *, nudge: bool) -> int:
        """Return the index of the pattern that came; past the patterns: end of file, then timeout."""
        quiet = min(_QUIET, timeout) if nudge else timeout
        found = self._which(wanted, quiet)
        if found == len(wanted) + 1 and nudge:
            return self._press_enter(wanted, max(timeout - quiet, 0.1))
        return found

    def _press_enter(self, wanted: list[str], timeout: float) -> int:
        """Wait on; if kubectl advises Enter, the first prompt was printed before it attached, so ask for another."""
        if _PRESS_ENTER in str(self._child.before):
            self._child.sendline("")
        return self._which(wanted, timeout)

    def _which(self, wanted: list[str], timeout: float) -> int:
        return int(self._child.expect([*wanted, pexpect.EOF, pexpect.TIMEOUT], timeout=timeout))

    def _answers(self, timeout: float, prompt: str) -> bool:
        """Say whether the shell of this prompt, a pattern, answers; swallow the prompts that piled up before."""
        word = secrets.token_hex(8)
        self._child.sendline(f'echo {word}""{word}')  # the echo of this line is not yet the answer to it
        return self._which([rf"{word}{word}\s*(?:{prompt})"], timeout) == 0


def _spawn(environment: dict[str, str], folder: Path) -> pexpect.spawn[str]:
    arguments = ["--norc", "--noprofile", "--noediting"]
    with warnings.catch_warnings():
        # Python 3.12 on warns of a fork beside threads; the child only calls exec.
        warnings.simplefilter("ignore", DeprecationWarning)
        return pexpect.spawn(
            "bash",
            arguments,
            env=environment,
            cwd=str(folder),
            echo=False,
            encoding="utf-8",
            codec_errors="replace",
            dimensions=(HEIGHT, WIDTH),
        )


def _environment(kubeconfig: Path, sentinel: str, more: Mapping[str, str]) -> dict[str, str]:
    own = {
        "KUBECONFIG": str(kubeconfig),
        "PATH": f"{tools_dir()}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PS1": sentinel,
        "PS2": "",
        "IGNOREEOF": "100",  # Ctrl-D ends a shell inside a Pod, not this one
        "TERM": "dumb",
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    return {**os.environ, **own, **more}


def _prompt_pattern(prompt: str) -> str:
    """Match the prompt as the last thing on the screen, whatever colours it wears."""
    letters = f"(?:{_ANSI})*".join(re.escape(letter) for letter in prompt.rstrip(" "))
    return rf"(?:^|(?<=[\r\n]))(?:{_ANSI})*{letters}(?:{_ANSI})* ?(?:{_ANSI})*\Z"


def _complaint(found: int, prompt: str, command: str, timeout: float, before: str) -> str:
    first = command.splitlines()[0] if command else "Enter"
    seen = "\n".join(_as_lines(before)[-15:]) or "(nothing)"
    patterns = 1 if prompt == LEARNER else 2
    if found == patterns + 1:
        why = f"did not show the prompt {prompt!r} within {timeout:g} s"
    elif found == patterns:
        why = "ended the shell"
    else:
        why = f"came back to the learner's prompt, expected {prompt!r}"
    return f"`{first}` {why}. Last output:\n{seen}"


def _without_echo(text: str, command: str) -> str:
    """Drop what a shell in a Pod repeats of the typed line, folded by its terminal or not."""
    end = 0
    for letter in "".join(command.split()):
        found = text.find(letter, end)
        if found < 0 or text[end:found].strip(" \r\n>"):  # `> ` asks for the next line of a command
            return text
        end = found + 1
    return text[text.find("\n", end) + 1 :] if "\n" in text[end:] else ""


def _plain(text: str) -> str:
    return re.sub(r"\r+\n", "\n", re.sub(_ANSI, "", text))


def _as_lines(text: str) -> list[str]:
    """Split into lines as a terminal shows them: after a bare carriage return the line is written anew."""
    lines = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines
