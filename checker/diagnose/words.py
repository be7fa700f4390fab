"""Policies in a learner's words: selectors, peers, ports, and the command that shows a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checker.diagnose.snapshot import Object

_SIGNS = {"In": "in", "NotIn": "notin"}


def labels(pairs: Mapping[str, str]) -> str:
    """Write labels as kubectl does: `app=web,tier=back`."""
    return ",".join(f"{key}={value}" for key, value in sorted(pairs.items()))


def selector(value: Object) -> str:
    """Write a label selector; an empty one is `{}`."""
    parts = [labels(value.get("matchLabels") or {})]
    for each in value.get("matchExpressions") or ():
        values = ",".join(each.get("values") or ())
        sign = _SIGNS.get(each["operator"], "")
        parts.append(f"{each['key']} {sign} ({values})" if sign else f"{each['operator']} {each['key']}")
    return ", ".join(filter(None, parts)) or "{}"


def peer(value: Object) -> str:
    """Write one entry of `from` or `to`."""
    if block := value.get("ipBlock"):
        exceptions = f" except {', '.join(block['except'])}" if block.get("except") else ""
        return f"ipBlock {block['cidr']}{exceptions}"
    keys = [key for key in ("namespaceSelector", "podSelector") if key in value]
    return " and ".join(f"{key} {selector(value[key])}" for key in keys)


def port(entry: Object) -> str:
    """Write one entry of `ports`."""
    end = f"-{entry['endPort']}" if "endPort" in entry else ""
    return f"{entry.get('protocol', 'TCP')} {entry.get('port', 'every port')}{end}"


def name(policy: Object) -> str:
    """Return a policy's name."""
    return str(policy["metadata"]["name"])


def namespace(policy: Object) -> str:
    """Return a policy's namespace."""
    return str(policy["metadata"].get("namespace", "default"))


def describe(policy: Object) -> str:
    """Return the command that shows what the API server has of a policy."""
    return f"kubectl -n {namespace(policy)} describe networkpolicy {name(policy)}"


def show_pods(space: str) -> str:
    """Return the command that shows the labels of a namespace's Pods."""
    return f"kubectl -n {space} get pods --show-labels"
