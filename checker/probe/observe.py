"""From attempts to outcomes that can be believed: confirmed, controlled, steady.

An `open` is believed at once, unless it surprises or an HTTP server accepted and then did not answer. Everything else
is tried again, from a fresh port and with more patience, until two attempts in a row agree; a cell that never does is
flapping. What then is `dropped` still needs proof that silence was not the source's or the target's own: see `control`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from checker.probe.control import explain
from checker.traffic import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checker.probe.client import Prober
    from checker.probe.outcome import Probe, Result

ATTEMPTS = 4
"""The most that one cell gets. A lost packet costs one; four without agreement are flapping."""


def observe(
    prober: Prober,
    probes: Sequence[Probe],
    *,
    timeout: float | None = None,
    confirm: float = 3.0,
    expected: Sequence[Outcome | None] | None = None,
    everything: bool = False,
) -> list[Result]:
    """Send probes and return what holds, in their order.

    Costs one batch when everything is open; a dropped cell costs its timeout and the confirmation once for the whole
    batch, since all are in flight together.

    Args:
        prober: sends them.
        probes: all at once.
        timeout: seconds for the first attempt; None takes each probe's own.
        confirm: seconds for every further attempt.
        expected: for each probe the outcome that would be no surprise; an `open` where another one is expected is
            confirmed too.
        everything: confirm every cell.

    Returns:
        For each probe the last attempt's result, with the outcomes of all attempts in `history`; `flapping` where no
        two in a row agreed. `dropped` is proven; a silence that could not have been broken, because the source or
        the target is cut off or nothing listens, is `unreachable`, and `detail` says why.

    Raises:
        ProbeError: a probe could not run, or a silence could not be explained.
    """
    patient = [replace(probe, timeout=confirm) for probe in probes]
    first = [probe if timeout is None else replace(probe, timeout=timeout) for probe in probes]
    attempts = [[result] for result in prober.run(first)]
    doubted = [
        number
        for number, (result,) in enumerate(attempts)
        if everything or not _sound(probes[number], result) or _surprises(result, expected, number)
    ]
    while doubted:
        for number, result in zip(doubted, prober.run([patient[each] for each in doubted]), strict=True):
            attempts[number].append(result)
        doubted = [number for number in doubted if not _settled(attempts[number])]
    return explain(prober, patient, [_sum_up(each) for each in attempts])


def _sound(probe: Probe, result: Result) -> bool:
    """Tell whether the first attempt left nothing to wish for: open, and by HTTP answered as well."""
    return result.outcome is Outcome.OPEN and (probe.protocol != "http" or result.status is not None)


def _surprises(result: Result, expected: Sequence[Outcome | None] | None, number: int) -> bool:
    return bool(expected) and expected is not None and expected[number] not in (None, result.outcome)


def _agree(attempts: Sequence[Result]) -> bool:
    last, before = attempts[-1], attempts[-2]
    return last.outcome is before.outcome and (last.status is None) == (before.status is None)


def _settled(attempts: Sequence[Result]) -> bool:
    return _agree(attempts) or len(attempts) == ATTEMPTS


def _sum_up(attempts: Sequence[Result]) -> Result:
    last = attempts[-1]
    history = tuple(result.outcome for result in attempts)
    if len(set(history)) == 1:
        return replace(last, history=history)
    flapping = not _agree(attempts)
    story = ("flapping: " if flapping else "not at once: ") + ", ".join(history)
    return replace(last, history=history, flapping=flapping, detail="; ".join(filter(None, (story, last.detail))))
