"""Which networks annotations mean, together: precedence, isolation, names of interfaces (C08-C13, C37-C45, D01-D05)."""

import pytest

from genie_core.errors import INVALID_CONFIG, TRY_AGAIN, GenieError

NPWG = "k8s.v1.cni.cncf.io/networks"
DEFAULT = "v1.multus-cni.io/default-network"
MACVLAN = {"cniVersion": "1.0.0", "type": "macvlan"}


@pytest.fixture
def node(desk):
    """Three files, of which a is the default network, and two attachments in two namespaces."""
    for name in ("a", "b", "c"):
        desk.file(name)
    desk.nad("net", MACVLAN)
    desk.nad("net", MACVLAN, namespace="default")
    desk.nad("net", MACVLAN, namespace="other")
    desk.nad("net", MACVLAN, namespace="kube-system")
    desk.logical("logical", plugin="b")
    return desk


def refusal(desk, annotations, code=INVALID_CONFIG, **settings):
    with pytest.raises(GenieError) as caught:
        desk.plan(annotations, **settings)
    assert caught.value.code == code
    return str(caught.value)


# --- precedence


@pytest.mark.parametrize(
    "annotations, expected",
    [
        ({}, ["a@eth0"]),
        ({"other": "x"}, ["a@eth0"]),
        ({NPWG: ""}, ["a@eth0"]),
        ({NPWG: " \n"}, ["a@eth0"]),
        ({NPWG: "[]"}, ["a@eth0"]),
        ({NPWG: "net"}, ["a@eth0", "ns/net@net1"]),
        ({NPWG: "net", "cni": "c", "networks": "logical"}, ["a@eth0", "ns/net@net1"]),
        ({NPWG: " ", "cni": "c"}, ["c@eth0"]),
        ({"cni": "c,b"}, ["c@eth0", "b@eth1"]),
        ({"cni": "c", "networks": "logical"}, ["c@eth0"]),
        ({"cni": "", "networks": "logical"}, ["ns/logical@eth0"]),
        ({"cni": " ", "networks": "logical"}, ["ns/logical@eth0"]),
        ({"networks": "logical"}, ["ns/logical@eth0"]),
        ({"networks": " "}, ["a@eth0"]),
    ],
)
def test_c09_c10_d01_d02_d04_the_first_annotation_that_says_something_wins(node, annotations, expected):
    assert node.seen(annotations) == expected


def test_c11_order_and_duplicates(node):
    assert node.seen({NPWG: "default/net, net, net"}) == [
        "a@eth0",
        "default/net@net1",
        "ns/net@net2",
        "ns/net@net3",
    ]


# --- the default network


def test_c39_the_default_network_has_the_runtimes_interface(node):
    assert node.seen({NPWG: "net"}, default_plugin="c,b") == ["c@eth0", "b@eth1", "ns/net@net2"]


def test_c40_a_default_network_that_is_not_there_yet_is_worth_another_try(desk):
    assert refusal(desk, {}, TRY_AGAIN)
    assert "default_plugin" in refusal(desk, {}, TRY_AGAIN, default_plugin="weave")


def test_c41_genies_own_file_is_left_out_whatever_it_is_called(node):
    node.file("0", "bridge", {"type": "genie"}, file="00-aaa.conflist")
    assert node.seen({}) == ["a@eth0"]


def test_c42_the_pod_may_name_another_default_network(node):
    assert node.seen({DEFAULT: "net"}) == ["kube-system/net@eth0"]
    assert node.seen({DEFAULT: "other/net@eth7", NPWG: "net"}) == ["other/net@eth0", "ns/net@net1"]
    assert node.seen({DEFAULT: '[{"name": "net", "namespace": "ns"}]'}) == ["ns/net@eth0"]
    assert node.seen({DEFAULT: "ns/net", "cni": "b"}) == ["b@eth0"]


@pytest.mark.parametrize("value", ["net,net", "[]", "Net", "{}"])
def test_c42_exactly_one(node, value):
    assert refusal(node, {DEFAULT: value}).startswith(f"annotation {DEFAULT}")


def test_definitions_are_of_a_bounded_size_together(desk):
    """A tenant's definitions of a megabyte, a pod with 256 of them, and many such pods at once."""
    desk.file("a")
    desk.nad("large", {**MACVLAN, "pad": "x" * 900_000})
    assert len(desk.plan({NPWG: ",".join(["large"] * 9)})) == 10
    assert "item 10" in refusal(desk, {NPWG: ",".join(["large"] * 10)})


