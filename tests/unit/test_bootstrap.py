"""The bootstrap of .venv: runs before anything is installed, installs once, and says what it lacks."""

import ast
import stat
import sys
from pathlib import Path

import pytest

from checker import bootstrap

SOURCE = Path(bootstrap.__file__).read_text(encoding="utf-8")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Provide a repository whose pip writes its arguments to pip.log and ends as the file pip.exit says."""
    (tmp_path / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    (tmp_path / "constraints.txt").write_text("pytest==9\n", encoding="utf-8")
    (tmp_path / "pip.exit").write_text("0", encoding="utf-8")
    pip = tmp_path / ".venv" / "bin" / "pip"
    pip.parent.mkdir(parents=True)
    pip.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/pip.log\nexit $(cat {tmp_path}/pip.exit)\n', encoding="utf-8")
    pip.chmod(pip.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    return tmp_path


def installs(root):
    """Return pip's arguments, a line a call."""
    log = root / "pip.log"
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def test_it_needs_nothing_but_the_standard_library():
    names = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(SOURCE))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_an_old_python_can_read_it():
    ast.parse(SOURCE, feature_version=(3, 7))


def test_an_old_python_is_told(root, monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    assert bootstrap.main([]) == 2
    assert capsys.readouterr().err == (
        "? The course needs Python 3.11 or newer; this is 3.9.\n  Run: make PYTHON=python3.12 …\n"
    )
    assert installs(root) == []


@pytest.mark.parametrize(
    ("extras", "package"), [([], "-e ."), (["docs"], "-e .[docs]"), (["docs", "dev"], "-e .[docs,dev]")]
)
def test_package_is_installed_with_its_extras_within_the_constraints(root, extras, package):
    assert bootstrap.main(extras) == 0
    (call,) = installs(root)
    assert call.endswith(package)
    assert "-c constraints.txt" in call


def test_what_is_installed_is_not_installed_again(root, capsys):
    assert bootstrap.main(["docs"]) == 0
    capsys.readouterr()
    assert bootstrap.main(["docs"]) == 0
    assert len(installs(root)) == 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("first", "then", "calls"),
    [
        (["docs", "dev"], ["docs"], 1),
        (["docs", "dev"], ["dev", "docs"], 1),
        (["docs", "dev"], [], 1),
        ([], ["docs"], 2),
        (["docs"], ["docs", "dev"], 2),
    ],
)
def test_only_extras_that_are_not_there_are_installed(root, first, then, calls):
    assert bootstrap.main(first) == bootstrap.main(then) == 0
    assert len(installs(root)) == calls


@pytest.mark.parametrize("name", bootstrap.INPUTS)
def test_changed_input_installs_again(root, name):
    bootstrap.main([])
    (root / name).write_text("changed\n", encoding="utf-8")
    bootstrap.main([])
    assert len(installs(root)) == 2


def test_failed_installation_is_told_and_tried_again(root, capsys):
    (root / "pip.exit").write_text("1", encoding="utf-8")
    assert bootstrap.main([]) == 2
    assert "pip could not install" in capsys.readouterr().err
    (root / "pip.exit").write_text("0", encoding="utf-8")
    assert bootstrap.main([]) == 0
    assert len(installs(root)) == 2


def test_python_without_ensurepip_is_told_what_to_install(root, monkeypatch, capsys):
    (root / ".venv" / "bin" / "pip").unlink()
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert bootstrap.main([]) == 2
    assert capsys.readouterr().err.endswith("  Run: apt-get install python3-venv\n")


def test_missing_environment_is_made(root, monkeypatch):
    pip = root / ".venv" / "bin" / "pip"
    kept = pip.rename(root / "kept")
    made = []

    def create(folder, with_pip):
        made.append((folder, with_pip))
        kept.rename(pip)

    monkeypatch.setattr(bootstrap.venv, "create", create)
    assert bootstrap.main([]) == 0
    assert made == [(str(root / ".venv"), True)]
    assert len(installs(root)) == 1


def test_inputs_are_files_of_the_repository():
    assert all((bootstrap.ROOT / name).is_file() for name in bootstrap.INPUTS)
