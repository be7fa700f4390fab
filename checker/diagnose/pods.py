"""Why a Pod does not answer on its own address: the recognised faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checker.diagnose.snapshot import Object, Snapshot, Subject, container_ports
from checker.verdict import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator


def explain(snapshot: Snapshot, subject: Subject) -> Cause | None:
    """Return the fault behind a Pod's silence, or None where none is recognised."""
    return next(_causes(snapshot, subject), None)


def _causes(snapshot: Snapshot, subject: Subject) -> Iterator[Cause]:
    target = subject.target
    for pod in snapshot.pods_of(target.host, target.namespace or snapshot.namespace):
        if pod["spec"].get("hostNetwork"):
            yield _host_network(pod)
        elif cause := _not_listening(snapshot, pod, target.port):
            yield cause
        elif subject.seen:
            yield _translated(pod, subject.seen)


def _host_network(pod: Object) -> Cause:
    why = f"Pod `{_name(pod)}` uses its node's network (`hostNetwork: true`): it has no address of its own."
    return Cause("host-network", why, f"kubectl -n {_namespace(pod)} get pods -o wide")


def _translated(pod: Object, seen: str) -> Cause:
    why = f"The program in `{_name(pod)}` takes {seen} for its caller: something between, such as a proxy, calls."
    return Cause("translated", why, f"kubectl -n {_namespace(pod)} describe pod {_name(pod)}")


def _not_listening(snapshot: Snapshot, pod: Object, port: int) -> Cause | None:
    if not snapshot.knows_sockets(pod):
        return None
    sockets = [each for each in snapshot.listening(pod) if each.protocol == "tcp"]
    there = [each for each in sockets if each.port == port]
    if any(not each.loopback for each in there):
        return None
    if there:
        return _only_loopback(pod, port, there[0].address)
    command = f"kubectl -n {_namespace(pod)} logs {_name(pod)}"
    elsewhere = ", ".join(f"{each.address}:{each.port}" for each in sockets) or "no port"
    return Cause(
        "not-listening", f"Nothing listens on port {port} in `{_name(pod)}`; it listens on {elsewhere}.", command
    )


def _only_loopback(pod: Object, port: int, address: str) -> Cause:
    why = f"In `{_name(pod)}` port {port} is bound to {address}, its loopback address: only the Pod itself reaches it."
    command = f"kubectl -n {_namespace(pod)} logs {_name(pod)}"
    if any(each["containerPort"] == port for each in container_ports(pod)):
        return Cause("M4", f"{why} `containerPort` documents a port, it opens none.", command)
    return Cause("M5", why, command)


def _name(pod: Object) -> str:
    return str(pod["metadata"]["name"])


def _namespace(pod: Object) -> str:
    return str(pod["metadata"]["namespace"])