def test_a_definition_has_a_bounded_number_of_plugins(desk):
    """Each gets a copy of `cni-args`, for which an annotation has room for 256 KiB."""
    desk.file("a")
    for count in (64, 65):
        desk.nad(f"chain{count}", {"cniVersion": "1.0.0", "plugins": [{"type": "p"}] * count})
    asked = '[{"name": "chain%d", "cni-args": {"labels": "%s"}}]'
    assert len(desk.plan({NPWG: asked % (64, "x")})) == 2
    assert "65 plugins, where a network may have 64" in refusal(desk, {NPWG: asked % (65, "x" * 200_000)})


# --- default_networks


def test_default_networks_come_after_the_default_and_before_the_pods_own(node):
    more = {"default_networks": ["c", "default/net"]}
    assert node.seen({}, **more) == ["a@eth0", "c@net1", "default/net@net2"]
    assert node.seen({NPWG: "net"}, **more) == ["a@eth0", "c@net1", "default/net@net2", "ns/net@net3"]
    assert node.seen({DEFAULT: "ns/net"}, **more) == ["ns/net@eth0", "c@net1", "default/net@net2"]


def test_default_networks_name_their_interfaces_as_annotations_do(node):
    more = {"default_networks": [" c @ data0 ", "default/net@data1", "c"]}
    assert node.seen({}, **more) == ["a@eth0", "c@data0", "default/net@data1", "c@net3"]


def test_an_entry_of_default_networks_is_one_network(node):
    for entry in ("c,b", "default/net,c"):
        assert "default_networks, item 1: names 2 networks" in refusal(node, {}, default_networks=[entry])


@pytest.mark.parametrize("entry", ["c@lo", "c@a@b", "c@", "default/net@lo", "De/net"])
def test_a_default_network_that_is_misspelt_is_named_by_its_place(node, entry):
    assert refusal(node, {}, default_networks=["c", entry]).startswith(
        f'default_networks, item 2 ("{entry}")'
    )


@pytest.mark.parametrize(
    "annotations, expected",
    [
        ({"cni": "b"}, ["b@eth0"]),
        ({"cni": "b,a"}, ["b@eth0", "a@eth1"]),
        ({"networks": "logical"}, ["ns/logical@eth0"]),
        ({"cni": ""}, ["a@eth0"]),
    ],
)
def test_default_networks_hold_on_every_path(node, annotations, expected):
    """They are the operator's: no annotation takes them off."""
    place = len(expected)
    assert node.seen(annotations, default_networks=["c"]) == [*expected, f"c@net{place}"]
    assert node.seen(annotations, default_networks=["c"], system_namespaces=["ns"]) == expected


def test_system_namespaces_get_the_default_network_alone(node):
    assert node.seen({}, default_networks=["c"], system_namespaces=["ns"]) == ["a@eth0"]
    assert node.seen({NPWG: "net"}, default_networks=["c"], system_namespaces=["ns"]) == [
        "a@eth0",
        "ns/net@net1",
    ]


def test_a15_a_container_that_is_no_pod_gets_the_default_network_without_an_api_call(node):
    assert node.seen({}, default_networks=["default/net"], pod=False) == ["a@eth0"]
    assert node.api.requests == []


def test_default_networks_need_no_permission(node):
    """The operator selects them, not the pod."""
    on = {"namespace_isolation": True, "default_networks": ["other/net"]}
    assert node.seen({}, **on) == ["a@eth0", "other/net@net1"]


def test_default_networks_that_do_not_exist(node):
    assert "default_networks, item 1" in refusal(node, {}, default_networks=["nobody"])
    assert "default_networks, item 2" in refusal(node, {}, default_networks=["c", "ns/nobody"])


# --- isolation


