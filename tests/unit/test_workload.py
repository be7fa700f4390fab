"""Workloads: whose a Pod is, which Pods count, and when a rollout has settled."""

import pytest

from checker.errors import CheckFailed, NotReadyError
from checker.workload import Pod, Workloads, workload_name


def owner(kind, name, controller=True):
    return {"kind": kind, "name": name, "controller": controller}


def pod(name, namespace="lab-03", owners=(), labels=None, phase="Running", ready="True", address="10.244.1.2", **extra):
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "labels": labels or {},
            "ownerReferences": list(owners),
            **extra,
        },
        "spec": {"nodeName": "worker", "containers": []},
        "status": {"phase": phase, "podIP": address, "conditions": [{"type": "Ready", "status": ready}]},
    }


def deployment_pod(workload, suffix, **extra):
    labels = {"app": workload, "pod-template-hash": "5d4f"}
    return pod(f"{workload}-5d4f-{suffix}", owners=[owner("ReplicaSet", f"{workload}-5d4f")], labels=labels, **extra)


class Cluster:
    """Objects by kind; waiting ends at once, with or without success."""

    def __init__(self, **objects):
        self.live = objects

    def objects(self, _api_version, kind, namespace):
        return [each for each in self.live.get(kind, ()) if each["metadata"]["namespace"] == namespace]

    def wait(self, condition, seconds, what):
        if not condition():
            raise NotReadyError(f"Waited {seconds:.0f} s for {what}, in vain.", "make status")


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        (pod("client")["metadata"], "client"),
        (deployment_pod("my-app", "x1")["metadata"], "my-app"),
        (pod("db-0", owners=[owner("StatefulSet", "db")])["metadata"], "db"),
        (pod("agent-x", owners=[owner("DaemonSet", "agent")])["metadata"], "agent"),
        (pod("a", owners=[owner("ReplicaSet", "by-hand")])["metadata"], "by-hand"),
        (pod("a", owners=[owner("Other", "o", controller=False)])["metadata"], "a"),
        (pod("a", owners=[owner("DaemonSet", "x-5d4f")], labels={"pod-template-hash": "5d4f"})["metadata"], "x-5d4f"),
    ],
)
def test_pod_belongs_to_what_made_it(metadata, name):
    assert workload_name(metadata) == name


def test_pod_is_read():
    live = deployment_pod("web", "x1", ready="False")
    live["spec"]["hostNetwork"] = True
    found = Pod.of(live)
    assert (found.name, found.namespace, found.workload, found.node) == ("web-5d4f-x1", "lab-03", "web", "worker")
    assert (found.address, found.ready, found.host_network) == ("10.244.1.2", False, True)


@pytest.mark.parametrize(
    "other",
    [
        deployment_pod("web", "gone", deletionTimestamp="2026-01-01T00:00:00Z"),
        deployment_pod("web", "waits", phase="Pending"),
        deployment_pod("web", "done", phase="Succeeded"),
        deployment_pod("web", "new", address=""),
        deployment_pod("web-admin", "x1"),
        pod("web", namespace="other"),
    ],
    ids=lambda each: each["metadata"]["name"],
)
def test_only_running_pods_of_the_workload_in_its_namespace_count(other):
    cluster = Cluster(Pod=[deployment_pod("web", "b"), other, deployment_pod("web", "a")])
    found = Workloads(cluster, ["lab-03", "other"]).pods("web", "lab-03")
    assert [each.name for each in found] == ["web-5d4f-a", "web-5d4f-b"]


def test_pod_that_is_not_ready_still_runs():
    cluster = Cluster(Pod=[deployment_pod("web", "a", ready="False")])
    assert len(Workloads(cluster, ["lab-03"]).pods("web", "lab-03")) == 1


def test_workload_without_a_running_pod_fails_the_check_and_says_how_to_see_it():
    with pytest.raises(CheckFailed, match="web has no running Pod") as caught:
        Workloads(Cluster(), ["lab-03"]).pods("web", "lab-03")
    assert caught.value.command == "kubectl -n lab-03 get pods"


def replicated(generation=2, observed=2, replicas=3, **status):
    counts = {"updatedReplicas": replicas, "replicas": replicas, "availableReplicas": replicas} | status
    return {
        "metadata": {"name": "web", "namespace": "lab-03", "generation": generation},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": observed, **counts},
    }


