"""The console blocks of a Markdown page: what a page tells the reader to type, and what it says comes out.

A block is a fence of the language `console`. In it, a line that begins with a prompt is typed, the lines
below it are the output. `$ ` is the learner's shell; another prompt, such as `tmp-shell:~# ` or `/ # `,
is a shell inside a Pod or a node.

    ```{ .console data-state="solution" }
    $ kubectl get service my-service
    NAME         TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)   AGE
    my-service   ClusterIP   10.96.…      <none>        80/TCP    …
    ```

Reading only: `checker.terminal` types, `checker.transcript` compares, `checker.rehearsal` does the whole page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from checker.errors import ContentError
from checker.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LEARNER = "$ "  # the prompt of the learner's own shell, as pages show it
STATES = ("start", "solution")
ATTRIBUTES = ("data-state", "data-skip")

# The learner's `$`, `root@tmp-shell:/#`, `tmp-shell:~#`, `/ #` (busybox), `bash-5.2#`; each with a space after it.
PROMPT = re.compile(r"(?:\$|[\w.-]+@[\w.-]+:\S*?[#$]|[\w.-]+:[~/]\S*?[#$]|[~/]\S* [#$]|(?:ba)?sh-\d[\d.]*[#$])(?: |$)")
_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,})\s*(?P<info>[^`]*)$")
_ATTRIBUTE = re.compile(r"""([\w-]+)=(?:"([^"]*)"|'([^']*)'|([^\s}"']+))""")
_HEREDOC = re.compile(r"<<(-?)\s*(['\"]?)(\w+)\2")
_SNIPPET = re.compile(r'^\s*-{1,}8<-{1,}\s+"(?P<path>[^"]+\.md)"\s*$')


@dataclass(frozen=True)
class Command:
    """What is typed at one prompt, and the output that the page shows below it.

    Args:
        prompt: as the page shows it, with its space: `$ `, `tmp-shell:~# `.
        text: what is typed; more than one line where the command goes on.
        expected: the lines of output below it, without trailing blank lines.
        where: `file:line` of the prompt.
    """

    prompt: str
    text: str
    expected: tuple[str, ...]
    where: str


@dataclass(frozen=True)
class Block:
    """One fence: its commands, the lab state that it runs at, and why it does not run, if it does not."""

    where: str
    commands: tuple[Command, ...]
    state: str | None
    skip: str | None


@dataclass(frozen=True)
class Page:
    """A Markdown page and its console blocks in page order; `lab` is None where the front matter names none."""

    path: Path
    lab: int | None
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class _Line:
    where: str
    text: str


def read_page(path: Path) -> Page:
    """Return the console blocks of a page, those of the Markdown files that it includes among them.

    Raises:
        ContentError: a fence, an attribute or the front matter is malformed; names file and line.
    """
    lines = list(_lines(path))
    lab, state = _front_matter(lines)
    blocks: list[Block] = []
    for info, body in fences(lines):
        if not is_console(info.text):
            continue
        attributes = _attributes(info)
        state = attributes.get("data-state", state)
        blocks.append(Block(info.where, tuple(_commands(info, body)), state, attributes.get("data-skip")))
        if state is not None and lab is None:
            raise ContentError(f"{info.where}: the block names a state, the page's front matter names no lab.")
    return Page(path, lab, tuple(blocks))


def is_console(info: str) -> bool:
    """Say whether a fence's info string, what stands behind its backticks, makes it a console block."""
    return bool(re.match(r"(console\b|\{[^}]*\.console\b)", info.strip()))


def fences(lines: list[_Line]) -> Iterator[tuple[_Line, list[_Line]]]:
    """Yield each fence as its info string and its body, less the indentation of the fence.

    Raises:
        ContentError: a fence is never closed.
    """
    rest = iter(lines)
    for line in rest:
        if not (opening := _FENCE.match(line.text)):
            continue
        body = []
        for inner in rest:
            if _closes(inner.text, opening["ticks"]):
                break
            body.append(_Line(inner.where, _dedent(inner.text, len(opening["indent"]))))
        else:
            raise ContentError(f"{line.where}: this fence is never closed.")
        yield _Line(line.where, opening["info"]), body


