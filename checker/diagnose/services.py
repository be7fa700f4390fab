"""Why a Service does not answer as it should: the recognised faults, most telling first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checker.diagnose.snapshot import Object, Snapshot, Subject, container_ports, is_ready
from checker.verdict import Cause

if TYPE_CHECKING:
    from collections.abc import Callable

    Rule = Callable[[Snapshot, Subject, Object, Object], Cause | None]


def explain(snapshot: Snapshot, subject: Subject) -> Cause | None:
    """Return the fault behind a Service's wrong answer, or None where none is recognised."""
    found = service_of(snapshot, subject)
    if found is None:
        return None
    name, namespace = found
    service = snapshot.service(name, namespace)
    if service is None:
        return _no_service(snapshot, name, namespace)
    port = _port(service, subject.target.port)
    if port is None:
        return _wrong_port(service, subject.target.port)
    causes = (rule(snapshot, subject, service, port) for rule in RULES)
    return next((cause for cause in causes if cause), None)


def service_of(snapshot: Snapshot, subject: Subject) -> tuple[str, str] | None:
    """Return name and namespace of the Service that a target means; None for an address or a name of another kind."""
    target = subject.target
    if target.place == "clusterip":
        return target.host, target.namespace or snapshot.namespace
    name, *rest = target.host.removesuffix(".").split(".")
    if rest[1:] not in ([], ["svc"], ["svc", "cluster", "local"]):
        return None
    return name, rest[0] if rest else snapshot.namespace


def _no_service(snapshot: Snapshot, name: str, namespace: str) -> Cause:
    there = [each["metadata"]["name"] for each in snapshot.services if each["metadata"]["namespace"] == namespace]
    names = ", ".join(f"`{each}`" for each in sorted(there)) or "none"
    why = f"There is no Service `{name}` in the namespace `{namespace}`; it has: {names}."
    return Cause("no-service", why, f"kubectl -n {namespace} get services")


def _wrong_port(service: Object, probed: int) -> Cause:
    ports = service["spec"].get("ports", [])
    listed = ", ".join(
        f"`port: {each['port']}` to `targetPort: {each.get('targetPort', each['port'])}`" for each in ports
    )
    if any(str(each.get("targetPort")) == str(probed) for each in ports):
        why = f"The Service forwards {listed}. Clients use `port`, Pods listen on `targetPort`: they look swapped."
    else:
        why = f"Clients use port {probed}, but the Service offers {listed}."
    return Cause("M9", why, _show(service))


def _selects_nothing(snapshot: Snapshot, _: Subject, service: Object, __: Object) -> Cause | None:
    if snapshot.selected(service):
        return None
    why = "The Service has no selector, so it selects no Pod and has no endpoints."
    if selector := _pairs(service["spec"].get("selector") or {}):
        why = f"The Service selects `{selector}`. No Pod in its namespace has these labels, so it has no endpoints."
    return Cause("M1", why, f"kubectl -n {_namespace(service)} get pods --show-labels")


def _selects_others(snapshot: Snapshot, subject: Subject, service: Object, _: Object) -> Cause | None:
    if not subject.workload:
        return None
    found = {snapshot.workloads.get(pod["metadata"]["uid"], "?") for pod in snapshot.selected(service)}
    if found == {subject.workload}:
        return None
    selector = _pairs(service["spec"]["selector"])
    names = ", ".join(f"`{each}`" for each in sorted(found))
    why = (
        f"The Service selects `{selector}`. Pods of {names} have these labels, not those of `{subject.workload}` alone."
    )
    command = f"kubectl -n {_namespace(service)} get pods --show-labels -l {selector}"
    return Cause("wrong-pods", why, command)


def _names_no_port(snapshot: Snapshot, _: Subject, service: Object, port: Object) -> Cause | None:
    target = port.get("targetPort")
    if not isinstance(target, str):
        return None
    declared = {each.get("name") for pod in snapshot.selected(service) for each in container_ports(pod)}
    if target in declared:
        return None
    names = ", ".join(f"`{each}`" for each in sorted(filter(None, declared))) or "none"
    why = f"`targetPort: {target}` is a name, and the selected Pods have no container port of that name, but {names}."
    return Cause("M3", why, f"kubectl -n {_namespace(service)} get endpointslices -l {_slices_label(service)}")


def _nobody_ready(snapshot: Snapshot, _: Subject, service: Object, __: Object) -> Cause | None:
    pods = snapshot.selected(service)
    if any(is_ready(pod) for pod in pods) or service["spec"].get("publishNotReadyAddresses"):
        return None
    why = f"The Service selects {len(pods)} Pods and none is Ready; Pods that are not Ready get no traffic."
    return Cause("M6", why, f"kubectl -n {_namespace(service)} get endpointslices -l {_slices_label(service)} -o yaml")


def _nobody_listens(snapshot: Snapshot, _: Subject, service: Object, port: Object) -> Cause | None:
    for pod in snapshot.selected(service):
        number, sockets = resolve_target_port(pod, port), snapshot.listening(pod)
        reached = any(each.port == number and not each.loopback for each in sockets)
        if number is None or reached or not snapshot.knows_sockets(pod):
            continue
        command = f"kubectl -n {_namespace(service)} get endpointslices -l {_slices_label(service)}"
        if any(each.port == number for each in sockets):
            why = f"The Pods listen on port {number} only at their loopback address, where nobody else reaches them."
            return Cause("M5", why, command)
        found = ", ".join(str(each) for each in sorted({each.port for each in sockets if each.protocol == "tcp"}))
        why = f"The Service forwards to port {number}. The selected Pods listen on {found or 'no port'}."
        return Cause("M2", why, command)
    return None


def resolve_target_port(pod: Object, port: Object) -> int | None:
    """Return the number that a Service port's targetPort means on one Pod; None for a name that it does not have."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    return next((each["containerPort"] for each in container_ports(pod) if each.get("name") == target), None)


RULES: tuple[Rule, ...] = (_selects_nothing, _selects_others, _names_no_port, _nobody_ready, _nobody_listens)


def _port(service: Object, number: int) -> Object | None:
    return next((each for each in service["spec"].get("ports", []) if each["port"] == number), None)


def _pairs(labels: Object) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _namespace(service: Object) -> str:
    return str(service["metadata"]["namespace"])


def _slices_label(service: Object) -> str:
    return f"kubernetes.io/service-name={service['metadata']['name']}"


def _show(service: Object) -> str:
    return f"kubectl -n {_namespace(service)} describe service {service['metadata']['name']}"
