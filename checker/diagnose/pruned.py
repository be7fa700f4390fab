"""Keys of a policy that the API server has no field for and dropped: a typo, or a key in the wrong place. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from checker.diagnose import words
from checker.verdict import Cause

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from checker.diagnose.snapshot import Object

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_PEER = {"podSelector", "namespaceSelector", "ipBlock"}
_SELECTOR = {"matchLabels", "matchExpressions"}
KNOWN = {
    "spec": {"podSelector", "policyTypes", "ingress", "egress"},
    "ingress": {"from", "ports"},
    "egress": {"to", "ports"},
    "from": _PEER,
    "to": _PEER,
    "ports": {"port", "protocol", "endPort"},
    "podSelector": _SELECTOR,
    "namespaceSelector": _SELECTOR,
    "ipBlock": {"cidr", "except"},
    "matchExpressions": {"key", "operator", "values"},
}
"""The keys that networking.k8s.io/v1 has below each key; below the others anything may stand."""


def explain(policies: Iterable[Object]) -> Cause | None:
    """Return the first key that was applied with a policy and that the API server has no field for."""
    for policy in policies:
        applied = json.loads(policy["metadata"].get("annotations", {}).get(APPLIED, "{}"))
        for path in _unknown(applied.get("spec"), "spec", "spec"):
            why = (
                f"`{words.name(policy)}` was applied with `{path}`, and the API server knows no such field there: "
                "it was dropped, and the policy does without it."
            )
            return Cause("pruned", why, "kubectl explain networkpolicy.spec --recursive")
    return None


def _unknown(value: Any, key: str, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from _unknown(each, key, f"{path}[{number}]")
    elif isinstance(value, dict) and key in KNOWN:
        for below, each in value.items():
            if below in KNOWN[key]:
                yield from _unknown(each, below, f"{path}.{below}")
            else:
                yield f"{path}.{below}"
