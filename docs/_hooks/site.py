"""What the site needs beyond plain MkDocs: versions written once, commands told from output, no idle script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mkdocs.exceptions import PluginError
from pygments.lexers.shell import BashLexer, BashSessionLexer
from pygments.token import Generic, Text

from checker.console import typed_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

_VERSION = re.compile(r"\{\{ version\.([\w-]+) \}\}")
_MERMAID = re.compile(r'\s*<script src="[^"]*mermaid\.min\.js"></script>')


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Put the versions of mkdocs.yml in place of `{{ version.NAME }}`."""

    def version(found: re.Match[str]) -> str:
        try:
            return str(config.extra["versions"][found[1]])
        except KeyError:
            raise PluginError(f"{page.file.src_uri}: mkdocs.yml has no version of {found[1]!r}") from None

    return _VERSION.sub(version, markdown)


def on_post_page(output: str, **_: Any) -> str:
    """Load Mermaid, 3.5 MB of it, only where a page has a diagram for it."""
    return output if 'class="mermaid"' in output else _MERMAID.sub("", output)


def on_post_template(output_content: str, **_: Any) -> str:
    """Do the same for the page that says what is not there."""
    return on_post_page(output_content)


def _console_tokens(lexer: BashSessionLexer, text: str) -> Iterator[tuple[int, Any, str]]:
    """Colour a console block as the live tests read it: what they type is a command, all else is output."""
    position = 0
    for line, (kind, prompt, rest) in zip(text.splitlines(keepends=True), typed_parts(text.splitlines()), strict=True):
        if kind == "output":
            yield position, Generic.Output, line
        else:
            yield position, Generic.Prompt, prompt
            for offset, token, value in BashLexer(**lexer.options).get_tokens_unprocessed(rest):
                yield position + len(prompt) + offset, token, value
            yield position + len(prompt) + len(rest), Text, line[len(prompt) + len(rest) :]
        position += len(line)


BashSessionLexer.get_tokens_unprocessed = _console_tokens
