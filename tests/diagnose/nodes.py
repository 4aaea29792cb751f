"""More healthy nodes: the ways in which other network plugins, proxies and distributions set a node up.

The shell text is that of the lab; see there for its letters.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.diagnose.lab import Lab, node, objects


def pod_of(lab: Lab, name: str = "p1") -> Any:
    """The Pod object of one of the lab's pods."""
    return next(o for o in lab.objects if o["kind"] == "Pod" and o["metadata"]["name"] == name)


def known_by_ip(*ips: str) -> Callable[[Lab], None]:
    """The pod has these addresses, and no cached result has others."""

    def change(lab: Lab) -> None:
        pod_of(lab)["status"] |= {"podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]}
        (lab.results / "cbr0-cidp1-eth0").unlink()
        (lease,) = lab.leases.glob("10.*.1.10")
        lease.unlink()

    return change


def many_services(lab: Lab) -> None:
    """kube-proxy's chains for 1,500 services, most of whose endpoints are elsewhere."""
    lines = ["*nat", ":KUBE-SERVICES - [0:0]", ":KUBE-MARK-MASQ - [0:0]"]
    rules = ["-A PREROUTING -j KUBE-SERVICES", "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000"]
    for n in range(1500):
        vip, port = f"10.97.{n // 250}.{n % 250 + 1}", 1024 + n
        lines += [f":KUBE-SVC-{n} - [0:0]", f":KUBE-SEP-{n} - [0:0]"]
        rules += [
            f"-A KUBE-SERVICES -d {vip}/32 -p tcp -m comment --comment svc{n} -m tcp --dport {port} -j KUBE-SVC-{n}",
            f"-A KUBE-SVC-{n} ! -s 10.244.0.0/16 -d {vip}/32 -p tcp -m tcp --dport {port} -j KUBE-MARK-MASQ",
            f"-A KUBE-SVC-{n} -j KUBE-SEP-{n}",
            f"-A KUBE-SEP-{n} -s 10.244.2.2/32 -j KUBE-MARK-MASQ",
            f"-A KUBE-SEP-{n} -p tcp -m tcp -j DNAT --to-destination 10.244.2.2:{port}",
        ]
    (lab.directory / "many").write_text("\n".join([*lines, *rules, "COMMIT", ""]))
    lab.sh("N iptables-restore --noflush $D/many; rm $D/many")


def nft_proxy(lab: Lab) -> None:
    """kube-proxy in nftables mode: verdict maps over service addresses, a thousand of them."""
    rows = [f"10.97.{n // 250}.{n % 250 + 1} . tcp . {1024 + n} : goto far" for n in range(1000)]
    rows += ["10.96.0.10 . tcp . 80 : goto web", "10.96.0.10 . udp . 53 : goto dns"]
    text = f"""
table ip kube-proxy {{
  chain web {{ ip saddr 10.244.1.11 jump mark-for-masquerade; meta l4proto tcp dnat to 10.244.1.11:8080; }}
  chain dns {{ meta l4proto udp dnat to 10.244.1.11:53; }}
  chain far {{ meta l4proto tcp dnat to 10.244.2.2:8080; }}
  chain mark-for-masquerade {{ meta mark set meta mark or 0x4000; }}
  map service-ips {{ type ipv4_addr . inet_proto . inet_service : verdict; elements = {{ {", ".join(rows)} }} }}
  set cluster-ips {{ type ipv4_addr; elements = {{ 10.96.0.10 }} }}
  chain services {{ ip daddr . meta l4proto . th dport vmap @service-ips; }}
  chain nat-prerouting {{ type nat hook prerouting priority dstnat; policy accept; jump services; }}
  chain masquerading {{ meta mark & 0x4000 == 0 return; meta mark set meta mark ^ 0x4000; masquerade fully-random; }}
  chain nat-postrouting {{ type nat hook postrouting priority srcnat; policy accept; jump masquerading; }}
  chain filter-forward {{ type filter hook forward priority -110; policy accept; ct state new jump cluster-ips-check; }}
  chain cluster-ips-check {{ ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"; }}
}}
"""
    (lab.directory / "rules.nft").write_text(text)
    lab.sh("N iptables -t nat -F PREROUTING; N nft -f $D/rules.nft; rm $D/rules.nft")


def odd_services(lab: Lab) -> None:
    """Without an address, by a name elsewhere, without slices, with an endpoint that is on its way out."""
    ports = [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}]
    for name, spec in (
        ("headless", {"clusterIP": "None", "clusterIPs": ["None"], "ports": ports}),
        ("elsewhere", {"type": "ExternalName", "externalName": "web.example"}),
        ("manual", {"clusterIP": "10.96.0.77", "clusterIPs": ["10.96.0.77"], "ports": ports}),
    ):
        lab.objects.append(
            {"kind": "Service", "metadata": {"namespace": "default", "name": name}, "spec": spec}
        )
    slices = next(o for o in lab.objects if o["kind"] == "EndpointSlice")
    slices["endpoints"].append(
        {"addresses": ["10.244.1.99"], "conditions": {"ready": False, "terminating": True}}
    )


