"""The course on disk: what is read, and what is said of a file that is malformed."""

import re

import pytest

from checker.course import Course, Expectation, LabFiles, Needs, read_expectation
from checker.errors import ContentError, UsageError

GOOD = """\
title: A Service
part: Services
minutes: 20
namespaces: [lab-03]
needs:
  addons: [metallb]
  policy: true
teaches: [one]
out_of_scope: [two]
"""


@pytest.fixture
def lab_yaml(tmp_path):
    """Provide the lab.yaml of a lab without anything else."""
    file = tmp_path / "03-service" / "lab.yaml"
    file.parent.mkdir()
    file.write_text(GOOD, encoding="utf-8")
    return file


def test_lab_yaml_is_read(lab_yaml):
    lab = LabFiles.read(lab_yaml.parent)
    assert (lab.stem, lab.number, lab.namespace, lab.minutes) == ("03-service", 3, "lab-03", 20)
    assert (lab.title, lab.part, lab.teaches, lab.out_of_scope) == ("A Service", "Services", ("one",), ("two",))
    assert lab.needs == Needs(addons=("metallb",), policy=True, exclusive=False)


def test_needs_may_be_left_out(lab_yaml):
    lab_yaml.write_text(re.sub(r"needs:\n(  .*\n)+", "", GOOD), encoding="utf-8")
    assert LabFiles.read(lab_yaml.parent).needs == Needs()


@pytest.mark.parametrize(
    ("old", "new", "line", "expected"),
    [
        ("part: Services", "prat: Services", 2, "unknown key `prat`; expected one of title, part, minutes"),
        ("minutes: 20", "minutes: twenty", 3, "`minutes` is 'twenty'; expected a whole number"),
        ("minutes: 20", "minutes: true", 3, "`minutes` is True; expected a whole number"),
        ("minutes: 20", "minutes: 2.5", 3, "`minutes` is 2.5; expected a whole number"),
        ("title: A Service", "title: [A, Service]", 1, "`title` is ['A', 'Service']; expected text"),
        ("namespaces: [lab-03]", "namespaces: lab-03", 4, "`namespaces` is 'lab-03'; expected a list"),
        ("namespaces: [lab-03]", "namespaces: [lab-03, 3]", 4, "expected a list of words"),
        ("  policy: true", "  polcy: true", 7, "unknown key `polcy`; expected one of addons, policy, exclusive"),
        ("  policy: true", "  policy: maybe", 7, "`policy` is 'maybe'; expected true or false"),
        ("  policy: true", "  exclusive: 1", 7, "`exclusive` is 1; expected true or false"),
        ("  addons: [metallb]", "  addons: metallb", 6, "`addons` is 'metallb'; expected a list"),
        ("teaches: [one]", "teaches: [one", 9, "not valid YAML: expected ',' or ']'"),
        ("teaches: [one]", "teaches: !secret one", 8, "not valid YAML: could not determine a constructor"),
        ("title: A Service", "[title]: A Service", 1, "unknown key"),
    ],
)
def test_malformed_lab_yaml_is_said_with_file_line_and_what_was_expected(lab_yaml, old, new, line, expected):
    assert old in GOOD
    lab_yaml.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(ContentError) as caught:
        LabFiles.read(lab_yaml.parent)
    assert caught.value.message.startswith(f"{lab_yaml}, line {line}: ")
    assert expected in caught.value.message


@pytest.mark.parametrize("text", ["", "- a list\n", "only words\n", "null\n"])
def test_lab_yaml_that_holds_no_keys_is_refused(lab_yaml, text):
    lab_yaml.write_text(text, encoding="utf-8")
    with pytest.raises(ContentError, match="line 1: expected keys such as `title:`"):
        LabFiles.read(lab_yaml.parent)


@pytest.mark.parametrize("key", ["title", "part", "minutes", "namespaces", "teaches", "out_of_scope"])
def test_missing_key_is_named(lab_yaml, key):
    lab_yaml.write_text(re.sub(rf"(?m)^{key}:.*\n", "", GOOD), encoding="utf-8")
    with pytest.raises(ContentError, match=rf"lab\.yaml: expected the key `{key}`"):
        LabFiles.read(lab_yaml.parent)


def test_of_several_missing_keys_the_first_is_named(lab_yaml):
    lab_yaml.write_text("minutes: 3\n", encoding="utf-8")
    with pytest.raises(ContentError, match="expected the key `title`"):
        LabFiles.read(lab_yaml.parent)


