"""A pod's default routes, by value: in the namespace alone, and through whole ADDs of real plugins (C26-C31, A74)."""

import json

import pytest

from genie_core.edges.default_routes import set_default_routes
from genie_core.edges.netns import inside
from genie_core.errors import KERNEL_REFUSED, InvalidNetns, KernelRefused
from genie_core.routes import RouteChange
from tests.apiserver import API, APIServer, Objects

pytestmark = [pytest.mark.root, pytest.mark.system]

NETWORKS = "k8s.v1.cni.cncf.io/networks"
STATUS = "k8s.v1.cni.cncf.io/network-status"
FAMILIES = ("-4", "-6")


def routes(namespace, family):
    """Every route of the main table but those to multicast, one line for each hop."""
    shown = json.loads(namespace.run("ip", "-json", family, "route", "show").stdout)
    return sorted(
        f"{route['dst']} {hop.get('gateway', '')} {hop['dev']}"
        for route in shown
        for hop in route.get("nexthops", [route])
        if not route["dst"].startswith("fe80::")
    )


def defaults(namespace):
    """(gateway, interface) of each default route, of both families."""
    lines = [line.split(" ") for family in FAMILIES for line in routes(namespace, family)]
    return sorted((gateway, device) for dst, gateway, device in lines if dst == "default")


# --- in a namespace


@pytest.fixture
def pod(netns):
    """eth0 and net1, each with default routes of both families as plugins make them, and with other routes."""
    made = netns()
    for number, name in ((1, "eth0"), (2, "net1")):
        made.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"p{number}")
        made.run("ip", "link", "set", f"p{number}", "up")
        made.run("ip", "link", "set", name, "up")
        made.run("ip", "address", "add", f"10.{number}.0.5/24", "dev", name)
        made.run("ip", "address", "add", f"fd0{number}::5/64", "dev", name, "nodad")
        # the reference plugins' flags: neither EXCL nor REPLACE. IPv6 makes one route over two hops of it
        made.run("ip", "-4", "route", "prepend", "default", "via", f"10.{number}.0.1", "dev", name)
        made.run("ip", "-6", "route", "append", "default", "via", f"fd0{number}::1", "dev", name)
        made.run("ip", "-4", "route", "add", f"10.{number}6.0.0/16", "via", f"10.{number}.0.1")
        made.run("ip", "-6", "route", "add", f"fd{number}6::/48", "via", f"fd0{number}::1")
    return made


def others(namespace):
    return [
        line for family in FAMILIES for line in routes(namespace, family) if not line.startswith("default ")
    ]


ETH0_4, ETH0_6 = ("10.1.0.1", "eth0"), ("fd01::1", "eth0")
NET1_4, NET1_6 = ("10.2.0.1", "net1"), ("fd02::1", "net1")


@pytest.mark.parametrize(
    "changes, expected",
    [
        ([], [ETH0_4, NET1_4, ETH0_6, NET1_6]),
        ([RouteChange("net1", True)], [NET1_4, ETH0_6, NET1_6]),
        ([RouteChange("net1", False)], [ETH0_4, NET1_4, NET1_6]),
        ([RouteChange("net1", True), RouteChange("net1", False)], [NET1_4, NET1_6]),
        ([RouteChange("net1", True, "10.2.0.1")], [NET1_4, ETH0_6, NET1_6]),
        ([RouteChange("net1", True, "10.2.0.9")], [("10.2.0.9", "net1"), ETH0_6, NET1_6]),
        ([RouteChange("net1", False, "fd02::9")], [ETH0_4, NET1_4, ("fd02::9", "net1")]),
        ([RouteChange("net1", False, "fe80::1")], [ETH0_4, NET1_4, ("fe80::1", "net1")]),
        ([RouteChange("net1", True, "10.2.0.1"), RouteChange("eth0", False, "fd01::1")], [NET1_4, ETH0_6]),
    ],
)
def test_c28_default_routes_of_the_family_lead_there_alone_and_nothing_else_changes(pod, changes, expected):
    before = others(pod)
    for _ in range(2):  # the second time there is nothing to do
        set_default_routes(str(pod.path), changes)
        assert defaults(pod) == sorted(expected)
        assert others(pod) == before


