"""The guard on the scenario: looking at things is no change, and every other way to bend them is one."""

import copy

import pytest

from checker import guard

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "myapp", "namespace": "lab-03", "uid": "u1", "labels": {"app": "myapp"}, "generation": 1},
    "spec": {
        "replicas": 3,
        "template": {"metadata": {"labels": {"app": "myapp"}}, "spec": {"containers": [{"name": "web", "image": "i"}]}},
    },
    "status": {"replicas": 3},
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "client", "uid": "u2"},
    "spec": {"containers": [{"name": "client", "image": "i"}]},
}
CONFIG = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "program", "namespace": "lab-03", "uid": "u3"},
    "data": {"main.py": "print(1)"},
}


class Cluster:
    """The objects of a cluster, by kind and name, as `Api.get` finds them."""

    def __init__(self, *objects):
        self.live = {(each["kind"], each["metadata"]["name"]): copy.deepcopy(each) for each in objects}

    def get(self, manifest, namespace="default"):
        assert namespace == "lab-03"
        return copy.deepcopy(self.live.get((manifest["kind"], manifest["metadata"]["name"])))


@pytest.fixture
def scene():
    """Provide a cluster with three guarded objects, and a function that tells what changed since."""
    cluster, manifests = Cluster(DEPLOYMENT, POD, CONFIG), [DEPLOYMENT, POD, CONFIG]
    recorded = guard.record(cluster, manifests, "lab-03")
    return cluster, lambda: guard.changes(cluster, manifests, "lab-03", recorded)


def test_untouched_scenario_has_no_changes(scene):
    _, changes = scene
    assert changes() == []


def _debug(cluster):
    cluster.live["Pod", "client"]["spec"]["ephemeralContainers"] = [{"name": "debugger", "image": "netshoot"}]


def _restart(cluster):
    template = cluster.live["Deployment", "myapp"]["spec"]["template"]["metadata"]
    template["annotations"] = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}


def _status(cluster):
    cluster.live["Deployment", "myapp"]["status"] = {"replicas": 2, "observedGeneration": 2}


def _generation(cluster):
    cluster.live["Deployment", "myapp"]["metadata"] |= {"generation": 2, "resourceVersion": "77", "annotations": {}}


@pytest.mark.parametrize("act", [_debug, _restart, _status, _generation])
def test_looking_and_restarting_is_harmless(scene, act):
    cluster, changes = scene
    act(cluster)
    assert changes() == []


def test_restart_beside_another_annotation_is_harmless_and_the_other_is_not_forgotten():
    annotated = copy.deepcopy(DEPLOYMENT)
    annotated["spec"]["template"]["metadata"]["annotations"] = {"sidecar": "no"}
    cluster = Cluster(annotated)
    recorded = guard.record(cluster, [annotated], "lab-03")
    live = cluster.live["Deployment", "myapp"]["spec"]["template"]["metadata"]["annotations"]
    live["kubectl.kubernetes.io/restartedAt"] = "2026-01-01T00:00:00Z"
    assert guard.changes(cluster, [annotated], "lab-03", recorded) == []
    live["sidecar"] = "yes"
    assert guard.changes(cluster, [annotated], "lab-03", recorded) != []


def test_fingerprint_leaves_the_live_object_as_it_is():
    live = copy.deepcopy(POD) | {"spec": {"ephemeralContainers": [{"name": "debugger"}]}}
    guard.fingerprint(live)
    assert live["spec"]["ephemeralContainers"] == [{"name": "debugger"}]


def _relabel(cluster):
    cluster.live["Deployment", "myapp"]["metadata"]["labels"]["app"] = "my-service"


def _more_replicas(cluster):
    cluster.live["Deployment", "myapp"]["spec"]["replicas"] = 4


def _template_label(cluster):
    cluster.live["Deployment", "myapp"]["spec"]["template"]["metadata"]["labels"]["app"] = "my-service"


def _data(cluster):
    cluster.live["ConfigMap", "program"]["data"]["main.py"] = "print(2)"


def _first_label(cluster):
    cluster.live["Pod", "client"]["metadata"]["labels"] = {"role": "frontend"}


MYAPP = "deployment/myapp in lab-03"


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (_relabel, f"{MYAPP} is no longer what the lab made: labels changed"),
        (_more_replicas, f"{MYAPP} is no longer what the lab made: spec changed"),
        (_template_label, f"{MYAPP} is no longer what the lab made: spec changed"),
        (_data, "configmap/program in lab-03 is no longer what the lab made: data changed"),
        (_first_label, "pod/client is no longer what the lab made: labels changed"),
    ],
)
def test_change_is_told_with_the_object_and_the_part(scene, act, sentence):
    cluster, changes = scene
    act(cluster)
    assert changes() == [sentence]


def test_object_of_the_same_look_with_another_uid_was_replaced(scene):
    cluster, changes = scene
    cluster.live["Deployment", "myapp"]["metadata"]["uid"] = "u9"
    assert changes() == [f"{MYAPP} is no longer what the lab made: it was replaced, so everything changed"]


def test_object_that_is_gone_is_told(scene):
    cluster, changes = scene
    del cluster.live["ConfigMap", "program"]
    assert changes() == ["configmap/program in lab-03 is gone"]


def test_all_changes_are_told_in_the_order_of_the_scenario(scene):
    cluster, changes = scene
    _data(cluster)
    _relabel(cluster)
    assert [each.split()[0] for each in changes()] == ["deployment/myapp", "configmap/program"]


def pod(name, labels, owner="client", kind="DaemonSet"):
    """Return a live Pod with an owner."""
    owners = [{"controller": True, "kind": kind, "name": owner}]
    return {"metadata": {"name": name, "labels": labels, "ownerReferences": owners}}


@pytest.mark.parametrize(
    ("labels", "changed"),
    [
        ({"app": "client"}, False),
        ({"app": "client", "controller-revision-hash": "x", "topology.kubernetes.io/zone": "zone-a"}, False),
        ({"app": "client", "role": "frontend"}, True),
        ({"app": "frontend"}, True),
        ({}, True),
    ],
)
def test_pod_with_other_labels_than_its_template_is_named(labels, changed):
    template = {"metadata": {"labels": {"app": "client"}}}
    manifests = [{"kind": "DaemonSet", "metadata": {"name": "client"}, "spec": {"template": template}}]
    found = guard.relabelled(manifests, [pod("client-x", labels), pod("mine", {"any": "thing"}, owner="mine")])
    assert found == (["pod/client-x is no longer what the lab made: labels changed"] if changed else [])
