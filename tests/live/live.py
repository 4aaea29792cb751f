"""A node with an API server, and pods whose annotations change."""

import json
import os
from pathlib import Path

from tests import manifests, warm
from tests.system.cluster import Cluster
from tests.system.node import Node

ROOT = Path(__file__).parents[2]
NPWG = "k8s.v1.cni.cncf.io/networks"


class Live:
    """A node with a cluster. Networks: blue (bridge, the default), red (ptp), green (macvlan), and what a test adds."""

    def __init__(self, root, plugins):
        self.node = Node(root, plugins)
        self.node.configure_three()
        self.cluster = Cluster(self.node)
        self.write_configuration()

    def write_configuration(self, **settings):
        """The node's own configuration, where commands look for it."""
        entry = json.loads(self.node.stdin(**settings))
        document = {"cniVersion": "1.0.0", "name": "genie", "plugins": [entry]}
        self.node.configure("00-genie.conflist", document)

    def close(self):
        self.cluster.close()
        self.node.remove()

    def start(self, name="c1", netns=None, **annotations):
        """A pod on the API server, and its ADD."""
        self.cluster.objects.add(pod_object(name, annotations))
        outcome = self.node.call("ADD", name, netns=netns, env=cni_args(name), annotations=annotations)
        assert outcome.status == 0, outcome
        return outcome.reply

    def annotate(self, name="c1", **annotations):
        """Set the pod's annotations for networks, as its author does: in one patch."""
        wanted = {**dict.fromkeys(("cni", "networks", NPWG)), **annotations}
        kind = self.cluster.objects.kind_of(manifests.pod())
        self.cluster.objects.patch(kind, "ns", name, {"metadata": {"annotations": wanted}})

    def pod(self, name="c1"):
        kind = self.cluster.objects.kind_of(manifests.pod())
        return self.cluster.objects.get(kind, "ns", name)

    def genie(self, *words, stdin=""):
        """A command on this node: (exit code, its report)."""
        argv = [*words, "--conf-dir", self.node.conf, "-o", "json"]
        env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        done = warm.run(*argv, netns=str(self.node.host.path), stdin=stdin, env=env)
        assert done.stdout.strip(), done
        return done.returncode, json.loads(done.stdout)

    def sync(self, *words, name="c1"):
        return self.genie("sync", "pod", f"ns/{name}", "--yes", *words)

    def links(self):
        """Interface of the first pod -> its addresses but link-local ones."""
        found = self.node.pod.links()
        return {
            link: [ip for ip in ips if not ip.startswith("fe80")]
            for link, ips in found.items()
            if link != "lo"
        }

    def journal(self, name="c1"):
        """(interface, network) of all that the journal has."""
        (file,) = (self.node.state / "containers").glob(f"{name}@*")
        plan = json.loads(file.read_text().splitlines()[0])
        return [(item["ifname"], item["network"]["name"]) for item in plan["attachments"]]


def cni_args(name):
    return {"CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME={name};K8S_POD_UID=u1"}


def pod_object(name, annotations):
    document = manifests.pod(name=name)
    document["metadata"]["annotations"] = dict(annotations)
    return document
