"""Packets that no connection test sends: of open connections, with other addresses, in VLANs, while rules change."""

import json
import select
import socket
import struct
import subprocess
import threading
import time
from contextlib import suppress
from functools import partial

import pytest

from genie_core.edges.netns import inside
from genie_core.policy.cluster import Cluster
from genie_core.policy.compile import compile_node
from genie_core.tasks.policy.connections import cut
from genie_core.tasks.policy.enforce import Judge
from genie_core.tasks.policy.kernel import Kernel
from tests.policy.generated import HAS, NETWORKS, World, addresses, attachment, mac
from tests.policy.lab import Lab, nft
from tests.policy.pings import answers, ping
from tests.policy.test_command import policy

ONE, TWO = "shop/one", "bank/two"  # a bridge, and macvlan
COMES = 60  # seconds that a packet which is allowed may take, on a busy machine
GRACE = 0.25  # seconds after which a packet that has not come was dropped
NUMBER = {network: number for network, (_, number) in NETWORKS.items()}


@pytest.fixture(scope="module")
def lab(cni_bin):
    made = Lab()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(autouse=True)
def no_rules(lab):
    yield
    lab.load({"host": "", "pods": [], "sysctls": {}})


def cluster(lab, *policies):
    pods = [
        {
            "kind": "Pod",
            "metadata": {"namespace": "shop", "name": f"pod{i}", "uid": f"uid{i}", "labels": {"pod": str(i)}},
            "spec": {"containers": []},
        }
        for i in range(len(HAS))
    ]
    world = World(pods, {"shop": {}}, list(policies), [])
    world.sandboxes = lab.sandboxes
    return compile_node(Cluster(world.documents()), "n1")


def only(index):
    return {"matchLabels": {"pod": str(index)}}


def from_pod(index, *ports):
    peer = {"from": [{"podSelector": only(index)}]}
    return [{**peer, "ports": [{"port": port} for port in ports]} if ports else peer]


def load(lab, ruleset):
    """As the engine does: the rules, then the connections that they do not allow any more."""
    document = ruleset.as_json()
    nft(lab.node, document["host"])
    gates = [gate for gate in ruleset.gates if gate.guarded.place.kind != "pod"]
    inside(str(lab.node.path), partial(cut, Judge(gates, set()).denies))
    for one in document["pods"]:
        pod = next(pod for pod in lab.pods if str(pod.path) == one["netns"])
        nft(pod, one["text"])
        own = [g for g in ruleset.gates if g.guarded.place.kind == "pod" and g.attached.netns == one["netns"]]
        inside(one["netns"], partial(cut, Judge(own, set()).denies))


class Open:
    """A TCP connection between two pods on one network, which echoes nothing by itself."""

    def __init__(self, lab, network, source, target, port=80):
        self.source = inside(str(lab.pods[source].path), partial(socket.socket))
        self.source.bind((addresses(NUMBER[network], source)[0], 0))
        self.source.settimeout(COMES)
        lab.receivers.hang_up()
        self.source.connect((addresses(NUMBER[network], target)[0], port))
        here = addresses(NUMBER[network], target)[0], port
        listener = next(one for one in lab.receivers.listeners if one.getsockname()[:2] == here)
        assert select.select([listener], [], [], COMES)[0]
        self.target = listener.accept()[0]

    def passes(self, sender, receiver, seconds=COMES):
        """Whether a byte arrives in time."""
        sender.send(b"x")
        return bool(select.select([receiver], [], [], seconds)[0] and receiver.recv(1))

    def close(self):
        for one in (self.source, self.target):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()