KEPT_4 = RouteChange("eth0", True, successors=["net1"])
KEPT_6 = RouteChange("eth0", False, successors=["net1"])


@pytest.mark.parametrize("metric", [None, "50", "2000"])
def test_the_first_interface_that_has_default_routes_keeps_its_own(pod, metric):
    before = others(pod)
    if metric:
        pod.run("ip", "-4", "route", "add", "default", "via", "10.2.0.7", "dev", "net1", "metric", metric)
        pod.run("ip", "-6", "route", "add", "default", "via", "fd02::7", "dev", "net1", "metric", metric)
    made = set_default_routes(str(pod.path), [KEPT_4, KEPT_6])
    assert [(item.owner, item.losers) for item in made] == [("eth0", ["net1"])] * 2
    assert defaults(pod) == [ETH0_4, ETH0_6]
    assert others(pod) == before
    assert (sysctl(pod, "eth0"), sysctl(pod, "net1")) == ("1", "0")
    assert [item.losers for item in set_default_routes(str(pod.path), [KEPT_4, KEPT_6])] == [[], []]


def test_a_successor_keeps_its_own_where_the_first_has_none(pod):
    for family in FAMILIES:
        pod.run("ip", family, "route", "flush", "default")
    pod.run("ip", "route", "add", "default", "via", "10.2.0.1")
    made = set_default_routes(str(pod.path), [KEPT_4, KEPT_6])
    assert [item.owner for item in made] == ["net1", ""]
    assert defaults(pod) == [NET1_4]
    assert (sysctl(pod, "eth0"), sysctl(pod, "net1")) == ("1", "1")


def test_an_interface_that_the_kernel_does_not_have_is_passed_over(pod):
    made = set_default_routes(str(pod.path), [RouteChange("dpdk0", True, successors=["net1", "eth0"])])
    assert [(item.owner, item.losers) for item in made] == [("net1", ["eth0"])]
    assert defaults(pod) == [NET1_4, ETH0_6, NET1_6]


def test_c28_routes_that_no_result_mentions_go_too(pod):
    pod.run("ip", "route", "add", "default", "dev", "eth0", "metric", "50")
    pod.run(
        "ip",
        "route",
        "add",
        "default",
        "metric",
        "60",
        "nexthop",
        "via",
        "10.1.0.1",
        "nexthop",
        "via",
        "10.2.0.2",
    )
    pod.run("ip", "-6", "route", "add", "unreachable", "default", "metric", "7")
    set_default_routes(str(pod.path), [RouteChange("net1", True, "10.2.0.1"), RouteChange("net1", False)])
    assert defaults(pod) == [NET1_4, NET1_6]


def test_tables_that_plugins_made_for_themselves_stay(pod):
    pod.run("ip", "route", "add", "default", "via", "10.1.0.1", "table", "100")
    set_default_routes(str(pod.path), [RouteChange("net1", True)])
    assert "10.1.0.1" in pod.run("ip", "route", "show", "table", "100").stdout


def sysctl(namespace, link):
    return namespace.run("sysctl", "-n", f"net.ipv6.conf.{link}.accept_ra_defrtr").stdout.strip()


@pytest.mark.parametrize(
    "change, expected",
    [
        (RouteChange("net1", True, "10.2.0.1"), ("1", "1")),
        (RouteChange("net1", False), ("0", "1")),
        (RouteChange("net1", False, "fd02::1"), ("0", "0")),
    ],
)
def test_c28_routers_do_not_bring_back_what_was_removed(pod, change, expected):
    set_default_routes(str(pod.path), [change])
    assert (sysctl(pod, "eth0"), sysctl(pod, "net1")) == expected


def test_an_advertised_route_to_the_same_gateway_is_replaced_since_it_would_expire(pod):
    pod.run("ip", "-6", "route", "flush", "default")
    pod.run(
        "ip",
        "-6",
        "route",
        "add",
        "default",
        "via",
        "fe80::1",
        "dev",
        "net1",
        "proto",
        "ra",
        "expires",
        "100",
    )
    set_default_routes(str(pod.path), [RouteChange("net1", False, "fe80::1")])
    (route,) = json.loads(pod.run("ip", "-json", "-6", "route", "show", "default").stdout)
    assert (route["gateway"], route["protocol"]) == ("fe80::1", "static")


