"""The scenario's own objects: recorded when a lab starts, compared when it is checked.

A right answer must not come from changing the situation: a relabelled client or a rewritten server would prove nothing.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from checker.workload import KINDS, workload_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from checker.objects import Api, Manifest

Record = dict[str, Any]

_SPEC_KEYS = ("spec", "data", "webhooks", "rules", "endpoints", "ports")
_CONTROLLER_LABELS = {"pod-template-hash", "controller-revision-hash", "pod-template-generation"}
_GIVEN_PREFIXES = {"topology.kubernetes.io", "statefulset.kubernetes.io", "apps.kubernetes.io"}
_RESTARTED = "kubectl.kubernetes.io/restartedAt"


def record(api: Api, manifests: Sequence[Manifest], namespace: str) -> dict[str, Record]:
    """Return a record of each live object that the manifests name, by its words (`deployment/myapp`)."""
    return {
        _words(manifest): fingerprint(live)
        for manifest in manifests
        if (live := api.get(manifest, namespace)) is not None
    }


def changes(api: Api, manifests: Sequence[Manifest], namespace: str, recorded: Mapping[str, Record]) -> list[str]:
    """Return a sentence for each object of the scenario that is no longer what the lab made."""
    found = []
    for manifest in manifests:
        words = _words(manifest)
        live = api.get(manifest, namespace)
        if live is None:
            found.append(f"{words} is gone")
        elif words in recorded and (parts := _differing(recorded[words], fingerprint(live))):
            found.append(f"{words} is no longer what the lab made: {', '.join(parts)} changed")
    return found


def relabelled(manifests: Sequence[Manifest], pods: Sequence[Manifest]) -> list[str]:
    """Return a sentence for each Pod of the scenario that carries other labels than its template gave it."""
    templates = {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"].get("labels", {})
        for each in manifests
        if each["kind"] in KINDS
    }
    found = []
    for pod in pods:
        labels = pod["metadata"].get("labels", {})
        template = templates.get(workload_name(pod["metadata"]))
        if template is not None and template != {key: value for key, value in labels.items() if not _given(key)}:
            found.append(f"pod/{pod['metadata']['name']} is no longer what the lab made: labels changed")
    return found


def _given(label: str) -> bool:
    """Tell whether Kubernetes itself puts that label on Pods: its controllers, or the Pod's place, from its node."""
    return label in _CONTROLLER_LABELS or label.partition("/")[0] in _GIVEN_PREFIXES


def fingerprint(live: Manifest) -> Record:
    """Return what must stay the same of an object: its identity, labels and what it asks for, but not its status."""
    content = copy.deepcopy({key: live[key] for key in _SPEC_KEYS if key in live})
    _forget_harmless(content)
    return {"uid": live["metadata"]["uid"], "labels": live["metadata"].get("labels", {}), **content}


def _forget_harmless(content: Record) -> None:
    """Drop what `kubectl debug` and `kubectl rollout restart` write: looking at things is no change."""
    spec = content.get("spec")
    if not isinstance(spec, dict):
        return
    spec.pop("ephemeralContainers", None)
    annotations = spec.get("template", {}).get("metadata", {}).get("annotations", {})
    if annotations.pop(_RESTARTED, None) and not annotations:
        del spec["template"]["metadata"]["annotations"]


def _differing(before: Record, now: Record) -> list[str]:
    if before["uid"] != now["uid"]:
        return ["it was replaced, so everything"]
    return [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]


def _words(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    scope = f" in {metadata['namespace']}" if "namespace" in metadata else ""
    return f"{manifest['kind'].lower()}/{metadata['name']}{scope}"