@pytest.mark.parametrize("network, source, target", [(ONE, 0, 1), (TWO, 0, 2)])
@pytest.mark.parametrize("first", ["source", "target"])
@pytest.mark.parametrize("before", [True, False])
def test_an_open_connection_that_is_not_allowed_any_more_is_cut(lab, network, source, target, first, before):
    """Whichever end sends first, and whether or not the kernel had tracked it before."""
    name = network if network == ONE else "bank/two"
    allowed = cluster(lab, policy(networks=name, podSelector=only(target), ingress=from_pod(source)))
    denied = cluster(lab, policy(networks=name, podSelector=only(target), ingress=from_pod(5)))
    if before:
        load(lab, allowed)
    connection = Open(lab, network, source, target)
    try:
        assert connection.passes(connection.source, connection.target)
        assert connection.passes(connection.target, connection.source)
        load(lab, denied)
        ends = [connection.source, connection.target]
        one, other = ends if first == "source" else ends[::-1]
        assert not connection.passes(one, other, GRACE)
        assert not connection.passes(other, one, GRACE)
    finally:
        connection.close()


@pytest.mark.parametrize("first", ["source", "target"])
def test_an_open_connection_that_is_allowed_goes_on_under_the_first_rules(lab, first):
    connection = Open(lab, ONE, 0, 1)
    try:
        load(lab, cluster(lab, policy(podSelector=only(1), ingress=from_pod(0, 80))))
        ends = [connection.source, connection.target]
        ends = ends if first == "source" else ends[::-1]
        assert connection.passes(*ends)
        assert connection.passes(*reversed(ends))
    finally:
        connection.close()


def test_the_nodes_own_packets_pass_to_its_pods_and_not_back(lab):
    own = policy(podSelector=only(0), policyTypes=["Ingress", "Egress"])
    load(lab, cluster(lab, own))
    assert answers(lab.node, addresses(NUMBER[ONE], 0)[0])
    assert not ping(lab.pods[0], f"10.77.{NUMBER[ONE]}.1", "net1")


def sent_by_the_node(source, target):
    """Send a packet from the node with another's address, as IPVS and transparent proxies do."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as one,
        suppress(PermissionError),  # dropped in the output
    ):
        one.sendto(ipv4(source, target), (target, 0))


@pytest.mark.parametrize("network, target", [(ONE, 1), ("cni/direct", 1)])
def test_what_the_node_sends_for_others_meets_the_rules(lab, network, target):
    """A client's packet that leaves the node by its output is the client's, also where it comes by a service."""
    number = NUMBER[network]
    address = addresses(number, target)[0]
    ifname = f"net{HAS[target].index(network)}"

    def comes(source, seconds):
        with inside(
            str(lab.pods[target].path), lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300)
        ) as into:
            into.bind((ifname, 3))
            into.settimeout(seconds)
            inside(str(lab.node.path), partial(sent_by_the_node, source, address))
            try:
                while not into.recv(2048).endswith(b"mark"):
                    pass
            except TimeoutError:
                return False
            return True

    client, other, node = addresses(number, 3)[0], addresses(number, 5)[0], f"10.77.{number}.1"
    allow = [{"from": [{"ipBlock": {"cidr": f"{client}/32"}}]}]
    load(
        lab,
        cluster(lab, policy(networks=network.removeprefix("shop/"), podSelector=only(target), ingress=allow)),
    )
    assert comes(client, COMES)
    assert comes(node, COMES)
    assert comes(address, COMES)
    assert not comes(other, GRACE)


def frames(lab, sender, receiver, made, seconds=COMES):
    """Whether a frame that a pod writes by itself comes out at another's interface in time."""
    with (
        inside(
            str(lab.pods[receiver].path), lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300)
        ) as into,
        inside(str(lab.pods[sender].path), lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as out,
    ):
        into.bind(("net1", 3))
        into.settimeout(seconds)
        out.bind(("net1", 0))
        out.send(made)
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                if made[-4:] in into.recv(2048):
                    return True
        except TimeoutError:
            pass
        return False


def raw(value):
    return bytes.fromhex(value.replace(":", ""))


def ipv4(source, target):
    head = struct.pack(
        "!BBHHHBBH4s4s", 69, 0, 32, 7, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(target)
    )
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~total & 0xFFFF) + head[12:]
    return head + struct.pack("!HHHH", 5000, 80, 12, 0) + b"mark"


