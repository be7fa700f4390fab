"""A lab on paper: its Pods as Kubernetes would make them of the manifests, and packets that do what the model says.

What is learned here holds for the model alone; that packets do the same is for the live tests to show.
"""

import copy
import importlib.util
from itertools import count

from checker import tables
from checker.diagnose import Snapshot, Socket, Subject
from checker.diagnose.cells import Cells
from checker.diagnose.services import container_ports
from checker.inventory import guarded
from checker.lab import DELETE_MARK
from checker.policy import directions
from checker.traffic import Difference, Seen

WORKERS = ("deep-dive-worker", "deep-dive-worker2")
OUTSIDE = "172.18.0.9"


def defaulted(policy):
    """Return a policy as the API server would give it back."""
    made = copy.deepcopy(policy)
    made["metadata"].setdefault("namespace", "default")
    spec = made["spec"]
    spec["policyTypes"] = list(directions(made))
    for key in ("ingress", "egress"):
        for rule in spec.get(key) or ():
            for port in rule.get("ports") or ():
                port.setdefault("protocol", "TCP")
        if not spec.get(key):
            spec.pop(key, None)
    return made


def namespace(name, **labels):
    return {"metadata": {"name": name, "labels": {**labels, "kubernetes.io/metadata.name": name}}}


def node(name, number):
    address = {"type": "InternalIP", "address": f"172.18.0.{number + 2}"}
    return {
        "metadata": {"name": name},
        "spec": {"podCIDRs": [f"10.244.{number}.0/24"]},
        "status": {"addresses": [address]},
    }


