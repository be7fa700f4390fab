"""A small course of three labs, made afresh for a test, and what several tests need to look at it."""

from textwrap import dedent

import pytest

from checker.course import Course

LAB_YAML = """\
title: The {stem}
part: Basics
minutes: 5
namespaces: [lab-{number}, other-{number}]
teaches: [one thing]
out_of_scope: [all the rest]
"""
HINTS = """\
# Hints

## check_it_answers

- Look at who answers.
- Nobody does, because
  nobody is asked.

### M1: the selector

- Compare the labels.
"""
CHECKS = '''\
def check_it_answers(lab):
    """The web Pod answers."""
'''
NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata: {{name: lab-{number}}}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: lab-{number}}}
spec: {{selector: {{app: {app}}}}}
"""


def write(file, text):
    """Write a file, with the folders that it lies in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(text), encoding="utf-8")
    return file


@pytest.fixture(name="write")
def write_fixture():
    """Provide `write(file, text)`."""
    return write


@pytest.fixture
def course(tmp_path):
    """Provide a course of the labs 1, 2 and 10, each with a start, a solution, two wrong answers and one also right."""
    for number, stem in (("01", "01-first"), ("02", "02-second"), ("10", "10-last")):
        folder = tmp_path / "labs" / stem
        write(folder / "lab.yaml", LAB_YAML.format(number=number, stem=stem))
        write(folder / "hints.md", HINTS)
        write(folder / "check_lab.py", CHECKS)
        write(
            folder / "scenario" / "00.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: lab-" + number + "}\n"
        )
        write(folder / "start" / "web.yaml", SERVICE.format(number=number, app="wrong"))
        write(folder / "solution" / "web.yaml", SERVICE.format(number=number, app="web"))
        write(folder / "also-right" / "two-labels.yaml", SERVICE.format(number=number, app="web, tier: back"))
        for name, app in (("b-nobody", "nobody"), ("a-folder/1", "nothing")):
            first = "# fails: client -> web:80 is refused (check_it_answers, hint M1)\n"
            write(folder / "wrong" / f"{name}.yaml", first + SERVICE.format(number=number, app=app))
    return Course(tmp_path / "labs")
