"""The course's kind cluster: made, mended, looked after, deleted."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from checker import paths
from checker.cluster import (
    agents,
    apt,
    daemon,
    docker,
    doctor,
    health,
    images,
    kind_command,
    kubeconfig,
    network,
    outside,
    state,
    survey,
)
from checker.cluster.progress import Reporter
from checker.cluster.state import Stage, State
from checker.cluster.steps import step
from checker.errors import ClusterError, HostError, UsageError
from checker.objects import Api

if TYPE_CHECKING:
    from rich.console import Console

    from checker.cluster.survey import Survey

READY_SECONDS = 180
CNIS = ("default",)
HOST_NEEDS = ("node", "cgroup", "memory", "disk", "inotify")


def up(name: str, *, cni: str = "default", console: Console) -> None:
    """Make the cluster, mend it, or find that everything is there.

    Raises:
        HostError: Docker or the machine lacks something.
        ClusterError: kind failed, or a kind cluster of that name is not ours.
        NotReadyError: the cluster did not become ready.
        UsageError: there is no such CNI profile.
    """
    if cni not in CNIS:
        raise UsageError(f"There is no CNI profile {cni!r}; there is {', '.join(CNIS)}.", "make up")
    daemon.ensure(console)
    with state.locked(name):
        found = survey.take(name)
        if found.stage is Stage.READY and survey.fault(found) is None and _is_well(name):
            console.print(f"The cluster {name} is up; nothing to do.", highlight=False)
        else:
            _make_or_mend(found, State(Stage.CREATING, cni), console)
        _hand_over(name, console)


def down(name: str, console: Console) -> None:
    """Delete the cluster and its outside, and take our context out of the learner's kubeconfig; nothing else.

    Raises:
        HostError: Docker does not answer.
        ClusterError: kind could not delete it, or it is not ours.
    """
    with state.locked(name):
        found = survey.take(name)
        _refuse_foreign(found)
        if not found.nodes and not found.outside:
            console.print(f"There is no cluster called {name}; nothing to delete.", highlight=False)
        else:
            with step(console, f"Deleting the cluster {name}"):
                _delete(name)
        kubeconfig.remove(f"kind-{name}")
        state.forget(name)


def require_up(name: str) -> None:
    """Make sure that labs can run, by one look at the containers; takes a fraction of a second.

    Raises:
        ClusterError: the cluster is missing, deleted, stopped, paused or half made; says which.
        HostError: Docker does not answer.
    """
    if wrong := survey.fault(survey.take(name)):
        raise wrong


def config(name: str, image: str) -> str:
    """Return kind's configuration for a cluster."""
    template = (paths.CLUSTER_SRC / "kind.yaml").read_text(encoding="utf-8")
    body = template.partition("kind: Cluster")
    return body[1] + body[2].replace("NAME", name).replace("IMAGE", image)


def _is_well(name: str) -> bool:
    """Whether the running cluster answers, with agents and an outside of the current files."""
    with ThreadPoolExecutor(1) as pool:
        outside_job = pool.submit(outside.is_current, name)
        return not health.problems(Api(name)) and outside_job.result()


def _make_or_mend(found: Survey, target: State, console: Console) -> None:
    name = found.name
    _refuse_foreign(found)
    if reason := _beyond_mending(found):
        console.print(f"The cluster {name} {reason}: it is made again.", highlight=False)
        _delete(name)
        found = survey.take(name)
    if not found.nodes:
        _create(name, target, console)
    else:
        fault = survey.fault(found)
        reason = fault.message if fault else f"The cluster {name} does not answer as it should."
        console.print(f"{reason} Mending it.", highlight=False)
        _revive(found, console)
    _settle(name, target.cni, console)


def _refuse_foreign(found: Survey) -> None:
    """Refuse a kind cluster of our name that somebody else made: it has other nodes than ours."""
    if found.strangers or (found.stage is Stage.NONE and found.nodes and found.missing):
        sentence = f"A kind cluster called {found.name} is there, but it is not the course's."
        raise ClusterError(sentence, "DEEP_DIVE_CLUSTER=another-name make up")


def _beyond_mending(found: Survey) -> str:
    if not found.nodes:
        return ""
    if found.stage is Stage.CREATING:
        return "was left half made"
    return f"has lost {', '.join(found.missing)}" if found.missing else ""


def _create(name: str, target: State, console: Console) -> None:
    doctor.require(*HOST_NEEDS)
    _get_images(console)
    state.write(name, target)
    network.ensure()
    with step(console, "Creating three nodes") as say, ThreadPoolExecutor(2) as pool:
        outside_job = pool.submit(outside.ensure, name)

        def heard(title: str) -> None:
            say(title)
            if title.startswith("Joining"):
                pool.submit(agents.deploy_early, f"{name}-control-plane")

        kind_command.create(name, config(name, images.node_image()), heard)
        outside_job.result()


def _get_images(console: Console) -> None:
    """Pull or build; where Debian's tool for building is missing, offer to install it."""
    reporter = Reporter(console)
    try:
        images.ensure(reporter=reporter)
    except HostError as error:
        if shutil.which("mmdebstrap") or not apt.usable():
            raise
        apt.offer(("mmdebstrap", "debian-archive-keyring"), error.message, console)
        images.ensure(reporter=reporter)


def _revive(found: Survey, console: Console) -> None:
    if found.paused:
        with step(console, f"Unpausing {', '.join(found.paused)}"):
            docker.run("unpause", *found.paused)
    if found.stopped:
        with step(console, f"Starting {', '.join(found.stopped)}"):
            docker.run("start", *found.stopped)


def _settle(name: str, cni: str, console: Console) -> None:
    """Bring the running nodes to ready: kubeconfig, agents, DNS, outside."""
    state.write(name, State(Stage.CREATED, cni))
    if not paths.kubeconfig(name).exists():
        kind_command.export(name)
    with step(console, "Waiting for nodes, DNS and probe agents"), ThreadPoolExecutor(2) as pool:
        outside_job = pool.submit(outside.ensure, name)
        images_job = pool.submit(images.load_into, name)
        health.wait(Api(name), READY_SECONDS)
        images_job.result()
        outside_job.result()
    state.write(name, State(Stage.READY, cni))


def _hand_over(name: str, console: Console) -> None:
    """Give the learner's kubectl the context, and say so where another cluster stays current."""
    context = f"kind-{name}"
    now = kubeconfig.add(paths.kubeconfig(name))
    if now != context:
        console.print(
            f"Your kubectl still points at {now}. To work on the course: kubectl config use-context {context}",
            highlight=False,
        )


def _delete(name: str) -> None:
    outside.remove(name)
    kind_command.delete(name)
