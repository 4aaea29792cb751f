"""Pods attached by the real plugins, in every way: all of them are healthy."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.diagnose.lab import PLUGINS, Lab

Conf = dict[str, Any]
# The node's state must not change while it is diagnosed: duplicate address detection has ended.
SETTLED = """for s in node {pod}; do
 for k in $(seq 100); do tentative=$(ip -n $F-$s -6 -o addr show scope global tentative); [ "$tentative" ] || break; sleep 0.1; done
 [ -z "$tentative" ] || {{ echo "$tentative" >&2; exit 1; }}
done"""


def host_local(lab: Lab, *subnets: str, routes: bool = True) -> Conf:
    """An ipam section."""
    every = [{"dst": "0.0.0.0/0" if "." in s else "::/0"} for s in subnets]
    return {
        "type": "host-local",
        "dataDir": str(lab.ipam),
        "ranges": [[{"subnet": s}] for s in subnets],
    } | ({"routes": every} if routes else {})


def chains(lab: Lab) -> dict[str, list[tuple[str, list[Conf]]]]:
    """Name -> the networks of one pod: (interface, chain)."""
    bridge = {
        "type": "bridge",
        "bridge": "br7",
        "isDefaultGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
    }
    plain = bridge | {"ipam": host_local(lab, "10.77.0.0/24", routes=False)}
    second = {
        "type": "bridge",
        "bridge": "br8",
        "isGateway": True,
        "ipam": host_local(lab, "10.88.0.0/24", routes=False),
    }
    leading = second | {"isDefaultGateway": True, "ipMasq": True}
    flat = {"type": "macvlan", "master": "eth1", "ipam": host_local(lab, "203.0.113.128/25", routes=False)}
    portmap = {
        "type": "portmap",
        "snat": True,
        "runtimeConfig": {"portMappings": [{"hostPort": 8099, "containerPort": 80, "protocol": "tcp"}]},
    }
    return {
        "bridge": [("eth0", [plain])],
        "bridge portmap firewall": [("eth0", [plain, portmap, {"type": "firewall"}])],
        "bridge dual stack": [("eth0", [bridge | {"ipam": host_local(lab, "10.77.0.0/24", "fd77::/64", routes=False)}])],
        "bridge without masquerade": [("eth0", [plain | {"ipMasq": False}])],
        "ptp": [("eth0", [{"type": "ptp", "ipMasq": True, "ipam": host_local(lab, "10.66.0.0/24")}])],
        "ptp firewall": [("eth0", [{"type": "ptp", "ipMasq": True, "ipam": host_local(lab, "10.66.0.0/24")}, {"type": "firewall"}])],
        "macvlan": [("eth0", [{"type": "macvlan", "master": "eth1", "mode": "bridge", "ipam": host_local(lab, "203.0.113.128/25", routes=False)}])],
        "two bridges": [("eth0", [plain]), ("net1", [second])],
        "two bridges, CRI-O": [("eth0", [plain]), ("net1", [second])],
        "two of one network": [("eth0", [plain]), ("net1", [{k: v for k, v in plain.items() if k != "isDefaultGateway"} | {"isGateway": True}])],
        "bridge and macvlan": [("eth0", [plain]), ("net1", [{"type": "macvlan", "master": "eth1", "ipam": host_local(lab, "203.0.113.128/25", routes=False)}])],
        "bridge and ptp": [("eth0", [plain]), ("net1", [{"type": "ptp", "ipam": host_local(lab, "10.66.0.0/24", routes=False)}])],
        "default route by the second": [("eth0", [plain]), ("net1", [leading])],
        "macvlan, default route by a bridge": [("eth0", [flat]), ("net1", [leading])],
        "macvlan with a hostPort": [("eth0", [flat, portmap])],
        "source based routing": [("eth0", [plain]), ("net1", [second | {"ipam": host_local(lab, "10.88.0.0/24")}, {"type": "sbr"}])],
        "bridge bandwidth": [("eth0", [plain, {"type": "bandwidth", "ingressRate": 10**8, "ingressBurst": 10**8}])],
        "bridge tuning": [("eth0", [plain, {"type": "tuning", "sysctl": {"net.ipv4.conf.eth0.arp_filter": "1"}}])],
    }  # fmt: skip


def add(lab: Lab, pod: str, name: str) -> None:
    """Attach a new pod by the real plugins, as a runtime does: results in the cache, configurations in the directory."""
    lab.sh(f"ip netns add $F-{pod}")
    addresses: list[str] = []
    lab.install_plugins()
    for number, (ifname, chain) in enumerate(chains(lab)[name]):
        network = "n0" if "one network" in name else f"n{number}"
        listed = {"cniVersion": "1.0.0", "name": network, "plugins": chain}
        if ifname == "eth0" or network != "n0":
            (lab.conf / f"2{number}-{network}.conflist").write_text(json.dumps(listed))
        result = _chain(lab, pod, network, ifname, chain)
        # CRI-O makes all addresses of a merged result the pod's
        if ifname == "eth0" or "CRI-O" in name:
            addresses += [ip["address"].split("/")[0] for ip in result.get("ips", ())]
        cached = {
            "kind": "cniCacheV1", "containerId": f"cid{pod}", "config": "e30=", "ifName": ifname, "networkName": network,
            "netns": lab.netns(pod), "cniArgs": [["K8S_POD_NAMESPACE", "default"], ["K8S_POD_NAME", pod]], "result": result,
        }  # fmt: skip
        (lab.results / f"{network}-cid{pod}-{ifname}").write_text(json.dumps(cached))
    _run(lab, pod, "loopback", {"cniVersion": "1.0.0", "name": "lo", "type": "loopback"}, "lo")
    lab.sh(SETTLED.format(pod=pod))
    lab.objects.append(
        {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "default", "name": pod},
            "spec": {"nodeName": "node", "containers": [{"name": "main", "ports": _host_ports(name)}]},
            "status": {"phase": "Running", "podIP": addresses[0], "podIPs": [{"ip": ip} for ip in addresses]},
        }
    )  # fmt: skip


def _host_ports(name: str) -> list[Conf]:
    return (
        [{"containerPort": 80, "hostPort": 8099, "protocol": "TCP"}]
        if "portmap" in name or "hostPort" in name
        else []
    )


def _chain(lab: Lab, pod: str, network: str, ifname: str, chain: list[Conf]) -> Conf:
    result: Conf = {}
    for plugin in chain:
        conf = {"cniVersion": "1.0.0", "name": network, **plugin} | ({"prevResult": result} if result else {})
        result = _run(lab, pod, plugin["type"], conf, ifname) or result
    return result


def _run(lab: Lab, pod: str, plugin: str, conf: Conf, ifname: str) -> Conf:
    env = {
        "PATH": os.environ["PATH"], "CNI_COMMAND": "ADD", "CNI_CONTAINERID": f"cid{pod}", "CNI_NETNS": lab.netns(pod),
        "CNI_IFNAME": ifname, "CNI_PATH": str(PLUGINS),
    }  # fmt: skip
    argv = ["ip", "netns", "exec", f"{lab.prefix}-node", str(Path(PLUGINS) / plugin)]
    done = subprocess.run(argv, env=env, input=json.dumps(conf), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{plugin}: {done.stdout or done.stderr}")
    result: Conf = json.loads(done.stdout or "{}")
    return result
