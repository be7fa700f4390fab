"""A fake of the layer that runs programs, so that none of these tests needs Docker, kind or root."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from checker.cluster import command
from checker.cluster.command import Output

Answer = Output | Callable[[Sequence[str]], Output]


class Programs:
    """Answers every run of a program from a script, and remembers what was run.

    The answer is that of the last rule whose words all occur, in order, among the arguments; a program without a rule
    is not installed.
    """

    def __init__(self) -> None:
        self.rules: list[tuple[tuple[str, ...], Answer]] = []
        self.ran: list[list[str]] = []
        self.stdin: list[bytes | None] = []
        self.environments: list[dict[str, str]] = []

    def on(self, words: str, answer: Answer | str) -> None:
        """Answer runs with these words; a text stands for success that prints it."""
        self.rules.append((tuple(words.split()), Output(0, answer) if isinstance(answer, str) else answer))

    def run(self, argv: Sequence[str], *, seconds: float, stdin: bytes | None = None, env: Any = None) -> Output:
        """Stand in for `command.run`."""
        assert seconds > 0
        self.environments.append(env or {})
        self.ran.append([Path(argv[0]).name, *argv[1:]])
        self.stdin.append(stdin)
        for words, answer in reversed(self.rules):
            rest = iter(self.ran[-1])
            if all(word in rest for word in words):
                return answer(argv) if callable(answer) else answer
        return Output(command.NOT_FOUND, err=f"{argv[0]}: not found")

    def lines(self, word: str) -> list[str]:
        """Return the command lines that contain a word."""
        return [line for line in map(" ".join, self.ran) if word in line]


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Programs:
    """No program but those that the test scripts; an empty cache folder."""
    fake = Programs()
    monkeypatch.setattr(command, "run", fake.run)
    monkeypatch.setenv("DEEP_DIVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "learner.kubeconfig"))
    monkeypatch.setenv("DEEP_DIVE_IMAGES", "build")  # never ask a registry
    for name in ("YES", "CI", "DOCKER_HOST"):
        monkeypatch.delenv(name, raising=False)
    return fake
