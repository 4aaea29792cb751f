"""A small cluster out of network namespaces: what `genie debug pod` is judged on.

A node with two bridged pods (p1, p2) and one Calico-style pod (c1), a second node (ext) with a pod (r1) behind
a VXLAN, a host outside that knows no pod addresses (inet), and two services on 10.96.0.10. Every namespace
carries the lab's own prefix, so that several labs live side by side.

Faults are shell text over one letter per namespace: `n` is `ip -n node`, `N` runs a command in the node, and so
on for pods p1 (p/P), p2 (q/Q), c1 (c/C1), r1 (r/R1), ext (x/X) and inet (i/I). `$C`, `$B`, `$L`, `$R` are the
directories of configurations, binaries, leases and cached results, `$T` is this folder.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests import warm
from tests.diagnose.traffic import Server

NAMESPACES = ("node", "ext", "r1", "inet", "p1", "p2", "c1")
PLUGINS = Path("/usr/lib/cni")

LETTERS = r"""
set -e
n(){ ip -n $F-node "$@"; }; N(){ ip netns exec $F-node "$@"; }
p(){ ip -n $F-p1 "$@"; };   P(){ ip netns exec $F-p1 "$@"; }
q(){ ip -n $F-p2 "$@"; };   Q(){ ip netns exec $F-p2 "$@"; }
x(){ ip -n $F-ext "$@"; };  X(){ ip netns exec $F-ext "$@"; }
r(){ ip -n $F-r1 "$@"; };   R1(){ ip netns exec $F-r1 "$@"; }
c(){ ip -n $F-c1 "$@"; };   C1(){ ip netns exec $F-c1 "$@"; }
i(){ ip -n $F-inet "$@"; }; I(){ ip netns exec $F-inet "$@"; }
NET1='p link add net1 type veth peer name n1 netns $F-inet; p addr add 172.30.0.10/24 dev net1; p link set net1 up;
 i addr add 172.30.0.1/24 dev n1; i link set n1 up'
"""

# What is done by one program is done by one start of it: a hundred starts of `ip` took half of a test's processor time.
BUILD = r"""
ip -batch - <<END
netns add $F-node
netns add $F-ext
netns add $F-r1
netns add $F-inet
netns add $F-p1
netns add $F-p2
netns add $F-c1
END
n -batch - <<END
link set lo up
link add eth0 type veth peer name e0 netns $F-ext
addr add 192.168.50.10/24 dev eth0
link set eth0 up
route add default via 192.168.50.1
link add eth1 type veth peer name i0 netns $F-inet
addr add 203.0.113.10/24 dev eth1
link set eth1 up
link add cni0 address 02:00:00:00:00:01 type bridge
addr add 10.244.1.1/24 dev cni0
link set cni0 up mtu 1450
link add veth1 type veth peer name eth0 netns $F-p1
link set veth1 master cni0 up mtu 1450
link set veth1 type bridge_slave hairpin on
link add veth2 type veth peer name eth0 netns $F-p2
link set veth2 master cni0 up mtu 1450
link set veth2 type bridge_slave hairpin on
link add cali1 type veth peer name eth0 netns $F-c1
link set cali1 up
route add 10.244.1.130/32 dev cali1
link add flannel.1 type vxlan id 1 dstport 8472 nolearning local 192.168.50.10 dev eth0
link set flannel.1 address 02:00:00:00:01:01 up mtu 1450
addr add 10.244.1.0/32 dev flannel.1
neigh add 10.244.2.0 lladdr 02:00:00:00:02:02 dev flannel.1 nud permanent
route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
END
x -batch - <<END
link set lo up
addr add 192.168.50.1/24 dev e0
link set e0 up
link add flannel.1 type vxlan id 1 dstport 8472 nolearning local 192.168.50.1 dev e0
link set flannel.1 address 02:00:00:00:02:02 up mtu 1450
addr add 10.244.2.0/32 dev flannel.1
neigh add 10.244.1.0 lladdr 02:00:00:00:01:01 dev flannel.1 nud permanent
route add 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink
link add vr1 type veth peer name eth0 netns $F-r1
link set vr1 up mtu 1450
addr add 10.244.2.1/24 dev vr1
END
i -batch - <<END
link set lo up
addr add 203.0.113.1/24 dev i0
link set i0 up
END
p -batch - <<END
link set lo up
link set eth0 up mtu 1450
addr add 10.244.1.10/24 dev eth0
route add default via 10.244.1.1
END
q -batch - <<END
link set lo up
link set eth0 up mtu 1450
addr add 10.244.1.11/24 dev eth0
route add default via 10.244.1.1
END
c -batch - <<END
link set lo up
link set eth0 up
addr add 10.244.1.130/32 dev eth0
route add 169.254.1.1 dev eth0 scope link
route add default via 169.254.1.1
END
r -batch - <<END
link set lo up
link set eth0 up mtu 1450
addr add 10.244.2.2/24 dev eth0
route add default via 10.244.2.1
END
bridge -n $F-node fdb append 02:00:00:00:02:02 dev flannel.1 dst 192.168.50.1
bridge -n $F-ext fdb append 02:00:00:00:01:01 dev flannel.1 dst 192.168.50.10
N sh -ec '
cd /proc/sys/net; echo 1 | tee ipv4/conf/cali1/proxy_arp ipv4/ip_forward bridge/bridge-nf-call-iptables >/dev/null
exec iptables-restore --noflush' <<END
*nat
-A POSTROUTING -s 10.244.0.0/16 ! -d 10.244.0.0/16 -j MASQUERADE
-A POSTROUTING -s 10.244.1.11 -d 10.244.1.11 -j MASQUERADE
-A PREROUTING -d 10.96.0.10 -p tcp --dport 80 -j DNAT --to 10.244.1.11:8080
-A PREROUTING -d 10.96.0.10 -p udp --dport 53 -j DNAT --to 10.244.1.11:53
COMMIT
END
X sh -ec 'echo 1 >/proc/sys/net/ipv4/ip_forward; exec nft -f -' <<END
table ip guard {
 chain pre {
  type filter hook prerouting priority -300
  iifname e0 ip saddr 10.244.0.0/16 drop
 }
}
END
"""

CONFLIST: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "cbr0",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "isDefaultGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "mtu": 1450,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.1.0/24"}]]},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


def _pod(name: str, ip: str, node: str = "node", **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "default", "name": name, "uid": f"uid-{name}"},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "main", "image": "example", "ports": [{"containerPort": 8080}]}],
        },
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], **status},
    }


def node(name: str, address: str, cidr: str) -> dict[str, Any]:
    """A Node object with one prefix of pods."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"podCIDR": cidr, "podCIDRs": [cidr]},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    }


