"""CHECK's own look at the namespace, and interfaces that ADD refuses: conformance C19, A73, A74."""

import pytest

from genie_core.edges.netlink import Address, DefaultRoute, LeanLink
from genie_core.edges.podnet import Snapshot, existing_links, missing, verify
from genie_core.errors import CHECK_FAILED, CheckFailed, InvalidNetns
from genie_core.model import Result

MAC = "0a:58:0a:01:00:05"
SANDBOX = "/run/netns/blue"
ETH0 = {"name": "eth0", "mac": MAC, "sandbox": SANDBOX}
BRIDGE = {"name": "br0", "mac": "0a:58:0a:01:00:01"}
DEFAULTS = [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}, {"dst": "::/0", "gw": "fd01::1"}]
RESULT = Result(
    interfaces=[BRIDGE, ETH0],
    ips=[{"address": "10.1.0.5/24", "interface": 1}, {"address": "fd01::5/64", "interface": 1}],
    routes=DEFAULTS,
)


def default(ifindex, table=254):
    return DefaultRoute(b"", b"", table, 4, ifindex, "10.1.0.1")


def snapshot(links=None, addresses=("10.1.0.5/24", "fd01::5/64"), v4=(2,), v6=(2,), index=2):
    return Snapshot(
        links
        or {"lo": LeanLink("lo", 1), "eth0": LeanLink("eth0", 2, MAC), "net1": LeanLink("net1", 3, MAC)},
        [Address(index, prefix) for prefix in addresses],
        {True: [default(number) for number in v4], False: [default(number) for number in v6]},
    )


@pytest.mark.parametrize(
    "result, found, expected",
    [
        (RESULT, snapshot(), []),
        (Result(), snapshot(), []),
        (RESULT, snapshot(links={"net1": LeanLink("net1", 2, MAC)}), ["interface eth0 is gone"]),
        (RESULT, snapshot(addresses=["fd01::5/64"]), ["address 10.1.0.5/24 is gone from eth0"]),
        (
            RESULT,
            snapshot(index=3),
            ["address 10.1.0.5/24 is gone from eth0", "address fd01::5/64 is gone from eth0"],
        ),
        (RESULT, snapshot(addresses=["10.1.0.5/32", "fd01::5/128"]), []),
        (RESULT, snapshot(v4=[]), ["no IPv4 default route leads through this network any more"]),
        (RESULT, snapshot(v6=[3]), ["no IPv6 default route leads through this network any more"]),
        (RESULT, snapshot(v4=[3, 0]), []),
        (
            RESULT,
            snapshot(links={"eth0": LeanLink("eth0", 2, "0a:00:00:00:00:01")}),
            [f"interface eth0 has the MAC address 0a:00:00:00:00:01, not {MAC}"],
        ),
        (RESULT.replace(interfaces=[BRIDGE, {**ETH0, "mac": MAC.upper()}]), snapshot(), []),
        (RESULT.replace(interfaces=[BRIDGE, {**ETH0, "mac": ""}]), snapshot(), []),
        # as Calico prints it: no interfaces at all
        (Result(ips=[{"address": "10.1.0.5/32"}]), snapshot(index=3), []),
        (Result(ips=[{"address": "10.1.0.9/32"}]), snapshot(), ["address 10.1.0.9/32 is gone"]),
        (Result(routes=DEFAULTS), snapshot(v4=[3]), []),
        # the node's own address; an interface of user space
        (Result(interfaces=[BRIDGE], ips=[{"address": "10.1.0.1/24", "interface": 0}]), snapshot(), []),
        (
            Result(interfaces=[{"name": "vhost0", "sandbox": SANDBOX, "socketPath": "/run/vhost0"}]),
            snapshot(),
            [],
        ),
        (Result(interfaces=[{"name": "vf0", "sandbox": SANDBOX, "pciID": "0000:5e:02.0"}]), snapshot(), []),
    ],
)
def test_a74_missing_parts(result, found, expected):
    assert list(missing(result, found)) == expected


def test_routes_that_a_plugin_keeps_in_a_table_of_its_own_are_there():
    """sbr and vrf move the routes of bridge's result."""
    found = snapshot()
    found.defaults = {v4: [default(2, table=100)] for v4 in (True, False)}
    assert list(missing(RESULT, found)) == []


@pytest.fixture
def pod(netns):
    made = netns()
    for argv in (
        f"link add eth0 address {MAC} type veth peer name p0",
        "link set p0 up",
        "link set eth0 up",
        "address add 10.1.0.5/24 dev eth0",
        "address add fd01::5/64 dev eth0 nodad",
        "route add default via 10.1.0.1",
        "-6 route add default via fd01::1",
    ):
        made.run("ip", *argv.split())
    return made


def test_c19_the_interfaces_that_exist(pod):
    assert existing_links(str(pod.path)) == {"lo", "eth0", "p0"}


def test_c19_no_namespace_is_another_error_than_no_interface(tmp_path):
    with pytest.raises(InvalidNetns):
        existing_links(str(tmp_path / "none"))


def test_a73_what_add_made_is_there(pod):
    verify(str(pod.path), [("eth0", RESULT)])


@pytest.mark.parametrize(
    "change, problem",
    [
        ("link delete eth0", "interface eth0 is gone"),
        ("link set eth0 name eth9", "interface eth0 is gone"),
        ("link set eth0 address 0a:58:0a:01:00:06", "interface eth0 has the MAC address"),
        ("address delete 10.1.0.5/24 dev eth0", "address 10.1.0.5/24 is gone from eth0"),
        ("address delete fd01::5/64 dev eth0", "address fd01::5/64 is gone from eth0"),
        ("route delete default", "no IPv4 default route leads through this network any more"),
        ("-6 route delete default", "no IPv6 default route leads through this network any more"),
    ],
)
def test_a74_what_was_removed_is_named(pod, change, problem):
    if change.startswith("link set eth0 name"):
        pod.run("ip", "link", "set", "eth0", "down")
    pod.run("ip", *change.split())
    with pytest.raises(CheckFailed) as caught:
        verify(str(pod.path), [("net1", Result()), ("eth0", RESULT)])
    assert caught.value.code == CHECK_FAILED
    assert caught.value.msg.startswith(f"{pod.path}: eth0: {problem}")
    assert caught.value.hint.startswith("recreate the pod")


def test_a74_all_that_is_missing_is_named_in_one_error(pod):
    pod.run("ip", "address", "flush", "dev", "eth0")
    with pytest.raises(CheckFailed) as caught:
        verify(str(pod.path), [("eth0", RESULT)])
    assert "address 10.1.0.5/24" in caught.value.msg
    assert "address fd01::5/64" in caught.value.details
    assert "no IPv4 default route" in caught.value.details
