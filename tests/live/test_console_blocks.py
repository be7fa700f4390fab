"""Lessons that run: the console blocks of every page are typed on the live cluster, and what comes out is compared.

A page's blocks are typed in page order into one shell, at the lab state that the page names. How many ran, and why the
others did not, is printed at the end and written to build/console-blocks.json.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from checker import paths
from checker.console import Page, read_page
from checker.lab import enter_state, open_lab
from checker.rehearsal import Fate, Played, rehearse
from checker.terminal import Shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = [path for path in sorted(paths.DOCS.glob("*.md")) if read_page(path).blocks]
REPORT = paths.BUILD / "console-blocks.json"


class Tally:
    """Counts the blocks of all pages, and says so when pytest is done."""

    def __init__(self) -> None:
        self.pages: dict[str, list[Played]] = {}

    def counts(self) -> Counter[Fate]:
        """Return how many blocks met which fate."""
        return Counter(each.fate for played in self.pages.values() for each in played)

    def as_json(self) -> dict[str, Any]:
        """Return the counts, those of each page, and each block that did not run with its reason."""
        counts = self.counts()
        skipped = [each for played in self.pages.values() for each in played if each.fate is Fate.SKIPPED]
        return {
            "run": counts[Fate.SAME] + counts[Fate.DIFFERS],
            "not_run": counts[Fate.SKIPPED] + counts[Fate.UNREACHED],
            **{str(fate): counts[fate] for fate in Fate},
            "pages": {name: Counter(str(each.fate) for each in played) for name, played in self.pages.items()},
            "reasons": [{"block": each.block.where, "reason": each.detail} for each in skipped],
        }

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the counts, and each block that did not run."""
        summary = self.as_json()
        terminalreporter.section("console blocks")
        terminalreporter.line(
            f"{summary['run']} run, {summary['differs']} of them differ; {summary['not_run']} not run"
        )
        for each in summary["reasons"]:
            terminalreporter.line(f"not run: {each['block']}: {each['reason']}")


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    found = Tally()
    request.config.pluginmanager.register(found, "console-blocks")
    yield found
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(found.as_json(), indent=2) + "\n", encoding="utf-8")


@pytest.fixture
def shell(cluster: str, tmp_path: Path) -> Iterator[Shell]:
    """A learner's shell; what labs copy for the learner to edit goes to a folder of the test's own."""
    own = {"DEEP_DIVE_CLUSTER": cluster, "DEEP_DIVE_WORK": str(tmp_path)}
    with Shell(paths.kubeconfig(cluster), environment=own) as opened:
        yield opened


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_shows_what_really_happens(path: Path, cluster: str, shell: Shell, tally: Tally) -> None:
    page = read_page(path)
    try:
        played = rehearse(page, shell, lambda lab, state: enter_state(lab, state, cluster), cluster=cluster)
    finally:
        _leave(page, cluster)
    tally.pages[path.stem] = played
    if wrong := [each for each in played if each.fate is Fate.DIFFERS]:
        unreached = sum(each.fate is Fate.UNREACHED for each in played)
        note = f"\n{unreached} blocks after that were not reached." if unreached else ""
        pytest.fail(
            "- on the page, + on the cluster\n" + "\n".join(each.detail for each in wrong) + note, pytrace=False
        )


def _leave(page: Page, cluster: str) -> None:
    if page.lab is not None:
        open_lab(page.lab, cluster).stop()
