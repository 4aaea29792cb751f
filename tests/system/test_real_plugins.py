"""The reference plugins through Genie: what a pod gets, and that nothing of it is left after DEL."""

import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha512

import pytest

from tests.system import audit
from tests.system.node import CNI_BIN, PATH, finish

pytestmark = [pytest.mark.system]


def addresses(result):
    return [ip["address"] for ip in result["ips"]]


# --- what a pod gets ------------------------------------------------------------------------------------


def test_a_pod_gets_each_network_that_it_names(node, settled):
    result = node.add("blue,red@net7,green")
    links = node.pod.links()
    assert set(links) == {"eth0", "net7", "eth1"}
    assert links["eth0"][0].startswith("10.1.")
    assert links["net7"][0].startswith("10.2.")
    assert links["eth1"][0].startswith("10.3.")
    assert [ip.rpartition("/")[0].rpartition(".")[0] for ip in addresses(result)] == [
        "10.1.0",
        "10.2.0",
        "10.3.0",
    ]
    node.delete()


def chain(node, *plugins, name="chained", **bridge):
    """A list of bridge and other plugins, dual stack."""
    first = {
        "type": "bridge",
        "bridge": "br1",
        "isGateway": True,
        "ipMasq": True,
        "ipam": node.ipam("10.4.0.0/24", "fd00:4::/64"),
        **bridge,
    }
    node.configure("40-chained.conflist", {"cniVersion": "1.0.0", "name": name, "plugins": [first, *plugins]})


@pytest.fixture
def chained(node):
    """A network with a bridge and everything that Debian's plugins can chain to it here."""
    chain(
        node,
        {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
        {"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.arp_notify": "1"}, "mtu": 1400},
        {"type": "firewall", "backend": "iptables"},
    )


def wrong(node):
    """Mistakes in definitions, each with the message of the ADD."""
    right = node.ipam("10.6.0.0/24")
    misspelt = {**right, "type": "host-locl"}
    bad = {"type": "host-local", "dataDir": str(node.leases), "subnet": "10.6.0.0.0/24"}
    return {
        "macvlan, no master": ({"type": "macvlan", "master": "nosuch", "ipam": right}, "Link not found"),
        "macvlan, misspelt IPAM": ({"type": "macvlan", "master": "up0", "ipam": misspelt}, "host-locl"),
        "macvlan, bad CIDR": ({"type": "macvlan", "master": "up0", "ipam": bad}, "invalid CIDR address"),
        "bridge, misspelt IPAM": ({"type": "bridge", "bridge": "br0", "ipam": misspelt}, "host-locl"),
        "bridge, bad CIDR": (
            {"type": "bridge", "bridge": "br0", "ipMasq": True, "ipam": bad},
            "invalid CIDR",
        ),
        "host-device, no device": (
            {"type": "host-device", "device": "nosuch", "ipam": right},
            "Link not found",
        ),
    }


@pytest.mark.parametrize(
    "what",
    [
        "macvlan, no master",
        "macvlan, misspelt IPAM",
        "macvlan, bad CIDR",
        "bridge, misspelt IPAM",
        "bridge, bad CIDR",
        "host-device, no device",
    ],
)
def test_a_wrong_definition_leaves_one_record_which_gc_removes_with_its_namespace(node, before, what):
    plugin, words = wrong(node)[what]
    node.configure("50-wrong.conf", {"cniVersion": "1.0.0", "name": "wrong", **plugin})
    before |= {"conf 50-wrong.conf"}
    pod = node.add_pod()
    for number in range(2):
        outcome = node.call("ADD", f"try{number}", netns=pod.path, annotations={"cni": "blue,wrong@net1"})
        assert words in outcome.reply["msg"]
        node.delete(f"try{number}", netns=pod.path)
        assert len(node.state_files()) <= 1
        node.pods.remove(pod)
        pod.remove()
        pod = node.add_pod()
    node.pods.remove(pod)
    pod.remove()
    collected = node.call("GC", version="1.1.0", **{"cni.dev/valid-attachments": None})
    assert collected.status == 0, collected
    assert audit.left(node, before) == ""


