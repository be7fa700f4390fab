"""One lab on a cluster: start it, apply an answer, put it back, take it away."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from checker import canary, guard, paths, settling
from checker.cluster.tools import kubectl
from checker.course import Answer, Course, LabFiles
from checker.errors import ClusterError, ContentError, UsageError
from checker.objects import Api
from checker.workload import Workloads

if TYPE_CHECKING:
    from pathlib import Path

    from checker.objects import Manifest

SYSTEM_NAMESPACE = "deep-dive-system"
READY_SECONDS = 60
SETTLE_SECONDS = 15
"""An answer whose Pods can never all become ready is judged as it stands after this."""

DELETE_MARK = "deep-dive/delete"


class Lab:
    """A lab's files and the cluster they are played on."""

    def __init__(self, files: LabFiles, api: Api) -> None:
        self.files = files
        self.api = api
        self.workloads = Workloads(api, files.namespaces)
        self._state = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"lab-{files.stem}", "namespace": SYSTEM_NAMESPACE},
        }

    def start(self) -> bool:
        """Bring the lab to its start, unless it is there already; returns whether anything was done.

        Raises:
            NotReadyError: a Pod of the scenario did not become ready.
        """
        if self.is_started() and not self._missing_namespaces():
            return False
        self.reset()
        return True

    def reset(self) -> None:
        """Bring the lab to its start from whatever state it is in; the learner's own files stay as they are."""
        self._require_system()
        self.stop()
        if self.files.needs.policy:
            canary.deploy(self.api)
        self.api.apply(self.files.scenario, self.files.namespace)
        self.apply_files(self.files.folder / "start")
        self._wait_until_ready()
        self._remember()

    def stop(self) -> None:
        """Take away all that the lab made, and all that was put into its namespaces."""
        self.api.delete([self._state])
        self.api.delete_namespaces(self.files.namespaces)
        scoped = [each for each in self.files.scenario if "namespace" not in each["metadata"]]
        self.api.delete([each for each in scoped if self._is_cluster_wide(each)])

    def apply_answer(self, answer: Answer) -> None:
        """Apply an answer as a learner does, with kubectl; objects that carry the delete mark are deleted.

        Raises:
            ContentError: kubectl refuses it.
        """
        doomed = [each for each in answer.manifests if DELETE_MARK in each["metadata"].get("annotations", {})]
        if doomed:
            self.api.delete(doomed, self.files.namespace)
        kept = [self._placed(each) for each in answer.manifests if each not in doomed]
        self._kubectl_apply("-", "\n---\n".join(json.dumps(each) for each in kept))
        self.workloads.settle(SETTLE_SECONDS)

    def apply_files(self, folder: Path) -> None:
        """Apply a folder of manifests with kubectl, so that the learner's own `kubectl apply` carries on from there."""
        self._kubectl_apply(str(folder))

    def copy_start(self) -> list[Path]:
        """Copy start/ to the learner's work folder, never over a file that is there; returns the new copies."""
        self.files.work.mkdir(parents=True, exist_ok=True)
        copied = []
        for source in sorted((self.files.folder / "start").iterdir()):
            target = self.files.work / source.name
            if not target.exists():
                shutil.copyfile(source, target)
                copied.append(target)
        return copied

    def is_started(self) -> bool:
        """Tell whether the lab was started on this cluster."""
        return self.api.get(self._state) is not None

    def require_started(self) -> None:
        """Refuse to check what is not there.

        Raises:
            UsageError: the lab was not started, or one of its namespaces is gone.
        """
        number = self.files.number
        if not self.is_started():
            raise UsageError(f"Lab {number} is not started on this cluster.", f"make lab-{number}")
        if gone := self._missing_namespaces():
            raise UsageError(
                f"The namespace {gone[0]} of lab {number} is gone, so there is nothing to check.",
                f"make reset-{number}",
            )

    def scenario_changes(self) -> list[str]:
        """Return a sentence for each object of the scenario that is no longer what the lab made."""
        state: Any = self.api.get(self._state)
        recorded = json.loads(state["data"]["scenario"]) if state else {}
        pods = [pod for name in self.files.namespaces for pod in self.api.objects("v1", "Pod", name)]
        found = guard.changes(self.api, self.files.scenario, self.files.namespace, recorded)
        return found + guard.relabelled(self.files.scenario, pods)

    def _require_system(self) -> None:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}}
        if self.api.get(namespace) is None:
            raise ClusterError(f"The course's own namespace {SYSTEM_NAMESPACE} is gone.", "make up")

    def _remember(self) -> None:
        recorded = guard.record(self.api, self.files.scenario, self.files.namespace)
        self.api.apply([{**self._state, "data": {"scenario": json.dumps(recorded)}}])

    def _missing_namespaces(self) -> list[str]:
        live = {
            each["metadata"]["name"]
            for each in self.api.objects("v1", "Namespace")
            if each["status"]["phase"] == "Active"
        }
        return [name for name in self.files.namespaces if name not in live]

    def _wait_until_ready(self) -> None:
        self.workloads.wait_ready(self.files.scenario, self.files.namespace, READY_SECONDS)
        self.workloads.settle(SETTLE_SECONDS)
        settling.wait_for_services(self.api, self.files.namespaces)

    def _placed(self, manifest: Manifest) -> Manifest:
        """Return a manifest with the lab's first namespace where it names none and needs one."""
        if self._is_cluster_wide(manifest):
            return manifest
        return {**manifest, "metadata": {"namespace": self.files.namespace, **manifest["metadata"]}}

    def _is_cluster_wide(self, manifest: Manifest) -> bool:
        return "/namespaces/" not in self.api.path(manifest)

    def _kubectl_apply(self, source: str, content: str | None = None) -> None:
        command = [str(kubectl()), "--kubeconfig", str(self.api.kubeconfig), "--context", self.api.context]
        command += ["apply", "-f", source]  # no namespace here: kubectl would refuse objects of the lab's other ones
        done = subprocess.run(command, input=content, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise ContentError(f"kubectl refuses {source}: {done.stderr.strip()}")


def enter_state(number: int, state: str, cluster: str | None = None) -> None:
    """Bring a lab to `start`, or to the state after its `solution`; the next packet meets that state.

    Raises:
        UsageError: no such lab or state.
    """
    lab = open_lab(number, cluster)
    if state not in ("start", "solution"):
        raise UsageError(f"Lab {number} has no state {state!r}; there are start and solution.")
    lab.reset()
    if state == "solution":
        lab.apply_answer(lab.files.solution)
    settling.rest(lab.api, lab.files.namespaces)
    settling.wait_for_services(lab.api, lab.files.namespaces)


def open_lab(number: int, cluster: str | None = None) -> Lab:
    """Return a lab on the cluster in use.

    Raises:
        UsageError: there is no such lab.
        ClusterError: there is no such cluster.
    """
    return Lab(Course(paths.LABS).find(number), Api(cluster))
