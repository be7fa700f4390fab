"""Ladders of hints: how hints.md is read, and which ladder a failure gets."""

import pytest

from checker.errors import ContentError
from checker.hints import Hints

TEXT = """\
# Hints for lab 3

Words before the first check are for authors.

## check_a

- Look at `kubectl get pods`,
  and read its last column.
- Think again.

### M1

1. One.
2. Two.

### wrong-pods: what it is about

* Only this.

## check_b

- Other check.
"""


@pytest.fixture
def read(tmp_path):
    """Provide `read(text)`, which reads it as hints.md."""

    def read(text):
        file = tmp_path / "hints.md"
        file.write_text(text, encoding="utf-8")
        return Hints.read(file)

    return read


@pytest.mark.parametrize(
    ("check", "cause", "rungs"),
    [
        ("check_a", "", ("Look at `kubectl get pods`, and read its last column.", "Think again.")),
        ("check_a", "M1", ("One.", "Two.")),
        ("check_a", "wrong-pods", ("Only this.",)),
        ("check_b", "", ("Other check.",)),
    ],
)
def test_ladder_is_found_by_check_and_cause(read, check, cause, rungs):
    hints = read(TEXT)
    assert hints.ladder(check, cause) == rungs
    assert hints.knows(check, cause)


def test_cause_without_its_own_ladder_falls_back_to_that_of_the_check(read):
    hints = read(TEXT)
    assert hints.ladder("check_b", "M1") == ("Other check.",)
    assert not hints.knows("check_b", "M1")


def test_unknown_check_has_no_hint(read):
    assert read(TEXT).ladder("check_c", "M1") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("## check_a\n\nJust words.\n", r"hints\.md, line 3: expected a list item, found `Just words\.`"),
        ("## check_a\n- One.\nunindented\n", "line 3: expected a list item"),
        ("## check_a\n  indented before any item\n", "line 2: expected a list item"),
        ("## check_a\n- One.\n#### M1\n", "line 3: expected a list item, found `#### M1`"),
        ("## check_a\n- One.\n## check a, misspelt\n", "line 3: expected a list item"),
        ("## check_a\n\n## check_b\n- One.\n", "`check_a` has no hint"),
        ("## check_a\n- One.\n### M1\n", "`M1` has no hint"),
        ("## check_a\n- One.\n## check_a\n- Two.\n", "line 3: `check_a` stands here a second time"),
        ("### M1\n- One.\n", "line 1: expected a list item, found `### M1`"),
    ],
)
def test_malformed_hints_are_refused(read, text, message):
    with pytest.raises(ContentError, match=message):
        read(text)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ContentError, match=r"hints\.md is missing"):
        Hints.read(tmp_path / "hints.md")
