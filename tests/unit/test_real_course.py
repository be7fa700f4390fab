"""The course in labs/ is whole: every lab has what a learner and the proof need, and nothing contradicts itself."""

import ast
import re

import pytest
import yaml

from checker import paths
from checker.course import Course
from checker.objects import yaml_files
from checker.plugin import SCENARIO_CHECK

COURSE = Course()
LABS = COURSE.labs()
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")
WRONG = [(lab, answer) for lab in LABS for answer in lab.answers() if answer.expectation]


def _checks(lab):
    tree = ast.parse(lab.check_file.read_text(encoding="utf-8"))
    return [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("check_")]


def _pod_specs(lab):
    """Yield (where, Pod spec) of every manifest of a lab, of answers too."""
    for manifests in (lab.scenario, *(answer.manifests for answer in lab.answers())):
        for each in manifests:
            if each["kind"] in WORKLOADS and "template" in each.get("spec", {}):
                yield f"{each['kind']} {each['metadata']['name']}", each["spec"]["template"]["spec"]
            elif each["kind"] == "Pod":
                yield f"Pod {each['metadata']['name']}", each["spec"]


def _content(manifests):
    return sorted(yaml.safe_dump(each) for each in manifests)


for_each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.stem)


def test_there_are_labs_and_no_number_is_given_twice():
    numbers = [lab.number for lab in LABS]
    assert numbers
    assert len(numbers) == len(set(numbers))


@for_each_lab
def test_lab_has_a_task_and_a_lesson_of_its_stem(lab):
    assert (lab.folder / "task.md").read_text(encoding="utf-8").strip()
    lesson = (paths.DOCS / f"{lab.stem}.md").read_text(encoding="utf-8")
    assert lesson.strip()
    assert f"make lab-{lab.number}" in lesson
    assert f"make check-{lab.number}" in lesson


def test_every_numbered_lesson_has_a_lab():
    lessons = {file.stem for file in paths.DOCS.glob("[0-9][0-9]-*.md")}
    assert lessons == {lab.stem for lab in LABS}


@for_each_lab
def test_lab_folder_holds_nothing_else(lab):
    known = {"lab.yaml", "task.md", "check_lab.py", "hints.md", "scenario", "start", "solution", "also-right", "wrong"}
    assert {each.name for each in lab.folder.iterdir()} - {"__pycache__"} == known


@for_each_lab
def test_every_check_states_its_claim(lab):
    checks = _checks(lab)
    assert checks
    assert [each.name for each in checks if not ast.get_docstring(each)] == []


@for_each_lab
def test_every_check_has_a_ladder_of_hints(lab):
    names = [each.name for each in _checks(lab)]
    assert [name for name in names if len(lab.hints.ladder(name)) < 2] == []


@for_each_lab
def test_hints_name_only_checks_that_exist(lab):
    assert {check for check, _ in lab.hints.ladders} <= {each.name for each in _checks(lab)} | {SCENARIO_CHECK}


@pytest.mark.parametrize(("lab", "answer"), WRONG, ids=lambda each: getattr(each, "stem", None) or str(each))
def test_wrong_answer_names_a_check_of_the_lab_and_a_hint_that_is_there(lab, answer):
    wanted = answer.expectation
    assert wanted.check in {SCENARIO_CHECK, *(each.name for each in _checks(lab))}
    assert lab.hints.knows(wanted.check, wanted.hint)


@for_each_lab
def test_lab_has_enough_answers_of_each_kind(lab):
    kinds = [answer.kind for answer in lab.answers()]
    assert kinds.count("wrong") >= 3
    assert kinds.count("also-right") >= 2
    assert lab.solution.manifests


@for_each_lab
def test_no_two_answers_are_the_same(lab):
    seen = {}
    for answer in lab.answers():
        content = "\n".join(_content(answer.manifests))
        assert content not in seen, f"{answer} is {seen[content]}"
        seen[content] = str(answer)


@for_each_lab
def test_nothing_is_left_to_do(lab):
    for file in (*lab.folder.rglob("*.yaml"), *lab.folder.glob("*.md"), lab.check_file):
        assert not re.search(r"TODO|FIXME|XXX", file.read_text(encoding="utf-8")), file


@for_each_lab
def test_manifests_stay_in_the_namespaces_of_the_lab(lab):
    for answer in lab.answers():
        named = {each["metadata"].get("namespace", lab.namespace) for each in answer.manifests}
        assert named <= set(lab.namespaces), answer
    assert all("namespace" in each["metadata"] for each in lab.start), "kubectl apply is typed without a namespace"
    made = {each["metadata"]["name"] for each in lab.scenario if each["kind"] == "Namespace"}
    assert made == set(lab.namespaces)


@for_each_lab
def test_pods_stop_at_once_and_use_the_images_at_hand(lab):
    specs = list(_pod_specs(lab))
    assert specs
    for where, spec in specs:
        assert spec.get("terminationGracePeriodSeconds") == 1, where
        pulls = {each.get("imagePullPolicy") for each in (*spec["containers"], *spec.get("initContainers", []))}
        assert pulls == {"IfNotPresent"}, where


@for_each_lab
def test_images_are_in_the_catalogue(lab):
    catalogue = yaml.safe_load((paths.CLUSTER_SRC / "images.yaml").read_text(encoding="utf-8"))
    known = {f"{each['name']}:{each['tag']}" for each in catalogue["images"].values() if "labs" in each["for"]}
    assert known
    for where, spec in _pod_specs(lab):
        used = {each["image"] for each in (*spec["containers"], *spec.get("initContainers", []))}
        assert used <= known, where


@for_each_lab
def test_a_yaml_file_of_a_learner_ends_in_a_newline_and_holds_no_tab(lab):
    for folder in ("start", "solution"):
        for file in yaml_files(lab.folder / folder):
            text = file.read_text(encoding="utf-8")
            assert text.endswith("\n"), file
            assert "\t" not in text, file