def test_an_address_that_was_taken_before_the_add_failed_is_given_back(node, before):
    """The master goes while the plugin behind it fails: macvlan's DEL does not come as far as IPAM then."""
    link = {"type": "macvlan", "master": "up0", "ipam": node.ipam("10.6.0.0/24")}
    plugins = [link, {"type": "tuning"}]
    node.configure("50-wrong.conflist", {"cniVersion": "1.0.0", "name": "wrong", "plugins": plugins})
    node.wrap(
        "tuning",
        f'[ "$CNI_COMMAND" != ADD ] || {{ ls {node.leases}; ip link del up0; exit 1; }} >&2\nexec "$REAL"',
    )
    outcome = node.call("ADD", annotations={"cni": "wrong"})
    assert "wrong" in outcome.reply["msg"]  # the folder of the network's leases was there
    assert not list(node.leases.glob("wrong/10.*"))
    node.delete()
    assert not list(node.leases.glob("wrong/10.*"))


def test_a_master_that_is_gone_holds_neither_the_pod_nor_its_address(node):
    """macvlan's DEL fails without its master. Only the address is left, and IPAM gives that back at once."""
    link = {"type": "macvlan", "master": "nic0", "ipam": node.ipam("10.6.0.0/24")}
    node.configure("50-gone.conf", {"cniVersion": "1.0.0", "name": "gone", **link})
    node.host.run("ip", "link", "add", "nic0", "type", "veth", "peer", "name", "nic1")
    node.add("blue,gone@net1")
    node.host.run("ip", "link", "del", "nic0")
    node.delete()
    assert node.held() == []
    assert node.state_files() == []


RUNTIME = {
    "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}],
}


def test_a_chain_with_port_mapping_tuning_and_firewall_on_both_families(node, chained):
    node.add("chained", runtime=RUNTIME)
    node.delete()
    before = node.trace()
    result = node.add("chained", runtime=RUNTIME)
    assert [address.partition("/")[0][:6] for address in addresses(result)] == ["10.4.0", "fd00:4"]
    rules = node.host.run("nft", "list", "ruleset").stdout
    assert "8080" in rules
    link = json.loads(node.pod.run("ip", "-json", "link", "show", "eth0").stdout)[0]
    assert link["mtu"] == 1400
    assert node.pod.run("sysctl", "-n", "net.ipv4.conf.eth0.arp_notify").stdout.strip() == "1"
    node.delete()
    assert audit.left(node, before) == ""


def test_a_bandwidth_limit_reaches_the_kernel_or_the_pod_is_refused_whole(node):
    """Without the kernel's ifb or tbf the plugin fails: then the bridge before it in the chain is undone."""
    chain(node, {"type": "bandwidth", "capabilities": {"bandwidth": True}})
    node.add("chained")
    node.delete()
    before = node.trace()
    limits = {"ingressRate": 1000000, "ingressBurst": 500000}
    outcome = node.call("ADD", annotations={"cni": "chained"}, runtime={"bandwidth": limits})
    if outcome.status == 0:
        shaped = node.host.run("tc", "qdisc").stdout
        assert "tbf" in shaped
    else:
        assert "plugin bandwidth" in outcome.reply["msg"]
        assert audit.left(node, before) == ""
    node.delete()
    assert audit.left(node, before) == ""


@pytest.mark.parametrize("version", ["0.2.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_every_version_of_genies_own_configuration(node, settled, version):
    outcome = node.call("ADD", annotations={"cni": "blue,green"}, version=version)
    assert (outcome.status, outcome.reply["cniVersion"]) == (0, version)
    node.delete(version=version)


def user_space(node, **result):
    """A network whose device no kernel drives, as those of host-device and sriov with DPDK."""
    printed = {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "IF", "mac": "02:00:00:00:00:01", "sandbox": "NS"}],
        "ips": [{"address": "10.9.0.2/24", "gateway": "10.9.0.1", **result}],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.9.0.1"}],
    }
    shell = f"sed -e s/IF/$CNI_IFNAME/ -e s#NS#$CNI_NETNS# <<'END'\n{json.dumps(printed)}\nEND"
    node.wrap("user-space", f'[ "$CNI_COMMAND" = ADD ] || exit 0\n{shell}')
    node.configure("50-user.conf", {"cniVersion": "1.0.0", "name": "user", "type": "user-space"})


