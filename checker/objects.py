"""A thin layer over the kubernetes client: apply, read, wait with a deadline.

Everything here acts on one cluster, named when the `Api` is made, whatever the learner's current context is.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from checker import paths
from checker.errors import ClusterError, ContentError, ForeignClusterError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

Manifest = dict[str, Any]

FIELD_MANAGER = "deep-dive"
POLL_SECONDS = 0.15
REQUEST_SECONDS = 10
SERVICE_LABEL = "kubernetes.io/service-name"
"""By this label an EndpointSlice says whose it is."""


class Api:
    """The Kubernetes API of one of the course's clusters.

    Args:
        cluster: the kind cluster's name; None takes the one in use.

    Raises:
        ClusterError: there is no kubeconfig for that cluster.
        ForeignClusterError: the kubeconfig names another cluster than the course's.
    """

    def __init__(self, cluster: str | None = None) -> None:
        self.cluster = cluster or paths.cluster_name()
        self.context = f"kind-{self.cluster}"
        self.kubeconfig = paths.kubeconfig(self.cluster)
        if not self.kubeconfig.exists():
            raise ClusterError(f"There is no cluster called {self.cluster}.", "make up")
        _refuse_foreign(self.kubeconfig, self.context)
        self.client = self.new_client()
        self.core = client.CoreV1Api(self.client)
        self.discovery = client.DiscoveryV1Api(self.client)
        self._paths: dict[tuple[str, str], tuple[str, bool]] = {}

    def new_client(self) -> client.ApiClient:
        """Return a fresh ApiClient; each exec stream needs its own, since `stream()` swaps a method of it in place."""
        try:
            settings = client.Configuration()
            settings.retries = Retry(connect=1, read=0, redirect=0)  # a paused node would be waited for again and again
            config.load_kube_config(str(self.kubeconfig), self.context, client_configuration=settings)
        except ConfigException as error:
            raise ForeignClusterError(f"{self.kubeconfig} has no usable context {self.context}.", "make up") from error
        return client.ApiClient(configuration=settings)

    def request(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Send one request and return the decoded JSON.

        Raises:
            ApiException: the API server answered with an error.
            ClusterError: the API server did not answer.
        """
        content = body if method != "PATCH" else json.dumps(body)
        kind = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        serialized = self.client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": kind},
            body=content,
            auth_settings=["BearerToken"],
        )
        try:
            response = self.client.call_api(*serialized, _request_timeout=REQUEST_SECONDS)
            data = response.read()
        except HTTPError as error:
            raise ClusterError("The cluster's API server does not answer.", "make status") from error
        if not 200 <= response.status < 300:
            raise ApiException.from_response(http_resp=response, body=data.decode(errors="replace"), data=None)
        return json.loads(data)

    def apply(self, manifests: Iterable[Manifest], namespace: str = "default") -> None:
        """Apply manifests server-side, in order; conflicts are taken over.

        Raises:
            ApiException: the API server refuses a manifest.
        """
        for manifest in manifests:
            path = self.path(manifest, namespace)
            self.request("PATCH", path, manifest, fieldManager=FIELD_MANAGER, force="true")

    def delete(self, manifests: Iterable[Manifest], namespace: str = "default") -> None:
        """Delete what the manifests name; what is already gone is fine."""
        for manifest in manifests:
            self._delete(self.path(manifest, namespace), {"propagationPolicy": "Background"})

    def path(self, manifest: Manifest, namespace: str = "default") -> str:
        """Return the URL path of the object that a manifest names.

        Raises:
            ContentError: the cluster has no such kind.
        """
        plural, namespaced = self._resource(manifest.get("apiVersion", ""), manifest.get("kind", ""))
        prefix = _prefix(manifest["apiVersion"])
        metadata = manifest["metadata"]
        scope = f"/namespaces/{metadata.get('namespace', namespace)}" if namespaced else ""
        return f"{prefix}{scope}/{plural}/{metadata['name']}"

    def get(self, manifest: Manifest, namespace: str = "default") -> Manifest | None:
        """Return the live object that a manifest names, or None."""
        try:
            found: Manifest = self.request("GET", self.path(manifest, namespace))
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        return found

    def objects(self, api_version: str, kind: str, namespace: str = "") -> list[Manifest]:
        """Return all objects of a kind in a namespace, or in every one."""
        plural, _ = self._resource(api_version, kind)
        scope = f"/namespaces/{namespace}" if namespace else ""
        items: list[Manifest] = self.request("GET", f"{_prefix(api_version)}{scope}/{plural}")["items"]
        return items

    def delete_namespaces(self, names: Iterable[str], seconds: float = 60) -> None:
        """Delete namespaces and wait until they are gone.

        Raises:
            NotReadyError: one is still there after that many seconds.
        """
        names = list(names)
        for name in names:
            self._delete(f"/api/v1/namespaces/{name}", {})
        self.wait(lambda: not self._existing(names), seconds, f"the namespaces {', '.join(names)} to be gone")

    def wait(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        """Poll until the condition holds.

        Raises:
            NotReadyError: it does not hold within that many seconds.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise NotReadyError(f"Waited {seconds:.0f} s for {what}, in vain.", "make status")
            time.sleep(POLL_SECONDS)

    def _existing(self, names: Iterable[str]) -> list[str]:
        there = {item["metadata"]["name"] for item in self.objects("v1", "Namespace")}
        return [name for name in names if name in there]

    def _delete(self, path: str, options: Manifest) -> None:
        try:
            self.request("DELETE", path, options)
        except ApiException as error:
            if error.status not in (404, 409):  # 409: the namespace is already being deleted
                raise

    def _resource(self, api_version: str, kind: str) -> tuple[str, bool]:
        if (api_version, kind) not in self._paths:
            try:
                resources = self.request("GET", _prefix(api_version))["resources"]
            except ApiException as error:
                raise ContentError(f"The cluster does not serve the API version {api_version!r}.") from error
            for each in resources:
                if "/" not in each["name"]:
                    self._paths[api_version, each["kind"]] = each["name"], each["namespaced"]
        try:
            return self._paths[api_version, kind]
        except KeyError as error:
            raise ContentError(f"{api_version} has no kind {kind!r}.") from error


def read_manifests(path: Path) -> list[Manifest]:
    """Return the manifests of a YAML file, or of all YAML files of a folder in the order of their names.

    Raises:
        ContentError: a file is not YAML, or a document is not an object with apiVersion, kind and metadata.name.
    """
    return [manifest for file in yaml_files(path) for manifest in _documents(file)]


def yaml_files(path: Path) -> list[Path]:
    """Return the YAML files that a path stands for, in the order of their names."""
    return [path] if path.is_file() else sorted(path.glob("*.yaml"))


def _documents(file: Path) -> Iterator[Manifest]:
    try:
        documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise ContentError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from error
    for number, document in enumerate(documents, 1):
        if document is None:
            continue
        if not _is_object(document):
            raise ContentError(f"{file}, document {number}: expected apiVersion, kind and metadata.name.")
        yield document


def _is_object(document: object) -> bool:
    return (
        isinstance(document, dict)
        and isinstance(document.get("apiVersion"), str)
        and isinstance(document.get("kind"), str)
        and isinstance(document.get("metadata"), dict)
        and isinstance(document["metadata"].get("name"), str)
    )


def _prefix(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _refuse_foreign(kubeconfig: Path, context: str) -> None:
    """Refuse a kubeconfig whose server is not on this machine's loopback: kind publishes its API server there."""
    content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8")) or {}
    contexts = {each["name"]: each["context"] for each in content.get("contexts", [])}
    clusters = {each["name"]: each["cluster"] for each in content.get("clusters", [])}
    server = clusters.get(contexts.get(context, {}).get("cluster", ""), {}).get("server", "")
    if not server.startswith(("https://127.0.0.1:", "https://localhost:", "https://[::1]:")):
        raise ForeignClusterError(f"{kubeconfig} does not lead to the course's cluster {context}.", "make up")
