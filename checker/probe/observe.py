"""From attempts to outcomes that can be believed: confirmed, controlled, steady.

An `open` is believed at once, unless it surprises or an HTTP server accepted and then did not answer. Everything else
is tried again, from a fresh port and with more patience, until attempts agree; what surprises must also hold for a
while. While some cells are waited for, all others are looked at again, since that costs no time. What then is `dropped`
still needs proof that silence was not the source's or the target's own: see `control`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from checker.probe import control
from checker.probe.case import Case, Patience, slowest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from checker.probe.client import Prober
    from checker.probe.outcome import Probe, Result
    from checker.traffic import Outcome

SLOWNESS = 5
"""An expected silence must be longer than so many times the slowest answer of the same round, on a busy machine too."""


def observe(
    prober: Prober,
    probes: Sequence[Probe],
    *,
    timeout: float | None = None,
    confirm: float = 3.0,
    silence: float | None = None,
    expected: Sequence[Outcome | None] | None = None,
    everything: bool = False,
    settle: Callable[[], bool] | None = None,
) -> list[Result]:
    """Send probes and return what holds, in their order.

    Costs one batch when everything is open; a dropped cell costs its timeout and the confirmation once for the whole
    batch, since all are in flight together, the controls too.

    Args:
        prober: sends them.
        probes: all at once.
        timeout: seconds for the first attempt; None takes each probe's own.
        confirm: seconds for every further attempt.
        silence: the same for a silence that is expected; None is no less than `confirm`.
        expected: for each probe the outcome that would be no surprise.
        everything: confirm every cell.
        settle: called after the first attempts: waits until the cluster can be judged and tells whether it had to. If
            so, the first attempts came too early to count by themselves, and every cell is confirmed.

    Returns:
        For each probe the last attempt's result, with the outcomes of all attempts in `history`; `flapping` where they
        do not come to agree. `dropped` is proven; a silence that could not have been broken, because the source or
        the target is cut off or nothing listens, is `unreachable`, and `detail` says why.

    Raises:
        ProbeError: a probe could not run, or a silence could not be explained.
    """
    cases = [Case(probe, wanted) for probe, wanted in zip(probes, expected or [None] * len(probes), strict=True)]
    patience = Patience(timeout, confirm, confirm if silence is None else silence)
    _send(prober, [(case, _first(case.probe, patience)) for case in cases])
    early = _settle(cases, settle)
    pending = [case for case in cases if everything or early or case.doubted]
    if any(case.silent for case in pending):
        pending = cases
    patience = replace(patience, silence=_silence(patience, [case.last for case in cases]))
    witnessed = _confirm(prober, pending, patience)
    asked = [case.next(patience)[0] for case in cases]
    return control.explain(prober, asked, [case.sum_up() for case in cases], witnessed)


def _settle(cases: Sequence[Case], settle: Callable[[], bool] | None) -> bool:
    if settle is None or not settle():
        return False
    for case in cases:
        case.settled_at = time.monotonic()
    return True


def _first(probe: Probe, patience: Patience) -> Probe:
    return probe if patience.first is None else replace(probe, timeout=patience.first)


def _silence(patience: Patience, first: Sequence[Result]) -> float:
    """Return how long an expected silence has to last: longer where this round's answers were slow."""
    return min(patience.confirm, max(patience.silence, SLOWNESS * slowest(first)))


def _confirm(prober: Prober, pending: Sequence[Case], patience: Patience) -> control.Witnessed:
    """Attempt the pending cases until each is settled; ask witnesses of silence along with the first of that."""
    witnesses = control.witnesses(prober, [(case.probe, case.last) for case in pending], patience.silence)
    witnessed: control.Witnessed = []
    while pending:
        if (pause := min(case.due for case in pending) - time.monotonic()) > 0:
            time.sleep(pause)
        now = time.monotonic()
        sent = [(case, probe) for case in pending if case.due <= now for probe in case.next(patience)]
        witnessed += _send(prober, sent, witnesses)
        witnesses = []
        pending = [case for case in pending if not case.settled]
    return witnessed


def _send(
    prober: Prober, sent: Sequence[tuple[Case, Probe]], witnesses: Sequence[Probe] = ()
) -> list[tuple[Probe, Result]]:
    """Send one batch; give each case its result, and return those of the witnesses."""
    began = time.monotonic()
    results = prober.run([*(probe for _, probe in sent), *witnesses])
    ended = time.monotonic()
    for (case, _), result in zip(sent, results, strict=False):
        case.add(result, began, ended)
    return list(zip(witnesses, results[len(sent) :], strict=True))