def pod(name, space, labels, address, containers=(), at=WORKERS[0], **spec):
    return {
        "metadata": {"name": name, "namespace": space, "uid": f"{space}/{name}", "labels": labels},
        "spec": {"containers": list(containers) or [{"name": "c"}], "nodeName": at, **spec},
        "status": {"podIP": address, "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def dns():
    """Return the cluster's DNS: its Service and one Pod."""
    ports = [("dns", 53, "UDP"), ("dns-tcp", 53, "TCP"), ("metrics", 9153, "TCP")]
    labels = {"k8s-app": "kube-dns"}
    service = {
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
        "spec": {
            "selector": labels,
            "clusterIP": "10.96.0.10",
            "ports": [{"name": each, "port": port, "protocol": protocol} for each, port, protocol in ports],
        },
    }
    container = {"ports": [{"name": each, "containerPort": port, "protocol": proto} for each, port, proto in ports]}
    return service, pod("coredns", "kube-system", labels, "10.244.0.3", [container], "deep-dive-control-plane")


class PaperLab:
    """A lab's scenario with an answer over its start."""

    def __init__(self, files, answer=None):
        self.files = files
        self.addresses = count(10)
        self.services, self.pods, self.spaces, self.workloads = [], [], [], {}
        for manifest in files.scenario:
            self.add(manifest)
        service, server = dns()
        self.services.append(service)
        self.pods.append(server)
        self.workloads["kube-system/coredns"] = "coredns"
        self.spaces.append(namespace("kube-system"))
        self.policies = self.state(answer)

    def add(self, manifest):
        kind, metadata = manifest["kind"], manifest["metadata"]
        space = metadata.get("namespace", self.files.namespace)
        if kind == "Namespace":
            self.spaces.append(namespace(metadata["name"], **metadata.get("labels", {})))
        elif kind == "Service":
            address = manifest["spec"].get("clusterIP", f"10.96.1.{next(self.addresses)}")
            made = {"metadata": {**metadata, "namespace": space}}
            self.services.append({**made, "spec": {**manifest["spec"], "clusterIP": address}})
        elif kind in ("Deployment", "DaemonSet", "StatefulSet"):
            copies = manifest["spec"].get("replicas", 1) if kind != "DaemonSet" else len(WORKERS)
            for number in range(copies):
                self.run(metadata["name"], space, manifest["spec"]["template"], number)

    def run(self, workload, space, template, number):
        worker = number % len(WORKERS)
        address = f"10.244.{worker + 1}.{next(self.addresses)}"
        labels = template["metadata"].get("labels", {})
        made = pod(f"{workload}-{number}", space, labels, address, template["spec"]["containers"], WORKERS[worker])
        self.pods.append(made)
        self.workloads[made["metadata"]["uid"]] = workload

    def state(self, answer):
        """Return the policies of the scenario and the start, with those of an answer over them."""
        found = {}
        for manifest in [*self.files.scenario, *self.files.start, *(answer.manifests if answer else [])]:
            if manifest["kind"] != "NetworkPolicy":
                continue
            key = manifest["metadata"].get("namespace", self.files.namespace), manifest["metadata"]["name"]
            if DELETE_MARK in manifest["metadata"].get("annotations", {}):
                found.pop(key, None)
            else:
                found[key] = defaulted({**manifest, "metadata": {**manifest["metadata"], "namespace": key[0]}})
        return list(found.values())

    def restart(self, workload):
        space, _, name = f"/{workload}".rpartition("/")
        space = space.strip("/") or self.files.namespace
        for each in self.pods:
            if each["metadata"]["namespace"] == space and self.workloads[each["metadata"]["uid"]] == name:
                each["status"]["podIP"] = f"10.244.3.{next(self.addresses)}"

    def snapshot(self):
        return Snapshot(
            namespace=self.files.namespace,
            services=self.services,
            pods=self.pods,
            policies=self.policies,
            guarded=guarded(self.files.scenario, self.files.namespace),
            namespaces=self.spaces,
            nodes=[node(each, number) for number, each in enumerate(("deep-dive-control-plane", *WORKERS))],
            outside=OUTSIDE,
            workloads=self.workloads,
            sockets={each["metadata"]["uid"]: list(sockets(each)) for each in self.pods},
        )


def sockets(made):
    """Yield what agnhost listens on by its arguments, and what DNS does."""
    if made["metadata"]["namespace"] == "kube-system":
        for each in container_ports(made):
            yield Socket("0.0.0.0", each["containerPort"], each["protocol"].lower())
    for container in made["spec"]["containers"]:
        for word in container.get("args", ()):
            name, _, value = word.partition("=")
            if name in ("--http-port", "--udp-port") and int(value) > 0:
                yield Socket("0.0.0.0", int(value), "tcp" if name == "--http-port" else "udp")


class FailedError(Exception):
    """A check of a lab on paper failed, with the subjects of its diagnosis."""

    def __init__(self, check, subjects):
        super().__init__(str(subjects[0].difference))
        self.check = check
        self.subjects = subjects


class PaperLive:
    """The `lab` of a check: packets do what the model says."""

    def __init__(self, paper):
        self.paper = paper
        self.check = ""
        self.stated = tables.load(paper.files.check_file)

    def expect(self, traffic):
        snapshot = self.paper.snapshot()
        cells = Cells(snapshot)
        seen = {flow: Seen(tuple(cells.predict(snapshot.policies, flow))) for flow in traffic.cells}
        unknown = [str(flow) for flow, each in seen.items() if not each.outcomes]
        assert not unknown, f"the model does not know what {unknown} is"
        differing = [
            Difference(flow, expected, seen[flow])
            for flow, expected in traffic.cells.items()
            if not seen[flow].matches(expected)
        ]
        if differing:
            subjects = [Subject(each.flow.target, difference=each, table=traffic) for each in differing]
            raise FailedError(self.check, [each.beside(self.stated) for each in subjects])

    def restart(self, workload):
        self.paper.restart(workload)

    def __getattr__(self, name):
        return lambda *_, **__: None


def checks(files):
    """Return the check functions of a lab, in their order."""
    spec = importlib.util.spec_from_file_location(f"paper_{files.number}", files.check_file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [each for name, each in vars(module).items() if name.startswith("check_")]


def run(paper, functions):
    """Run checks on paper; returns the failure of the first that fails, or None."""
    live = PaperLive(paper)
    try:
        for each in functions:
            live.check = each.__name__
            each(live)
    except FailedError as failure:
        return failure
    return None
