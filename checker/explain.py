"""One cell explained, on any state of the cluster: what the lab asks for, what policies mean, and what packets do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from checker import diagnose, tables
from checker.diagnose import Subject
from checker.diagnose.cells import Cells
from checker.errors import CheckFailed, UsageError
from checker.live import LiveLab
from checker.traffic import Difference, Flow, Outcome, Target, Traffic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checker.diagnose.cells import Connection
    from checker.diagnose.snapshot import Object, Snapshot
    from checker.lab import Lab
    from checker.policy import End, Side
    from checker.traffic import Seen


@dataclass(frozen=True)
class Explanation:
    """What is to say about one cell.

    Args:
        flow: the cell, as text.
        expected: by the lab's tables; empty where the cell stands in none.
        predicted: by the model, from the policies as they are; empty where the model cannot tell.
        seen: on the wire.
        sides: for each end, and each look-up before, a sentence on which policy and rule decides.
        why: the fault, where the packets are not what the lab asks for and a fault is recognised.
        agree: whether all that is known agrees.
        command: shows the cell, typed in a shell.
    """

    flow: str
    expected: str
    predicted: str
    seen: str
    sides: tuple[str, ...]
    why: str
    agree: bool
    command: str

    def record(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def explain(lab: Lab, source: str, target: str) -> Explanation:
    """Explain a cell of a started lab.

    Raises:
        UsageError: the lab is not started, or there is no such source or target.
        ContentError: the text is no target.
        ProbeError: the packets could not be sent.
    """
    flow = Flow(source, Target.parse(target))
    stated = tables.load(lab.files.check_file)
    lab.require_started()
    with LiveLab(lab) as live:
        snapshot = live.snapshot()
        expected = stated.cells.get(flow)
        try:
            seen = live.see(Traffic({flow: expected or _predicted(snapshot, flow) or Outcome.OPEN}))[flow]
            command = live.places.reproduce(flow)
        except CheckFailed as error:
            raise UsageError(f"{flow} cannot be probed: {error.reason}.", error.command or None) from error
    return describe(snapshot, stated, flow, seen, command)


def describe(snapshot: Snapshot, stated: Traffic, flow: Flow, seen: Seen, command: str) -> Explanation:
    """Return the explanation of a cell from what is known of it. Pure."""
    cells, expected = Cells(snapshot), stated.cells.get(flow)
    predicted = cells.predict(snapshot.policies, flow)
    cause = None
    if expected and not seen.matches(expected):
        subject = Subject(flow.target, difference=Difference(flow, expected, seen), table=stated)
        cause = diagnose.explain(snapshot, [subject])
    return Explanation(
        flow=str(flow),
        expected=str(expected or ""),
        predicted=", ".join(sorted(predicted)),
        seen=str(seen),
        sides=tuple(_sides(snapshot, cells.connections(flow))),
        why=cause.why if cause else "",
        agree=_agree(expected, predicted, seen),
        command=command,
    )


def _predicted(snapshot: Snapshot, flow: Flow) -> Outcome | None:
    found = Cells(snapshot).predict(snapshot.policies, flow)
    return next(iter(found)) if len(found) == 1 else None


def _agree(expected: Outcome | None, predicted: frozenset[Outcome], seen: Seen) -> bool:
    """Tell whether all agree. To policies a refusal is as good as an answer: both need the packets let through."""
    if seen.flapping or (expected and not seen.matches(expected)):
        return False
    let = {Outcome.OPEN if each is Outcome.REFUSED else each for each in seen.outcomes}
    return not predicted or predicted == let


def _sides(snapshot: Snapshot, connections: Sequence[Connection]) -> list[str]:
    """Return a sentence for each end, each once however many Pods stand behind a cell."""
    found: dict[str, None] = {}
    for connection in connections:
        for each in (*connection.lookups, connection):
            found.update(dict.fromkeys(_sentences(snapshot.policies, each)))
    return list(found)


def _sentences(policies: Sequence[Object], connection: Connection) -> list[str]:
    decision = connection.decide(policies)
    what = f"{connection.protocol} {connection.port}"
    if decision.exempt:
        return [f"{connection.source.name} to {connection.target.name}: {decision.exempt}"]
    return [
        f"out of {_who(connection.source, decision.egress)}, {what} to {connection.target.name}: "
        f"{_side(decision.egress)}",
        f"into {_who(connection.target, decision.ingress)}, {what} from {connection.source.name}: "
        f"{_side(decision.ingress)}",
    ]


def _who(end: End, side: Side) -> str:
    return end.name if not side.isolated_by else f"{end.name} (isolated by {', '.join(side.isolated_by)})"


def _side(side: Side) -> str:
    if not side.isolated_by:
        return "open, no policy isolates it"
    if not side.allowed_by:
        return "dropped, no rule lets it through"
    return f"open by {'; '.join(str(rule) for rule in side.allowed_by)}"