@pytest.mark.parametrize("cni", ["blue,user@net1", "user", "user,blue@net1"])
@pytest.mark.parametrize("indexed", [True, False])
def test_check_passes_after_the_add_of_a_device_that_the_kernel_does_not_have(node, cni, indexed):
    """CRI-O calls CHECK after each ADD. What was there at the end of ADD is verified, and only that."""
    user_space(node, **({"interface": 0} if indexed else {}))
    check = {"annotations": {"cni": cni}, "prevResult": node.add(cni)}
    for _ in range(2):
        outcome = node.call("CHECK", **check)
        assert outcome.status == 0, outcome
    if "blue" in cni:
        node.pod.run("ip", "link", "delete", "eth0" if cni.startswith("blue") else "net1")
        assert node.call("CHECK", **check).status == 1
    node.delete()


def direct(node, verb, plugin):
    """A call of a plugin without Genie, as the runtime makes it for the others of a chain: its result."""
    done = subprocess.run(
        node.inside(CNI_BIN / plugin["type"]),
        env=node.env(verb),
        input=json.dumps(plugin),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout or "null")


def test_behind_an_interface_plugin_genie_adds_what_the_pod_asks_for(node, settled):
    """The chain's interface is the pod's primary one, and keeps the default route."""
    ipam = node.ipam("10.6.0.0/24")
    bridge = {"cniVersion": "1.0.0", "name": "chain", "type": "bridge", "bridge": "br1", "ipam": ipam}
    bridge |= {"isDefaultGateway": True}
    previous = direct(node, "ADD", bridge)
    selection = {"annotations": {"cni": "red@net1"}, "prevResult": previous}
    outcome = node.call("ADD", **selection)
    assert outcome.status == 0, outcome
    assert [address[:5] for address in addresses(outcome.reply)] == ["10.6.", "10.2."]
    routes = json.loads(node.pod.run("ip", "-json", "route", "show", "default").stdout)
    assert [route["dev"] for route in routes] == ["eth0"]
    check = node.call("CHECK", annotations=selection["annotations"], prevResult=outcome.reply)
    assert check.status == 0, check
    node.delete(prevResult=outcome.reply)
    assert set(node.pod.links()) == {"eth0"}
    direct(node, "DEL", {**bridge, "prevResult": outcome.reply})
    settled |= {line for line in node.trace() if " br1" in line}  # the bridge itself


def test_check_of_the_plugin_before_genie_passes_with_the_primary_result(node, settled):
    """A73: bridge expects all addresses of the chain's result on its own interface."""
    bridge = {"cniVersion": "1.0.0", "name": "chain", "type": "bridge", "bridge": "br1"}
    bridge |= {"ipam": node.ipam("10.6.0.0/24")}
    node.settings["result"] = "primary"
    final = node.add("red@net1", prevResult=direct(node, "ADD", bridge))
    assert node.call("CHECK", prevResult=final).status == 0
    direct(node, "CHECK", {**bridge, "prevResult": final})
    node.delete(prevResult=final)
    direct(node, "DEL", {**bridge, "prevResult": final})
    settled |= {line for line in node.trace() if " br1" in line}


@pytest.mark.parametrize("version", ["0.4.0", "1.0.0"])
def test_check_passes_where_a_plugin_behind_genie_has_set_the_mac_address(node, settled, version):
    """A73: bridge's own CHECK compares the MAC address with the result that it is given."""
    mac = "c2:b0:57:49:47:aa"
    added = node.add(version=version)
    tuning = {"cniVersion": version, "name": "genie", "type": "tuning", "mac": mac, "prevResult": added}
    tuned = direct(node, "ADD", tuning)
    assert [link["mac"] for link in tuned["interfaces"] if link["name"] == "eth0"] == [mac]
    check = node.call("CHECK", prevResult=tuned, version=version)
    assert (check.status, check.reply) == (0, None), check
    node.pod.run("ip", "link", "set", "eth0", "address", "c2:b0:57:49:47:bb")
    check = node.call("CHECK", prevResult=tuned, version=version)
    assert check.status == 1, check
    direct(node, "DEL", {**tuning, "prevResult": tuned})  # a runtime ends a chain from behind
    node.delete(version=version, prevResult=tuned)


def test_check_passes_where_the_runtime_has_an_older_mac_address(node, settled):
    """A repair makes an interface again: the runtime keeps the result of the ADD."""
    added = node.add()
    old = {link["name"]: {**link, "mac": "c2:b0:57:49:47:cc"} for link in added["interfaces"]}
    check = node.call("CHECK", prevResult={**added, "interfaces": [*old.values()]})
    assert (check.status, check.reply) == (0, None), check
    node.delete()