def typed_parts(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Sort the lines of a block into (kind, prompt, rest): `typed` a command, `more` its next line, else `output`.

    A command goes on after a trailing backslash, inside a here-document, and on `> ` lines right below it.
    """
    text: str | None = None  # the command so far; None once its output has begun
    for line in lines:
        if text is not None and (_unfinished(text) or line.startswith("> ")):
            prompt = "> " if line.startswith("> ") else ""
            text = f"{text}\n{line[len(prompt) :]}"
            yield "more", prompt, line[len(prompt) :]
        elif found := PROMPT.match(line):
            text = line[found.end() :]
            yield "typed", found[0], text
        else:
            text = None
            yield "output", "", line


def _lines(path: Path) -> Iterator[_Line]:
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if included := _SNIPPET.match(text):
            yield from _lines(ROOT / included["path"])
        else:
            yield _Line(f"{name}:{number}", text)


def _front_matter(lines: list[_Line]) -> tuple[int | None, str | None]:
    head = _head(lines)
    lab, state = head.get("lab"), head.get("state")
    if lab is not None and not isinstance(lab, int):
        raise ContentError(f"{lines[0].where}: `lab:` is the lab's number, got {lab!r}.")
    if state is not None and state not in STATES:
        raise ContentError(f"{lines[0].where}: `state:` is one of {', '.join(STATES)}, got {state!r}.")
    if lab is not None and state is None:
        raise ContentError(f"{lines[0].where}: a page with `lab:` also says `state:`, one of {', '.join(STATES)}.")
    return lab, state


def _head(lines: list[_Line]) -> dict[str, Any]:
    if not lines or lines[0].text != "---":
        return {}
    text = [line.text for line in lines[1:]]
    if "---" not in text:
        raise ContentError(f"{lines[0].where}: the front matter is never closed with `---`.")
    try:
        head = yaml.safe_load("\n".join(text[: text.index("---")])) or {}
    except yaml.YAMLError as error:
        raise ContentError(f"{lines[0].where}: the front matter is not YAML: {error}") from error
    if not isinstance(head, dict):
        raise ContentError(f"{lines[0].where}: the front matter is `key: value` lines.")
    return head


def _attributes(info: _Line) -> dict[str, str]:
    found = {m[1]: m[2] or m[3] or m[4] or "" for m in _ATTRIBUTE.finditer(info.text)}
    for name in found:
        if name not in (*ATTRIBUTES, "title"):
            raise ContentError(f"{info.where}: a console block knows {' and '.join(ATTRIBUTES)}, got `{name}`.")
    if (state := found.get("data-state")) is not None and state not in STATES:
        raise ContentError(f"{info.where}: data-state is one of {', '.join(STATES)}, got {state!r}.")
    if found.get("data-skip", "why").strip() == "":
        raise ContentError(f"{info.where}: data-skip says why the block does not run.")
    return found


def _commands(info: _Line, body: list[_Line]) -> Iterator[Command]:
    prompt, text, where = "", "", ""
    output: list[str] = []
    parts = typed_parts([line.text for line in body])
    for line, (kind, mark, rest) in zip(body, parts, strict=True):
        if kind == "typed":
            if where:
                yield _command(prompt, text, output, where)
            prompt, text, where, output = mark.rstrip(" ") + " ", rest, line.where, []
        elif kind == "more":
            text += "\n" + rest
        elif where or not line.text.strip():
            output.append(line.text)
        else:
            raise ContentError(f"{line.where}: a console block begins with a prompt such as `$ `, got {line.text!r}.")
    if not where:
        raise ContentError(f"{info.where}: the console block has no command.")
    yield _command(prompt, text, output, where)


def _command(prompt: str, text: str, output: list[str], where: str) -> Command:
    if _unfinished(text):
        raise ContentError(f"{where}: the command never ends: {text.splitlines()[0]!r}.")
    while output and not output[-1].strip():
        output.pop()
    return Command(prompt, text, tuple(output), where)


def _unfinished(text: str) -> bool:
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if found := _HEREDOC.search(line):
            rest = [later.lstrip("\t") if found[1] else later for later in lines[number + 1 :]]
            return found[3] not in rest
    return lines[-1].endswith("\\")


def _closes(text: str, ticks: str) -> bool:
    bare = text.strip()
    return len(bare) >= len(ticks) and set(bare) == {ticks[0]}


def _dedent(text: str, indent: int) -> str:
    return text[min(indent, len(text) - len(text.lstrip(" "))) :]
