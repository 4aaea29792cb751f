"""Whatever networks a pod has: its primary address answers from outside, on a node that drops asymmetric packets.

Real bridge, ptp and macvlan, each of which sets a default route; the kernel takes the one that was set last.
"""

import json

import pytest

from tests.manifests import logical, physical
from tests.system import kills
from tests.system.cluster import Cluster
from tests.system.node import finish
from tests.system.outside import FAR, Outside

pytestmark = [pytest.mark.root, pytest.mark.system]

SUBNETS = {
    "blue": ("10.1.0.0/24", "fd01::/64"),
    "red": ("10.2.0.0/24", "fd02::/64"),
    "green": ("10.3.0.0/24", "fd03::/64"),
}
GATEWAYS = {"blue": ("10.1.0.1", "fd01::1"), "red": ("10.2.0.1", "fd02::1"), "green": ("10.3.0.1", "fd03::1")}
PLUGINS: dict[str, dict[str, object]] = {
    "blue": {"type": "bridge", "bridge": "br0", "isDefaultGateway": True},
    "red": {"type": "ptp"},
    "green": {"type": "macvlan", "master": "up0"},
}
EVERYWHERE = ({"dst": "0.0.0.0/0"}, {"dst": "::/0"})
DUAL, V4, V6 = slice(0, 2), slice(0, 1), slice(1, 2)


def plugin(node, name, families=DUAL, leads=True):
    """One of the three networks, each with a default route of each of its families, or without."""
    ranges = [
        [{"subnet": subnet, "gateway": gateway, "rangeStart": f"{gateway[:-1]}5"}]
        for subnet, gateway in zip(SUBNETS[name][families], GATEWAYS[name][families], strict=True)
    ]
    # bridge makes its own of isDefaultGateway, and fails over a second one
    routes = EVERYWHERE[families] if leads and name != "blue" else []
    ipam = {"type": "host-local", "dataDir": str(node.leases), "ranges": ranges, "routes": routes}
    return {**PLUGINS[name], "ipam": ipam}


def first_of(subnet):
    """The first address that is given out, of a /24 or a /64."""
    return subnet.partition("/")[0].removesuffix("0") + "5"


def configure(node, families=DUAL, silent=()):
    """`silent` networks bring no default route."""
    for number, name in enumerate(PLUGINS, 1):
        entry = plugin(node, name, families, name not in silent)
        node.configure(f"{number}0-{name}.conf", {"cniVersion": "1.0.0", "name": name, **entry})


@pytest.fixture
def outside(node):
    made = Outside(node, ["10.3.0.1/24", "fd03::1/64"])
    yield made
    made.remove()


def defaults(pod):
    """(family, interface) of each default route of the main table."""
    return sorted(
        (family, hop["dev"])
        for family in ("-4", "-6")
        for route in json.loads(pod.run("ip", "-json", family, "route", "show", "default").stdout)
        for hop in route.get("nexthops", [route])
    )


def gateways_of(result):
    return sorted(route["gw"] for route in result.get("routes", ()) if route["dst"] in {"0.0.0.0/0", "::/0"})


def primary_of(cni):
    items = cni.split(",")
    return next((item for item in items if item.endswith("@eth0")), items[0]).partition("@")[0]


@pytest.mark.parametrize(
    "cni, families",
    [
        ("blue,red@net1", DUAL),
        ("red,blue@net1", V4),
        ("blue,green@net1", V4),
        ("green,blue@net1", V4),
        ("red,green@net1", V4),
        ("green,red@net1", V6),
        ("blue,red,green", V6),
        ("blue,red,green", V4),
        ("red,green,blue", V4),
        ("green,blue,red", DUAL),
        ("red@net1,green@net2,blue@eth0", V4),
        ("blue@net1,green@eth0", V4),
    ],
)
def test_the_primary_address_answers_and_the_primary_has_the_only_default_routes(
    node, outside, cni, families
):
    configure(node, families)
    node.pod.run("sysctl", "-q", "-w", "net.ipv4.conf.all.rp_filter=1")  # as a pod inherits it from its node
    result = node.add(cni)
    primary = primary_of(cni)
    for subnet, source in zip(SUBNETS[primary][families], FAR[families], strict=True):
        assert outside.answers(first_of(subnet), source), subnet
    assert defaults(node.pod) == [(family, "eth0") for family in ("-4", "-6")[families]]
    assert gateways_of(result) == sorted(GATEWAYS[primary][families])
    checked = node.call("CHECK", prevResult=result)
    assert (checked.status, checked.reply) == (0, None), checked
    node.delete()
    assert (node.pod.links(), node.held(), node.state_files()) == ({}, [], [])