def nft_masquerading(network, container, ifname, address):
    """What bridge makes with `ipMasqBackend: nftables`, as recorded from its version 1.9."""
    digests = (sha512(text.encode()).hexdigest()[:16] for text in (network, f"{ifname}:{container}"))
    comment = f"{'-'.join(digests)}, net: {network}, if: {ifname}, id: {container}"[:128]
    return f"""
add table inet cni_plugins_masquerade
add chain inet cni_plugins_masquerade masq_checks
add rule inet cni_plugins_masquerade masq_checks ip saddr {address} ip daddr != 10.1.0.0/16 masquerade \
    comment "{comment}"
"""


@pytest.mark.parametrize("how", ["DEL", "GC"])
def test_masquerading_by_nftables_goes_where_the_namespace_is_gone(node, settled, how):
    """Debian's bridge makes none; those of another container stay."""
    node.add("blue", "c" * 64)
    rules = nft_masquerading("blue", "c" * 64, "eth0", "10.1.0.2")
    others = nft_masquerading("blue", "d" * 64, "eth0", "10.1.0.3")
    node.host.run("nft", rules + others)
    node.pods.remove(pod := node.pod)
    pod.remove()
    if how == "DEL":
        node.delete("c" * 64, netns=pod.path)
    else:
        assert node.call("GC", netns="", version="1.1.0", **{"cni.dev/valid-attachments": None}).status == 0
    left = node.host.run("nft", "list", "chain", "inet", "cni_plugins_masquerade", "masq_checks").stdout
    assert ("10.1.0.2" in left, "10.1.0.3" in left) == (False, True)
    node.host.run("nft", "delete table inet cni_plugins_masquerade")
    settled -= {line for line in settled if pod.name in line}


@pytest.mark.parametrize("how", ["DEL", "GC"])
def test_a_host_device_gives_its_address_back_where_the_namespace_is_gone(node, settled, how):
    """The plugin fails where it cannot open the namespace, and without one it calls no IPAM."""
    node.host.run("ip", "link", "add", "dev0", "type", "veth", "peer", "name", "dev1")
    device = {"type": "host-device", "device": "dev0", "ipam": node.ipam("10.6.0.0/24")}
    node.configure("50-device.conf", {"cniVersion": "1.0.0", "name": "device", **device})
    node.add("blue,device@net1")
    node.pods.remove(pod := node.pod)
    pod.remove()
    if how == "DEL":
        node.delete(netns=pod.path)
    else:
        assert node.call("GC", netns="", version="1.1.0", **{"cni.dev/valid-attachments": None}).status == 0
    assert node.held() == []
    assert node.state_files() == []
    settled -= {line for line in settled if pod.name in line}
    settled |= {"conf 50-device.conf"}


def test_check_of_a_chain_follows_what_is_really_there(node):
    """portmap is left out: v1.1.1 does not find its own rules again under iptables-nft."""
    chain(node, {"type": "tuning", "mtu": 1400}, {"type": "firewall", "backend": "iptables"})
    node.add("chained,red")
    node.delete()
    before = node.trace()
    result = node.add("chained,red")
    check = {"annotations": {"cni": "chained,red"}, "prevResult": result}
    outcome = node.call("CHECK", **check)
    assert outcome.status == 0, outcome
    node.pod.run("ip", "link", "set", "eth0", "mtu", "1300")
    assert node.call("CHECK", **check).status == 1
    node.delete()
    assert audit.left(node, before) == ""


@pytest.mark.parametrize(
    "asked, plugin, subnet, words",
    [
        ("blue,wrong", {"type": "macvlan", "master": "eth99"}, "10.6.0.0/24", "(master eth99)"),
        ("blue,wrong", {"type": "ptp"}, "10.6.0.1/24", "the subnet's own address"),
        ("wrong,wrong", {"type": "ptp"}, "10.6.0.0/24", "each step's routes"),
    ],
)
def test_lessons11_what_the_real_plugins_say_comes_with_a_remedy(node, asked, plugin, subnet, words):
    """A master that is not there, a subnet with host bits, a route that another network has."""
    entry = {"cniVersion": "1.0.0", "name": "wrong", **plugin, "ipam": node.ipam(subnet)}
    path = node.configure("60-wrong.conf", entry)
    outcome = node.call("ADD", annotations={"cni": asked})
    assert outcome.reply["msg"].startswith(f'network "wrong" (eth1): plugin type="{plugin["type"]}"')
    assert words in outcome.reply["details"], outcome.reply
    path.unlink()


