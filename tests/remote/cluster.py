"""A node of its own in namespaces, and an API server whose `exec` starts processes in containers on that node."""

import subprocess
from threading import Event, Thread

from tests.apiserver import API, APIServer, Objects
from tests.processes import children
from tests.test_lint import ROOT

NODE = "n1"
# What the node's first process does: it sees its own files and interfaces.
_INIT = """
hostname {node}; ip link set lo up
for folder in /etc/cni /var/lib/cni /run; do mount -t tmpfs none $folder; done
mkdir -p /etc/cni/net.d /var/lib/cni/networks /run/netns /run/lock
echo ready; exec sleep infinity
"""
# A container with the node's PIDs: it has a mount namespace, and so a root directory, of its own.
_CONTAINER = 'mount -t proc proc /proc; mount -t tmpfs none /etc/cni; exec "$@"'
_IMAGE = "registry.example.com/genie@sha256:" + "a" * 64


class Node:
    """A PID, network, mount and host name namespace; `pid` is its first process's as seen from here.

    `program` are the words that start the command line in a container.
    """

    def __init__(self, program):
        self.program = program
        words = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--net", "--uts"]
        self._unshare = subprocess.Popen(
            [*words, "sh", "-ec", _INIT.format(node=NODE)], stdout=subprocess.PIPE, text=True
        )
        assert self._unshare.stdout
        assert self._unshare.stdout.readline() == "ready\n"
        (self.pid,) = children(self._unshare.pid)

    def close(self):
        self._unshare.kill()
        self._unshare.wait()
        assert self._unshare.stdout
        self._unshare.stdout.close()

    def run(self, *words):
        """Run a command on the node; what it prints."""
        enter = ["nsenter", "-t", str(self.pid), "--mount", "--net", "--uts", "--pid"]
        return subprocess.run([*enter, *words], check=True, capture_output=True, text=True).stdout

    def write(self, path, text):
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")"; printf %s "$2" >"$1"', "sh", path, text)

    def container(self, _pod, words):
        """The words that start a command in a container there: of the image only the command line is known."""
        assert words[0] == "/opt/genie/bin/genie"
        enter = ["nsenter", "-t", str(self.pid), "--pid", "unshare", "--mount", "sh", "-c", _CONTAINER, "sh"]
        return [*enter, "env", "-i", f"PYTHONPATH={ROOT}", "LANG=C.UTF-8", *self.program, *words[1:]]


class Cluster:
    """An API server that knows nodes and Genie's pods, and a kubelet that starts the pods that are made."""

    def __init__(self, folder, node=None):
        self.api = API(Objects(node_object(NODE, "192.0.2.201"), node_object("n2", "192.0.2.202")))
        if node is not None:
            self.api.container = node.container
        self.server = APIServer(self.api)
        self.kubeconfig = self.server.write_kubeconfig(folder / "kubeconfig", user={})
        self.started = []
        self.kubelet = {"phase": "Running"}  # what becomes of a new pod
        self._stop = Event()
        self._thread = Thread(target=self._start_pods)
        self._thread.start()

    def close(self):
        self._stop.set()
        self._thread.join()
        self.server.close()

    def add(self, *objects):
        for one in objects:
            self.api.objects.add(one)

    def pods(self, namespace="kube-system"):
        return [pod["metadata"]["name"] for pod in self._list(namespace)]

    def asked(self):
        """(method, path without its query) of each request."""
        return [(one.method, one.target.partition("?")[0]) for one in self.api.requests]

    def _list(self, namespace):
        kind = self.api.objects.find_kind("", "v1", "pods")
        assert kind is not None
        return self.api.objects.list(kind, namespace, {})["items"]

    def _start_pods(self):
        while not self._stop.wait(0.05):
            for pod in self._list(""):
                if not pod.get("status"):
                    self.started.append(pod)
                    self.api.objects.add({**pod, "status": self.kubelet})


def node_object(name, address):
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    }


def agent(node=NODE, **spec):
    """The agent's pod on a node."""
    return own_pod("genie-agent", node, hostPID=True, securityContext={"privileged": True}, **spec)


def own_pod(app, node=NODE, *, namespace="kube-system", securityContext=None, **spec):
    container = {"name": app, "image": "registry.example.com/genie:1.0.0"}
    if securityContext:
        container["securityContext"] = securityContext
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{app}-{node}",
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": app},
        },
        "spec": {"nodeName": node, "containers": [container], **spec},
        "status": {"phase": "Running", "containerStatuses": [{"imageID": _IMAGE}]},
    }


def tenant_pod(node=NODE, name="web-0", **annotations):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": "u-1", "annotations": annotations},
        "spec": {"nodeName": node, "containers": []},
        "status": {"phase": "Running"},
    }