@pytest.mark.parametrize(
    "annotations, allowed",
    [
        ({NPWG: "net"}, True),
        ({NPWG: "ns/net"}, True),
        ({NPWG: "default/net"}, True),
        ({NPWG: "other/net"}, False),
        ({NPWG: '[{"name": "net", "namespace": "default"}]'}, True),
        ({NPWG: '[{"name": "net"}, {"name": "net", "namespace": "other"}]'}, False),
        ({DEFAULT: "other/net"}, False),
        ({DEFAULT: "net"}, False),
        ({DEFAULT: "ns/net"}, True),
        ({DEFAULT: "other/net", NPWG: "net"}, False),
    ],
)
def test_c37_c38_isolation_holds_on_every_path(node, annotations, allowed):
    assert node.plan(annotations)
    if allowed:
        assert node.plan(annotations, namespace_isolation=True)
        return
    asked = len(node.api.requests)
    text = refusal(node, annotations, namespace_isolation=True)
    assert text.startswith("annotation ")
    assert "in namespace ns may not use a network of namespace" in text
    assert len(node.api.requests) == asked  # nothing is even read


def test_c37_global_namespaces_replace_the_default(node):
    on = {"namespace_isolation": True, "global_namespaces": ["other"]}
    assert node.plan({NPWG: "other/net"}, **on)
    assert refusal(node, {NPWG: "default/net"}, **on)
    assert refusal(node, {NPWG: "default/net"}, namespace_isolation=True, global_namespaces=[])


def test_c38_logical_networks_are_those_of_the_pods_namespace(node):
    node.objects.add(
        {
            "apiVersion": "alpha.network.k8s.io/v1",
            "kind": "Logicalnetwork",
            "metadata": {"name": "theirs", "namespace": "other"},
            "spec": {"plugin": "b"},
        }
    )
    for value in ("other/theirs", "theirs", "../other/logicalnetworks/theirs"):
        assert refusal(node, {"networks": value})


# --- nothing before everything was found


@pytest.mark.parametrize("value", ["net,nobody", "nobody/net", '[{"name": "net"}, {"name": "nobody"}]'])
def test_c13_an_attachment_that_does_not_exist(node, value):
    assert "does not exist" in refusal(node, {NPWG: value})


def test_c13_an_api_server_that_fails(node):
    node.api.fail(503, times=99)
    assert f"annotation {NPWG}, item 1" in refusal(node, {NPWG: "net"}, TRY_AGAIN)


def test_c13_a_refusal_names_the_account(node):
    node.api.forbidden.add(("get", "network-attachment-definitions"))
    text = refusal(node, {NPWG: "net"})
    assert f"annotation {NPWG}, item 1" in text
    assert "not allow" in text


# --- names of interfaces


@pytest.mark.parametrize(
    "annotations, names",
    [
        ({"cni": "a,b,c"}, ["eth0", "eth1", "eth2"]),
        ({"cni": "a,b@eth0,c"}, ["eth1", "eth0", "eth2"]),
        ({"cni": "a,b@eth4,a@eth3"}, ["eth0", "eth4", "eth3"]),
        ({"cni": "a,b@eth1,c"}, ["eth0", "eth1", "eth2"]),
        ({"cni": "a@x,b"}, ["x", "eth0"]),
        ({NPWG: "net,net@net2,net"}, ["eth0", "net1", "net2", "net3"]),
        ({NPWG: "net@net2,net"}, ["eth0", "net2", "net3"]),
        ({NPWG: "net,net@net1"}, ["eth0", "net2", "net1"]),
    ],
)
def test_c43_c44_d34_names(node, annotations, names):
    assert [item.ifname for item in node.plan(annotations)] == names


def test_c43_one_prefix_for_all(node):
    assert [item.ifname for item in node.plan({NPWG: "net,net"}, interface_prefix="data")] == [
        "eth0",
        "data1",
        "data2",
    ]
    assert [item.ifname for item in node.plan({"cni": "a,b"}, interface_prefix="data")] == ["eth0", "data1"]


@pytest.mark.parametrize("value", ["net@eth5,net@eth5", "net@eth0", '[{"name": "net", "interface": "eth0"}]'])
def test_c18_a_name_that_is_another_ones(node, value):
    assert f"annotation {NPWG}" in refusal(node, {NPWG: value})


@pytest.mark.parametrize("value", ["a@x,b@x", "a@eth3", "a@lo", "a@b@c", "a,,b", "@eth1"])
def test_d05_d34_x18_refused(node, value):
    assert "annotation cni" in refusal(node, {"cni": value}) or "interface eth0" in refusal(
        node, {"cni": value}
    )


def test_x21_a_blank_annotation_asks_the_api_server_for_nothing(node):
    node.plan({NPWG: ""})
    node.plan({DEFAULT: " "})
    assert node.api.requests == []