def test_b54_a_failure_of_the_last_network_takes_the_others_back(node, settled):
    full = {"type": "ptp", "ipam": node.ipam("10.9.0.0/30")}
    path = node.configure("50-full.conf", {"cniVersion": "1.0.0", "name": "full", **full})
    other = node.add_pod()
    node.add("full", "c2", netns=other.path)
    outcome = node.call("ADD", annotations={"cni": "blue,red,full"})
    assert outcome.status == 1
    assert "full" in outcome.reply["msg"]
    assert node.pod.links() == {}
    assert (node.held(), node.state_files()) == (["10.9.0.2"], ["c2@eth0"])
    node.delete("c2", netns=other.path)
    node.pods.remove(other)
    other.remove()
    path.unlink()


# --- many at once -----------------------------------------------------------------------------------------

LANES = 8
TURNS = 3  # `make torture` has 10,000 pods
# A plugin whose DEL goes on when those of all pods are at work, and says where that did not come.
UNTIL_ALL_HAVE_BEGUN = """\
[ "$CNI_COMMAND" = DEL ] || exec "$REAL"
: >{begun}/$CNI_CONTAINERID
tries=0
until [ $(ls {begun} | wc -l) -ge {lanes} ]; do
    [ $((tries += 1)) -lt 500 ] || {{ : >{alone}; break; }}
    sleep 0.1
done
exec "$REAL"
"""


def test_the_dels_of_many_pods_run_side_by_side(node, settled):
    """No lock of Genie's makes one DEL wait for another pod's: the plugins of all of them run at one time."""
    pods = [node.add_pod() for _ in range(LANES)]
    begun, alone = node.root / "begun", node.root / "alone"
    begun.mkdir()
    node.wrap("bridge", UNTIL_ALL_HAVE_BEGUN.format(begun=begun, alone=alone, lanes=LANES))
    for number, pod in enumerate(pods):
        node.add("blue", f"c{number}", netns=pod.path)
    with ThreadPoolExecutor(LANES) as pool:
        list(pool.map(lambda one: node.delete(f"c{one[0]}", netns=one[1].path), enumerate(pods)))
    assert len(list(begun.iterdir())) == LANES
    assert not alone.exists()
    for pod in pods:
        pod.remove()
    del node.pods[1:]


def test_pods_with_two_networks_eight_at_once(node, settled):
    """Every address is given away once; afterwards nothing is left."""
    pods = [node.add_pod() for _ in range(LANES)]
    seen = []
    guard = threading.Lock()

    def lane(pod):
        for turn in range(TURNS):
            container = f"{pod.name}-{turn}"
            result = node.add("blue,green", container, netns=pod.path)
            with guard:
                seen.append(tuple(addresses(result)))
            node.delete(container, netns=pod.path)

    with ThreadPoolExecutor(LANES) as pool:
        list(pool.map(lane, pods))
    assert len(seen) == LANES * TURNS
    for pod in pods:
        assert pod.links() == {}
        pod.remove()
    del node.pods[1:]


def test_two_calls_for_one_container_take_turns(node, settled):
    """ADD and three DELs of the same container at once: no order of them may leave anything."""
    for _ in range(4):
        add = node.start(node.env("ADD"), node.stdin(annotations={"cni": "blue,red"}))
        deletes = [node.start(node.env("DEL"), node.stdin()) for _ in range(3)]
        outcomes = [finish(process) for process in (add, *deletes)]
        assert [outcome.status for outcome in outcomes] == [0, 0, 0, 0], outcomes
        node.delete()


def test_nothing_but_the_nodes_own_path_is_needed(node, settled):
    """env -i from `/`, without HOME; PATH is what iptables is found by."""
    env = {name: value for name, value in node.env("ADD").items() if name.startswith("CNI_")}
    outcome = finish(node.start({**env, "PATH": PATH}, node.stdin(annotations={"cni": "green"})))
    assert outcome.status == 0
    assert (CNI_BIN / "macvlan").exists()
    process = node.start({**env, "CNI_COMMAND": "DEL"}, node.stdin())
    assert finish(process).status == 0
