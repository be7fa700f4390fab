"""Making, mending and deleting a cluster, with Docker and kind played by a script."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from rich.console import Console

from checker import paths
from checker.cluster import daemon, health, images, kind, kubeconfig, outside, state, tools
from checker.cluster.command import Output
from checker.cluster.state import Stage, State
from checker.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from tests.unit.cluster.conftest import Programs

OUTSIDE = "c-outside\trunning\t\tc\nc-outside-web\trunning\t\tc\nc-outside-dns\trunning\t\tc"


def nodes(control_plane: str = "running", worker: str = "running", worker2: str = "running") -> str:
    states = {"c-control-plane": control_plane, "c-worker": worker, "c-worker2": worker2}
    return "\n".join([*(f"{name}\t{is_}\tc\t" for name, is_ in states.items() if is_), OUTSIDE])


class World:
    """What the fakes have been asked to do, and whether the cluster is well."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.problems: list[str] = []


@pytest.fixture
def world(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> World:
    fake = World()
    programs.on("docker", "")
    programs.on("docker version", "20.10")
    programs.on("kind delete cluster", lambda _: _emptied(programs))
    monkeypatch.setattr(tools, "kind", lambda: "kind")
    monkeypatch.setattr(daemon, "ensure", lambda _: None)
    monkeypatch.setattr(kind, "Api", lambda name: name)
    monkeypatch.setattr(kind, "_create", lambda *_: _record(fake, "create"))
    monkeypatch.setattr(outside, "ensure", lambda _: _record(fake, "outside"))
    monkeypatch.setattr(outside, "is_current", lambda _: True)
    monkeypatch.setattr(images, "load_into", lambda _: _record(fake, "load"))
    monkeypatch.setattr(health, "problems", lambda _: fake.problems)
    monkeypatch.setattr(health, "wait", lambda *_: _record(fake, "wait"))
    paths.cluster_dir("c").mkdir(parents=True)
    paths.kubeconfig("c").write_text(yaml.safe_dump(_config("kind-c")))
    return fake


def up(console: Console | None = None) -> str:
    said = io.StringIO()
    kind.up("c", console=console or Console(file=said, width=300))
    return said.getvalue()


def test_a_fresh_one_is_made(world: World, programs: Programs) -> None:
    programs.on("docker ps", "")

    up()

    assert world.done[0] == "create"
    assert "wait" in world.done
    assert state.read("c") == State(Stage.READY, "default")


def test_a_second_time_finds_everything(world: World, programs: Programs) -> None:
    state.write("c", State(Stage.READY))
    programs.on("docker ps", nodes())

    assert "nothing to do" in up()
    assert world.done == []


@pytest.mark.parametrize(
    ("printed", "command", "says"),
    [
        (nodes(worker="exited"), "docker start c-worker", "Node c-worker is stopped. Mending it."),
        (nodes(worker2="paused"), "docker unpause c-worker2", "Node c-worker2 is paused. Mending it."),
        (
            nodes("exited", "exited", "exited"),
            "docker start c-control-plane c-worker c-worker2",
            "The cluster c is stopped. Mending it.",
        ),
    ],
)
def test_stopped_and_paused_nodes_are_mended(
    world: World, programs: Programs, printed: str, command: str, says: str
) -> None:
    state.write("c", State(Stage.READY))
    programs.on("docker ps", printed)

    said = up()

    assert says in said
    assert command in programs.lines("docker")
    assert "create" not in world.done
    assert state.read("c").stage is Stage.READY


def test_one_that_does_not_answer_is_mended(world: World, programs: Programs) -> None:
    state.write("c", State(Stage.READY))
    programs.on("docker ps", nodes())
    world.problems = ["The probe agents are not all running."]

    assert "does not answer as it should. Mending it." in up()
    assert "wait" in world.done
    assert "create" not in world.done


@pytest.mark.parametrize(
    ("was", "printed", "says"),
    [
        (Stage.CREATING, nodes(worker2=""), "The cluster c was left half made: it is made again."),
        (Stage.CREATING, nodes(), "The cluster c was left half made: it is made again."),
        (Stage.READY, nodes(worker2=""), "The cluster c has lost c-worker2: it is made again."),
    ],
)
def test_what_cannot_be_mended_is_made_again(
    world: World, programs: Programs, was: Stage, printed: str, says: str
) -> None:
    state.write("c", State(was))
    programs.on("docker ps", printed)

    assert says in up()
    assert programs.lines("kind delete") == [f"kind delete cluster --name c --kubeconfig {paths.kubeconfig('c')}"]
    assert world.done[0] == "create"


def test_a_kind_cluster_that_is_not_ours_is_left_alone(world: World, programs: Programs) -> None:
    programs.on("docker ps", "c-control-plane\trunning\tc\t")

    with pytest.raises(ClusterError, match="it is not the course's"):
        up()
    with pytest.raises(ClusterError, match="it is not the course's"):
        kind.down("c", Console(file=io.StringIO()))
    assert world.done == []
    assert programs.lines("kind delete") == []


@pytest.mark.usefixtures("world")
def test_an_unknown_cni_is_refused() -> None:
    with pytest.raises(UsageError, match="no CNI profile 'weave'"):
        kind.up("c", cni="weave", console=Console(file=io.StringIO()))


@pytest.mark.usefixtures("world")
def test_another_current_context_stays(programs: Programs) -> None:
    state.write("c", State(Stage.READY))
    programs.on("docker ps", nodes())
    kubeconfig.default_file().write_text(yaml.safe_dump(_config("production")))

    said = up()

    assert "Your kubectl still points at production" in said
    assert "kubectl config use-context kind-c" in said
    assert kubeconfig.current() == "production"


def test_down_deletes_ours_and_keeps_the_rest(world: World, programs: Programs) -> None:
    state.write("c", State(Stage.READY))
    programs.on("docker ps", nodes())
    kubeconfig.default_file().write_text(yaml.safe_dump(_config("production")))
    up()

    kind.down("c", Console(file=io.StringIO()))

    assert "docker rm --force --volumes c-outside c-outside-web c-outside-dns" in programs.lines("docker rm")
    assert yaml.safe_load(kubeconfig.default_file().read_text()) == _config("production")
    assert state.read("c").stage is Stage.NONE
    assert not paths.kubeconfig("c").exists()
    assert world.done == []


def test_the_configuration_names_the_cluster_and_its_zones() -> None:
    made = yaml.safe_load(kind.config("c", "some/node:v1"))

    assert made["name"] == "c"
    assert [(each["role"], each["image"]) for each in made["nodes"]] == [
        ("control-plane", "some/node:v1"),
        ("worker", "some/node:v1"),
        ("worker", "some/node:v1"),
    ]
    zones = [each["labels"]["topology.kubernetes.io/zone"] for each in made["nodes"]]
    assert zones == ["zone-a", "zone-a", "zone-b"]


def _record(fake: World, what: str) -> None:
    fake.done.append(what)


def _emptied(programs: Programs) -> Output:
    programs.on("docker ps", "")
    return Output(0)


def _config(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
