"""The traffic tables that a lab's check file states at its top level: all that the lab asks for, in one."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from checker.errors import ContentError
from checker.traffic import Traffic

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


def stated(module: ModuleType) -> Traffic:
    """Return the tables of a check file as one; of a cell that stands in two, the first counts."""
    tables = [value for value in vars(module).values() if isinstance(value, Traffic)]
    cells = {flow: outcome for table in reversed(tables) for flow, outcome in table.cells.items()}
    return Traffic(cells)


def load(check_file: Path) -> Traffic:
    """Return the tables of a lab's check file.

    Raises:
        ContentError: the file cannot be read.
    """
    spec = importlib.util.spec_from_file_location("tables_of_check_lab", check_file)
    if spec is None or spec.loader is None:
        raise ContentError(f"{check_file} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (OSError, SyntaxError) as error:
        raise ContentError(f"{check_file} cannot be read: {error}") from error
    return stated(module)
