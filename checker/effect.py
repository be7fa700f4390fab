"""What the API server made of a lab's objects, in a form in which two sets that do the same are equal.

Of a Service it is what the nodes' rules are made from: its ports, its policies, and the endpoints that the control
plane found for it, not the selector that found them. Of every other kind it is the specification with its defaults
filled in, and the annotations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checker.objects import SERVICE_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from checker.objects import Api, Manifest

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
POLICIES = ("type", "externalTrafficPolicy", "internalTrafficPolicy", "sessionAffinity", "trafficDistribution")
IDENTITY = ("apiVersion", "kind", "metadata", "status")

Effect = dict[tuple[str, str, str], Any]


def of(api: Api, manifests: Iterable[Manifest], namespace: str) -> Effect:
    """Return the effect of each object that manifests name, by kind, namespace and name; None where it is not there."""
    found: Effect = {}
    for manifest in manifests:
        live = api.get(manifest, namespace)
        place = manifest["metadata"].get("namespace", namespace)
        key = manifest["kind"], place, manifest["metadata"]["name"]
        if live is None:
            found[key] = None
        elif manifest["kind"] == "Service":
            slices = api.objects("discovery.k8s.io/v1", "EndpointSlice", place)
            found[key] = service(live, manifest, slices)
        else:
            found[key] = other(live)
    return found


def service(live: Manifest, stated: Manifest, slices: Iterable[Manifest]) -> Mapping[str, Any]:
    """Return what a Service does; a node port that nobody stated is left out, since it is drawn by lot."""
    spec = live["spec"]
    drawn = {port["port"] for port in (stated.get("spec") or {}).get("ports") or [] if "nodePort" not in port}
    ports = sorted(
        (port.get("name", ""), port["port"], port["protocol"], 0 if port["port"] in drawn else port.get("nodePort", 0))
        for port in spec.get("ports") or []
    )
    name = live["metadata"]["name"]
    mine = [each for each in slices if each["metadata"].get("labels", {}).get(SERVICE_LABEL) == name]
    headless = spec.get("clusterIP") == "None"
    return {
        **{key: spec.get(key) for key in POLICIES},
        "headless": headless,
        "externalName": spec.get("externalName"),
        "ports": ports,
        "endpoints": sorted(endpoint for each in mine for endpoint in _endpoints(each)),
        "annotations": _annotations(live),
    }


def other(live: Manifest) -> Mapping[str, Any]:
    """Return what an object of any other kind says."""
    return {**{key: value for key, value in live.items() if key not in IDENTITY}, "annotations": _annotations(live)}


def _endpoints(endpoint_slice: Manifest) -> Iterable[tuple[str, int, str, str]]:
    for endpoint in endpoint_slice.get("endpoints") or []:
        for port in endpoint_slice.get("ports") or []:
            for address in endpoint["addresses"]:
                ready = str(endpoint.get("conditions", {}).get("ready"))
                yield address, port.get("port") or 0, port.get("protocol") or "", ready


def _annotations(live: Manifest) -> Mapping[str, str]:
    found = live["metadata"].get("annotations") or {}
    return {key: value for key, value in found.items() if key != APPLIED}
