"""The calls of containerd, CRI-O, Podman and nerdctl, with the environment and standard input of each.

Every test ends with an audit (A47-A50, A62, A67, A73, A79, B46-B49).
"""

import pytest

from genie_core.tasks.install.run import InstallOptions, install
from tests import compiled
from tests.netns import Namespace
from tests.runtime.node import HOST_ADDRESS, InstalledNode, fetch, network_of, serving
from tests.runtime.replays import CRIO, Containerd, Nerdctl, Pod, Podman

pytestmark = [pytest.mark.root, pytest.mark.system]

UNDER_KUBELET = [Containerd, CRIO]
WITHOUT_PODS = [Podman, Nerdctl]
ALL = [*UNDER_KUBELET, *WITHOUT_PODS]


@pytest.fixture(scope="module")
def installed(tmp_path_factory, cni_bin):
    """A node that has had a pod on each network: what is made once, and stays, is there."""
    # without masquerading: bridge 1.1.1 leaves its rules where no namespace is named (its cmdDel)
    node = InstalledNode(tmp_path_factory.mktemp("replays"), cni_bin)
    try:
        options = InstallOptions(
            bin_dir=node.bin,
            conf_dir=node.conf,
            state_dir=node.state,
            kubeconfig=node.kubeconfig,
            extra={"default_plugin": "a"},
        )
        compiled.add_to(node.bin)
        install(options)
        for asked in ({"cni": "a,b,dual,limited"}, {"k8s.v1.cni.cncf.io/networks": "far"}):
            life(Containerd(node), new_pod(node, asked, ports=[(18080, 80)]))
            node.pods.pop().remove()
        yield node
    finally:
        node.close()


@pytest.fixture
def node(installed):
    """The node; it must be left as the test found it."""
    before = installed.trace()
    yield installed
    while installed.pods:
        installed.pods.pop().remove()
    installed.assert_nothing_left(before)


def new_pod(node, annotations=None, ports=(), name="p"):
    """A pod on the API server, with a namespace of its own."""
    node.announce(name, annotations)
    node.pods.append(Namespace())
    return Pod(name=name, netns=str(node.pods[-1].path), annotations=annotations or {}, ports=tuple(ports))


def attached(runtime, pod):
    """ADD that must succeed: its result."""
    outcome = runtime.add(pod)
    assert outcome.status == 0, outcome
    return outcome.reply


def life(runtime, pod):
    """ADD that must succeed, and DEL: the result between them."""
    result = attached(runtime, pod)
    runtime.delete(pod)
    return result


def networks_of(result):
    """Pod interface -> the networks of its addresses."""
    found: dict = {}
    for entry in result["ips"]:
        interface = result["interfaces"][entry["interface"]]
        assert interface["sandbox"], result
        found.setdefault(interface["name"], set()).add(network_of(entry["address"].partition("/")[0]))
    return found


@pytest.mark.parametrize("runtime", UNDER_KUBELET)
@pytest.mark.parametrize(
    "annotations, expected",
    [
        pytest.param({}, {"eth0": {"a"}}, id="default"),
        pytest.param({"cni": "b"}, {"eth0": {"b"}}, id="b"),
        pytest.param({"cni": "a,b@net7"}, {"eth0": {"a"}, "net7": {"b"}}, id="a,b@net7"),
        pytest.param({"cni": "dual"}, {"eth0": {"dual"}}, id="dual stack"),
        pytest.param(
            {"k8s.v1.cni.cncf.io/networks": "far@far0"}, {"eth0": {"a"}, "far0": {"far"}}, id="attachment"
        ),
    ],
)
def test_a_pods_networks(node, runtime, annotations, expected):
    """By annotations that arrive as a capability; the primary network's addresses come first (A48-A50, B49)."""
    result = life(runtime(node), new_pod(node, annotations))
    assert networks_of(result) == expected
    first = result["interfaces"][result["ips"][0]["interface"]]
    assert first["name"] == "eth0"
    assert all(0 <= entry["interface"] < len(result["interfaces"]) for entry in result["ips"])  # A47


