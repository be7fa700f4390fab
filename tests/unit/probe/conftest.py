"""Two Pods and a router between them, of real network namespaces, and an agent that probes from them.

Client and server are processes in network namespaces of their own, with their own resolv.conf and hosts file, in
cgroups named as the kubelet names a Pod's. Packets between them pass the router, where iptables drops or refuses them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from checker.probe import client
from checker.probe.channel import ProcessChannel
from checker.probe.client import Prober
from checker.probe.outcome import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
AGENT = Path(client.__file__).with_name("agent.py")
NODE = "node-1"
NOWHERE = "203.0.113.0/24"
MARK = f"dd{os.getpid()}"
NEEDED = ("ip", "iptables")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout


@dataclass
class Pod:
    """A network namespace with a process in it that looks like a Pod's."""

    namespace: str
    source: Source
    cgroup: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self, *command: str) -> None:
        pipe = subprocess.PIPE
        wrapped = ["ip", "netns", "exec", self.namespace, *command]
        self.process = subprocess.Popen(wrapped, stdin=pipe, stdout=pipe)  # ip becomes the command: one process
        (self.cgroup / "cgroup.procs").write_text(str(self.process.pid))
        assert self.process.stdout
        assert self.process.stdout.readline() == b"ready\n"

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            for file in (self.process.stdin, self.process.stdout):
                if file:
                    file.close()
            self.process = None


@dataclass
class Net:
    """The whole of it."""

    client: Pod
    server: Pod
    router: str
    rules: list[list[str]] = field(default_factory=list)

    def start_client(self) -> None:
        self.client.start(sys.executable, "-c", "import sys; print('ready', flush=True); sys.stdin.read()")

    def start_server(self) -> None:
        self.server.start(sys.executable, str(HERE / "servers.py"))

    def rule(self, *arguments: str) -> None:
        """Add an iptables rule to what the router forwards, until the end of the test."""
        rule = ["FORWARD", *arguments]
        run("ip", "netns", "exec", self.router, "iptables", "-A", *rule)
        self.rules.append(rule)

    def clear(self) -> None:
        while self.rules:
            run("ip", "netns", "exec", self.router, "iptables", "-D", *self.rules.pop())


def _cgroup(uid: str) -> Path:
    root = Path("/sys/fs/cgroup")
    parent = root if (root / "cgroup.procs").exists() else root / "pids"
    return parent / f"kubepods-{MARK}-pod{uid}.slice"


def _pod(name: str, uid: str) -> Pod:
    namespace = f"{MARK}-{name}"
    etc = Path("/etc/netns", namespace)
    etc.mkdir(parents=True)
    (etc / "hosts").write_text("127.0.0.1 localhost\n10.99.2.2 pinned Pinned.Example # by hand\n::1 localhost\n")
    (etc / "resolv.conf").write_text(
        "search lab.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.99.2.2\noptions ndots:5\n"
    )
    group = _cgroup(uid)
    group.mkdir()
    run("ip", "netns", "add", namespace)
    run("ip", "-n", namespace, "link", "set", "lo", "up")
    return Pod(namespace, Source("pod", name, NODE, uid), group)


def _wire(pod: Pod, router: str, number: int) -> None:
    inside, outside = "eth0", f"{MARK}{number}"
    run("ip", "-n", router, "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", pod.namespace)
    for namespace, link, host in ((router, outside, 1), (pod.namespace, inside, 2)):
        run("ip", "-n", namespace, "addr", "add", f"10.99.{number}.{host}/24", "dev", link)
        run("ip", "-n", namespace, "link", "set", link, "up")
    run("ip", "-n", pod.namespace, "route", "add", "default", "via", f"10.99.{number}.1")
    run("ip", "-n", pod.namespace, "route", "add", "unreachable", NOWHERE)


@pytest.fixture(scope="session")
def network() -> Iterator[Net]:
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes network namespaces, cgroups and iptables rules")
    if missing := [tool for tool in NEEDED if not shutil.which(tool)]:
        pytest.skip(f"needs {' and '.join(missing)} to make network namespaces and rules in them")
    uids = str(uuid.uuid4()), str(uuid.uuid4()).replace("-", "_")  # the second is written as systemd's driver does
    router = f"{MARK}-router"
    namespaces = [router, f"{MARK}-client", f"{MARK}-server"]
    pods: list[Pod] = []
    try:
        run("ip", "netns", "add", router)
        run("ip", "netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0")
        for number, (name, uid) in enumerate(zip(("client", "server"), uids, strict=True), 1):
            pods.append(_pod(name, uid))
            _wire(pods[-1], router, number)
        net = Net(pods[0], pods[1], router)
        net.server.source = Source("pod", "server", NODE, uids[1].replace("_", "-"))
        net.start_client()
        net.start_server()
        yield net
    finally:
        for pod in pods:
            pod.stop()
        for uid in uids:
            if _cgroup(uid).exists():
                _cgroup(uid).rmdir()
        for namespace in namespaces:
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)
            shutil.rmtree(Path("/etc/netns", namespace), ignore_errors=True)


@pytest.fixture
def net(network: Net) -> Iterator[Net]:
    """The namespaces, with no rule left over from another test."""
    yield network
    network.clear()


@pytest.fixture
def agent_file() -> Path:
    return AGENT


@pytest.fixture
def prober() -> Iterator[Prober]:
    """A prober whose only node is this machine, and whose outside is this machine too; runs the real agent."""

    def opener() -> ProcessChannel:
        return ProcessChannel([sys.executable, "-u", str(AGENT)])

    with Prober("none", None, {NODE: opener, "": opener}) as prober:  # type: ignore[arg-type] - no cluster, no API
        yield prober
