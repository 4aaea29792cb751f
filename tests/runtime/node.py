"""A node of a cluster: Genie as `genie install` puts it, its networks, an API server, a neighbour, and containerd.

The networks, each with addresses of its own (NETWORKS):
  - a: bridge and portmap, the default network
  - b: ptp
  - dual: bridge, both families
  - limited: bridge and bandwidth
  - far: a NetworkAttachmentDefinition, macvlan
"""

import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from threading import Thread

from genie_core.edges.netns import inside
from tests import compiled, warm
from tests.apiserver import API, APIServer, Objects
from tests.apiserver.objects import Kind
from tests.manifests import nad, pod
from tests.netns import Namespace
from tests.runtime.containerd import Containerd, uid_of
from tests.system import audit

NETWORKS = {
    "10.61.0.0/16": "a",
    "10.62.0.0/16": "b",
    "10.63.0.0/16": "dual",
    "fd63::/64": "dual",
    "10.64.0.0/16": "far",
    "10.65.0.0/16": "limited",
}
HOST_ADDRESS = "192.0.2.1"
NEIGHBOUR_ADDRESS = "192.0.2.2"
SETTLE_SECONDS = 60  # until shims have ended and the kernel has taken namespaces apart
_ALWAYS_THERE = {"sh", "containerd", "ps"}
_PODS = Kind("", "v1", "pods", "Pod")


class InstalledNode:
    """The node without a runtime: its folders, networks, API server and neighbour; nothing is installed yet."""

    def __init__(self, root, cni_bin, *, masquerade=False):
        self.root = root
        self.bin, self.conf, self.leases, self.state = (
            root / name for name in ("bin", "net.d", "leases", "state")
        )
        self.host, self.neighbour = Namespace(), Namespace()
        self.pods = []  # named namespaces, for `audit`
        self._connect_neighbour()
        self._configure(cni_bin, masquerade)
        far = {"cniVersion": "1.0.0", "type": "macvlan", "master": "up0", "ipam": self._ipam("10.64.0.0/16")}
        self.objects = Objects(nad("far", far, "default"))
        self.server = inside(str(self.host.path), lambda: APIServer(API(self.objects)))
        self.kubeconfig = self.server.write_kubeconfig(root / "kubeconfig")

    def close(self):
        self.server.close()
        for namespace in (*self.pods, self.neighbour, self.host):
            namespace.remove()

    def _connect_neighbour(self):
        up = f"ip link add up0 type veth peer name up0 netns {self.neighbour.name}"
        self.host.run(*up.split())
        for namespace, address in ((self.host, HOST_ADDRESS), (self.neighbour, NEIGHBOUR_ADDRESS)):
            namespace.run("ip", "address", "add", f"{address}/24", "dev", "up0")
            namespace.run("ip", "link", "set", "up0", "up")

    def _configure(self, cni_bin, masquerade):
        self.bin.mkdir()
        self.conf.mkdir()
        for plugin in cni_bin.iterdir():
            (self.bin / plugin.name).symlink_to(plugin)
        first = {"type": "bridge", "bridge": "br-a", "isDefaultGateway": True, "ipMasq": masquerade}
        first["ipam"] = self._ipam("10.61.0.0/16")
        portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
        self._write("10-a.conflist", "a", plugins=[first, portmap])
        self._write("20-b.conf", "b", type="ptp", ipam=self._ipam("10.62.0.0/16"))
        both = self._ipam("10.63.0.0/16", "fd63::/64")
        self._write("30-dual.conf", "dual", type="bridge", bridge="br-d", isGateway=True, ipam=both)
        plain = {"type": "bridge", "bridge": "br-l", "ipam": self._ipam("10.65.0.0/16")}
        bandwidth = {"type": "bandwidth", "capabilities": {"bandwidth": True}}
        # 1.1.1's CHECK panics where a pod has no limits (plugins/meta/bandwidth/main.go, cmdCheck)
        self._write("40-limited.conflist", "limited", disableCheck=True, plugins=[plain, bandwidth])

    def _write(self, file, name, **document):
        (self.conf / file).write_text(json.dumps({"cniVersion": "1.0.0", "name": name, **document}))

    def _ipam(self, *subnets):
        ranges = [[{"subnet": subnet}] for subnet in subnets]
        return {"type": "host-local", "dataDir": str(self.leases), "ranges": ranges}

    def settings(self):
        """The options of `genie install`."""
        default = ("--set", "default_plugin=a")
        return (*default, "--state-dir", self.state, "--kubeconfig", self.kubeconfig, "--bin-dir", self.bin)

    def announce(self, name, annotations=None):
        """Have the pod on the API server."""
        self.objects.add(pod(annotations, name, "default", uid_of(name)))

    def pod_annotations(self, name):
        """The pod's annotations on the API server."""
        return self.objects.get(_PODS, "default", name)["metadata"]["annotations"]

    def recorded(self):
        """The number of recorded containers."""
        return len(list(self.state.glob("containers/*")))

    def qdiscs(self):
        """The queueing disciplines on the node's links: (kind, what `tc` says of its options)."""
        shown = self.host.run("tc", "-json", "qdisc").stdout
        return [(entry["kind"], entry.get("options", {})) for entry in json.loads(shown)]

    def trace(self):
        """Everything that pods and their networks leave behind, as lines."""
        return audit.trace(self)

    def assert_nothing_left(self, before):
        """Compare with an earlier trace; what ends in the background is given its time."""
        give_up = time.monotonic() + SETTLE_SECONDS
        while (left := audit.difference(before, self.trace())) and time.monotonic() < give_up:
            time.sleep(0.1)
        assert not left, left


