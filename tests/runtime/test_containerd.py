"""Pod sandboxes that Debian's containerd runs through the plugin as `genie install` puts it (A47-A50, A62, B46-B49).

Every test ends with an audit: no lease, link, chain, namespace, state, cache entry, process, sandbox more than before.
"""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from itertools import count
from threading import Event

import grpc
import pytest

from tests.manifests import pod
from tests.patience import wait_until
from tests.runtime.containerd import uid_of
from tests.runtime.node import HOST_ADDRESS, ClusterNode, fetch, network_of, serving
from tests.system.node import OTHER, other_version

pytestmark = [pytest.mark.root, pytest.mark.system]

BOTH = {"cni": "a,b@net7"}
BY_ATTACHMENT = {"k8s.v1.cni.cncf.io/networks": "far@far0"}
CROWD = 8


@pytest.fixture(scope="module")
def started(tmp_path_factory, cni_bin):
    """A node that has had pods on each network: what is made once, and stays, is there."""
    node = ClusterNode(tmp_path_factory.mktemp("cri"), cni_bin)
    try:
        everything = {"cni": "a,b,dual,limited", "kubernetes.io/ingress-bandwidth": "1M"}
        node.containerd.remove_pod(node.run_pod("first", everything, ports=[(18080, 80)]))
        node.containerd.remove_pod(node.run_pod("second", BY_ATTACHMENT))
        yield node
    finally:
        node.close()


@pytest.fixture
def node(started):
    """The node; it must be left as the test found it."""
    before = started.trace()
    yield started
    started.assert_nothing_left(before)


@pytest.fixture
def containerd(node):
    return node.containerd


def networks_of(containerd, sandbox):
    """Interface -> the network that its addresses are from."""
    return {name: {network_of(one) for one in found} for name, found in containerd.pod_links(sandbox).items()}


@pytest.mark.parametrize(
    "cni, expected",
    [
        pytest.param(None, {"eth0": {"a"}}, id="default"),
        pytest.param("a", {"eth0": {"a"}}, id="a"),
        pytest.param("b", {"eth0": {"b"}}, id="b"),
        pytest.param("a,b@net7", {"eth0": {"a"}, "net7": {"b"}}, id="a,b@net7"),
    ],
)
def test_networks_by_name(node, containerd, cni, expected):
    """The pod's address is that of eth0, and of no other interface (A48, A49, B49)."""
    sandbox = node.run_pod("p", {"cni": cni} if cni else {})
    assert networks_of(containerd, sandbox) == expected
    assert containerd.addresses(sandbox) == containerd.pod_links(sandbox)["eth0"]
    containerd.remove_pod(sandbox)


def test_network_attachment_definitions_from_an_api_server(node, containerd):
    sandbox = node.run_pod("p", BY_ATTACHMENT)
    assert networks_of(containerd, sandbox) == {"eth0": {"a"}, "far0": {"far"}}
    status = json.loads(node.pod_annotations("p")["k8s.v1.cni.cncf.io/network-status"])
    links = containerd.pod_links(sandbox)
    assert [(entry["name"], entry["interface"], entry["ips"]) for entry in status] == [
        ("a", "eth0", links["eth0"]),
        ("default/far", "far0", links["far0"]),
    ]
    assert containerd.addresses(sandbox) == links["eth0"]
    containerd.remove_pod(sandbox)


@pytest.mark.parametrize("annotations", [{}, BOTH], ids=["default", "two networks"])
def test_a_host_port_is_reachable_from_outside(node, containerd, annotations):
    """containerd's capitalised port mappings reach portmap, of the first network only (B46-B48)."""
    sandbox = node.run_pod("p", annotations, ports=[(18080, 80)])
    with serving(containerd.netns(sandbox), 80, "hello"):
        assert fetch(node.neighbour, HOST_ADDRESS, 18080) == "hello"
    containerd.remove_pod(sandbox)
    assert fetch(node.neighbour, HOST_ADDRESS, 18080) is None