@pytest.mark.parametrize("runtime", WITHOUT_PODS)
def test_a_container_of_no_pod_gets_the_default_network(node, runtime):
    """It has no annotations, so the API server is not asked."""
    asked = len(node.server.api.requests)
    assert networks_of(life(runtime(node), new_pod(node, {"cni": "b"}))) == {"eth0": {"a"}}
    assert len(node.server.api.requests) == asked


@pytest.mark.parametrize("runtime", ALL)
def test_the_version_is_the_newest_that_the_runtime_knows(node, runtime):
    client = runtime(node)
    assert life(client, new_pod(node))["cniVersion"] == client.version() == client.newest


@pytest.mark.parametrize("runtime", [Containerd, *WITHOUT_PODS])
def test_a_host_port_is_reachable(node, runtime):
    """In lower case and with Go's capitals; of two networks the first one has it (B46-B48)."""
    client = runtime(node)
    pod = new_pod(node, {"cni": "a,b"}, ports=[(18080, 80)])
    attached(client, pod)
    with serving(pod.netns, 80, "hello"):
        assert fetch(node.neighbour, HOST_ADDRESS, 18080) == "hello"
    client.delete(pod)
    assert fetch(node.neighbour, HOST_ADDRESS, 18080) is None


@pytest.mark.parametrize("runtime", UNDER_KUBELET)
def test_bandwidth(node, runtime):
    client = runtime(node)
    pod = new_pod(
        node,
        {"cni": "limited", "kubernetes.io/ingress-bandwidth": "8M", "kubernetes.io/egress-bandwidth": "16M"},
    )
    attached(client, pod)
    rates = sorted(options["rate"] for kind, options in node.qdiscs() if kind == "tbf")
    assert rates == [1_000_000, 2_000_000]  # bytes a second
    client.delete(pod)


@pytest.mark.parametrize("runtime", UNDER_KUBELET)
def test_an_unknown_network_is_refused(node, runtime):
    outcome = runtime(node).add(new_pod(node, {"cni": "a,nowhere"}))
    assert (outcome.status, outcome.reply["code"]) == (1, 7), outcome
    assert "item 2" in outcome.reply["msg"]
    assert "nowhere" in outcome.reply["msg"]


@pytest.mark.parametrize("runtime", ALL)
def test_released_when_the_namespace_is_gone(node, runtime):
    """And once more, as after a runtime's crash (A62)."""
    client = runtime(node)
    pod = new_pod(node, {"cni": "a,b"}, ports=[(18080, 80)])
    attached(client, pod)
    node.pods.pop().remove()
    client.delete(pod)
    client.delete(pod)


def test_podman_asks_for_an_address(node):
    client = Podman(node)
    client.address = "10.61.44.55"
    result = life(client, new_pod(node))
    assert [entry["address"] for entry in result["ips"]] == ["10.61.44.55/16"]


def test_crio_loads_every_file(node):
    """VERSION names versions that a 1.1.0 configuration can be run with (A32-A35)."""
    supported = CRIO(node).load()
    assert set(supported) == {"genie", "bridge", "portmap", "bandwidth", "ptp"}
    assert supported["genie"][-1] == "1.1.0"


def test_crio_checks_for_as_long_as_the_pod_lives(node):
    """And finds what has been taken away (A73)."""
    client = CRIO(node)
    pod = new_pod(node, {"cni": "a,b@net7"})
    attached(client, pod)
    client.check(pod)
    node.pods[-1].run("ip", "link", "delete", "net7")
    with pytest.raises(AssertionError, match="net7"):
        client.check(pod)
    client.delete(pod)


def test_crio_asks_for_the_status(node):
    assert CRIO(node).status().status == 0


def test_crio_collects_garbage(node):
    """What it does not list is released; with no pods at all its list is null (A79)."""
    client = CRIO(node)
    lost, kept = new_pod(node, {"cni": "a,b"}, name="lost"), new_pod(node, {"cni": "a,b"}, name="kept")
    attached(client, lost)
    attached(client, kept)
    assert client.collect_garbage([kept]).status == 0
    assert node.recorded() == 1
    client.check(kept)
    assert client.collect_garbage([]).status == 0
    assert node.recorded() == 0
