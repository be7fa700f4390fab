"""What is wrong with a cluster, by its containers and the stage on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checker import paths
from checker.cluster import kind, state, survey
from checker.cluster.state import Stage, State
from checker.errors import ClusterError

if TYPE_CHECKING:
    from tests.unit.cluster.conftest import Programs

NODES = ("c-control-plane", "c-worker", "c-worker2")
OUTSIDE = ("c-outside", "c-outside-web", "c-outside-dns")


def listing(changes: dict[str, str] | None = None, *, nodes: tuple[str, ...] = NODES) -> str:
    """Return what `docker ps` prints of a cluster `c`: all running, but for the changes; empty is no container."""
    states = {**dict.fromkeys((*nodes, *OUTSIDE), "running"), **(changes or {})}
    rows = [
        f"{name}\t{is_}\t{'c' if name not in OUTSIDE else ''}\t{'c' if name in OUTSIDE else ''}"
        for name, is_ in states.items()
        if is_
    ]
    return "\n".join([*rows, "c-test-worker\trunning\tc-test\t"])


@pytest.mark.parametrize(
    ("stage", "printed", "sentence"),
    [
        (Stage.NONE, "", "There is no cluster called c yet."),
        (Stage.READY, "", "The cluster c was deleted."),
        (Stage.CREATING, "", "The cluster c was never finished, and nothing is left of it."),
        (Stage.CREATING, listing(), "The cluster c is half made: its creation was broken off."),
        (Stage.CREATED, listing(), "The cluster c is half made: it never became ready."),
        (Stage.NONE, listing(), "The cluster c is half made: it never became ready."),
        (Stage.READY, listing({"c-worker": ""}), "The cluster c lacks node c-worker."),
        (Stage.READY, listing({"c-worker": "paused"}), "Node c-worker is paused."),
        (Stage.READY, listing({"c-worker": "exited"}), "Node c-worker is stopped."),
        (
            Stage.READY,
            listing({"c-worker": "exited", "c-worker2": "dead"}),
            "Nodes c-worker and c-worker2 are stopped.",
        ),
        (Stage.READY, listing(dict.fromkeys(NODES, "exited")), "The cluster c is stopped."),
        (Stage.READY, listing({"c-outside-dns": "exited"}), "The outside of the cluster c does not run."),
    ],
)
def test_each_fault_is_one_sentence(programs: Programs, stage: Stage, printed: str, sentence: str) -> None:
    if stage is not Stage.NONE:
        state.write("c", State(stage))
    programs.on("docker ps", printed)

    with pytest.raises(ClusterError) as caught:
        kind.require_up("c")

    assert caught.value.message == sentence
    assert caught.value.mend == "make up"


def test_a_cluster_that_is_up_costs_one_call_of_docker(programs: Programs) -> None:
    state.write("c", State(Stage.READY))
    programs.on("docker ps", listing())

    kind.require_up("c")

    assert len(programs.ran) == 1


def test_a_kind_cluster_of_another_shape_has_strangers(programs: Programs) -> None:
    programs.on("docker ps", listing({"c-worker3": "running"}))

    assert survey.take("c").strangers == ["c-worker3"]


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("content", ["", "{", '{"stage": "new"}', '["ready"]', '{"stage": "ready"}'])
def test_an_unreadable_state_counts_as_none(content: str) -> None:
    paths.cluster_dir("c").mkdir(parents=True)
    (paths.cluster_dir("c") / "state.json").write_text(content)

    assert state.read("c") == State()


@pytest.mark.usefixtures("programs")
def test_a_state_is_remembered_and_forgotten() -> None:
    state.write("c", State(Stage.CREATED))
    assert state.read("c").stage is Stage.CREATED

    state.forget("c")
    assert state.read("c").stage is Stage.NONE


@pytest.mark.usefixtures("programs")
def test_two_commands_do_not_make_the_same_cluster_at_once() -> None:
    with (
        state.locked("c"),
        state.locked("other"),
        pytest.raises(ClusterError, match="Another command"),
        state.locked("c"),
    ):
        pytest.fail("the second one got in")
