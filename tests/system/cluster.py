"""A node's cluster: an API server in the node's own namespace, and pods with annotations."""

import json

from genie_core.edges.netns import inside
from tests import manifests
from tests.apiserver import API, APIServer, Objects

NPWG = "k8s.v1.cni.cncf.io/networks"
STATUS = "k8s.v1.cni.cncf.io/network-status"


class Cluster:
    """The API server that a node's configuration names; it knows the pods that were added."""

    def __init__(self, node):
        self.node = node
        self.objects = Objects()
        # its socket is the host namespace's, where Genie looks for it
        self.serve()
        node.settings["kubernetes"] = {"k8s_api_root": self.server.url}
        self.results = {}

    def serve(self, port=0):
        """Begin to answer, again at a port where a server has been."""
        self.server = inside(str(self.node.host.path), lambda: APIServer(API(self.objects), port=port))

    def close(self):
        self.server.close()

    def nad(self, name, config=None, namespace="ns"):
        """A NetworkAttachmentDefinition; a list is the plugins of a chain."""
        if isinstance(config, list):
            config = {"plugins": config}
        if config is not None:
            config = {"cniVersion": "1.0.0", **config}
        self.objects.add(manifests.nad(name, config, namespace))

    def call(self, verb, networks=None, container="c1", netns=None, **document):
        args = f"IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME={container};K8S_POD_UID=u1"
        if networks is not None:
            value = networks if isinstance(networks, str) else json.dumps(networks)
            document["annotations"] = {NPWG: value}
        return self.node.call(verb, container, netns=netns, env={"CNI_ARGS": args}, **document)

    def add(self, networks, container="c1", **options):
        """An ADD that must succeed: its result, after a CHECK that must succeed, as CRI-O makes it (A73)."""
        self.objects.add(manifests.pod(name=container))
        outcome = self.call("ADD", networks, container, **options)
        assert outcome.status == 0, outcome
        self.results[container] = outcome.reply
        checked = self.check(container, **options)
        assert (checked.status, checked.reply) == (0, None), checked
        return outcome.reply

    def check(self, container="c1", **options):
        return self.call("CHECK", container=container, prevResult=self.results[container], **options)

    def status(self, container="c1"):
        """The pod's network-status, decoded."""
        kind = self.objects.kind_of(manifests.pod())
        return json.loads(self.objects.get(kind, "ns", container)["metadata"]["annotations"][STATUS])
