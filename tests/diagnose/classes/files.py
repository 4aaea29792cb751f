"""Classes 8 and 9: what the next ADD needs, and what a missing DEL has left."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

from tests.diagnose.classes.kind import Held, Kind, conf, network
from tests.diagnose.faults import EDITS, Fault
from tests.diagnose.healthy import Control
from tests.diagnose.lab import PLUGINS, Lab


def _ipam(**ipam: Any) -> Any:
    """An edit: the network's ipam section has these keys, or is this one where it names a type."""

    def edit(lab: Lab) -> None:
        own = {key: str(value).replace("{D}", str(lab.directory)) if isinstance(value, str) else value for key, value in ipam.items()}  # fmt: skip
        lab.install_plugins()
        conf(
            lab,
            lambda d: d["plugins"][0].update(ipam=own if "type" in own else d["plugins"][0]["ipam"] | own),
        )

    return edit


def _dhcp_daemon(lab: Lab) -> None:
    """A daemon listens on the socket. Nothing is asked of it but a connection."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(lab.directory / "dhcp.sock"))
    server.listen(1)
    lab.servers.append(Held([server]))  # type: ignore[arg-type]  # it is closed like a server
    _ipam(type="dhcp", daemonSocketPath="{D}/dhcp.sock")(lab)


def _macvlan(lab: Lab) -> None:
    """A macvlan network on eth1 comes first, with addresses of the node's prefix."""
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.200"}]]}
    network(lab, 10, "lan", {"type": "macvlan", "master": "eth1", "ipam": ipam}, file="bridge")


def _enslaved(lab: Lab) -> None:
    _macvlan(lab)
    lab.sh("n link add br5 type bridge; n link set br5 up; n link set eth1 master br5")


def _other_kind(lab: Lab) -> None:
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.250.0.0/24"}]]}
    conf(lab, lambda d: d["plugins"][0].update(bridge="cni9", ipam=ipam))
    lab.sh("n link add cni9 type veth peer name cni9p")


def _small_range(lab: Lab) -> None:
    span = {"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.10", "rangeEnd": "10.244.1.12"}
    _ipam(ranges=[[span]])(lab)
    (lab.leases / "10.244.1.12").write_text("cidc1\r\neth0")


def _flannel(text: str) -> Any:
    """An edit: flannel is the network; `text` is what flanneld wrote, "" for nothing."""

    def edit(lab: Lab) -> None:
        shutil.copy2(PLUGINS / "loopback", lab.bin / "flannel")
        plugin = {
            "type": "flannel",
            "subnetFile": str(lab.directory / "subnet.env"),
            "delegate": {"bridge": "cni0", "hairpinMode": True},
        }
        portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
        network(lab, 10, "cbr0", plugin, portmap, file="bridge")
        if text:
            (lab.directory / "subnet.env").write_text(text)

    return edit  # fmt: skip


SUBNET_ENV = (
    "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
)
EDITS |= {
    "dhcp": _ipam(type="dhcp", daemonSocketPath="{D}/dhcp.sock"),
    "resolv-conf": _ipam(resolvConf="{D}/no-such-resolv.conf"),
    "enslaved": _enslaved,
    "other-kind": _other_kind,
    "small-range": _small_range,
    "flannel": _flannel(""),
}
RUNTIME = 'printf "version = 2\\n[plugins.\\"io.containerd.grpc.v1.cri\\".cni]\\nconf_dir = \\"$C\\"\\nbin_dir = \\"$D/no-bin\\"\\n" >$D/config.toml; mkdir $D/no-bin'

NEXT_ADD = Kind(
    number=8,
    title="the next ADD",
    faults=(
        Fault(id="K801 no DHCP daemon", inject="true", edit="dhcp", codes=("GN1112",), says=("dhcp.sock", "10-bridge.conflist"), fails=("add",), mends=False, firm=True),
        Fault(id="K802 the parent is a bridge's port", inject="true", edit="enslaved", codes=("GN1020",), says=("eth1", "br5"), fails=("add",), mends=False, firm=True),
        Fault(id="K803 a small range is full", inject="true", edit="small-range", codes=("GN1302",), says=("10.244.1.10", "10.244.1.12"), fails=("add",), mends=False, firm=True),
        Fault(id="K804 host-local's resolv.conf does not exist", inject="true", edit="resolv-conf", codes=("GN1112",), says=("no-such-resolv.conf",), fails=("add",), mends=False, firm=True),
        Fault(id="K805 the bridge's name is another device's", inject="true", edit="other-kind", codes=("GN1020",), says=("cni9", "veth"), fails=("add",), mends=False, firm=True),
        Fault(id="K806 the runtime looks for plugins elsewhere", inject=RUNTIME, codes=("GN1101", "GN1201"), says=("no-bin",), breaks=("add",), mends=False, firm=True, args=("--runtime-config", "{D}/config.toml")),
        Fault(id="K807 flanneld has not written its subnet", inject="true", edit="flannel", codes=("GN1112",), says=("subnet.env", "flannel"), mends=False, firm=True, silent="flannel's plugin is no Debian package; it reads this file first"),
    ),
    healthy=(
        Control(id="K8 a DHCP daemon listens", change=_dhcp_daemon, silent=True),
        Control(id="K8 flannel's subnet is there", change=_flannel(SUBNET_ENV), silent=True),
        Control(id="K8 a parent with other macvlans", change=_macvlan, inject="n link add link eth1 name mv9 type macvlan mode bridge; n link set mv9 up"),
    ),
)  # fmt: skip


