"""Consent: a change to the learner's machine is asked for, never assumed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rich.prompt import Confirm

if TYPE_CHECKING:
    from rich.console import Console

    from checker.errors import HostError


def given(question: str, console: Console) -> bool:
    """Ask at a terminal; `YES=1` or `CI=true` answers yes, and without a terminal the answer is no."""
    if os.environ.get("YES") == "1" or os.environ.get("CI") == "true":
        console.print(f"{question} Yes.", highlight=False)
        return True
    return sys.stdin.isatty() and Confirm.ask(question, console=console, default=True)


def require(question: str, refusal: HostError, console: Console) -> None:
    """Ask, and raise the refusal unless the answer is yes."""
    if not given(question, console):
        raise refusal