@pytest.mark.parametrize(
    "kind, ethertype", [("its own address", 0), ("another address", 0), ("VLAN", 0x8100), ("IPX", 0x8137)]
)
def test_a_pod_that_may_send_nothing_sends_nothing(lab, kind, ethertype):
    """Neither under another address, nor in a VLAN, nor in a protocol that has no addresses."""
    sender, target = addresses(NUMBER[ONE], 0)[0], addresses(NUMBER[ONE], 1)[0]
    source = "10.77.1.200" if kind == "another address" else sender
    ends = raw(mac(NUMBER[ONE], 1)) + raw(mac(NUMBER[ONE], 0))
    tag = struct.pack("!HH", 0x8100, 5) if ethertype == 0x8100 else b""
    proto = struct.pack("!H", ethertype if ethertype == 0x8137 else 0x0800)
    made = ends + tag + proto + ipv4(source, target)
    assert frames(lab, 0, 1, made)
    load(lab, cluster(lab, policy(podSelector=only(0), policyTypes=["Egress"])))
    assert not frames(lab, 0, 1, made, GRACE)


def test_a_packet_with_a_vlan_tag_meets_the_rules_of_a_bridge_with_vlans(lab):
    """From a trunk it comes with a tag, and loses it at the pod's port: there is nothing to know it by."""
    pod = {"kind": "Pod", "metadata": {"namespace": "shop", "name": "pod1", "uid": "uid1"}}
    item = attachment(1, ONE, 1, lab.sandboxes[1])
    item["config"]["vlan"] = 5
    documents = [pod, policy(), {"kind": "AttachmentList", "node": "n1", "items": [item]}]
    sender, target = addresses(NUMBER[ONE], 0)[0], addresses(NUMBER[ONE], 1)[0]
    ends = raw(mac(NUMBER[ONE], 1)) + raw(mac(NUMBER[ONE], 0))
    made = ends + struct.pack("!HHH", 0x8100, 5, 0x0800) + ipv4(sender, target)
    lab.load(compile_node(Cluster(documents), "n1").as_json())
    try:
        assert not frames(lab, 0, 1, made, GRACE)
        text = lab.node.run("nft", "list", "table", "inet", "genie_policy").stdout
    finally:
        lab.write_sysctl(lab.node, "net.bridge.bridge-nf-filter-vlan-tagged", "0")
    denied = [line for line in text.splitlines() if "deny MultiNetworkPolicy shop/web" in line]
    assert any("packets 1 " in line for line in denied), denied


@pytest.mark.parametrize("address", ["255.255.255.255", "224.0.0.251", "10.77.1.99"])
def test_a_pod_that_may_take_nothing_takes_nothing(lab, address):
    """Nor what is sent to all, or to an address that it does not have, by its hardware address."""
    ends = raw(mac(NUMBER[ONE], 1)) + raw(mac(NUMBER[ONE], 0))
    made = ends + struct.pack("!H", 0x0800) + ipv4(addresses(NUMBER[ONE], 0)[0], address)
    assert frames(lab, 0, 1, made)
    load(lab, cluster(lab, policy(podSelector=only(1))))
    assert not frames(lab, 0, 1, made, GRACE)


def test_an_address_that_peers_may_have_cannot_be_borrowed(lab):
    """A pod that no policy isolates sends with the address of another pod, which the target allows."""
    ends = raw(mac(NUMBER[ONE], 1)) + raw(mac(NUMBER[ONE], 0))
    made = ends + struct.pack("!H", 0x0800) + ipv4(addresses(NUMBER[ONE], 4)[0], addresses(NUMBER[ONE], 1)[0])
    load(lab, cluster(lab, policy(podSelector=only(1), ingress=from_pod(4))))
    assert not frames(lab, 0, 1, made, GRACE)