DIALECTS = {
    "default_plugin": ({"default_plugin": "blue,red"}, {}, "eth1"),
    "default_networks": ({"default_networks": ["red"]}, {}, "net1"),
    "attachment": ({}, {"k8s.v1.cni.cncf.io/networks": "red"}, "net1"),
    "logical networks": ({}, {"networks": "first,second"}, "eth1"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_in_every_dialect_the_primary_keeps_it_and_the_status_says_so(node, outside, dialect):
    configure(node, V4)
    cluster = Cluster(node)
    settings, annotations, second = DIALECTS[dialect]
    node.settings |= settings
    cluster.nad("red", {"name": "red", **plugin(node, "red", V4)})
    for name, physical_name, type_ in (("first", "one", "blue"), ("second", "two", "red")):
        subnet = SUBNETS[type_][0]
        cluster.objects.add(physical(physical_name, dedicatedNet=True, plugin=type_, subnet=subnet))
        cluster.objects.add(logical(name, physicalNet=physical_name, sub_subnet=subnet))
    try:
        result = cluster.add(None, annotations=annotations)
        status = cluster.status() if second == "net1" else None
    finally:
        cluster.close()
    assert set(node.pod.links()) == {"eth0", second}
    assert outside.answers(result["ips"][0]["address"].partition("/")[0], FAR[0])
    assert defaults(node.pod) == [("-4", "eth0")]
    assert gateways_of(result) == ["10.1.0.1"]
    if status:
        assert [entry.get("gateway") for entry in status] == [["10.1.0.1"], None]
    node.delete()


@pytest.mark.parametrize(
    "cni, owner, gateway",
    [
        ("green,red@net1", "net1", "10.2.0.1"),
        ("green,red@net1,blue@net2", "net1", "10.2.0.1"),
        ("blue@net2,red@net1,green@eth0", "net2", "10.1.0.1"),
    ],
)
def test_without_one_of_its_own_the_first_network_that_brings_one_keeps_it(
    node, outside, cni, owner, gateway
):
    """What reaches the primary address without a default route, its LAN, reaches it still."""
    configure(node, V4, silent=("green",))
    result = node.add(cni)
    assert defaults(node.pod) == [("-4", owner)]
    assert gateways_of(result) == [gateway]
    assert outside.answers("10.3.0.5", "10.3.0.1")
    assert node.call("CHECK", prevResult=result).status == 0
    node.delete()


WITHOUT_ROUTES = (
    'import json, sys; r = json.loads(sys.stdin.read() or "{}"); r.pop("routes", 0); print(json.dumps(r))'
)


def test_a_default_route_that_the_primarys_result_does_not_mention_stays(node, outside):
    """As with calico, whose result has addresses only."""
    configure(node, V4)
    node.wrap("bridge", f"\"$REAL\" | python3 -c '{WITHOUT_ROUTES}'")
    result = node.add("blue,red@net1")
    assert defaults(node.pod) == [("-4", "eth0")]
    assert gateways_of(result) == []
    assert outside.answers("10.1.0.5", FAR[0])
    node.delete()


def test_routers_on_a_secondary_network_advertise_no_default_route(node, outside):
    configure(node, DUAL, silent=("red", "green"))
    node.add("blue,green@net1")
    read = [
        node.pod.run("sysctl", "-n", f"net.ipv6.conf.{link}.accept_ra_defrtr").stdout
        for link in ("eth0", "net1")
    ]
    assert read == ["1\n", "0\n"]
    node.delete()


def test_the_log_says_which_network_lost_its_default_route(node):
    configure(node, V4)
    outcome = node.call("ADD", annotations={"cni": "blue,red@net1"})
    said = [event for event in outcome.events if event["event"] == "default route"]
    assert [(event["family"], event["kept"], event["removed"]) for event in said] == [
        ("IPv4", "eth0", ["net1"])
    ]
    node.delete()


def test_killed_while_the_routes_change(node):
    """Before, between and after: DEL gives everything back, and the next ADD does it all."""
    configure(node, V4)
    file = node.root / "strace"
    add = {"annotations": {"cni": "blue,red@net1"}}
    assert finish(node.start(node.env("ADD"), node.stdin(**add), wrap=kills.strace_record(file))).status == 0
    node.delete()
    places = kills.points(file)
    asked = [number for number, place in enumerate(places) if place[0] == "sendto"]
    noted = next(place for place in places[asked[-1] :] if place[0] in kills.TELLING)
    for place in (
        *(places[number] for number in asked[-3:]),
        noted,
    ):  # routes listed, deleted, the results noted
        killed = node.start(node.env("ADD"), node.stdin(**add), wrap=kills.strace_kill(place))
        assert finish(killed).killed, place
        assert set(node.pod.links()) == {"eth0", "net1"}
        node.delete()
        assert (node.pod.links(), node.held(), node.state_files()) == ({}, [], [])
    node.add("blue,red@net1")
    assert defaults(node.pod) == [("-4", "eth0")]
    node.delete()