class ClusterNode(InstalledNode):
    """The node with containerd, started, and Genie installed."""

    def __init__(self, root, cni_bin):
        super().__init__(root, cni_bin, masquerade=True)
        self.containerd = Containerd(root, self.host, self.bin, self.conf)
        self._program = warm.client(root / "program")
        compiled.add_to(self.bin)
        self.install()
        self.containerd.start()
        self.containerd.import_image()

    def close(self):
        self.containerd.close()
        super().close()

    # --- genie ------------------------------------------------------------------------------------------

    def genie(self, command, *options, code=None, status=0):
        """The command line on this node, that of another version where its folder `code` is given."""
        other = ["env", f"PYTHONPATH={code}", sys.executable, "-P", "-m", "genie_cli"]
        program = other if code else [self._program]
        done = self.containerd.run(*program, command, "--conf-dir", self.conf, *options, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def install(self, code=None):
        """`genie install`, from the code in the folder `code` where one is given."""
        return self.genie("install", *self.settings(), code=code)

    def uninstall(self, status):
        """`genie uninstall`; it ends with 5 as long as something has to stay."""
        return self.genie("uninstall", "--bin-dir", self.bin, status=status)

    def collect_garbage(self):
        """`genie gc`, which asks this containerd what there is."""
        where = ("--ipam-dir", self.leases, "--cri-socket", self.containerd.socket)
        return self.genie("gc", "--yes", "--interval=100ms", "--min-age=1ms", *where)

    def debug(self, pod, *options, status=0):
        """What `genie debug pod` says; where the pod is, it has to ask the runtime."""
        files = (
            "--conf-dir",
            self.conf,
            "--bin-dir",
            self.bin,
            "--ipam-dir",
            self.leases,
            "--state-dir",
            self.state,
        )
        api = ("--kubeconfig", self.kubeconfig, "--node", "node", "--cri-socket", self.containerd.socket)
        command = ("debug", "pod", pod, *files, *api, "--output", "json", *options)
        done = self.containerd.run(self._program, *command, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout)

    # --- pods -------------------------------------------------------------------------------------------

    def run_pod(self, name, annotations=None, **more):
        """What kubelet does for a pod that was bound to this node: the sandbox's ID."""
        self.announce(name, annotations)
        return self.containerd.run_pod(name, annotations, **more)

    def run_pods(self, names, annotations=None, lanes=16):
        """Several at once: their sandboxes' IDs."""
        with ThreadPoolExecutor(lanes) as pool:
            return list(pool.map(lambda name: self.run_pod(name, annotations), names))

    def remove_pods(self, sandboxes, lanes=16):
        with ThreadPoolExecutor(lanes) as pool:
            list(pool.map(self.containerd.remove_pod, sandboxes))

    # --- what is there ----------------------------------------------------------------------------------

    def trace(self):
        """Everything that sandboxes and their networks leave behind, as lines."""
        processes = self.containerd.run("ps", "-e", "-o", "stat=,comm=").stdout.splitlines()
        running = [line.split(maxsplit=1)[1] for line in processes if not line.startswith("Z")]
        return {
            *super().trace(),
            *(f"namespace {path.name}" for path in self.containerd.namespaces()),
            *(f"sandbox {name}" for name in self.containerd.sandboxes()),
            # but of its own loopback, which holds nothing, containerd loses count when it is killed
            *(f"cached {path.name}" for path in self.containerd.lib.glob("cni/results/*-eth0")),
            *(f"process {name}" for name in running if name not in _ALWAYS_THERE),
        }


def network_of(address):
    """The network of an address."""
    return next(name for subnet, name in NETWORKS.items() if ip_address(address) in ip_network(subnet))


@contextmanager
def serving(netns, port, text):
    """Answer every client of that port, in the network namespace `netns`, with the text."""

    def serve():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return  # shut down
            with client:
                client.sendall(text.encode())

    server = inside(str(netns), lambda: socket.create_server(("", port)))
    thread = Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        server.close()


def fetch(namespace, address, port):
    """What a client in that namespace reads from address:port; None where it is refused."""
    try:
        client = inside(str(namespace.path), lambda: socket.create_connection((address, port), 5))
    except ConnectionRefusedError:
        return None
    with client:
        return client.recv(99).decode()
