"""A node with a cluster, real plugins, pods on a bridge, and the policy engine as a process of the node."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from genie_core.edges import policy_dir
from tests import manifests, warm
from tests.policy.pings import ping
from tests.system.cluster import Cluster
from tests.system.node import Node

ROOT = Path(__file__).parents[2]
SECONDS = 100.0
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(ROOT)}


class EngineNode:
    """Networks: blue (a bridge, the default), sea (a bridge), green (macvlan). Pods are in the namespace shop."""

    def __init__(self, root, plugins):
        self.node = Node(root, plugins)
        self.node.configure_three()
        sea = {"type": "bridge", "bridge": "br9", "isGateway": True, "ipam": self.node.ipam("10.9.0.0/16")}
        self.node._single("40-sea.conf", "sea", **sea)
        self.node.settings["policy_engine"] = True
        self.cluster = Cluster(self.node)
        self.objects = self.cluster.objects
        self.objects.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        self.configure()
        self.engine = None
        self.pods = {}
        self.addresses = {}

    def configure(self, **settings):
        """Genie's own configuration, where commands look for it."""
        self.node.settings |= settings
        document = {"cniVersion": "1.0.0", "name": "genie", "plugins": [json.loads(self.node.stdin())]}
        self.node.configure("00-genie.conflist", document)

    def close(self):
        self.kill()
        self.cluster.close()
        self.node.remove()
        shutil.rmtree(policy_dir.DIRECTORY, ignore_errors=True)

    # --- the engine --------------------------------------------------------------------------------------

    def start_engine(self, wrap=(), *, applied=True):
        """Start it, with `applied` until it has reported."""
        module, words = "genie_core.tasks.policy", ("--node", "n1", "--conf-dir", self.node.conf)
        if wrap:
            argv = self.node.inside(*wrap, sys.executable, "-m", module, *words)
            self.engine = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        else:
            self.engine = warm.start(module, *words, netns=self.node.host.path, env=ENVIRONMENT)
        if applied:
            until(lambda: self.status().get("pid") == self.engine.pid)  # what wraps it becomes it

    def kill(self):
        """As kill -9 does; what it said."""
        if self.engine is None:
            return ""
        self.engine.kill()
        said = self.engine.communicate()[1]
        self.engine = None
        return said

    def status(self):
        try:
            return json.loads(Path(policy_dir.DIRECTORY, "status.json").read_text())
        except FileNotFoundError:
            return {}

    # --- objects -----------------------------------------------------------------------------------------

    def pod(self, name, networks="blue,sea@net1", **labels):
        """A pod on the API server, and its ADD; its address on net1."""
        self.objects.add(pod_document(name, networks, **labels))
        self.pods[name] = self.node.pod if not self.pods else self.node.add_pod()
        outcome = self.call("ADD", name, networks)
        assert outcome.status == 0, outcome
        self.addresses[name] = outcome.reply["ips"][1]["address"].partition("/")[0]
        return self.addresses[name]

    def call(self, verb, name, networks="blue,sea@net1", **more):
        args = f"IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME={name};K8S_POD_UID=uid-{name}"
        return self.node.call(
            verb,
            name,
            netns=self.pods[name].path,
            env={"CNI_ARGS": args},
            annotations={"cni": networks},
            **more,
        )

    def label(self, name, **labels):
        kind = self.objects.kind_of(manifests.pod())
        held = self.objects.get(kind, "shop", name)
        held["metadata"]["labels"] = labels
        self.objects.add(held)

    def policy(self, name="p", networks="cni/sea", **spec):
        metadata = {
            "namespace": "shop",
            "name": name,
            "annotations": {"k8s.v1.cni.cncf.io/policy-for": networks},
        }
        document = {
            "apiVersion": "k8s.cni.cncf.io/v1beta1",
            "kind": "MultiNetworkPolicy",
            "metadata": metadata,
        }
        self.objects.add({**document, "spec": {"podSelector": {}, **spec}})

    def remove_policy(self, name="p"):
        kind = next(one for one in self.objects.kinds if one.kind == "MultiNetworkPolicy")
        self.objects.remove(kind, "shop", name)

    def events(self):
        kind = next(one for one in self.objects.kinds if one.kind == "Event")
        return self.objects.list(kind, "shop", {})["items"]

    # --- packets -----------------------------------------------------------------------------------------

    def ping(self, source, target, seconds=0.3):
        return ping(self.pods[source], self.addresses[target], "net1", seconds)


def pod_document(name, networks, **labels):
    """A Pod of this node."""
    document = manifests.pod({"cni": networks}, name=name, namespace="shop", uid=f"uid-{name}")
    document["metadata"]["labels"] = labels
    document["spec"] = {"nodeName": "n1", "containers": [{"name": "c"}]}
    return document


def until(fact, seconds=SECONDS):
    """Wait for a fact; how long it took."""
    began = time.monotonic()
    while not fact():
        assert time.monotonic() - began < seconds, "it did not come true"
        time.sleep(0.02)
    return time.monotonic() - began