def test_bandwidth(node, containerd):
    def shaped():
        return [options["rate"] for kind, options in node.qdiscs() if kind == "tbf"]

    limits = {
        "cni": "limited",
        "kubernetes.io/ingress-bandwidth": "8M",
        "kubernetes.io/egress-bandwidth": "16M",
    }
    sandbox = node.run_pod("p", limits)
    assert sorted(shaped()) == [1_000_000, 2_000_000]  # bytes a second
    containerd.remove_pod(sandbox)
    assert not shaped()


def test_dual_stack(node, containerd):
    sandbox = node.run_pod("p", {"cni": "dual,b"})
    assert [ip_address(one).version for one in containerd.addresses(sandbox)] == [4, 6]
    assert networks_of(containerd, sandbox) == {"eth0": {"dual"}, "eth1": {"b"}}
    containerd.remove_pod(sandbox)


def test_an_unknown_network_is_said_whole(node):
    with pytest.raises(grpc.RpcError) as refused:
        node.run_pod("p", {"cni": "a,nowhere"})
    assert refused.value.details().endswith(
        'plugin type="genie" failed (add): annotation cni, item 2 ("nowhere"): Configuration file is missing from '
        f"cni directory ({node.conf} /etc/cni/genie/net.d) for user requested plugin: nowhere; "
        "there is a, b, dual, limited; `genie generate-config TYPE --name nowhere --write` writes one, where TYPE is "
        "its plugin, such as bridge"
    )


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"master": "nosuch"}, "Link not found"),
        ({"ipam": {"type": "host-locl"}}, "failed to find plugin"),
        ({"ipam": {"type": "host-local", "subnet": "10.6.0.0.0/24"}}, "invalid CIDR address"),
    ],
)
def test_a_wrong_definition_leaves_no_sandbox_and_one_record(node, containerd, wrong, words):
    """containerd calls DEL once after an ADD that failed, and kubelet makes the next sandbox each second."""
    right = {"cniVersion": "1.0.0", "name": "wrong", "type": "macvlan", "master": "up0"}
    file = node.conf / "50-wrong.conf"
    file.write_text(json.dumps({**right, **wrong}))
    for number in range(2):
        with pytest.raises(grpc.RpcError, match=words):
            node.run_pod(f"p{number}", {"cni": "a,wrong@net1"})
        assert containerd.sandboxes() == []
        assert node.recorded() <= 1
    file.unlink()
    node.collect_garbage()
    assert node.recorded() == 0


def test_a_container_of_no_pod_gets_the_default_network(node, containerd):
    """`ctr run --cni` calls the plugin as nerdctl does: with no pod, and DEL without a namespace (A62)."""
    netns = containerd.run_container("one")
    shown = containerd.run("nsenter", f"--net={netns}", "ip", "-json", "address", "show", "eth0")
    (address,) = [one["local"] for one in json.loads(shown.stdout)[0]["addr_info"] if one["family"] == "inet"]
    assert network_of(address) == "a"
    assert [path.name for path in node.state.glob("containers/*")] == ["default-one@eth0"]
    containerd.remove_container("one")


def test_a_pod_is_found_by_the_runtime_and_its_network_diagnosed(node, containerd):
    """`genie debug pod` asks the CRI where the pod is: healthy, broken, and gone."""
    sandbox = node.run_pod("p", BOTH)
    waiting = {"spec": {"nodeName": "node"}, "status": {"phase": "Pending"}}  # for its image, for instance
    node.objects.add(pod(None, "p", "default", uid_of("p")) | waiting)
    netns = containerd.netns(sandbox)
    healthy = node.debug("default/p")
    assert healthy["target"]["netns"].endswith(netns.name)
    assert healthy["target"]["source"] == "CRI"
    assert [link["name"] for link in healthy["target"]["interfaces"]] == ["lo", "eth0", "net7"]
    assert "runtime" not in healthy["missing"]
    subprocess.run(["nsenter", f"--net={netns}", "ip", "link", "set", "eth0", "down"], check=True)
    broken = node.debug("default/p", "--no-probes", status=1)
    assert (broken["findings"][0]["code"], broken["findings"][0]["object"]["iface"]) == ("GN0102", "eth0")
    containerd.remove_pod(sandbox)
    gone = node.debug("default/p", status=3)
    assert (gone["target"]["state"], "no sandbox on this node yet" in gone["target"]["reason"]) == (
        "no-sandbox",
        True,
    )
    node.announce("q")
    assert "neither the runtime nor" in node.debug("default/q", status=3)["message"]


