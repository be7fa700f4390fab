"""What became of mutants, for people and for programs: one table, and build/mutants.json."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from checker import paths
from checker.lab import Lab
from checker.mutation import EQUIVALENT, KILLED, SURVIVED, mutate
from checker.objects import Api

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from checker.course import LabFiles
    from checker.mutation import Mutation, Trial


SIDE_BY_SIDE = 2


def run(labs: Sequence[LabFiles], seconds: float, console: Console) -> int:
    """Try the mutants of labs, two labs at a time, print a table, write build/mutants.json.

    Args:
        labs: those to mutate.
        seconds: for each lab; 0 is without end.
        console: to print to.

    Returns:
        0 where no mutant survived and none that behaves as the solution failed, else 1.
    """
    found = side_by_side(labs, seconds)
    console.print(table(found))
    write_json(found, paths.BUILD / "mutants.json")
    trials = [trial for each in found.values() for trial in each.trials]
    return 0 if trials and all(each.ok for each in trials) else 1


def side_by_side(labs: Sequence[LabFiles], seconds: float) -> dict[str, Mutation]:
    """Try the mutants of labs, each lab in a process of its own; a line is printed for each mutant."""
    processes = multiprocessing.get_context("spawn")  # checks are run by pytest, which is at home in no thread
    with ProcessPoolExecutor(SIDE_BY_SIDE, mp_context=processes) as pool:
        trying = {each.stem: pool.submit(_mutate, each, seconds) for each in labs}
        return {stem: each.result() for stem, each in trying.items()}


def _mutate(files: LabFiles, seconds: float) -> Mutation:
    console = Console(highlight=False)
    return mutate(Lab(files, Api()), seconds, lambda trial: console.print(line(trial), soft_wrap=True))


def line(trial: Trial) -> Text:
    """Return one mutant as a line."""
    mark = Text("✓", "green") if trial.ok else Text("✗", "red")
    other = ", another field" if trial.named is False else ""
    told = f" [{trial.cause or 'no cause'}]{other}" if trial.fate == KILLED else ""
    text = f" {trial.lab} {trial.mutant}: {trial.fate}{told} ({trial.seconds:.1f} s)"
    return Text.assemble(mark, text, "" if trial.ok else f": {trial.reason or 'the checks passed'}")


def table(found: Mapping[str, Mutation]) -> Table:
    """Return the sums of each lab; of the killed, how many got a hint about the mutated field."""
    caption = "hint right: it was about the mutated field; refused: by the API server; left: the time was up"
    made = Table(title="Mutants", caption=caption, box=box.SIMPLE)  # narrow enough for a log of 80 columns
    made.add_column("lab", no_wrap=True)
    for heading in ("tried", KILLED, "hint right", EQUIVALENT, SURVIVED, "others", "refused", "left"):
        made.add_column(heading, justify="right")
    for stem, mutation in found.items():
        counts = Counter(trial.fate for trial in mutation.trials)
        total = len(mutation.trials)
        judged = [trial.named for trial in mutation.trials if trial.named is not None]
        named = sum(judged) if judged else "-"
        others = total - counts[KILLED] - counts[EQUIVALENT] - counts[SURVIVED]
        row = (
            total,
            counts[KILLED],
            named,
            counts[EQUIVALENT],
            counts[SURVIVED],
            others,
            mutation.refused,
            mutation.left_out,
        )
        made.add_row(stem, *map(str, row))
    return made


def write_json(found: Mapping[str, Mutation], file: Path) -> None:
    """Write a record a lab, with one a mutant in it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = [
        {
            "lab": stem,
            "refused": each.refused,
            "left_out": each.left_out,
            "mutants": [asdict(trial) for trial in each.trials],
        }
        for stem, each in found.items()
    ]
    file.write_text(json.dumps(content, indent=2), encoding="utf-8")
