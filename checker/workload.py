"""Workloads and their Pods: who they are, whether they run, and when they have settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from checker.errors import CheckFailed, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from checker.objects import Api, Manifest

KINDS = ("Deployment", "StatefulSet", "DaemonSet")


@dataclass(frozen=True)
class Pod:
    """A running Pod: what a probe needs to know of it.

    Args:
        workload: the Deployment, StatefulSet or DaemonSet that made it; its own name for a bare Pod.
        address: its IP.
    """

    name: str
    namespace: str
    uid: str
    node: str
    address: str
    workload: str
    labels: Mapping[str, str]
    ready: bool
    host_network: bool

    @classmethod
    def of(cls, live: Manifest) -> Pod:
        """Read a Pod as the API returns it."""
        metadata, spec, status = live["metadata"], live["spec"], live["status"]
        conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
        return cls(
            name=metadata["name"],
            namespace=metadata["namespace"],
            uid=metadata["uid"],
            node=spec.get("nodeName", ""),
            address=status.get("podIP", ""),
            workload=workload_name(metadata),
            labels=metadata.get("labels", {}),
            ready=conditions.get("Ready") == "True",
            host_network=bool(spec.get("hostNetwork")),
        )


def workload_name(metadata: Mapping[str, Any]) -> str:
    """Return the name of what made a Pod, read from its owner; a ReplicaSet's name ends in its template's hash."""
    owners = [each for each in metadata.get("ownerReferences", []) if each.get("controller")]
    if not owners:
        return str(metadata["name"])
    name = str(owners[0]["name"])
    suffix = "-" + metadata.get("labels", {}).get("pod-template-hash", "")
    return name.removesuffix(suffix) if owners[0]["kind"] == "ReplicaSet" else name


class Workloads:
    """The Pods and workloads of some namespaces."""

    def __init__(self, api: Api, namespaces: Sequence[str]) -> None:
        self.api = api
        self.namespaces = namespaces

    def running(self) -> list[Pod]:
        """Return the Pods that run and are not being deleted."""
        return [Pod.of(each) for each in self._live_pods() if _runs(each)]

    def pods(self, name: str, namespace: str) -> list[Pod]:
        """Return the running Pods of a workload, by name of the workload or of a bare Pod.

        Raises:
            CheckFailed: none runs.
        """
        found = [each for each in self.running() if each.namespace == namespace and each.workload == name]
        if not found:
            raise CheckFailed(f"{name} has no running Pod", command=f"kubectl -n {namespace} get pods")
        return sorted(found, key=lambda pod: pod.name)

    def settle(self, seconds: float) -> bool:
        """Wait until no rollout is under way and no Pod is being deleted; tells whether it came to that in time.

        A workload that can never become complete, say for a wrong image, does not keep the lab from being judged.
        """
        try:
            self.api.wait(self.is_settled, seconds, "rollouts to settle")
        except NotReadyError:
            return False
        return True

    def wait_ready(self, manifests: Iterable[Manifest], namespace: str, seconds: float) -> None:
        """Wait until every Pod of the workloads that the manifests name is ready.

        Raises:
            NotReadyError: one is not; names the Pod and says why it waits.
        """
        wanted = [
            (each["metadata"]["name"], each["metadata"].get("namespace", namespace))
            for each in manifests
            if each["kind"] in (*KINDS, "Pod")
        ]
        try:
            self.api.wait(lambda: self._are_ready(wanted), seconds, "the scenario's Pods")
        except NotReadyError as error:
            raise NotReadyError(f"{error.message} {self._why_not()}", error.mend) from error

    def _are_ready(self, wanted: Iterable[tuple[str, str]]) -> bool:
        ready = {(pod.workload, pod.namespace) for pod in self.running() if pod.ready}
        return ready.issuperset(wanted) and self.is_settled()

    def is_settled(self) -> bool:
        """Tell whether no rollout is under way and no Pod is being deleted."""
        leaving = any("deletionTimestamp" in each["metadata"] for each in self._live_pods())
        return not leaving and all(_is_complete(each) for each in self._live_workloads())

    def _live_pods(self) -> list[Manifest]:
        return [pod for namespace in self.namespaces for pod in self.api.objects("v1", "Pod", namespace)]

    def _live_workloads(self) -> list[Manifest]:
        return [
            {"kind": kind, **each}
            for namespace in self.namespaces
            for kind in KINDS
            for each in self.api.objects("apps/v1", kind, namespace)
        ]

    def _why_not(self) -> str:
        for pod in self._live_pods():
            for status in pod["status"].get("containerStatuses", []):
                if waiting := status["state"].get("waiting"):
                    return (
                        f"Pod {pod['metadata']['name']}: {waiting.get('reason')} {waiting.get('message', '')}".strip()
                    )
        return ""


def _runs(pod: Manifest) -> bool:
    return (
        pod["status"].get("phase") == "Running"
        and "deletionTimestamp" not in pod["metadata"]
        and bool(pod["status"].get("podIP"))
    )


def _is_complete(workload: Manifest) -> bool:
    status, spec = workload.get("status", {}), workload["spec"]
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return False
    if workload["kind"] == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        return bool(status.get("updatedNumberScheduled", 0) == wanted == status.get("numberAvailable", 0))
    wanted = spec.get("replicas", 1)
    counts = (status.get(key, 0) for key in ("updatedReplicas", "replicas", "availableReplicas"))
    return all(count == wanted for count in counts)