def daemon(wanted=2, updated=2, available=2, observed=1):
    counts = {"desiredNumberScheduled": wanted, "updatedNumberScheduled": updated, "numberAvailable": available}
    return {
        "metadata": {"name": "agent", "namespace": "lab-03", "generation": 1},
        "spec": {},
        "status": {"observedGeneration": observed, **counts},
    }


FRESH = {"metadata": {"name": "web", "namespace": "lab-03", "generation": 1}, "spec": {"replicas": 1}}
NONE_WANTED = {
    "metadata": {"name": "web", "namespace": "lab-03", "generation": 1},
    "spec": {"replicas": 0},
    "status": {"observedGeneration": 1},
}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
@pytest.mark.parametrize(
    ("workload", "settled"),
    [
        (replicated(), True),
        (NONE_WANTED, True),
        (FRESH, False),
        (replicated(observed=1), False),
        (replicated(updatedReplicas=1), False),
        (replicated(replicas=3) | {"spec": {"replicas": 2}}, False),
        (replicated(availableReplicas=2), False),
        (replicated() | {"status": replicated()["status"] | {"replicas": 4}}, False),
        (replicated(replicas=1) | {"spec": {}}, True),
    ],
    ids=[
        "done",
        "none wanted",
        "fresh",
        "unseen",
        "old Pods",
        "one too many",
        "not available",
        "an old Pod leaves",
        "one by default",
    ],
)
def test_rollout_has_settled_when_all_its_pods_are_new_and_available(kind, workload, settled):
    assert Workloads(Cluster(**{kind: [workload]}), ["lab-03"]).settle(1) is settled


@pytest.mark.parametrize(
    ("workload", "settled"),
    [
        (daemon(), True),
        (daemon(wanted=0, updated=0, available=0), True),
        (daemon(updated=1), False),
        (daemon(available=1), False),
        (daemon(wanted=3), False),
        (daemon(observed=0), False),
    ],
    ids=["done", "no node", "old Pod", "not available", "a node without", "unseen"],
)
def test_daemon_set_has_settled_when_every_node_has_its_new_pod(workload, settled):
    assert Workloads(Cluster(DaemonSet=[workload]), ["lab-03"]).settle(1) is settled


def test_nothing_is_settled_while_a_pod_is_leaving():
    leaving = deployment_pod("web", "old", deletionTimestamp="2026-01-01T00:00:00Z")
    assert not Workloads(Cluster(Deployment=[replicated()], Pod=[leaving]), ["lab-03"]).settle(1)


def test_other_namespaces_are_not_waited_for():
    assert Workloads(Cluster(Deployment=[FRESH]), ["other"]).settle(1)


MANIFESTS = [
    {"kind": "Deployment", "metadata": {"name": "web"}},
    {"kind": "Pod", "metadata": {"name": "client", "namespace": "other"}},
    {"kind": "Service", "metadata": {"name": "never-a-pod"}},
]


def test_scenario_is_ready_when_every_named_workload_has_a_ready_pod():
    cluster = Cluster(Pod=[deployment_pod("web", "a"), pod("client", namespace="other")])
    Workloads(cluster, ["lab-03", "other"]).wait_ready(MANIFESTS, "lab-03", 1)


@pytest.mark.parametrize(
    "pods",
    [
        [deployment_pod("web", "a")],
        [deployment_pod("web", "a", ready="False"), pod("client", namespace="other")],
        [deployment_pod("web", "a"), pod("client", namespace="lab-03")],
    ],
    ids=["one is missing", "one is not ready", "one is elsewhere"],
)
def test_scenario_is_not_ready_before(pods):
    with pytest.raises(NotReadyError, match="the scenario's Pods, in vain"):
        Workloads(Cluster(Pod=pods), ["lab-03", "other"]).wait_ready(MANIFESTS, "lab-03", 1)


def test_pod_that_waits_is_named_with_its_reason():
    waiting = pod("client", namespace="other", phase="Pending", ready="False")
    waiting["status"]["containerStatuses"] = [{"state": {"waiting": {"reason": "ErrImagePull", "message": "no such"}}}]
    with pytest.raises(NotReadyError, match=r"in vain\. Pod client: ErrImagePull no such"):
        Workloads(Cluster(Pod=[waiting]), ["lab-03", "other"]).wait_ready(MANIFESTS, "lab-03", 1)