PODS = {
    "p1": _pod("p1", "10.244.1.10"),
    "p2": _pod("p2", "10.244.1.11"),
    "c1": _pod("c1", "10.244.1.130"),
    "r1": _pod("r1", "10.244.2.2", node="node2"),
}


def objects() -> list[dict[str, Any]]:
    """The API objects of the lab."""
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    dns = [{"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"}]
    slices = [{"name": p["name"], "port": p["targetPort"], "protocol": p["protocol"]} for p in (*ports, *dns)]
    return [
        *copy.deepcopy(list(PODS.values())),
        node("node", "192.168.50.10", "10.244.1.0/24"),
        node("node2", "192.168.50.1", "10.244.2.0/24"),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": "default", "name": "web"},
            "spec": {"clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"], "ports": [*ports, *dns]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "namespace": "default",
                "name": "web-x",
                "labels": {"kubernetes.io/service-name": "web"},
            },
            "addressType": "IPv4",
            "ports": slices,
            "endpoints": [{"addresses": ["10.244.1.11"], "conditions": {"ready": True}, "nodeName": "node"}],
        },
    ]


class Lab:
    """The built lab. Use it as a context manager; leaving it removes every namespace and file."""

    def __init__(self, directory: Path, tag: str = "") -> None:
        self.prefix = f"gd{os.getpid()}{tag}"
        self.directory = directory
        self.conf = directory / "net.d"
        self.bin = directory / "bin"
        self.ipam = directory / "networks"
        self.leases = self.ipam / "cbr0"
        self.results = directory / "results"
        self.state = directory / "state"
        self.program = directory / "program"  # the folder of `genie`
        self.objects = objects()
        self.servers: list[Server] = []

    def __enter__(self) -> Lab:
        try:
            self._files()
            warm.client(self.program)
            self.sh(BUILD)
            self.servers = [
                Server(self.netns(name), dns=name != "p1") for name in ("p1", "p2", "r1", "inet", "ext")
            ]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.close()
        listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
        for line in listed.splitlines():
            name = line.split()[0] if line else ""
            if name.startswith(f"{self.prefix}-") or name.endswith(f"-{self.prefix}"):
                subprocess.run(["ip", "netns", "del", name], check=False)
        for name in NAMESPACES:
            shutil.rmtree(f"/etc/netns/{self.prefix}-{name}", ignore_errors=True)
        if self.leases.is_mount():
            subprocess.run(["umount", str(self.leases)], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def netns(self, name: str) -> str:
        """The path of one namespace of the lab."""
        return f"/run/netns/{self.prefix}-{name}"

    def sh(self, text: str, check: bool = True) -> str:
        """Run a fault's text, or any other, with the lab's letters and directories."""
        env = os.environ | {
            "F": self.prefix,
            "C": str(self.conf),
            "B": str(self.bin),
            "L": str(self.leases),
            "R": str(self.results),
            "D": str(self.directory),
            "T": str(Path(__file__).parent),
        }
        done = subprocess.run(
            ["bash", "-c", LETTERS + text], env=env, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise RuntimeError(f"{text!r} failed: {done.stderr}")
        return done.stdout

    def install_plugins(self) -> None:
        """Every reference plugin of the machine in the node's directory of binaries."""
        for plugin in PLUGINS.iterdir():
            if plugin.is_file() and plugin.name != "genie":  # it may be installed there
                shutil.copy2(plugin, self.bin / plugin.name)

    def debug(self, pod: str = "p1", *extra: str, netns: str = "") -> tuple[int, dict[str, Any], float]:
        """Run the real command in the node's namespace: exit code, report, milliseconds that it took."""
        argv = [*self.arguments(pod, netns), *extra]
        done = warm.run(*argv, netns=self.netns("node"), env=os.environ | {"NODE_NAME": "node"})
        if not done.stdout.strip():
            raise RuntimeError(f"no report, exit {done.returncode}: {done.stderr}")
        report = json.loads(done.stdout)
        if report["kind"] == "Error":
            raise RuntimeError(f"exit {done.returncode}: {done.stdout}")
        return done.returncode, report, report["metadata"]["durationMs"]

    def arguments(self, pod: str, netns: str = "") -> list[str]:
        """The command line that says where everything of the lab is."""
        pod_file = self.directory / f"{pod}.json"
        pod_file.write_text(json.dumps(next(o for o in self.objects if o["metadata"]["name"] == pod)))
        objects_file = self.directory / "objects.json"
        objects_file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": self.objects}))
        return [
            *("debug", "pod", f"default/{pod}", "--netns", netns or self.netns(pod)),
            *("--pod-file", str(pod_file), "--objects-file", str(objects_file)),
            *("--conf-dir", str(self.conf), "--bin-dir", str(self.bin), "--state-dir", str(self.state)),
            *("--ipam-dir", str(self.ipam), "--cache-dir", str(self.results), "-o", "json"),
        ]

    def _files(self) -> None:
        for directory in (self.conf, self.bin, self.leases, self.results, self.state):
            directory.mkdir(parents=True)
        (self.conf / "10-bridge.conflist").write_text(json.dumps(CONFLIST, indent=2))
        for plugin in ("bridge", "portmap", "host-local", "loopback", "ptp", "macvlan"):
            shutil.copy2(PLUGINS / plugin, self.bin / plugin)
        for pod, ip in (("p1", "10.244.1.10"), ("p2", "10.244.1.11")):
            (self.leases / ip).write_text(f"cid{pod}\r\neth0")
            self._result(pod, ip)
        (self.leases / "last_reserved_ip.0").write_text("10.244.1.11")
        (self.leases / "lock").touch()

    def _result(self, pod: str, ip: str) -> None:
        result = {
            "cniVersion": "1.0.0",
            "interfaces": [
                {"name": "cni0"},
                {"name": "veth" + pod[1:]},
                {"name": "eth0", "sandbox": self.netns(pod)},
            ],
            "ips": [{"address": f"{ip}/24", "gateway": "10.244.1.1", "interface": 2}],
            "routes": [{"dst": "0.0.0.0/0", "gw": "10.244.1.1"}],
            "dns": {},
        }
        cached = {
            "kind": "cniCacheV1",
            "containerId": f"cid{pod}",
            "config": "e30=",
            "ifName": "eth0",
            "networkName": "cbr0",
            "netns": self.netns(pod),
            "cniArgs": [["K8S_POD_NAMESPACE", "default"], ["K8S_POD_NAME", pod]],
            "result": result,
        }
        (self.results / f"cbr0-cid{pod}-eth0").write_text(json.dumps(cached))
