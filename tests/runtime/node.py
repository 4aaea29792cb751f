"""A node of a cluster: containerd, Genie as `genie install` puts it, its networks, an API server, a neighbour.

a      bridge with portmap and bandwidth, the default network   10.61.0.0/16
b      ptp                                                      10.62.0.0/16
dual   bridge, both families                                    10.63.0.0/16, fd63::/64
far    a NetworkAttachmentDefinition: macvlan                   10.64.0.0/16
"""

import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread

from genie_core.edges.netns import inside
from tests.apiserver import API, APIServer, Objects
from tests.manifests import nad, pod
from tests.netns import Namespace
from tests.runtime.containerd import Containerd, uid_of
from tests.system import audit

HOST_ADDRESS = "192.0.2.1"
NEIGHBOUR_ADDRESS = "192.0.2.2"
SETTLE_SECONDS = 10  # until shims have ended and the kernel has taken namespaces apart
_CLI = (sys.executable, "-P", "-c", "import sys; from genie_cli.app import main; sys.exit(main())")
_ALWAYS_THERE = {"sh", "containerd", "ps"}
_POD = ("", "v1", "pods")


class ClusterNode:
    """Started, with Genie installed. `close` leaves nothing."""

    def __init__(self, root, cni_bin):
        self.root = root
        self.bin, self.conf = root / "bin", root / "net.d"
        self.host, self.neighbour = Namespace(), Namespace()
        self.pods = []  # named namespaces that `audit` looks into: containerd's have no names here
        self._connect_neighbour()
        self._configure(cni_bin)
        self.objects = Objects(nad("far", _flat("far", "macvlan", "10.64.0.0/16", master="up0"), "default"))
        self.server = inside(str(self.host.path), lambda: APIServer(API(self.objects)))
        self.kubeconfig = self.server.write_kubeconfig(root / "kubeconfig")
        self.containerd = Containerd(root, self.host, self.bin, self.conf)
        self.leases, self.state = self.containerd.lib / "cni/networks", self.containerd.lib / "cni/genie"
        self.install()
        self.containerd.start()
        self.containerd.import_image()

    def close(self):
        self.containerd.close()
        self.server.close()
        self.neighbour.remove()
        self.host.remove()

    def _connect_neighbour(self):
        up = f"ip link add up0 type veth peer name up0 netns {self.neighbour.name}"
        self.host.run(*up.split())
        for namespace, address in ((self.host, HOST_ADDRESS), (self.neighbour, NEIGHBOUR_ADDRESS)):
            namespace.run("ip", "address", "add", f"{address}/24", "dev", "up0")
            namespace.run("ip", "link", "set", "up0", "up")

    def _configure(self, cni_bin):
        self.bin.mkdir()
        self.conf.mkdir()
        for plugin in cni_bin.iterdir():
            (self.bin / plugin.name).symlink_to(plugin)
        bridge = {"type": "bridge", "bridge": "br-a", "isDefaultGateway": True, "ipMasq": True}
        portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
        bandwidth = {"type": "bandwidth", "capabilities": {"bandwidth": True}}
        chain = [{**bridge, "ipam": _ipam("10.61.0.0/16")}, portmap, bandwidth]
        self.write("10-a.conflist", {"cniVersion": "1.0.0", "name": "a", "plugins": chain})
        self.write("20-b.conf", _flat("b", "ptp", "10.62.0.0/16"))
        dual = {"type": "bridge", "bridge": "br-d", "isGateway": True}
        dual["ipam"] = _ipam("10.63.0.0/16", "fd63::/64")
        self.write("30-dual.conf", {"cniVersion": "1.0.0", "name": "dual", **dual})

    def write(self, file, document):
        (self.conf / file).write_text(json.dumps(document))

    # --- genie ------------------------------------------------------------------------------------------

    def genie(self, command, *options, code=None, status=0):
        """The command line on this node, that of another version where its folder `code` is given."""
        extra = [f"PYTHONPATH={code}"] if code else []
        done = self.containerd.run(
            "env", *extra, *_CLI, command, "--conf-dir", self.conf, *options, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def install(self, code=None):
        """`genie install`, from the code in the folder `code` where one is given."""
        settings = ("--set", "default_plugin=a", "--kubeconfig", self.kubeconfig)
        return self.genie("install", "--bin-dir", self.bin, *settings, code=code)

    def uninstall(self, status):
        """`genie uninstall`; it ends with 5 as long as something has to stay."""
        return self.genie("uninstall", "--bin-dir", self.bin, status=status)

    def collect_garbage(self):
        """`genie gc`, which asks this containerd what there is."""
        return self.genie(
            "gc", "--yes", "--interval=100ms", "--min-age=1ms", "--cri-socket", self.containerd.socket
        )

    # --- pods -------------------------------------------------------------------------------------------

    def run_pod(self, name, annotations=None, **more):
        """What kubelet does for a pod that was bound to this node: the sandbox's ID."""
        self.objects.add(pod(annotations, name, "default", uid_of(name)))
        return self.containerd.run_pod(name, annotations, **more)

    def pod_annotations(self, name):
        """The pod's annotations on the API server."""
        return self.objects.get(self.objects.find_kind(*_POD), "default", name)["metadata"]["annotations"]

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
            *audit.trace(self),
            *(f"namespace {path.name}" for path in self.containerd.namespaces()),
            *(f"sandbox {name}" for name in self.containerd.sandboxes()),
            # but of its own loopback, which holds nothing, containerd loses count when it is killed
            *(f"cached {path.name}" for path in self.containerd.lib.glob("cni/results/*-eth0")),
            *(f"process {name}" for name in running if name not in _ALWAYS_THERE),
        }

    def assert_nothing_left(self, before):
        """Compare with an earlier trace; what ends in the background is given its time."""
        give_up = time.monotonic() + SETTLE_SECONDS
        while (left := audit.difference(before, self.trace())) and time.monotonic() < give_up:
            time.sleep(0.1)
        assert not left, left

    def recorded(self):
        """How many containers Genie knows of."""
        return len(list(self.state.glob("containers/*")))

    def qdiscs(self):
        """The queueing disciplines on the node's links: (kind, what `tc` says of its options)."""
        shown = self.host.run("tc", "-json", "qdisc").stdout
        return [(entry["kind"], entry.get("options", {})) for entry in json.loads(shown)]


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


def _flat(name, type_, subnet, **more):
    return {"cniVersion": "1.0.0", "name": name, "type": type_, **more, "ipam": _ipam(subnet)}


def _ipam(*subnets):
    return {"type": "host-local", "ranges": [[{"subnet": subnet}] for subnet in subnets]}