def two_families(lab: Lab) -> None:
    """Each node has an IPv6 prefix of pods beside the IPv4 one, and p1 and r1 an address of it."""
    for name, number in (("node", 1), ("node2", 2)):
        item = next(o for o in lab.objects if o["kind"] == "Node" and o["metadata"]["name"] == name)
        item["spec"]["podCIDRs"].append(f"fd00:{number}::/64")
        own = "fd00:50::10" if number == 1 else "fd00:50::1"
        item["status"]["addresses"].append({"type": "InternalIP", "address": own})
    for name, address in (("p1", "fd00:1::10"), ("r1", "fd00:2::2")):
        pod = next(o for o in lab.objects if o["kind"] == "Pod" and o["metadata"]["name"] == name)
        pod["status"]["podIPs"].append({"ip": address})


def three_nodes(lab: Lab) -> None:
    """A third node, to which a route leads; no probe is sent there."""
    lab.objects.append(node("node3", "192.168.50.3", "10.244.3.0/24"))


# IPv6 without a tunnel beside the IPv4 tunnel, as Calico's default pools make it; nodes' own subnet is not masqueraded.
IPV6_REMOTE = """n route add fd00:2::/64 via fd00:50::1; x addr add fd00:2::1/64 dev vr1 nodad; r addr add fd00:2::2/64 dev eth0 nodad
r route add default via fd00:2::1; X sysctl -qw net.ipv6.conf.all.forwarding=1
N ip6tables -t nat -A POSTROUTING -s fd00:1::/64 ! -d fd00::/16 -j MASQUERADE"""
NO_ECHO = (
    "X iptables -I INPUT -p icmp -j DROP; X iptables -I FORWARD -p icmp --icmp-type echo-request -j DROP"
)
THREE_NODES = "n route add 10.244.3.0/24 via 192.168.50.3"
# The router of a cloud knows every node's prefix; the nodes have a default route only.
CLOUD = """n link del flannel.1; x link del flannel.1; X nft delete table ip guard; x route add 10.244.1.0/24 via 192.168.50.10"""
UNMASKED = """N iptables -t nat -F POSTROUTING; N iptables -t nat -A POSTROUTING -s 10.244.1.11 -d 10.244.1.11 -j MASQUERADE
sed -i 's/"ipMasq": true/"ipMasq": false/' $C/10-bridge.conflist; X nft delete table ip guard; i route add 10.244.0.0/16 via 203.0.113.10"""
LEAVE = "p link del eth0; "  # the lab's own attachment goes, another comes
DOCKER = """N iptables -P FORWARD DROP; N iptables -N DOCKER-USER; N iptables -N DOCKER-FORWARD; N iptables -A DOCKER-USER -j RETURN
N iptables -A FORWARD -j DOCKER-USER; N iptables -A FORWARD -j DOCKER-FORWARD
N iptables -A DOCKER-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; N iptables -A DOCKER-FORWARD -i docker0 -j ACCEPT
N iptables -A FORWARD -s 10.244.0.0/16 -j ACCEPT; N iptables -A FORWARD -d 10.244.0.0/16 -j ACCEPT"""
JUMBO = """for l in eth0 eth1; do n link set $l mtu 9000; done; x link set e0 mtu 9000; i link set i0 mtu 9000
for k in 1 2; do n link set veth$k mtu 8950; ip -n $F-p$k link set eth0 mtu 8950; done
n link set cni0 mtu 8950; n link set flannel.1 mtu 8950; x link set flannel.1 mtu 8950; x link set vr1 mtu 8950; r link set eth0 mtu 8950"""


