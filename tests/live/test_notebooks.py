"""Every workshop notebook runs on the live cluster, and what it counts is what the network does."""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient

from checker import notebooks
from checker.lab import open_lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from checker.lab import Lab

RISK = Fraction(1, 10**6)
"""How often a sound run may fail a test for want of luck."""

CELL_SECONDS = 120

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a notebook, with other parameters where given, and return the numbers that its last cell publishes."""
    monkeypatch.setenv("DEEP_DIVE_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("DEEP_DIVE_CLUSTER", cluster)
    for name, value in notebooks.environment().items():
        monkeypatch.setenv(name, value)
    labs: list[Lab] = []

    def execute(file: Path, prepare: Callable[[Lab], None] = lambda _: None, **parameters: object) -> dict[str, Any]:
        labs.append(open_lab(int(file.stem[:2]), cluster))
        prepare(labs[-1])
        notebook = with_parameters(nbformat.read(file, as_version=4), parameters)
        NotebookClient(notebook, kernel_name="python3", timeout=CELL_SECONDS).execute()
        assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
        return dict(notebook.cells[-1].outputs[0].data["application/json"], pictures=pictures(notebook))

    yield execute
    for lab in labs:
        lab.stop()


def with_parameters(notebook: Any, parameters: dict[str, object]) -> Any:
    cell = next(each for each in notebook.cells if "parameters" in each.metadata.get("tags", []))
    cell.source += "".join(f"\n{name} = {value!r}" for name, value in parameters.items())
    return notebook


def pictures(notebook: Any) -> int:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def bounds(calls: int, share: Fraction, tail: Fraction) -> tuple[int, int]:
    """Return the fewest and the most successes of so many tries that leave at most `tail` out at either end; exact."""
    chances = (math.comb(calls, k) * share**k * (1 - share) ** (calls - k) for k in range(calls + 1))
    below = list(itertools.accumulate(chances))
    fewest = next(k for k, chance in enumerate(below) if chance > tail)
    return fewest, next(k for k, chance in enumerate(below) if chance >= 1 - tail)


def assert_fair(counts: dict[str, int], servers: set[str]) -> None:
    """Assert that exactly these servers answered, each its share but for chance of less than RISK."""
    assert counts.keys() == servers
    fewest, most = bounds(sum(counts.values()), Fraction(1, len(servers)), RISK / (2 * len(servers)))
    assert all(fewest <= count <= most for count in counts.values()), (fewest, counts, most)


def check_03_clusterip(run: Run, file: Path) -> None:
    found = run(file)
    assert found["requests"] == 300
    assert found["before"] == {"": 300}
    assert len(found["myapp"]) == 3
    assert_fair(found["after"], set(found["myapp"]))
    band = list(bounds(300, Fraction(1, 3), (1 - Fraction(99, 100)) / 2))
    assert found["bands"] == dict.fromkeys(found["shares"], band)
    assert set(found["shares"]) == set(found["myapp"])
    assert found["shares"] == pytest.approx(dict.fromkeys(found["myapp"], 1 / 3), abs=1e-6)
    assert found["pictures"] == 3


CHECKS = {"03-clusterip": check_03_clusterip}


@pytest.mark.parametrize("file", sorted(notebooks.NOTEBOOKS.glob("*.ipynb")), ids=lambda file: file.stem)
def test_it_runs_and_counts_what_it_should(file: Path, run: Run) -> None:
    CHECKS[file.stem](run, file)


@pytest.mark.parametrize(
    ("answer", "answering", "pictures_drawn"),
    [("every-pod-of-the-team", 4, 3), ("selector-still-wrong", 0, 2)],
)
def test_it_is_true_for_a_learners_wrong_file_too(run: Run, answer: str, answering: int, pictures_drawn: int) -> None:
    def write(lab: Lab) -> None:
        lab.copy_start()
        shutil.copyfile(lab.files.folder / f"wrong/{answer}.yaml", lab.files.work / "my-service.yaml")

    found = run(notebooks.NOTEBOOKS / "03-clusterip.ipynb", write, MINE=True, REQUESTS=200)
    assert found["before"] == {"": 200}
    assert len(found["shares"]) == answering
    if answering:
        assert_fair(found["after"], set(found["shares"]))
        assert set(found["myapp"]) < set(found["after"])
    else:
        assert found["after"] == {"": 200}
    assert found["pictures"] == pictures_drawn