@pytest.mark.parametrize(
    "change, message",
    [
        (RouteChange("net1", True, "10.77.0.1"), "cannot make a default route through net1 to 10.77.0.1"),
        (RouteChange("net1", True, "10.1.0.1"), "cannot make a default route through net1 to 10.1.0.1"),
        (RouteChange("net1", False, "fd77::1"), "cannot make a default route through net1 to fd77::1"),
        (RouteChange("net9", True, "10.2.0.1"), "no interface net9"),
        (RouteChange("lo", True), "lo has no IPv4 default route that it could keep"),
    ],
)
def test_c31_what_cannot_be_done_names_interface_and_gateway(pod, change, message):
    with pytest.raises(KernelRefused) as caught:
        set_default_routes(str(pod.path), [change])
    assert message in caught.value.msg
    assert caught.value.hint


def test_a_route_that_is_missing_where_it_would_be_kept_removes_no_other(pod):
    before = defaults(pod)
    with pytest.raises(KernelRefused):
        set_default_routes(str(pod.path), [RouteChange("lo", False)])
    assert defaults(pod) == before


def test_a_namespace_that_is_gone(tmp_path):
    with pytest.raises(InvalidNetns):
        set_default_routes(str(tmp_path / "none"), [])


# --- whole ADDs: bridge is the default network, the pod asks for ptp and macvlan


@pytest.fixture
def cluster(node):
    """The node with a default network of both families, two NetworkAttachmentDefinitions, and their API server."""
    node.host.run("ip", "address", "add", "10.3.0.1/24", "dev", "up0")
    ranges = {"dataDir": str(node.leases), "type": "host-local"}
    node.configure(
        "10-blue.conf",
        {
            "cniVersion": "1.0.0",
            "name": "blue",
            "type": "bridge",
            "bridge": "br0",
            "isDefaultGateway": True,
            "ipam": {**ranges, "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd01::/64"}]]},
        },
    )
    both = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    dual = [[{"subnet": "10.2.0.0/24"}], [{"subnet": "fd02::/64"}]]
    one = [[{"subnet": "10.3.0.0/24", "rangeStart": "10.3.0.5"}]]
    definitions = [
        definition("ptp", "1.0.0", {"type": "ptp", "ipam": {**ranges, "ranges": dual, "routes": both}}),
        definition("flat", "1.0.0", {"type": "macvlan", "master": "up0", "ipam": {**ranges, "ranges": one}}),
        definition("old", "0.3.1", {"type": "ptp", "ipam": {**ranges, "ranges": dual, "routes": both}}),
    ]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "demo"}}
    objects = Objects(pod, *definitions)
    # its socket is the host namespace's, where Genie looks for it
    server = inside(str(node.host.path), lambda: APIServer(API(objects)))
    node.settings["kubernetes"] = {"kubeconfig": str(server.write_kubeconfig(node.root / "kubeconfig"))}
    try:
        yield Cluster(node, objects)
    finally:
        server.close()


def definition(name, version, plugin):
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": "demo"},
        "spec": {"config": json.dumps({"cniVersion": version, "name": name, **plugin})},
    }


class Cluster:
    """A pod of a node and of an API server, through its life."""

    def __init__(self, node, objects):
        self.node = node
        self.objects = objects
        self.prev = {}

    def call(self, verb, *entries, **document):
        args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=demo;K8S_POD_NAME=web"
        annotations = {NETWORKS: json.dumps(entries)}
        return self.node.call(verb, annotations=annotations, env={"CNI_ARGS": args}, **document)

    def add(self, *entries):
        outcome = self.call("ADD", *entries)
        assert outcome.status == 0, outcome
        self.prev = outcome.reply
        return outcome.reply

    def check(self):
        return self.call("CHECK", prevResult=self.prev)

    def status(self):
        kind = self.objects.find_kind("", "v1", "pods")
        return json.loads(self.objects.get(kind, "demo", "web")["metadata"]["annotations"][STATUS])


def gateways(result):
    """The gateway of each default route of a result."""
    return sorted(route["gw"] for route in result.get("routes", []) if route["dst"] in {"0.0.0.0/0", "::/0"})