def amazon(lab: Lab) -> None:
    """amazon-vpc-cni: nodes without prefixes of pods, whose addresses are the network's own."""
    known_by_ip("192.168.50.100")(lab)
    (lab.conf / "10-bridge.conflist").unlink()
    conf = {
        "cniVersion": "0.4.0",
        "name": "aws-cni",
        "plugins": [{"type": "ptp", "ipam": {"type": "host-local", "subnet": "192.168.60.0/24"}}],
    }
    (lab.conf / "10-aws.conflist").write_text(json.dumps(conf))
    lab.objects[:] = [pod_of(lab), *(o for o in lab.objects if o["kind"] == "Node")]
    for item in lab.objects[1:]:
        item["spec"] = {}


def second_nic(lab: Lab) -> None:
    """The same where the pod's address is of the second NIC, with a service whose endpoint is on the other node."""
    amazon(lab)
    others = [
        o for o in objects() if o["kind"] in ("Service", "EndpointSlice") or o["metadata"]["name"] == "r1"
    ]
    for item in others[1:]:
        ports = item.get("spec", item)["ports"]
        ports[:] = [port for port in ports if port["name"] == "http"]
    others[-1]["endpoints"] = [{"addresses": ["10.244.2.2"], "conditions": {"ready": True}}]
    lab.objects += others


def announced_twice(lab: Lab) -> None:
    """flannel with two stacks: a tunnel of its own for each family, and an announcement of each."""
    two_families(lab)
    _announce(lab)


def _announce(lab: Lab) -> None:
    for name, number in (("node", 1), ("node2", 2)):
        item = next(o for o in lab.objects if o["kind"] == "Node" and o["metadata"]["name"] == name)
        macs = {"": f"02:00:00:00:0{number}:0{number}", "-v6": f"02:00:00:00:6{number}:0{number}"}
        item["metadata"]["annotations"] = {
            f"flannel.alpha.coreos.com/backend{suffix}-data": json.dumps({"VNI": 1, "VtepMAC": mac})
            for suffix, mac in macs.items()
        }


def outer_addresses(lab: Lab) -> None:
    """flannel sends to an address of the other node that only its annotation names, as k3s' --flannel-external-ip."""
    _announce(lab)
    notes = next(o for o in lab.objects if o["metadata"]["name"] == "node2")["metadata"]["annotations"]
    notes["flannel.alpha.coreos.com/public-ip"] = "198.51.100.1"


def own_pools(lab: Lab) -> None:
    """Calico's address management: the prefixes of the Node objects are allocated, and no pod is in them."""
    for item in lab.objects:
        if item["kind"] == "Node":
            cidr = {"node": "10.244.40.0/24", "node2": "10.244.41.0/24"}[item["metadata"]["name"]]
            item["spec"] |= {"podCIDR": cidr, "podCIDRs": [cidr]}


