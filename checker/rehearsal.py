"""Do what a page tells the reader to do: type its console blocks in page order and compare what comes out."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from checker.console import LEARNER, Block, Command, Page
from checker.errors import CourseError
from checker.transcript import compare, same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The cluster's name where a page writes it: in a node's or the outside's name, a context, a label.
_CLUSTER = re.compile(
    r"\b(?:deep-dive(?=-(?:control-plane|worker2?|outside)\b)|(?<=kind-)deep-dive\b(?!-)|(?<=cluster=)deep-dive\b(?!-))"
)


class Typist(Protocol):
    """What types: `checker.terminal.Shell`, or a test's own."""

    def run(self, command: str, *, prompt: str = ..., timeout: float | None = ...) -> list[str]:
        """Type a command, wait for the prompt, return the lines that came out."""

    def recover(self) -> None:
        """Come back to the learner's prompt."""


class Fate(StrEnum):
    """What became of a block."""

    SAME = "same"
    DIFFERS = "differs"
    SKIPPED = "skipped"  # marked so on the page
    UNREACHED = "unreached"  # a block before it broke the shell or the state


@dataclass(frozen=True)
class Played:
    """A block and what became of it; `detail` is the reason of a skip, or the difference, line by line."""

    block: Block
    fate: Fate
    detail: str = ""


def rehearse(
    page: Page, shell: Typist, enter_state: Callable[[int, str], None], *, cluster: str = "deep-dive"
) -> list[Played]:
    """Type every block of a page that runs, in one shell, and return the fate of each block.

    Args:
        page: the page.
        shell: where to type.
        enter_state: called with the lab's number and `start` or `solution` before the first block, and again
            where a block asks for another state.
        cluster: the name that the cluster really has; pages write `deep-dive`.
    """
    run = _Run(page, shell, enter_state, cluster)
    played = [run.play(block) for block in page.blocks]
    if run.broken:
        with suppress(CourseError):  # the page has failed already; this only ends what it left running
            shell.recover()
    return played


def localise(command: Command, cluster: str) -> Command:
    """Return the command as it reads on a cluster of another name."""
    return replace(
        command,
        prompt=localise_text(command.prompt, cluster),
        text=localise_text(command.text, cluster),
        expected=tuple(localise_text(line, cluster) for line in command.expected),
    )


def localise_text(text: str, cluster: str) -> str:
    """Put the cluster's real name where a page writes `deep-dive` for it; `deep-dive-system` and such stay."""
    return _CLUSTER.sub(cluster, text)


class _Run:
    """One page on its way: the state that the cluster is in, and whether the shell can still be typed into."""

    def __init__(self, page: Page, shell: Typist, enter_state: Callable[[int, str], None], cluster: str) -> None:
        self.broken = False
        self._lab = page.lab
        self._shell = shell
        self._enter_state = enter_state
        self._cluster = cluster
        self._state: str | None = None
        self._prompts = _next_prompts(page)

    def play(self, block: Block) -> Played:
        if block.skip is not None:
            return Played(block, Fate.SKIPPED, block.skip)
        if self.broken:
            return Played(block, Fate.UNREACHED)
        try:
            self._enter(block.state)
            differences = [found for command in block.commands if (found := self._difference(command))]
        except CourseError as error:
            self.broken = True
            return Played(block, Fate.DIFFERS, f"{block.where}: {error}")
        return Played(block, Fate.DIFFERS if differences else Fate.SAME, "\n".join(differences))

    def _enter(self, state: str | None) -> None:
        if self._lab is not None and state is not None and state != self._state:
            self._enter_state(self._lab, state)
            self._state = state

    def _difference(self, command: Command) -> str:
        here = localise(command, self._cluster)
        prompt = localise_text(next(self._prompts), self._cluster)
        steps = compare(here.expected, self._shell.run(here.text, prompt=prompt))
        if same(steps):
            return ""
        return "\n".join([f"{here.where}: {here.prompt}{here.text}", *(f"    {step}" for step in steps)])


def _next_prompts(page: Page) -> Iterator[str]:
    """Yield, for each command that runs, the prompt that follows it: the next command's; at the end the learner's."""
    prompts = [command.prompt for block in page.blocks if block.skip is None for command in block.commands]
    return iter([*prompts[1:], LEARNER])
