"""Does this cluster enforce network policies at all? Three Pods of the course's own tell before a lab is judged.

kindnet's engine fails open without a word where the kernel lacks what it needs, and some CNIs accept policies that
nobody enforces; so no policy lab says anything about a learner's work until a denied packet was seen to be dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checker import paths
from checker.errors import ClusterError
from checker.objects import read_manifests
from checker.probe.observe import observe
from checker.probe.outcome import Probe, Source
from checker.traffic import Outcome
from checker.workload import Workloads

if TYPE_CHECKING:
    from checker.objects import Api
    from checker.probe.client import Prober
    from checker.workload import Pod

NAMESPACE = "deep-dive-canary"
PORT = 8080
READY_SECONDS = 30
TIMEOUT_SECONDS = 0.5
CONFIRM_SECONDS = 1.0

CANARIES = (("free", "shut", "ingress"), ("mute", "free", "egress"))
"""Who calls whom, and the direction whose policy must drop it."""


def deploy(api: Api) -> None:
    """Bring the canary Pods and their policies onto the cluster and wait until they run; quick where they do.

    Raises:
        NotReadyError: a Pod did not become ready.
    """
    manifests = read_manifests(paths.CLUSTER_SRC / "canary.yaml")
    api.apply(manifests)
    Workloads(api, [NAMESPACE]).wait_ready(manifests, NAMESPACE, READY_SECONDS)


def require_enforcement(api: Api, prober: Prober) -> None:
    """Make sure that a policy drops packets here, inwards and outwards.

    Raises:
        ClusterError: packets that a policy denies get through; names the direction.
        NotReadyError: the canary Pods do not run.
        ProbeError: the canary could not be probed, or its allowed packets do not get through either.
    """
    pods = _pods(api)
    probes = [_probe(pods[source], pods[target]) for source, target, _ in (*CANARIES, ("shut", "free", ""))]
    expected = [Outcome.DROPPED, Outcome.DROPPED, Outcome.OPEN]
    results = observe(prober, probes, timeout=TIMEOUT_SECONDS, confirm=CONFIRM_SECONDS, expected=expected)
    *denied, allowed = (result.outcome for result in results)
    if allowed is not Outcome.OPEN:
        raise ClusterError(f"The canary's allowed packets do not get through either: {allowed}.", "make status")
    leaking = [way for (_, _, way), outcome in zip(CANARIES, denied, strict=True) if outcome is not Outcome.DROPPED]
    if leaking:
        raise ClusterError(
            f"This cluster does not enforce {' and '.join(leaking)} policies, so nothing can be said about yours. "
            "Its CNI has no policy engine, or the kernel lacks what the engine needs.",
            "make doctor",
        )


def _pods(api: Api) -> dict[str, Pod]:
    found = {pod.name: pod for pod in Workloads(api, [NAMESPACE]).running()}
    if len(found) < len(("free", "shut", "mute")):
        deploy(api)
        found = {pod.name: pod for pod in Workloads(api, [NAMESPACE]).running()}
    return found


def _probe(source: Pod, target: Pod) -> Probe:
    return Probe(_source(source), target.address, PORT, target=_source(target))


def _source(pod: Pod) -> Source:
    return Source("pod", f"{pod.namespace}/{pod.name}", pod.node, pod.uid)