def test_a_packet_for_a_pod_comes_to_no_other_pod(lab):
    """A bridge delivers by hardware address, and ARP or a forged frame can give a pod's address to another one's."""
    ends = raw(mac(NUMBER[ONE], 4)) + raw(mac(NUMBER[ONE], 0))
    made = ends + struct.pack("!H", 0x0800) + ipv4(addresses(NUMBER[ONE], 0)[0], addresses(NUMBER[ONE], 1)[0])
    assert frames(lab, 0, 4, made)
    to_one = [{"to": [{"podSelector": only(1)}]}]
    load(lab, cluster(lab, policy(podSelector=only(0), policyTypes=["Egress"], egress=to_one)))
    assert not frames(lab, 0, 4, made, GRACE)
    right = raw(mac(NUMBER[ONE], 1)) + made[6:]
    assert frames(lab, 0, 1, right)


def ipv6(source, target):
    head = struct.pack("!IHBB", 6 << 28, 12, 17, 64)
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    return head + ends + struct.pack("!HHHH", 5000, 80, 12, 0) + b"mark"


@pytest.mark.parametrize("sender", [0, 2])
def test_a_packet_with_the_address_of_its_target_is_no_way_in(lab, sender):
    """A packet whose source is its target: from a pod of the same bridge, and routed from another network."""
    target = addresses(NUMBER[ONE], 1)[1]
    router = json.loads(lab.node.run("ip", "-json", "link", "show", "wire2").stdout)[0]["address"]
    to = mac(NUMBER[ONE], 1) if sender == 0 else router
    made = raw(to) + raw(mac(NUMBER[ONE] if sender == 0 else NUMBER[TWO], sender))
    made += struct.pack("!H", 0x86DD) + ipv6(target, target)
    assert frames(lab, sender, 1, made)
    load(lab, cluster(lab, policy(podSelector=only(1))))
    assert not frames(lab, sender, 1, made, GRACE)


def resolution(kind, hops, group=""):
    """Send an ICMPv6 message of this type with a payload, from the pod's own address on the bridge, to an address."""

    def send(source, target):
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as one:
            one.bind((source, 0))
            option = socket.IPV6_MULTICAST_HOPS if group else socket.IPV6_UNICAST_HOPS
            one.setsockopt(socket.IPPROTO_IPV6, option, hops)
            to = (group or target, 0, 0, socket.if_nametoindex("net1") if group else 0)
            one.sendto(bytes([kind, 0, 0, 0]) + bytes(20) + b"mark", to)

    return send


@pytest.mark.parametrize(
    "network, made",
    [
        ("cni/bridge", resolution(135, 255)),  # the node decrements it
        ("cni/bridge", resolution(143, 2)),
        (ONE, resolution(136, 64)),
        (ONE, resolution(134, 255, "ff02::1")),  # a router's advertisement
    ],
)
def test_a_payload_is_no_address_resolution(lab, network, made):
    """ICMPv6 messages that need no policy leave no link, and a pod that may send nothing is no router."""
    source = addresses(NUMBER[ONE], 0)[1]
    target = addresses(NUMBER[network], 1)[1]

    def comes(seconds):
        def receiver():
            one = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            one.settimeout(seconds)
            return one

        with inside(str(lab.pods[1].path), receiver) as into:
            inside(str(lab.pods[0].path), partial(made, source, target))
            end = time.monotonic() + seconds
            try:
                while time.monotonic() < end:
                    if into.recv(100).endswith(b"mark"):
                        return True
            except TimeoutError:
                pass
            return False

    assert comes(COMES)
    load(lab, cluster(lab, policy(podSelector=only(0), policyTypes=["Egress"])))
    assert not comes(GRACE)


def test_neighbours_are_found_under_rules_in_both_directions(lab):
    both = {"policyTypes": ["Ingress", "Egress"], "egress": [{"to": [{"podSelector": only(1)}]}]}
    load(lab, cluster(lab, policy(ingress=from_pod(0), **both)))
    for index in (0, 1):
        lab.pods[index].run("ip", "-6", "neighbour", "flush", "dev", "net1")
    source, target = (addresses(NUMBER[ONE], index)[1] for index in (0, 1))
    receiver = next(one for one in lab.receivers.datagrams if one.getsockname()[:2] == (target, 5000))

    def send():
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
            one.bind((source, 0))
            one.sendto(b"x", (target, 5000))

    inside(str(lab.pods[0].path), send)
    assert select.select([receiver], [], [], COMES)[0]
    lab.receivers.drain()