def _call(
    lab: Lab, plugin: str, command: str, container: str, netns: str, configuration: dict[str, Any]
) -> dict[str, Any]:
    """Call a real plugin in the node's namespace."""
    env = {
        "PATH": os.environ["PATH"], "CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_NETNS": netns,
        "CNI_IFNAME": "eth0", "CNI_PATH": str(PLUGINS),
    }  # fmt: skip
    argv = ["ip", "netns", "exec", f"{lab.prefix}-node", str(Path(PLUGINS) / plugin)]
    text = json.dumps({"cniVersion": "1.0.0", "name": "cbr0"} | configuration)
    done = subprocess.run(argv, env=env, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{plugin}: {done.stdout or done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout or "{}")
    return result


def _bridge(lab: Lab) -> dict[str, Any]:
    ipam = {
        "type": "host-local",
        "dataDir": str(lab.ipam),
        "ranges": [[{"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.60"}]],
    }
    return {"type": "bridge", "bridge": "cni0", "ipMasq": True, "mtu": 1450, "ipam": ipam}


# The kernel removes a namespace's veths after `ip netns del` has returned.
VANISHED = """ip netns del $F-dead
for k in $(seq 100); do ip -n $F-node link show {link} >/dev/null 2>&1 || exit 0; sleep 0.1; done
echo "{link} is still there" >&2; exit 1"""


def _gone(*plugins: str, keep_lease: bool = False) -> Any:
    """An edit: a pod was attached by real plugins, and its sandbox vanished without a DEL."""

    def edit(lab: Lab) -> None:
        lab.sh("ip netns add $F-dead; sleep 0")
        netns = lab.netns("dead")
        result = _call(lab, "bridge", "ADD", "dead0001", netns, _bridge(lab))
        for plugin in plugins:
            more: dict[str, Any] = {"type": plugin, "prevResult": result}
            if plugin == "portmap":
                more["runtimeConfig"] = {
                    "portMappings": [{"hostPort": 8099, "containerPort": 80, "protocol": "tcp"}]
                }
            _call(lab, plugin, "ADD", "dead0001", netns, more)
        host_end = next(one["name"] for one in result["interfaces"] if one["name"].startswith("veth"))
        lab.sh(VANISHED.format(link=host_end))
        if not keep_lease:
            for lease in lab.leases.glob("10.244.1.6*"):
                lease.unlink()

    return edit


def _alive(lab: Lab) -> None:
    """A living pod's chains, as the real plugins make them, and an administrator's."""
    result = json.loads((lab.results / "cbr0-cidp1-eth0").read_text())["result"]
    more: dict[str, Any] = {"type": "portmap", "prevResult": result}
    more["runtimeConfig"] = {"portMappings": [{"hostPort": 8099, "containerPort": 8080, "protocol": "tcp"}]}
    _call(lab, "portmap", "ADD", "cidp1", lab.netns("p1"), more)
    _call(lab, "firewall", "ADD", "cidp1", lab.netns("p1"), {"type": "firewall", "prevResult": result})


EDITS |= {
    "gone-portmap": _gone("portmap"),
    "gone-masquerade": _gone(),
    "gone-firewall": _gone("firewall"),
}

LEFT = Kind(
    number=9,
    title="what gc knows",
    faults=(
        Fault(id="K901 a hostPort of a pod that is gone", inject="true", edit="gone-portmap", codes=("GN1404",), says=("dead0001", "8099"), mends=False, severity="warning", silent="until another pod wants the port"),
        Fault(id="K902 masquerading of a pod that is gone", inject="true", edit="gone-masquerade", codes=("GN1404",), says=("dead0001", "10.244.1.6"), mends=False, severity="warning", silent="a few rules more"),
        Fault(id="K903 accepting rules of a pod that is gone", inject="true", edit="gone-firewall", codes=("GN1404",), says=("10.244.1.6", "CNI-FORWARD"), mends=False, severity="warning", silent="a few rules more, and an open firewall"),
        Fault(id="K904 an empty lease file", inject=": >$L/10.244.1.30; touch -d '2 minutes ago' $L/10.244.1.30", codes=("GN1306",), says=("10.244.1.30", "empty"), mends=False, severity="warning", silent="one address less"),
        Fault(id="K905 a lease of an interface that the pod has not", inject="printf 'cidp1\\r\\nnet9' >$L/10.244.1.31", codes=("GN1301", "GN0210"), says=("10.244.1.31", "net9"), mends=False, severity="warning", silent="one address less"),
    ),
    healthy=(
        Control(id="K9 chains of a living pod", change=_alive, silent=True),
        Control(id="K9 chains of an administrator", inject="N iptables -t nat -N CNI-ADMIN; N iptables -t nat -A CNI-ADMIN -j RETURN; N iptables -N CNI-ISOLATION; N iptables -A FORWARD -j CNI-ISOLATION", silent=True),
    ),
)  # fmt: skip
