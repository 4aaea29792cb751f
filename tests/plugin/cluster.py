"""A cluster for the installed plugin: an API server on loopback, what it holds, what it was asked."""

import json

from tests import manifests
from tests.apiserver import API, APIServer, Objects

STATUS = "k8s.v1.cni.cncf.io/network-status"
NPWG = "k8s.v1.cni.cncf.io/networks"
PREFERENCES = "multi-ip-preferences"


class Cluster:
    """The API server that the node's configuration names. It knows the pod ns/p with UID u1."""

    def __init__(self, node):
        self.node = node
        self.objects = Objects(manifests.pod())
        self.api = API(self.objects)
        self.server = APIServer(self.api)
        node.config["kubernetes"] = {"k8s_api_root": self.server.url}
        node.config["api_timeout_seconds"] = 3

    def close(self):
        self.server.close()

    # --- what it holds

    def nad(self, name, config=None, namespace="ns"):
        """A definition whose plugins are on the node; a chain of types, or any configuration."""
        if isinstance(config, list):
            config = {
                "cniVersion": "1.0.0",
                "plugins": [{"type": t} if isinstance(t, str) else t for t in config],
            }
        if isinstance(config, dict):
            self.node.install(*(entry["type"] for entry in config.get("plugins", [config])))
        self.objects.add(manifests.nad(name, config, namespace))

    def add(self, *items):
        for item in items:
            self.objects.add(item)

    def remove(self, manifest):
        kind = self.objects.kind_of(manifest)
        self.objects.remove(kind, manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"])

    def pod(self, **changes):
        """Replace the pod."""
        self.objects.add(manifests.pod(**changes))

    # --- results

    def asked(self, method=None):
        """The requests in short: `GET pods/p`."""
        requests = [request for request in self.api.requests if method in (None, request.method)]
        return [f"{r.method} {'/'.join(r.target.split('/')[-2:])}" for r in requests]

    def annotations(self, name="p", namespace="ns"):
        kind = self.objects.kind_of(manifests.pod())
        return self.objects.get(kind, namespace, name)["metadata"]["annotations"]

    def status(self, **pod):
        """The pod's network-status, decoded."""
        return json.loads(self.annotations(**pod)[STATUS])

    def patches(self):
        """The bodies of all patches."""
        return [json.loads(request.body) for request in self.api.requests if request.method == "PATCH"]