def link_local(lab, index):
    text = lab.pods[index].run("ip", "-6", "-o", "address", "show", "dev", "net1", "scope", "link").stdout
    return text.split()[3].partition("/")[0]


def test_link_local_addresses_are_no_way_around(lab):
    """Nor does an exchange of datagrams go on that was open when policies forbid it."""

    def bound(index):
        one = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        one.bind((link_local(lab, index), 81, 0, socket.if_nametoindex("net1")))
        return one

    def sends(source, target, seconds=COMES):
        to = ends[target].getsockname()[:3]
        ends[source].sendto(b"x", (*to, ends[source].getsockname()[3]))
        ends[target].settimeout(seconds)
        try:
            return ends[target].recv(10) == b"x"
        except TimeoutError:
            return False

    ends = [inside(str(lab.pods[index].path), partial(bound, index)) for index in (0, 1)]
    load(lab, cluster(lab, policy(podSelector=only(1), ingress=[{}])))
    assert sends(0, 1)
    assert sends(1, 0)
    load(lab, cluster(lab, policy(podSelector=only(1))))
    assert not sends(0, 1, GRACE)
    load(lab, cluster(lab, policy(podSelector=only(0), policyTypes=["Egress"])))
    assert not sends(0, 1, GRACE)
    for one in ends:
        one.close()


@pytest.mark.parametrize("how", ["as a text", "by what differs", "by their names"])
def test_rules_that_are_replaced_under_a_flood_let_nothing_slip(lab, how):
    """New connections all the time, while the rules are replaced 200 times: by the text that is printed, or as the
    engine does with tables that it has loaded, and with those that it has not."""
    allowed, denied = (addresses(NUMBER[ONE], 0)[0], addresses(NUMBER[ONE], 4)[0])
    target = addresses(NUMBER[ONE], 1)[0]
    rulesets = [
        cluster(
            lab,
            policy(f"p{n}", podSelector=only(1), ingress=from_pod(0)),
            policy("x", podSelector=only(n % 7)),
        )
        for n in range(2)
    ]
    for index in (0, 4):  # no packet waits for, or is lost by, the resolution of an address
        assert answers(lab.pods[index], target, "net1")
    nft(lab.node, rulesets[0].host_text)
    done = threading.Event()
    sent = {allowed: 0, denied: 0}

    def flood(index, address):
        def run():
            while not done.is_set():
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                    one.bind((address, 0))
                    one.sendto(address.encode(), (target, 5000))
                sent[address] += 1
                time.sleep(0.0005)

        inside(str(lab.pods[index].path), run)

    receiver = next(one for one in lab.receivers.datagrams if one.getsockname()[:2] == (target, 5000))
    receiver.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
    list(lab.receivers.drain())
    threads = [threading.Thread(target=flood, args=one) for one in ((0, allowed), (4, denied))]
    for one in threads:
        one.start()
    argv = ["ip", "netns", "exec", lab.node.name, "nft", "-f", "-"]
    known = Kernel()
    for number in range(200):
        ruleset = rulesets[number % 2]
        if how == "as a text":
            subprocess.run(argv, input=ruleset.host_text, text=True, check=True)
        else:
            kernel = known if how == "by what differs" else Kernel()
            kernel.load(ruleset.host, str(lab.node.path))
    done.set()
    for one in threads:
        one.join()
    came = {allowed: 0, denied: 0}
    # a busy kernel delivers the last ones late
    while select.select([receiver], [], [], 0.1 if came[allowed] == sent[allowed] else 10)[0]:
        came[receiver.recv(64).decode()] += 1
    assert sent[denied] > 200
    assert came == {allowed: sent[allowed], denied: 0}
