"""The annotation k8s.v1.cni.cncf.io/networks in both grammars (conformance C01-C27; NPWG v1.3, section 4.1)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_core.errors import InvalidConfig
from genie_core.select.names import MAX_NETWORKS, parse_names
from genie_core.select.npwg import DEFAULT_BURST, parse_selections

MAC, GUID = "c2:b0:57:49:47:f1", "c2:11:22:33:44:55:66:77"


def parse(value, namespace="here"):
    return parse_selections(value, namespace, "annotation x")


def entry(**keys):
    """The one selection of a JSON annotation with this entry; `_` in a key stands for `-`."""
    data = {key.replace("_", "-"): value for key, value in keys.items()}
    (selection,) = parse(json.dumps([{"name": "n", **data}]))
    return selection


def refusal(value):
    with pytest.raises(InvalidConfig) as caught:
        parse(value)
    return str(caught.value)


def entry_refusal(**keys):
    """Why an entry is refused; the message names it and the annotation."""
    data = {key.replace("_", "-"): value for key, value in keys.items()}
    text = refusal(json.dumps([{"name": "ok"}, {"name": "n", **data}]))
    assert text.startswith('annotation x, entry 2 ("n")')
    return text


def seen(selections):
    return [(selection.namespace, selection.name, selection.ifname) for selection in selections]


# --- the short form


@pytest.mark.parametrize(
    "value, expected",
    [
        ("net1", [("here", "net1", "")]),
        (" net1 , ns2/net2@eth5 ", [("here", "net1", ""), ("ns2", "net2", "eth5")]),
        ("ns / net @ eth5", [("ns", "net", "eth5")]),
        ("a,a", [("here", "a", ""), ("here", "a", "")]),
        ("net1@my_Interface", [("here", "net1", "my_Interface")]),
        ("net1@fifteen-bytes-x", [("here", "net1", "fifteen-bytes-x")]),
        ("a.b.c", [("here", "a.b.c", "")]),
        ("\n a\n", [("here", "a", "")]),
    ],
)
def test_c02_c05_c06_c08_c11_the_short_form(value, expected):
    assert seen(parse(value)) == expected


@pytest.mark.parametrize("value", ["", " ", "\n\t"])
def test_c09_a_blank_annotation_names_nothing(value):
    assert parse(value) == []


@pytest.mark.parametrize("value", ["a/b/c", "a@b@c", "a@b/c", "a@eth1/b", "/a", "a/", "@eth1", "ns/@eth1"])
def test_c03_too_many_parts_or_missing_ones(value):
    assert value in refusal(value)


@pytest.mark.parametrize(
    "value",
    [
        "Net1",
        "a_b",
        "ns/",
        "/n",
        ",",
        "a,,b",
        "a,",
        ",a",
        "-a",
        "a-",
        "a..b",
        ".a",
        "ä",
        "NS/a",
        "n.s/a",
        "../../secrets/x",
        "a%2fb",
        "a\x00b",
        "a b",
        "x" * 254,
        "y" * 64 + "/a",
    ],
)
def test_c04_c05_x22_names_are_dns_1123(value):
    assert refusal(value).startswith("annotation x, item ")


@pytest.mark.parametrize(
    "ifname", ["", ".", "..", "a/b", "a:b", "a b", "x" * 16, "é" * 8, "lo", "a\u00a0b", "all", "default"]
)
def test_c06_names_that_the_kernel_would_not_take(ifname):
    refusal(f"net1@{ifname}")
    if ifname:
        assert entry_refusal(interface=ifname)


@pytest.mark.parametrize(
    "ifname",
    ['a"b', "a'b", "a;b", "a{b", "a$b", "a`b", "a|b", "a&b", "a\\b", "a*", "a#b", "a(b", "\u00ab", "-j"],
)
def test_names_that_mean_something_to_the_programs_that_plugins_run(ifname):
    assert "interface name" in refusal(f'[{{"name": "net1", "interface": {json.dumps(ifname)}}}]')
    assert "interface name" in str(refusal_of_names(f"a@{ifname}"))


def refusal_of_names(value):
    with pytest.raises(InvalidConfig) as caught:
        parse_names(value, "annotation cni")
    return caught.value


def test_c03_the_message_says_which_item():
    assert refusal("a, b, C").startswith('annotation x, item 3 ("C")')
    assert refusal("a,,b").startswith("annotation x, item 2 is empty")


# --- the JSON form


def test_c01_json_is_recognised_by_its_first_character():
    assert seen(parse('  [{"name": "a"}]')) == [("here", "a", "")]
    for value in ("{", '"a"', "a[", 'a"', "[", "[{]"):
        refusal(value)


def test_c10_the_empty_list_names_nothing():
    assert parse("[]") == []


def test_c07_every_key():
    selection = entry(
        namespace="there",
        interface="eth5",
        ips=["10.2.2.42/24", "2001:db8::5"],
        mac=MAC,
        infiniband_guid=GUID,
        bandwidth={"ingressRate": 1},
        portMappings=[{"hostPort": 1, "containerPort": 2}],
        deviceID="0000:03:02.0",
        cni_args={"a": 1},
        default_route=["10.2.2.1"],
        unknown={"is": "ignored"},
    )
    assert seen([selection]) == [("there", "n", "eth5")]
    assert selection.label == "there/n"
    assert set(selection.capabilities) == {"ips", "mac", "infinibandGUID", "bandwidth", "portMappings"}
    assert selection.offers == {"deviceID": '"0000:03:02.0"'}
    assert selection.cni_args == {"a": 1}
    assert selection.default_route == ["10.2.2.1"]


def test_c07_interface_request_is_the_old_name_of_interface():
    assert entry(interfaceRequest="eth7").ifname == "eth7"
    assert entry(interfaceRequest="eth7", interface="eth8").ifname == "eth8"


def test_c08_the_pods_namespace_where_none_is_named():
    assert entry().namespace == entry(namespace="").namespace == entry(namespace=None).namespace == "here"


@pytest.mark.parametrize(
    "value",
    [
        "{}",
        '{"name": "a"}',
        "[null]",
        "[1]",
        "[[]]",
        '["a"]',
        "[{}]",
        '[{"name": ""}]',
        '[{"name": null}]',
        '[{"name": 1}]',
        '[{"name": "a/b"}]',
        '[{"name": "A"}]',
        '[{"name": "../x"}]',
        '[{"name": "a"},]',
        '[{"name": "a", "namespace": 1}]',
        '[{"name": "a", "namespace": "x/y"}]',
        '[{"name": "a"}] x',
        '[{"name": "a", "interface": 5}]',
        '[{"name": "a", "mac": 5}]',
        '[{"name": "a", "ips": "10.0.0.1"}]',
    ],
)
def test_c07_c12_c13_x22_a_value_that_is_no_list_of_networks_is_an_error(value):
    assert refusal(value).startswith("annotation x")


def test_c12_bad_json_is_shown_by_line_and_column():
    assert "line 2 column" in refusal('[{"name": "a"},\n {"name" "b"}]')
    assert "trailing comma" in refusal('[{"name": "a"},]')


# --- the keys


@pytest.mark.parametrize(
    "ips", [["10.2.2.42/24"], ["10.2.2.42"], ["2001:db8::5", "10.0.0.1/8"], ["2001:db8::1/128"]]
)
def test_c14_x24_addresses_with_and_without_length_are_forwarded_as_they_are(ips):
    assert json.loads(entry(ips=ips).capabilities["ips"]) == ips


def test_addresses_are_forwarded_in_their_canonical_form():
    assert json.loads(entry(ips=["2001:DB8:0::5/64", "::ffff:10.0.0.1"]).capabilities["ips"]) == [
        "2001:db8::5/64",
        "10.0.0.1",
    ]
    assert entry(default_route=["FD00:0::1"]).default_route == ["fd00::1"]


@pytest.mark.parametrize(
    "address, kind",
    [
        *dict.fromkeys(
            ["127.0.0.1", "127.255.0.9/8", "::1", "::ffff:127.0.0.1"], "a loopback address"
        ).items(),
        *dict.fromkeys(["224.0.0.1", "239.1.2.3/24", "ff02::1"], "a multicast address").items(),
        *dict.fromkeys(["0.0.0.0", "0.1.2.3", "::"], "the unspecified address").items(),
        *dict.fromkeys(["0.0.0.0/0", "10.1.2.3/0", "2001:db8::1/0"], "a prefix of length 0").items(),
        ("255.255.255.255", "the broadcast address"),
    ],
)
def test_addresses_that_no_interface_of_a_pod_can_have(address, kind):
    assert f"ips: {address} is {kind}" in entry_refusal(ips=["10.0.0.1", address])
    if "/" not in address:
        assert f"default-route: {address} is {kind}" in entry_refusal(default_route=[address])


@pytest.mark.parametrize(
    "address", ["ff::1", "126.0.0.1", "128.0.0.1", "223.0.0.1", "240.0.0.1", "::2", "1::"]
)
def test_their_neighbours_are_addresses_of_pods(address):
    assert json.loads(entry(ips=[address]).capabilities["ips"]) == [address]


@pytest.mark.parametrize(
    "ips", [[], [""], ["10.0.0"], ["10.0.0.1/33"], [1], "10.0.0.1", {}, ["fe80::1%eth0"], ["10.0.0.01"]]
)
def test_c14_bad_addresses(ips):
    assert "ips" in entry_refusal(ips=ips)


@pytest.mark.parametrize("mac", [MAC, MAC.upper(), MAC.replace(":", "-")])
def test_c16_a_mac_address_is_forwarded_as_given(mac):
    assert json.loads(entry(mac=mac).capabilities["mac"]) == mac


@pytest.mark.parametrize(
    "mac",
    [
        "",
        "c2:b0:57:49:47",
        GUID,
        "c2b0.5749.47f1",
        "g2:b0:57:49:47:f1",
        "c2:b0-57:49:47:f1",
        "c2:b0:57:49:47:f",
        5,
    ],
)
def test_c12_c16_bad_mac_addresses(mac):
    assert "mac" in entry_refusal(mac=mac)


def test_c17_a_guid_has_eight_octets():
    assert json.loads(entry(infiniband_guid=GUID).capabilities["infinibandGUID"]) == GUID
    assert "infiniband-guid" in entry_refusal(infiniband_guid=MAC)


@pytest.mark.parametrize(
    "given, passed", [("10.0.0.1", "10.0.0.1"), ("2001:DB8::0:1", "2001:db8::1"), ("", None), (None, None)]
)
def test_c20_the_nodes_address_is_forwarded_in_its_canonical_form(given, passed):
    mapping = {"hostPort": 8080, "containerPort": 80, "hostIP": given}
    (found,) = json.loads(entry(portMappings=[mapping]).capabilities["portMappings"])
    assert found.get("hostIP") == passed


@pytest.mark.parametrize(
    "protocol, passed", [("TCP", "tcp"), ("udp", "udp"), ("Sctp", "sctp"), (None, "tcp")]
)
def test_c20_port_mappings(protocol, passed):
    ports = {"hostPort": 8080, "containerPort": 80}
    asked = [ports | {"protocol": protocol}] + ([] if protocol else [ports])  # null is as good as absent
    for one in asked:
        (mapping,) = json.loads(entry(portMappings=[one]).capabilities["portMappings"])
        assert mapping == {**ports, "protocol": passed}


@pytest.mark.parametrize(
    "mapping",
    [{"hostPort": port, "containerPort": 80} for port in (0, 65536, "80", -1, 1.5, True, None)]
    + [{"hostPort": 80, "containerPort": port} for port in (0, 65536, "80", None)]
    + [{"hostPort": 80}, {"containerPort": 80}, {}, 5, None]
    + [{"hostPort": 80, "containerPort": 80, "protocol": p} for p in ("icmp", 6, "")]
    + [{"hostPort": 80, "containerPort": 80, "hostIP": ip} for ip in ("x", 1)],
)
def test_c20_bad_port_mappings(mapping):
    assert "portMappings[1]" in entry_refusal(portMappings=[{"hostPort": 1, "containerPort": 1}, mapping])


def test_c20_an_empty_array_is_no_port_mapping():
    assert "portMappings" in entry_refusal(portMappings=[])


def test_c21_a_rate_without_burst_gets_one():
    assert json.loads(entry(bandwidth={"ingressRate": 8}).capabilities["bandwidth"]) == {
        "ingressRate": 8,
        "ingressBurst": DEFAULT_BURST,
    }
    full = {"ingressRate": 1, "ingressBurst": 2, "egressRate": 3, "egressBurst": 4}
    assert json.loads(entry(bandwidth=full).capabilities["bandwidth"]) == full


@pytest.mark.parametrize(
    "bandwidth",
    [
        {},
        [],
        5,
        {"ingressBurst": 1},
        {"egressBurst": 1, "ingressRate": 1},
        {"ingressRate": 0},
        {"x": 1},
        {"ingressRate": -1},
        {"ingressRate": "1M"},
        {"ingressRate": 1.5},
        {"egressRate": True},
        {"egressRate": None},
    ],
)
def test_c21_bad_bandwidth(bandwidth):
    assert "bandwidth" in entry_refusal(bandwidth=bandwidth)


@pytest.mark.parametrize("value", [[], "a", 5, True])
def test_c22_cni_args_are_an_object(value):
    assert "cni-args" in entry_refusal(cni_args=value)


def test_c23_ips_beside_an_ipam_claim():
    assert "ipam-claim-reference" in entry_refusal(ips=["10.0.0.1"], ipam_claim_reference="c")
    assert entry(ipam_claim_reference="c").capabilities == {}


def test_c24_a_device_is_offered_and_not_demanded():
    assert entry(deviceID="0000:03:02.0").capabilities == {}
    assert entry().offers == {}


def test_c26_absent_null_and_empty_default_routes_differ():
    assert entry().default_route is entry(default_route=None).default_route is None
    assert entry(default_route=[]).default_route == []
    assert entry(default_route=["10.0.0.1", "fd00::1"]).default_route == ["10.0.0.1", "fd00::1"]


@pytest.mark.parametrize(
    "routes", ["10.0.0.1", {}, [5], [""], ["10.0.0.1/24"], ["x"], ["10.0.0.1", "10.0.0.2"]]
)
def test_c27_bad_default_routes(routes):
    assert "default-route" in entry_refusal(default_route=routes)


# --- properties: whatever the annotation, it is understood or refused in words

LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
IFNAME = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,14}", fullmatch=True).filter(
    lambda name: name not in ("lo", "all", "default")
)
SPACE = st.text(" \t\n", max_size=2)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)
KEYS = [
    "name",
    "namespace",
    "interface",
    "ips",
    "mac",
    "portMappings",
    "bandwidth",
    "cni-args",
    "default-route",
]
KEYS += ["infiniband-guid", "ipam-claim-reference", "deviceID", "interfaceRequest", "other"]


@pytest.mark.property
@given(st.lists(st.tuples(st.none() | LABEL, LABEL, st.none() | IFNAME, SPACE), min_size=1, max_size=5))
def test_c02_what_is_written_is_read(items):
    """NPWG 4.1.1: `[namespace/]name[@interface]`, separated by commas."""
    written = [
        f"{space}{ns + '/' if ns else ''}{name}{'@' + to if to else ''}{space}"
        for ns, name, to, space in items
    ]
    assert seen(parse(",".join(written))) == [(ns or "here", name, to or "") for ns, name, to, _ in items]


@pytest.mark.property
@given(st.lists(st.tuples(st.none() | LABEL, LABEL, st.none() | IFNAME), max_size=5))
def test_c07_both_grammars_mean_the_same(items):
    short = ",".join(f"{ns + '/' if ns else ''}{name}{'@' + to if to else ''}" for ns, name, to in items)
    long = [{"name": name, "namespace": ns, "interface": to} for ns, name, to in items]
    assert seen(parse(json.dumps(long))) == seen(parse(short))


@pytest.mark.property
@given(
    st.text(max_size=40)
    | JSON.map(json.dumps)
    | st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON)), max_size=3).map(json.dumps)
)
def test_c12_anything_else_is_refused_in_words(value):
    try:
        selections = parse(value)
    except InvalidConfig as error:
        assert error.msg.startswith("annotation x")
    else:
        assert all(selection.name and selection.namespace for selection in selections)


@pytest.mark.parametrize("separator, item, frame", [(",", "n", "{}"), (",", '{"name": "n"}', "[{}]")])
def test_both_forms_name_no_more_networks_than_a_pod_could_have(separator, item, frame):
    enough = frame.format(separator.join([item] * MAX_NETWORKS))
    assert len(parse_selections(enough, "ns", "x")) == MAX_NETWORKS
    with pytest.raises(InvalidConfig, match=f"^x: {MAX_NETWORKS + 1} networks"):
        parse_selections(enough.replace(item, item + separator + item, 1), "ns", "x")
