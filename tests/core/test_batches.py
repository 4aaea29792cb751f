"""Which networks of a pod may be attached side by side: only those that are known to have nothing in common."""

import json

import pytest

from genie_core.batches import batches
from genie_core.model import Attachment, NetConf, PluginConf


def ipam(*subnets, **more):
    return {"type": "host-local", "ranges": [[{"subnet": subnet}] for subnet in subnets], **more}


def on(type_, name="", *, chained=(), capabilities=None, **config):
    """An attachment to a network of its own name, on an interface of its own."""
    entries = [{"type": type_, **config}, *chained]
    plugins = [PluginConf(entry["type"], json.dumps(entry)) for entry in entries]
    network = NetConf(name or type_, "1.0.0", plugins, "")
    return Attachment(network, "net1", network.name, capabilities=capabilities or {})


BRIDGE = on("bridge", ipam=ipam("10.1.0.0/16"))
PTP = on("ptp", ipam=ipam("10.2.0.0/16", routes=[{"dst": "0.0.0.0/0"}]))
MACVLAN = on("macvlan", master="up0", ipam={"type": "static", "addresses": [{"address": "10.3.0.9/16"}]})


def test_networks_with_nothing_in_common_are_one_batch():
    assert batches([BRIDGE, PTP, MACVLAN]) == [[0, 1, 2]]


def test_a_network_that_has_an_order_begins_a_new_batch_and_keeps_its_place():
    again = on("ptp", "again", ipam=ipam("10.2.0.0/16"))
    assert batches([BRIDGE, PTP, again, MACVLAN]) == [[0, 1], [2, 3]]


def test_where_all_have_an_order_there_are_no_batches():
    assert batches([BRIDGE, BRIDGE, BRIDGE]) == []
    assert batches([BRIDGE]) == []
    assert batches([]) == []


TUNED = {"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}, "mtu": 1300}


@pytest.mark.parametrize(
    "other",
    [
        on("bridge", "b2", bridge="br2", ipam=ipam("10.9.0.0/16", "fd09::/64")),
        on("bridge", "l2", bridge="br2"),
        on("ipvlan", master="up1", ipam=ipam("10.1.5.0/24")),
        on("vlan", master="up1", vlanId=5, ipam=ipam("10.9.0.0/16")),
        on(
            "ptp", "p2", ipam=ipam("10.9.0.0/16"), chained=[{"type": "portmap"}, {"type": "bandwidth"}, TUNED]
        ),
        on("ptp", "p2", ipam=ipam("10.9.0.0/16"), chained=[{"type": "firewall"}]),
        on("ptp", "p2", ipam=ipam("10.9.0.0/16"), capabilities={"portMappings": "[]", "dns": "{}"}),
    ],
    ids=lambda item: f"{item.network.name} {len(item.network.plugins)}",
)
def test_beside(other):
    assert batches([BRIDGE, other]) == [[0, 1]]


ORDERED = {
    "the same network": on("ptp", "bridge", ipam=ipam("10.9.0.0/16")),
    "the same bridge": on("bridge", "b2", bridge="cni0", ipam=ipam("10.9.0.0/16")),
    "the bridge as a parent": on("macvlan", master="cni0", ipam=ipam("10.9.0.0/16")),
    "the same subnet": on("ptp", ipam=ipam("10.1.0.0/16")),
    "an address of it": on("ptp", ipam={"type": "static", "addresses": [{"address": "10.1.7.9/16"}]}),
    "in another spelling": on("ptp", IPAM={"Type": "host-local", "SUBNET": "10.1.0.0/16"}),
    "a route to it": on("ptp", ipam=ipam("10.9.0.0/16", routes=[{"dst": "10.1.0.0/16", "gw": "10.9.0.1"}])),
    "an unknown type": on("calico", ipam=ipam("10.9.0.0/16")),
    "an unknown type in the chain": on("ptp", ipam=ipam("10.9.0.0/16"), chained=[{"type": "sbr"}]),
    "an unknown IPAM type": on("ptp", ipam={"type": "dhcp"}),
    "no parent": on("macvlan", ipam=ipam("10.9.0.0/16")),
    "a parent in the pod": on("macvlan", master="eth0", linkInContainer=True, ipam=ipam("10.9.0.0/16")),
    "keys of the whole pod": on(
        "ptp",
        ipam=ipam("10.9.0.0/16"),
        chained=[{"type": "tuning", "sysctl": {"net.ipv4.conf.default.rp_filter": "0"}}],
    ),
    "addresses from the runtime": on("ptp", ipam=ipam("10.9.0.0/16"), capabilities={"ips": "[]"}),
    "addresses in args": on("ptp", ipam=ipam("10.9.0.0/16"), args={"cni": {"ips": ["10.1.0.7/16"]}}),
    "no address": on("ptp", ipam=ipam("10.9")),
    "no object": on("ptp", ipam=[1]),
    "no list": on("ptp", ipam=ipam("10.9.0.0/16", routes=5)),
    "no text": on("ptp", ipam={"type": "host-local", "subnet": 7}),
    "a range without a subnet": on(
        "ptp", ipam={"type": "host-local", "ranges": [[{"rangeStart": "10.9.0.5"}]]}
    ),
    "an entry without an address": on("ptp", ipam={"type": "static", "addresses": [{"gateway": "10.9.0.1"}]}),
    "a route without a destination": on("ptp", ipam=ipam("10.9.0.0/16", routes=[{"gw": "10.9.0.1"}])),
}


@pytest.mark.parametrize("what", ORDERED)
def test_in_order(what):
    assert batches([BRIDGE, ORDERED[what]]) == []
    assert batches([ORDERED[what], BRIDGE]) == []


def test_the_same_parent_and_the_same_firewall_chains_are_an_order():
    flat = on("ipvlan", master="up0", ipam=ipam("10.9.0.0/16"))
    assert batches([MACVLAN, flat]) == []
    fire = [on("ptp", f"p{n}", ipam=ipam(f"10.{n}.0.0/16"), chained=[{"type": "firewall"}]) for n in (5, 6)]
    assert batches(fire) == []


def test_the_same_destination_is_an_order_and_the_default_route_is_none():
    def to(name, subnet, *destinations):
        return on("ptp", name, ipam=ipam(subnet, routes=[{"dst": dst} for dst in destinations]))

    assert batches([to("a", "10.5.0.0/16", "10.96.0.0/12"), to("b", "10.6.0.0/16", "10.96.0.1/12")]) == []
    both = ("0.0.0.0/0", "::/0")
    assert batches([to("a", "10.5.0.0/16", *both), to("b", "fd06::/64", *both)]) == [[0, 1]]