def test_a_lab_needs_a_namespace(lab_yaml):
    lab_yaml.write_text(GOOD.replace("[lab-03]", "[]"), encoding="utf-8")
    with pytest.raises(ContentError, match="at least one namespace in `namespaces`"):
        LabFiles.read(lab_yaml.parent)


@pytest.mark.parametrize("content", [b"title: \xff\xfe\n", b"title: \x07\n"])
def test_what_is_no_text_is_no_yaml(lab_yaml, content):
    lab_yaml.write_bytes(content)
    with pytest.raises(ContentError, match=r"lab\.yaml: not valid YAML"):
        LabFiles.read(lab_yaml.parent)


def test_missing_lab_yaml_is_named(tmp_path):
    with pytest.raises(ContentError, match=r"lab\.yaml is missing"):
        LabFiles.read(tmp_path)


def test_labs_come_in_the_order_of_their_numbers(course):
    assert [lab.number for lab in course.labs()] == [1, 2, 10]
    assert course.find(10).stem == "10-last"


def test_unknown_lab_is_answered_with_those_there_are(course):
    with pytest.raises(UsageError) as caught:
        course.find(7)
    assert str(caught.value) == "There is no lab 7; there are: 1, 2, 10. Run: make"
    assert caught.value.exit_code == 2


def test_empty_course_has_no_labs(tmp_path):
    with pytest.raises(UsageError, match="There is no lab 1; there are: none"):
        Course(tmp_path).find(1)


@pytest.mark.parametrize("name", ["notes", "3-service", "03_service", "03-Service"])
def test_stray_folder_is_refused(course, name):
    (course.folder / name).mkdir()
    with pytest.raises(ContentError, match=f"labs/{name}: expected a folder named NN-stem"):
        course.labs()


def test_answers_come_from_the_start_by_the_wrong_ones_to_the_solution(course):
    answers = list(course.find(1).answers())
    assert [str(answer) for answer in answers] == [
        "start",
        "wrong/a-folder",
        "wrong/b-nobody",
        "also-right/two-labels",
        "solution",
    ]
    assert [answer.right for answer in answers] == [False, False, False, True, True]
    assert answers[1].expectation == Expectation("check_it_answers", "client -> web:80 is refused", "M1")
    assert answers[-1].expectation is None
    assert answers[2].manifests[0]["spec"]["selector"] == {"app": "nobody"}


@pytest.mark.parametrize(
    ("line", "check", "reason", "hint"),
    [
        ("# fails: a -> b:80 is open (check_b, hint M1)", "check_b", "a -> b:80 is open", "M1"),
        ("# fails: x (of y) is … (check_the_b, hint wrong-pods)", "check_the_b", "x (of y) is …", "wrong-pods"),
    ],
)
def test_expectation_of_a_wrong_answer_is_its_first_line(tmp_path, line, check, reason, hint):
    file = tmp_path / "wrong.yaml"
    file.write_text(f"{line}\nkind: Service\n", encoding="utf-8")
    assert read_expectation(file) == Expectation(check, reason, hint)


@pytest.mark.parametrize(
    "line",
    [
        "kind: Service",
        "# fails: no check is named",
        "# fails: a is open (check_b)",
        "# fails: a is open (check_b, M1)",
        "# fails: (check_b, hint M1)",
        "fails: a is open (check_b, hint M1)",
        "# fails: a is open (check_b, hint M1).",
        "",
    ],
)
def test_wrong_answer_without_an_expectation_is_refused(tmp_path, line):
    file = tmp_path / "wrong.yaml"
    file.write_text(f"{line}\n# fails: a is open (check_b, hint M1)\n", encoding="utf-8")
    with pytest.raises(ContentError) as caught:
        read_expectation(file)
    assert caught.value.message.startswith(f"{file}, line 1: expected `# fails: REASON (check_NAME, hint ID)`")
    assert f"found `{line}`" in caught.value.message


def test_wrong_answer_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(ContentError, match="holds no YAML file"):
        read_expectation(tmp_path)


@pytest.mark.parametrize(
    ("stated", "reason", "fits"),
    [
        ("a -> b:80 is refused", "a -> b:80 is refused, expected open", True),
        ("a -> b:80 is refused", "a -> b:80 is dropped, expected open", False),
        ("a -> b:80 is …", "a -> b:80 is dropped, expected open", True),
        ("a -> … is dropped", "a -> c:80 is dropped, expected open", True),
        ("a -> … is dropped", "b -> c:80 is dropped, expected open", False),
        ("a.c is open", "abc is open", False),
    ],
)
def test_stated_reason_is_part_of_the_real_one(stated, reason, fits):
    assert Expectation("check_b", stated, "M1").fits(reason) is fits