def test_a_crowd(node, containerd):
    """Many sandboxes, eight at once, two networks each: each has addresses of its own."""
    sandboxes = node.run_pods([f"p{number}" for number in range(CROWD)], BOTH)
    links = [containerd.pod_links(sandbox) for sandbox in sandboxes]
    assert all(set(one) == {"eth0", "net7"} for one in links)
    addresses = [address for one in links for found in one.values() for address in found]
    assert len(set(addresses)) == 2 * CROWD
    node.remove_pods(sandboxes)


def test_containerd_killed_and_started_again(node, containerd):
    """Sandboxes that are there when it dies keep their networks, and give them back to the next one."""
    sandboxes = node.run_pods([f"p{number}" for number in range(4)], BOTH)
    links = [containerd.pod_links(sandbox) for sandbox in sandboxes]
    containerd.kill()
    containerd.start()
    assert sorted(containerd.sandboxes()) == sorted(sandboxes)
    assert [containerd.pod_links(sandbox) for sandbox in sandboxes] == links
    node.remove_pods(sandboxes)


def test_containerd_killed_in_the_middle(node, containerd):
    """It forgets the networks of sandboxes half made (lessons 2): `genie gc` releases those, and no others."""
    failed = []

    def run(name):
        try:
            node.run_pod(name, BOTH)
        except grpc.RpcError:
            failed.append(name)

    whole = node.run_pod("whole", BOTH)
    links = containerd.pod_links(whole)
    with ThreadPoolExecutor(8) as pool:
        for number in range(12):
            pool.submit(run, f"p{number}")
        wait_until(lambda: node.recorded() > 4)
        containerd.kill()
    assert failed
    containerd.start()
    node.remove_pods(set(containerd.sandboxes()) - {whole})
    assert node.recorded() > 1
    node.collect_garbage()
    assert node.recorded() == 1
    assert containerd.pod_links(whole) == links
    containerd.remove_pod(whole)


def test_an_upgrade_while_pods_come_and_go(node, containerd, tmp_path):
    """No call meets half a plugin; what one version attached, another releases."""
    stop, passed = Event(), []

    def live(lane):
        for number in count():
            sandbox = node.run_pod(f"p{lane}-{number}", BOTH)
            assert networks_of(containerd, sandbox) == {"eth0": {"a"}, "net7": {"b"}}
            containerd.remove_pod(sandbox)
            passed.append(sandbox)
            if stop.is_set():
                return

    old = node.run_pod("old", BOTH)
    with ThreadPoolExecutor(3) as pool:
        lives = [pool.submit(live, lane) for lane in range(3)]
        try:
            for code in (other_version(tmp_path), None, tmp_path):
                done = len(passed)
                node.install(code)
                wait_until(lambda done=done: len(passed) >= done + 2 or any(life.done() for life in lives))
        finally:
            stop.set()
        for life in lives:
            life.result()
    assert f"Genie {OTHER}" in (node.bin / "genie").read_text()
    containerd.remove_pod(old)
    new = node.run_pod("new", BOTH)
    node.install()
    containerd.remove_pod(new)


def test_uninstalled_with_sandboxes_present(node, containerd):
    """The runtime goes on with the next network; what it cannot release, a second `genie uninstall` does."""
    sandboxes = node.run_pods([f"p{number}" for number in range(3)], BOTH)
    try:
        assert "3 containers are still attached" in node.uninstall(status=5)
        containerd.wait_for_network("a")
        direct = node.run_pod("direct", {"cni": "b"})
        assert networks_of(containerd, direct) == {"eth0": {"a"}}
        node.remove_pods([*sandboxes, direct])
        node.uninstall(status=0)
        assert not [path for path in (node.bin / "genie", node.bin / ".genie", node.state) if path.exists()]
    finally:
        node.install()
        containerd.wait_for_network("genie")
    containerd.remove_pod(
        node.run_pod("next", BY_ATTACHMENT)
    )  # the kept copy of the definition is there again
