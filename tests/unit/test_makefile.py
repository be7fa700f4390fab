"""The Makefile: help for learners and, apart, for authors; every target that anything names is there."""

import os
import re
import shutil
import subprocess

import pytest

from checker import paths

TEXT = (paths.ROOT / "Makefile").read_text(encoding="utf-8")
RULES = re.findall(r"(?m)^([a-z][a-z%-]*):(?!=)(.*)\n((?:\t.*\n)*)", TEXT)
TARGETS = [name for name, _, _ in RULES]
FOR_PEOPLE = [name for name, rest, _ in RULES if "##" in rest]

# A call of make as the course writes it: a line of a code block, or a command in backticks or quotes.
WORDS = r"make((?: [A-Za-z][\w=./{}…%-]*)*)"
FENCED = re.compile(r"(?ms)^```.*?^```")
LINE = re.compile(rf"(?m)^(?:\$ )?{WORDS}(?=\s*$|\s{{2,}}|\s+#|\s+&&)")
QUOTED = re.compile(rf"[`\"']{WORDS}[`\"']")


def make(*words):
    """Run make in the repository; `-n` among the words only prints what would run."""
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    command = [shutil.which("make") or "make", "--no-print-directory", *words]
    return subprocess.run(command, cwd=paths.ROOT, env=environment, capture_output=True, text=True, timeout=60)


def named(text):
    """Yield the targets of every call of make in a text, a lab's number put in where one stands for any."""
    lines = [call for block in FENCED.findall(text) for call in LINE.findall(block)]
    for call in (*lines, *QUOTED.findall(text)):
        for word in call.split():
            if "=" not in word and "…" not in word:
                yield re.sub(r"\{[\w.]+\}|(?<=-)N+\b", "3", word)


@pytest.fixture(scope="module")
def help_text():
    """Provide what `make` alone prints."""
    done = make()
    assert done.returncode == 0
    return done.stdout


def test_make_alone_is_help(help_text):
    assert make("help").stdout == help_text


def test_help_shows_learners_and_authors_apart(help_text):
    learners, heading, authors = help_text.partition("For authors")
    assert heading
    for name in ("lab-N", "check-N", "hint-N", "reset-N", "solution-N", "up", "down", "status", "doctor"):
        assert re.search(rf"(?m)^  make {name} +\S", learners), name
        assert not re.search(rf"(?m)^  make {name} ", authors), name
    for name in ("prove", "prove-N", "docs", "lint", "unit", "test", "bench"):
        assert re.search(rf"(?m)^  make {name} +\S", authors), name
        assert not re.search(rf"(?m)^  make {name} ", learners), name


def test_help_has_a_line_for_every_target_for_people(help_text):
    shown = re.findall(r"(?m)^  make (\S+)", help_text)
    assert sorted(shown) == sorted(name.replace("%", "N") for name in FOR_PEOPLE)


def test_help_fits_a_terminal(help_text):
    assert [line for line in help_text.splitlines() if len(line) > 100] == []
    assert not re.search("##|: ?setup", help_text)


def test_recipes_are_at_most_two_lines():
    assert RULES
    assert [name for name, _, recipe in RULES if len(recipe.splitlines()) > 2] == []


@pytest.mark.parametrize("name", FOR_PEOPLE)
def test_target_can_be_made(name):
    done = make("-n", name.replace("%", "3"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


def test_file_of_the_name_of_a_target_does_not_hide_it(tmp_path):
    phony = set(re.search(r"\.PHONY:((?:.*\\\n)*.*)", TEXT)[1].replace("\\", " ").split())
    assert {name for name in TARGETS if "%" not in name} <= phony
    shutil.copy(paths.ROOT / "Makefile", tmp_path)
    (tmp_path / "check-3").touch()
    done = subprocess.run(["make", "-n", "check-3"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "checker check 3" in done.stdout


def test_number_of_the_lab_is_handed_on():
    for verb, command in (("lab", "start"), ("check", "check"), ("prove", "prove"), ("solution", "solution")):
        assert f"-m checker {command} 12\n" in make("-n", f"{verb}-12").stdout


def test_unknown_target_is_refused():
    assert make("-n", "frobnicate").returncode == 2


SOURCES = sorted(
    file.relative_to(paths.ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "labs/**/*.md", "checker/**/*.py", "notebooks/*.ipynb", ".ci/run")
    for file in paths.ROOT.glob(pattern)
)


@pytest.mark.parametrize("source", SOURCES)
def test_every_target_that_is_named_can_be_made(source):
    targets = set(named((paths.ROOT / source).read_text(encoding="utf-8")))
    assert {
        each for each in targets if not any(re.fullmatch(name.replace("%", r"\d+"), each) for name in TARGETS)
    } == set()


def test_targets_are_found_where_they_are_named():
    text = """\
Run `make lab-3`. Not a call: make haste, or to 'make it so' in quotes is.

```console
$ make check-N
make down && ls
make docs      builds the site
```

'make reset-{number}' or `make A=b up`, "make" or `make PYTHON=python3.12 …`.
"""
    assert list(named(text)) == ["check-3", "down", "docs", "lab-3", "it", "so", "reset-3", "up"]
    assert {"lab-3", "check-3", "hint-3"} <= set(named((paths.DOCS / "03-clusterip.md").read_text(encoding="utf-8")))
