"""A node for tests of repair: one pod with a bridge, a point-to-point link and a macvlan, IPv4 and IPv6."""

import json
import shutil
import socket

from genie_core.edges.netns import inside
from tests import warm
from tests.live.live import ROOT, Live

WHERE_TO = {"eth0": ("10.1.0.1", "fd01::1"), "net1": ("10.2.0.1", "fd02::1"), "net2": ("10.3.0.1", "fd03::1")}


class Ward(Live):
    """A node for tests of repair."""

    def __init__(self, root, plugins):
        super().__init__(root, plugins)
        self.host = self.node.host
        ranges = {
            net: {
                "type": "host-local",
                "dataDir": str(self.node.leases),
                "ranges": [[{"subnet": f"10.{net}.0.0/16"}], [{"subnet": f"fd0{net}::/64"}]],
                "routes": [{"dst": f"10.10{net}.0.0/16"}, {"dst": f"fd0{net}:1::/64"}],
            }
            for net in (1, 2, 3)
        }
        bridge = {"type": "bridge", "bridge": "br0", "isDefaultGateway": True, "ipMasq": True}
        for name, net, plugin in (
            ("10-blue", 1, bridge),
            ("20-red", 2, {"type": "ptp", "ipMasq": True}),
            ("30-green", 3, {"type": "macvlan", "master": "up0"}),
        ):
            document = {"cniVersion": "1.0.0", "name": name[3:], **plugin, "ipam": ranges[net]}
            self.node.configure(f"{name}.conf", document)
        self.connect()

    def connect(self):
        """The macvlan's parent, with a host at its other end."""
        self.host.run("ip", "link", "set", "up0", "up")
        for address in ("10.3.0.1/16", "fd03::1/64"):
            self.host.run("ip", "address", "replace", address, "dev", "up1", "nodad")
        self.host.run("ip", "link", "set", "up1", "up")

    def begin(self, mode, *words):
        """Start one look in the background."""
        flags = ["--mode", mode, "--conf-dir", self.node.conf, *words]
        return warm.start("genie_core.tasks.repair", *flags, netns=self.host.path, env=environment())

    def repair(self, mode, *words):
        """One look: its lines."""
        out, err = self.begin(mode, *words).communicate()
        assert "Traceback" not in err, err
        return [json.loads(line) for line in out.splitlines()]

    def end(self, name):
        """The host's end of the pod's veth."""
        link = json.loads(self.node.pod.run("ip", "-json", "link", "show", name).stdout)[0]
        ends = json.loads(self.host.run("ip", "-json", "link").stdout)
        return next(one["ifname"] for one in ends if one["ifindex"] == link["link_index"])

    def forget_repairs(self):
        shutil.rmtree(self.node.state / "repairs", ignore_errors=True)

    def works(self):
        """Whether packets flow on all interfaces, of both families."""
        return {
            f"{name} to {target}"
            for name, targets in WHERE_TO.items()
            for target in targets
            if not reaches(self, name, target)
        }


def environment():
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"}


def bound(family, address):
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.bind((address, 0))
    made.settimeout(2)
    return made


def reaches(ward, name, target):
    """Send a packet from the pod's address on the interface to the target on the node, and get one back."""
    v6 = ":" in target
    family = socket.AF_INET6 if v6 else socket.AF_INET
    addresses = ward.links().get(name, [])
    source = next((ip.partition("/")[0] for ip in addresses if (":" in ip) == v6), None)
    if source is None:
        return False
    try:
        client = inside(str(ward.node.pod.path), lambda: bound(family, source))
        server = inside(str(ward.host.path), lambda: bound(family, "::" if v6 else "0.0.0.0"))
    except OSError:
        return False
    with client, server:
        try:
            client.sendto(b"ask", (target, server.getsockname()[1]))
            server.sendto(b"answer", server.recvfrom(10)[1])
            return client.recv(10) == b"answer"
        except OSError:
            return False
