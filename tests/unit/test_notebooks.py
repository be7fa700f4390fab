"""The workshop notebooks: clean in git, well formed, honest without a cluster, and opened by Python of our own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import nbformat
import pexpect
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from checker import notebooks, paths
from checker.course import Course
from checker.errors import HostError

NOTEBOOKS = sorted(notebooks.NOTEBOOKS.glob("*.ipynb"))
CLEAN = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
START_SECONDS = 60

each_notebook = pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.name)


@pytest.fixture
def jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment in which Jupyter writes below a temporary folder only, with kernels of the user's in the way."""
    decoy = {"argv": ["false"], "display_name": "The user's own", "language": "python"}
    for folder in (tmp_path / "home/.local/share/jupyter", tmp_path / "elsewhere"):
        kernel = folder / "kernels/python3/kernel.json"
        kernel.parent.mkdir(parents=True)
        kernel.write_text(json.dumps(decoy), encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("DEEP_DIVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DEEP_DIVE_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("DEEP_DIVE_CLUSTER", "absent")
    ours = notebooks.environment()
    for name in os.environ.keys() - ours.keys():
        monkeypatch.delenv(name)
    for name in ours:
        monkeypatch.setenv(name, ours[name])
    return tmp_path


def read(file: Path) -> Any:
    return nbformat.read(file, as_version=4)


def code_cells(file: Path) -> list[Any]:
    return [cell for cell in read(file).cells if cell.cell_type == "code"]


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_there_is_a_notebook_and_nothing_else() -> None:
    assert NOTEBOOKS
    strays = {file.name for file in notebooks.NOTEBOOKS.iterdir()} - {file.name for file in NOTEBOOKS}
    assert strays <= {".ipynb_checkpoints"}


@each_notebook
def test_the_stem_is_that_of_a_lab(file: Path) -> None:
    assert file.stem in Course().stems()


@each_notebook
def test_it_is_a_valid_notebook(file: Path) -> None:
    nbformat.validate(read(file), relax_add_props=False)


@each_notebook
def test_it_carries_no_trace_of_a_run(file: Path) -> None:
    raw = json.loads(file.read_text(encoding="utf-8"))
    assert raw["metadata"] == CLEAN
    for cell in raw["cells"]:
        assert cell["metadata"] in ({}, {"tags": ["parameters"]}), cell["id"]
        assert cell.get("outputs", []) == [], cell["id"]
        assert cell.get("execution_count") is None, cell["id"]


@each_notebook
def test_every_code_cell_compiles(file: Path) -> None:
    for cell in code_cells(file):
        compile(cell.source, f"{file.name}, {cell.id}", "exec")


@each_notebook
@pytest.mark.parametrize("words", [["check"], ["format", "--check"]], ids=["check", "format"])
def test_ruff_has_nothing_to_say(file: Path, words: list[str]) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    done = subprocess.run(
        [ruff, *words, str(file)], cwd=paths.ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@each_notebook
def test_without_a_cluster_the_first_cell_says_so_in_one_sentence(file: Path, jupyter: Path) -> None:  # noqa: ARG001
    notebook = read(file)
    with pytest.raises(CellExecutionError):
        NotebookClient(notebook, kernel_name="python3", timeout=START_SECONDS).execute()
    first, *others = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [output.output_type for output in first.outputs] == ["error"]
    assert first.outputs[0].traceback == ["There is no cluster called absent. Run: make up"]
    assert [cell for cell in others if cell.outputs] == []


def test_the_kernel_is_the_python_that_runs_the_course(jupyter: Path) -> None:
    source = "import os, sys; print(sys.executable, os.environ['MPLCONFIGDIR'])"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)], metadata=CLEAN)
    NotebookClient(notebook, kernel_name="python3", timeout=START_SECONDS).execute()
    assert notebook.cells[0].outputs[0].text.split() == [sys.executable, str(jupyter / "cache/jupyter/matplotlib")]


def test_copies_are_made_once_and_never_over_a_learners_own(jupyter: Path) -> None:
    folder, copied = notebooks.copy_notebooks()
    assert folder == jupyter / "work" / "notebooks"
    assert [each.name for each in copied] == [file.name for file in NOTEBOOKS]
    copied[0].write_text("mine", encoding="utf-8")
    assert notebooks.copy_notebooks() == (folder, [])
    assert copied[0].read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_only_root_is_told_that_root_is_fine(
    user: int, allowed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert ("--allow-root" in notebooks.command(tmp_path, [])) is allowed


def test_a_missing_jupyterlab_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(HostError, match=r"JupyterLab is not installed.*make notebooks"):
        notebooks.command(tmp_path, [])


def test_jupyterlab_starts_offers_the_copies_and_asks_nobody_for_news(jupyter: Path) -> None:
    words = ["-m", "checker.notebooks", "--no-browser", "--ServerApp.port=0"]
    with pexpect.spawn(sys.executable, words, cwd=str(paths.ROOT), encoding="utf-8", timeout=START_SECONDS) as server:
        server.expect(r"(http://127\.0\.0\.1:\d+)/lab\?token=(\w+)")
        address, token = server.match.groups()
        wait_for_port(int(address.rpartition(":")[2]))  # the address is printed a moment before anybody listens

        def ask(path: str) -> Any:
            request = Request(f"{address}{path}", headers={"Authorization": f"token {token}"})
            with urlopen(request, timeout=START_SECONDS) as answer:
                return json.load(answer)

        assert [each["name"] for each in ask("/api/contents")["content"]] == [file.name for file in NOTEBOOKS]
        assert ask("/lab/api/news") == {"news": []}
        assert ask("/lab/api/update")["notification"] is None
        kernels = ask("/api/kernelspecs")
        assert kernels["default"] == "python3"
        assert kernels["kernelspecs"]["python3"]["spec"]["display_name"] != "The user's own"
    assert not (jupyter / "home/.jupyter").exists()
    assert not (jupyter / "home/.ipython").exists()