# An address of the node's own subnet, a pinned gateway, a table per device.
AWS = (
    LEAVE
    + """n link del flannel.1; n link add eni1 type veth peer name eth0 netns $F-p1; n link set eni1 up; p link set eth0 up
p addr add 192.168.50.100/32 dev eth0; p route add 169.254.1.1 dev eth0 scope link; p route add default via 169.254.1.1
p neigh add 169.254.1.1 lladdr $(cat /dev/null; ip -n $F-node -j link show eni1 | sed 's/.*"address":"\\([^"]*\\)".*/\\1/') dev eth0 nud permanent
n route add 192.168.50.100/32 dev eni1; N sysctl -qw net.ipv4.conf.eth0.proxy_arp=1
n rule add pref 512 to 192.168.50.100 lookup main; n rule add pref 1024 fwmark 0x80/0x80 lookup main; n rule add pref 1536 from 192.168.50.100 lookup 2
n route add default via 192.168.50.1 dev eth0 table 2; n route add 192.168.50.1 dev eth0 table 2
N iptables -t nat -N AWS-SNAT-CHAIN-0; N iptables -t nat -A POSTROUTING -m comment --comment "AWS SNAT CHAIN" -j AWS-SNAT-CHAIN-0
N iptables -t nat -A AWS-SNAT-CHAIN-0 ! -d 192.168.0.0/16 -m addrtype ! --dst-type LOCAL -j MASQUERADE --random-fully"""
)
HOST_GW = """n link del flannel.1; x link del flannel.1; X nft delete table ip guard
n route add 10.244.2.0/24 via 192.168.50.1; x route add 10.244.1.0/24 via 192.168.50.10"""
# A node whose uplink is a bridge, as on hypervisors.
UPLINK_BRIDGE = """n link add br0 type bridge; n link set br0 up; n addr del 192.168.50.10/24 dev eth0; n link set eth0 master br0
n addr add 192.168.50.10/24 dev br0; n route replace default via 192.168.50.1; n link del flannel.1
n link add flannel.1 type vxlan id 1 dstport 8472 nolearning local 192.168.50.10 dev br0
n link set flannel.1 address 02:00:00:00:01:01 up mtu 1450; n addr add 10.244.1.0/32 dev flannel.1
n neigh add 10.244.2.0 lladdr 02:00:00:00:02:02 dev flannel.1 nud permanent
N bridge fdb append 02:00:00:00:02:02 dev flannel.1 dst 192.168.50.1; n route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink"""
# Cilium without endpoint routes: BPF programs carry packets, the node's routes lead to cilium_host.
CILIUM = (
    LEAVE
    + """n link add cilium_net type veth peer name cilium_host; n link set cilium_net up; n link set cilium_host up
n addr add 10.244.1.200/32 dev cilium_host; n route del 10.244.1.0/24; n addr del 10.244.1.1/24 dev cni0
n route add 10.244.1.200 dev cilium_host; n route add 10.244.1.0/24 via 10.244.1.200 dev cilium_host
n link add lxc1 type veth peer name eth0 netns $F-p1; n link set lxc1 up; p link set eth0 up; p addr add 10.244.1.10/32 dev eth0
p route add 10.244.1.200 dev eth0; p route add default via 10.244.1.200
N tc qdisc add dev lxc1 clsact; N tc filter add dev lxc1 ingress bpf da bytecode '1,6 0 0 0'"""
)
# Calico's chains: a dispatch by interface, a policy that accepts by a mark, a profile, and an ipset of pools.
CALICO = """N ipset create cali40all-ipam-pools hash:net; N ipset add cali40all-ipam-pools 10.244.0.0/16
N ipset create cali40s:web hash:net; N ipset add cali40s:web 10.244.1.130; N ipset add cali40s:web 10.244.2.2
for c in cali-FORWARD cali-from-wl-dispatch cali-to-wl-dispatch cali-fw-cali1 cali-tw-cali1 cali-pi-web cali-pro-default; do N iptables -N $c; done
N iptables -I FORWARD -m comment --comment "cali:wUHhoiAYhphO9Mso" -j cali-FORWARD
N iptables -A cali-FORWARD -j MARK --set-xmark 0x0/0xe0000; N iptables -A cali-FORWARD -i cali+ -j cali-from-wl-dispatch
N iptables -A cali-FORWARD -o cali+ -j cali-to-wl-dispatch; N iptables -A FORWARD -m mark --mark 0x10000/0x10000 -j ACCEPT
N iptables -A cali-from-wl-dispatch -i cali1 -g cali-fw-cali1; N iptables -A cali-from-wl-dispatch -m comment --comment "Unknown interface" -j DROP
N iptables -A cali-to-wl-dispatch -o cali1 -g cali-tw-cali1; N iptables -A cali-to-wl-dispatch -m comment --comment "Unknown interface" -j DROP
for c in fw tw; do N iptables -A cali-$c-cali1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; N iptables -A cali-$c-cali1 -m conntrack --ctstate INVALID -j DROP
 N iptables -A cali-$c-cali1 -j MARK --set-xmark 0x0/0x10000; done
N iptables -A cali-fw-cali1 -p udp -m multiport --dports 4789 -j DROP; N iptables -A cali-fw-cali1 -p ipencap -j DROP
N iptables -A cali-fw-cali1 -j cali-pro-default; N iptables -A cali-fw-cali1 -m mark --mark 0x10000/0x10000 -j RETURN; N iptables -A cali-fw-cali1 -j DROP
N iptables -A cali-pro-default -j MARK --set-xmark 0x10000/0x10000
N iptables -A cali-tw-cali1 -j cali-pi-web; N iptables -A cali-tw-cali1 -m mark --mark 0x10000/0x10000 -j RETURN
N iptables -A cali-tw-cali1 -j cali-pro-default; N iptables -A cali-tw-cali1 -m mark --mark 0x10000/0x10000 -j RETURN; N iptables -A cali-tw-cali1 -j DROP
N iptables -A cali-pi-web -m set --match-set cali40s:web src -j MARK --set-xmark 0x10000/0x10000
N iptables -t nat -N cali-nat-outgoing; N iptables -t nat -A POSTROUTING -j cali-nat-outgoing
N iptables -t nat -A cali-nat-outgoing -m set --match-set cali40all-ipam-pools src -m set ! --match-set cali40all-ipam-pools dst -j MASQUERADE
n route add blackhole 10.244.1.128/26"""
# NodeLocal DNSCache: the service's address is the node's own, and its packets are not tracked.
NODE_LOCAL_DNS = """n link add nodelocaldns type bridge; n link set nodelocaldns up; n addr add 169.254.20.10/32 dev nodelocaldns; n addr add 10.96.0.10/32 dev nodelocaldns
for c in PREROUTING OUTPUT; do N iptables -t raw -A $c -d 10.96.0.10/32 -p udp -m udp --dport 53 -j CT --notrack; done
N iptables -A INPUT -d 10.96.0.10/32 -p udp -m udp --dport 53 -j ACCEPT; N iptables -t raw -A OUTPUT -s 10.96.0.10/32 -p udp -m udp --sport 53 -j CT --notrack"""
IPV6_ONLY = """p addr del 10.244.1.10/24 dev eth0
N ip6tables -t nat -A POSTROUTING -s fd00:1::/64 ! -d fd00:1::/64 -j MASQUERADE"""
PTP_TWICE = (
    LEAVE
    + """n link add vptp type veth peer name eth0 netns $F-p1; n link set vptp up; p link set eth0 up
for a in 10 20; do p addr add 10.66.0.$a/24 dev eth0; n route add 10.66.0.$a dev vptp; done
n addr add 10.66.0.1/32 dev vptp; p route del 10.66.0.0/24; p route del 10.66.0.0/24 2>/dev/null || true; p route add 10.66.0.1 dev eth0
p route add 10.66.0.0/24 via 10.66.0.1; p route add default via 10.66.0.1; N iptables -t nat -A POSTROUTING -s 10.66.0.0/24 ! -d 10.66.0.0/24 -j MASQUERADE"""
)
MACVLAN_ALONE = (
    LEAVE
    + """n link add link eth1 name mv1 type macvlan mode bridge; n link set mv1 netns $F-p1; p link set mv1 name eth0
p addr add 203.0.113.60/24 dev eth0; p link set eth0 up; p route add default via 203.0.113.1"""
)
UFW = """N iptables -P FORWARD DROP; N iptables -N ufw-before-forward; N iptables -N ufw-user-forward; N iptables -A FORWARD -j ufw-before-forward
N iptables -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; N iptables -A ufw-before-forward -p icmp -m icmp --icmp-type 8 -j ACCEPT
N iptables -A ufw-before-forward -j ufw-user-forward; N iptables -A ufw-user-forward -i cni0 -j ACCEPT; N iptables -A ufw-user-forward -o cni0 -j ACCEPT
N iptables -A FORWARD -m limit --limit 3/min -j LOG"""
MULTIPATH = "n route replace default nexthop via 192.168.50.1 nexthop via 203.0.113.1"
TWO_UPLINKS = """n rule add pref 99 lookup main suppress_prefixlength 0; n route add default via 203.0.113.1 dev eth1 table 201; n rule add pref 100 from 203.0.113.10 lookup 201
n route add default via 192.168.50.1 dev eth0 table 202; n rule add pref 101 from 192.168.50.10 lookup 202"""
VPN = "n rule add pref 5210 fwmark 0x80000/0xff0000 lookup main; n rule add pref 5270 lookup 52; n route add 100.64.0.0/10 dev eth1 table 52"
SYN_FLOOD_GUARD = """N iptables -I FORWARD -p tcp --syn -m hashlimit --hashlimit-above 10000/sec --hashlimit-name g -j DROP
N iptables -I INPUT -m mac --mac-source 02:99:99:99:99:99 -j DROP; N iptables -I FORWARD -m conntrack --ctstate INVALID -j DROP
N iptables -I FORWARD -p tcp --tcp-flags ALL NONE -j DROP; N iptables -I FORWARD -m recent --name bad --rcheck --seconds 60 -j DROP
N iptables -I FORWARD -m string --algo bm --string malware -j DROP"""
FIREWALLD = """N nft -f - <<'RULES'
table inet firewalld {
 chain filter_FORWARD { type filter hook forward priority filter + 10; policy accept
  ct state { established, related } accept
  ct status dnat accept
  iifname "lo" accept
  ct state invalid drop
  jump filter_FORWARD_ZONES
  reject with icmpx admin-prohibited; }
 chain filter_FORWARD_ZONES {
  iifname "cni0" goto filter_FWD_trusted
  iifname "flannel.1" goto filter_FWD_trusted
  iifname "eth0" goto filter_FWD_public; }
 chain filter_FWD_trusted { accept; }
 chain filter_FWD_public { oifname "cni0" accept
  reject with icmpx admin-prohibited; }
 chain filter_INPUT { type filter hook input priority filter + 10; policy accept
  ct state { established, related } accept
  iifname { "lo", "cni0", "cali1", "flannel.1" } accept
  meta l4proto { icmp, ipv6-icmp } accept
  tcp dport { 22, 6443, 10250 } accept
  udp dport 8472 accept
  reject with icmpx admin-prohibited; }
}
RULES"""
STRICT = """N sysctl -qw net.ipv4.conf.all.rp_filter=1
for l in eth0 eth1 cni0 cali1 flannel/1; do N sysctl -qw net.ipv4.conf.$l.rp_filter=1; done"""
TWO_DEFAULTS = 'eval "$NET1"; p route add default via 172.30.0.1 dev net1 metric 500'
K3S = """N ipset create KUBE-DST-A hash:ip; N ipset add KUBE-DST-A 10.244.1.10; N ipset create KUBE-SRC-A hash:ip
for p in 10.244.1.11 10.244.2.2 10.244.1.1 10.244.1.130; do N ipset add KUBE-SRC-A $p; done
for c in KUBE-ROUTER-FORWARD KUBE-POD-FW-A KUBE-NWPLCY-A KUBE-NWPLCY-DEFAULT; do N iptables -N $c; done
N iptables -I FORWARD -m comment --comment "kube-router netpol" -j KUBE-ROUTER-FORWARD
N iptables -A KUBE-ROUTER-FORWARD -d 10.244.1.10/32 -m comment --comment "rule to jump traffic destined to POD" -j KUBE-POD-FW-A
N iptables -A KUBE-ROUTER-FORWARD -s 10.244.1.10/32 -j KUBE-POD-FW-A
N iptables -A KUBE-ROUTER-FORWARD -m mark --mark 0x20000/0x20000 -j ACCEPT
N iptables -A KUBE-POD-FW-A -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; N iptables -A KUBE-POD-FW-A -m conntrack --ctstate INVALID -j DROP
N iptables -A KUBE-POD-FW-A -d 10.244.1.10/32 -m addrtype --src-type LOCAL -j ACCEPT
N iptables -A KUBE-POD-FW-A -d 10.244.1.10/32 -j KUBE-NWPLCY-A; N iptables -A KUBE-POD-FW-A -s 10.244.1.10/32 -j KUBE-NWPLCY-DEFAULT
N iptables -A KUBE-NWPLCY-A -m set --match-set KUBE-SRC-A src -m set --match-set KUBE-DST-A dst -j MARK --set-xmark 0x10000/0x10000
N iptables -A KUBE-NWPLCY-DEFAULT -j MARK --set-xmark 0x10000/0x10000
N iptables -A KUBE-POD-FW-A -m mark ! --mark 0x10000/0x10000 -m limit --limit 10/min -j NFLOG --nflog-group 100
N iptables -A KUBE-POD-FW-A -m mark ! --mark 0x10000/0x10000 -j REJECT --reject-with icmp-port-unreachable
N iptables -A KUBE-POD-FW-A -j MARK --set-xmark 0x0/0x10000; N iptables -A KUBE-POD-FW-A -j MARK --set-xmark 0x20000/0x20000"""
# A pod whose address is of the second NIC: its table has the default route of that one, by another router.
SECOND_NIC = (
    AWS
    + """
n route flush table 2; n route add 203.0.113.1 dev eth1 table 2; n route add default via 203.0.113.1 dev eth1 table 2
i link add i9 type veth peer name e9 netns $F-ext; i addr add 198.18.0.1/30 dev i9; i link set i9 up
x addr add 198.18.0.2/30 dev e9; x link set e9 up; I sysctl -qw net.ipv4.ip_forward=1; i route add 10.244.2.0/24 via 198.18.0.2
i route add 192.168.50.100 via 203.0.113.10; x route add 192.168.50.100 via 198.18.0.1
N iptables -t nat -I AWS-SNAT-CHAIN-0 -d 10.244.0.0/16 -j RETURN; N iptables -t nat -F PREROUTING
N iptables -t nat -A PREROUTING -d 10.96.0.10 -p tcp --dport 80 -j DNAT --to 10.244.2.2:8080"""
)
FLANNEL_V6 = """n link add flannel-v6.1 type vxlan id 1 dstport 8472 nolearning local fd00:50::10 dev eth0
x link add flannel-v6.1 type vxlan id 1 dstport 8472 nolearning local fd00:50::1 dev e0
n link set flannel-v6.1 address 02:00:00:00:61:01 up mtu 1430; x link set flannel-v6.1 address 02:00:00:00:62:02 up mtu 1430
n addr add fd00:1::/128 dev flannel-v6.1 nodad; x addr add fd00:2::/128 dev flannel-v6.1 nodad
n neigh add fd00:2:: lladdr 02:00:00:00:62:02 dev flannel-v6.1 nud permanent; N bridge fdb append 02:00:00:00:62:02 dev flannel-v6.1 dst fd00:50::1
x neigh add fd00:1:: lladdr 02:00:00:00:61:01 dev flannel-v6.1 nud permanent; X bridge fdb append 02:00:00:00:61:01 dev flannel-v6.1 dst fd00:50::10
n route add fd00:2::/64 via fd00:2:: dev flannel-v6.1 onlink; x route del fd00:1::/64; x route add fd00:1::/64 via fd00:1:: dev flannel-v6.1 onlink
x addr add fd00:2::1/64 dev vr1 nodad; r addr add fd00:2::2/64 dev eth0 nodad; r route add default via fd00:2::1
X sysctl -qw net.ipv6.conf.all.forwarding=1; N ip6tables -t nat -A POSTROUTING -s fd00:1::/64 ! -d fd00::/16 -j MASQUERADE"""
# A bridge without an address, as for a VLAN of the bridge plugin: a veth of the node that is its port has the gateway's.
VLAN_GATEWAY = (
    LEAVE
    + """n link add br8 type bridge; n link set br8 up; n link add br8.100 type veth peer name gw8
n link set gw8 master br8 up; n link set br8.100 up; n addr add 10.88.0.1/24 dev br8.100
n link add v8 type veth peer name eth0 netns $F-p1; n link set v8 master br8 up; n link set v8 type bridge_slave hairpin on
p link set eth0 up; p addr add 10.88.0.10/24 dev eth0; p route add default via 10.88.0.1
N iptables -t nat -A POSTROUTING -s 10.88.0.0/24 ! -d 10.88.0.0/24 -j MASQUERADE"""
)
OUTER = """x addr add 198.51.100.1/32 dev lo; N bridge fdb del 02:00:00:00:02:02 dev flannel.1 dst 192.168.50.1
N bridge fdb append 02:00:00:00:02:02 dev flannel.1 dst 198.51.100.1"""
AFFINITY = """N iptables -t nat -F PREROUTING; N iptables -t nat -N KUBE-SVC-A; N iptables -t nat -N KUBE-SEP-A
N iptables -t nat -A PREROUTING -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-A
N iptables -t nat -A PREROUTING -d 10.96.0.10/32 -p udp -m udp --dport 53 -j DNAT --to-destination 10.244.1.11:53
N iptables -t nat -A KUBE-SVC-A -m recent --name KUBE-SEP-A --rcheck --seconds 10800 --reap -j KUBE-SEP-A; N iptables -t nat -A KUBE-SVC-A -j KUBE-SEP-A
N iptables -t nat -A KUBE-SEP-A -p tcp -m recent --name KUBE-SEP-A --set -j DNAT --to-destination 10.244.1.11:8080"""
ASLEEP = """N nft 'add table ip asleep { flags dormant; }'; N nft 'add chain ip asleep f { type filter hook forward priority 0; policy drop; }'"""
# Two networks that are apart give two pods one address.
TWICE_APART = """for k in 1 2; do n link add br7$k type bridge; n link set br7$k up; n link add v7$k type veth peer name net1 netns $F-p$k
n link set v7$k master br7$k up; ip -n $F-p$k link set net1 up; ip -n $F-p$k addr add 10.66.0.5/24 dev net1; done"""
SERVICE_CLASS = "n rule add pref 140 tos 0x10 lookup 141; n route add default via 203.0.113.1 table 141; "
SKIPPED = """n rule add pref 150 to 10.0.0.0/8 goto 160; n rule add pref 151 to 192.168.0.0/16 goto 160
n rule add pref 155 from 10.244.1.10 lookup 156; n route add default via 203.0.113.1 table 156; n rule add pref 160 from 10.255.0.1 lookup main"""
RESERVE = "n route add default via 203.0.113.254 dev eth1 metric 500; i link set i0 down"
LINKS_FORWARDING = "N sysctl -qw net.ipv6.conf.cni0.forwarding=0 net.ipv6.conf.eth0.forwarding=0"
# A host firewall that lets neighbour discovery pass as ufw does.
GUARDED6 = """N ip6tables -A INPUT -m conntrack --ctstate INVALID -j DROP; N ip6tables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
for t in neighbour-solicitation neighbour-advertisement; do N ip6tables -A INPUT -p ipv6-icmp --icmpv6-type $t -m hl --hl-eq 255 -j ACCEPT; done
N ip6tables -A INPUT -s fd00:1::/64 -j ACCEPT; N ip6tables -P INPUT DROP"""
# Two interfaces of each pod on one bridge: ARP for an address of a pod is answered by both of its interfaces.
ONE_BRIDGE = """for k in 1 2; do n link add w$k type veth peer name net1 netns $F-p$k; n link set w$k master cni0 up mtu 1450
n link set w$k type bridge_slave hairpin on; ip -n $F-p$k link set net1 up mtu 1450; ip -n $F-p$k addr add 10.244.1.10$k/24 dev net1; done
p neigh replace 10.244.1.11 lladdr $(ip netns exec $F-p2 cat /sys/class/net/net1/address) dev eth0 nud reachable
n neigh replace 10.244.1.101 lladdr $(ip netns exec $F-p1 cat /sys/class/net/eth0/address) dev cni0 nud reachable"""
# A bridge with a container of its own in the pod, as Docker makes it.
DOCKER_INSIDE = """p link add docker0 type bridge; p addr add 172.17.0.1/16 dev docker0; p link set docker0 up; p link add vd0 type veth peer name vd1
p link set vd0 master docker0 up; p link set vd1 up; P iptables -P FORWARD DROP; P iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
P sysctl -qw net.ipv4.ip_forward=1"""