BLUE_4, BLUE_6 = ("10.1.0.1", "eth0"), ("fd01::1", "eth0")
PTP_4, PTP_6 = ("10.2.0.1", "net1"), ("fd02::1", "net1")
FLAT_4 = ("10.3.0.1", "net2")


@pytest.mark.parametrize(
    "ptp, flat, expected",
    [
        ([], None, [PTP_4, PTP_6]),
        (["10.2.0.1"], None, [PTP_4, BLUE_6]),
        (["fe80::1"], None, [BLUE_4, ("fe80::1", "net1")]),
        (None, ["10.3.0.1"], [FLAT_4, BLUE_6]),
        (["fd02::1"], ["10.3.0.1"], [FLAT_4, PTP_6]),
        (None, [], [BLUE_4, BLUE_6]),
        (None, None, [BLUE_4, BLUE_6]),
    ],
)
def test_c30_namespace_result_and_status_agree_and_check_passes(cluster, ptp, flat, expected):
    entries = [{"name": "ptp", "default-route": ptp}, {"name": "flat", "default-route": flat}]
    result = cluster.add(*entries)
    assert defaults(cluster.node.pod) == sorted(expected)
    assert gateways(result) == sorted(gateway for gateway, _ in expected)
    shown = sorted(
        (gateway, entry["interface"]) for entry in cluster.status() for gateway in entry.get("gateway", [])
    )
    assert shown == sorted(expected)
    assert cluster.check().status == 0, cluster.check()
    cluster.node.delete()


def test_a74_check_fails_for_a_deleted_default_route_that_genie_set(cluster):
    cluster.add({"name": "flat", "interface": "net2", "default-route": ["10.3.0.1"]})
    assert cluster.check().status == 0
    cluster.node.pod.run("ip", "route", "delete", "default")
    assert cluster.check().status == 1
    cluster.node.delete()


def test_a74_check_sees_for_itself_what_networks_before_0_4_0_have_lost(cluster):
    """Their plugins have no CHECK."""
    cluster.add({"name": "old"})
    assert cluster.check().status == 0
    cluster.node.pod.run("ip", "link", "delete", "net1")
    outcome = cluster.check()
    assert outcome.status == 1
    assert "net1" in outcome.reply["msg"] + outcome.reply.get("details", "")
    cluster.node.delete()


def test_c31_a_gateway_out_of_reach_fails_the_add_and_everything_is_undone(cluster):
    outcome = cluster.call("ADD", {"name": "flat", "interface": "net2", "default-route": ["10.99.0.1"]})
    assert outcome.status == 1
    assert outcome.reply["code"] == KERNEL_REFUSED
    assert "through net2 to 10.99.0.1: Network is unreachable" in outcome.reply["msg"]
    assert cluster.node.pod.links() == {}
    assert cluster.node.held() == []
    assert cluster.node.state_files() == []
    assert STATUS not in str(cluster.objects.get(cluster.objects.find_kind("", "v1", "pods"), "demo", "web"))


@pytest.mark.parametrize("first, second", [(["10.2.0.1"], ["10.3.0.1"]), ([], ["10.3.0.1"]), ([], [])])
def test_c27_two_that_ask_for_one_family_fail_before_anything_runs(cluster, first, second):
    entries = [{"name": "ptp", "default-route": first}, {"name": "flat", "default-route": second}]
    outcome = cluster.call("ADD", *entries)
    assert (outcome.status, outcome.reply["code"]) == (1, 7)
    assert "default-route" in outcome.reply["msg"]
    assert not [event for event in outcome.events if event.get("event") == "delegate"]
    assert cluster.node.pod.links() == {}


def test_c19_an_interface_that_is_there_already_fails_before_anything_runs(cluster):
    cluster.node.pod.run("ip", "link", "add", "net1", "type", "veth", "peer", "name", "elsewhere")
    started = cluster.node.root / "started"
    cluster.node.wrap("bridge", f'touch {started}; exec "$REAL"')
    outcome = cluster.call("ADD", {"name": "ptp"})
    assert (outcome.status, outcome.reply["code"]) == (1, 7)
    assert "interface name net1 already exists" in outcome.reply["msg"]
    assert set(cluster.node.pod.links()) == {"net1", "elsewhere"}
    assert not started.exists()
