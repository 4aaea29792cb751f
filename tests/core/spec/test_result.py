"""Results of all versions, in and out: conformance A32-A47, A70, A71, B29, B34, B35, B42."""

import json
import pathlib

import pytest

from genie_core.errors import DecodingFailure, IncompatibleVersion, InvalidConfig
from genie_core.model import Result
from genie_core.spec import result as results
from genie_core.spec.versions import SUPPORTED

GOLDEN = pathlib.Path(__file__).parents[2] / "golden" / "results"
LEGACY, VERSIONED_IPS, CURRENT = SUPPORTED[:2], SUPPORTED[2:5], SUPPORTED[5:]
WHERE = 'network "weave" (eth1), plugin bridge'

DNS = {
    "nameservers": ["10.1.0.10", "fd00::a"],
    "domain": "cluster.local",
    "search": ["svc.cluster.local"],
    "options": ["ndots:5"],
}
FULL = Result(
    interfaces=[
        {"name": "cni0", "mac": "0a:58:0a:01:00:01", "mtu": 1450},
        {"name": "veth7f3a", "mac": "5e:00:00:00:00:07"},
        {
            "name": "eth0",
            "mac": "0a:58:0a:01:00:05",
            "sandbox": "/run/netns/blue",
            "mtu": 1450,
            "socketPath": "/run/vhost/eth0.sock",
            "pciID": "0000:3b:02.1",
        },
    ],
    ips=[
        {"address": "10.1.0.5/24", "gateway": "10.1.0.1", "interface": 2},
        {"address": "fd00::5/64", "gateway": "fd00::1", "interface": 2},
        {"address": "10.2.0.5/24", "gateway": "10.2.0.1", "interface": 2},
    ],
    routes=[
        {"dst": "0.0.0.0/0", "gw": "10.1.0.1"},
        {"dst": "10.96.0.0/12", "mtu": 1400, "advmss": 1360, "priority": 100, "table": 0, "scope": 0},
        {"dst": "::/0", "gw": "fd00::1"},
    ],
    dns=DNS,
)


def golden(version):
    return json.loads((GOLDEN / f"{version}.json").read_text())


def parse(value, default="1.1.0", where=WHERE):
    return results.parse(value if isinstance(value, str) else json.dumps(value), default, where)[1]


def refusal(value, default="1.1.0"):
    with pytest.raises(DecodingFailure) as caught:
        parse(value, default)
    assert caught.value.code == 6
    return caught.value.msg


# --- forms and conversions


@pytest.mark.parametrize("version", SUPPORTED)
def test_a32_to_a38_one_result_in_every_version(version):
    assert results.encode(FULL, version) == golden(version)


@pytest.mark.parametrize("version", CURRENT)
def test_a36_the_current_versions_hold_everything(version):
    assert results.parse(json.dumps(golden(version)), "0.1.0", WHERE) == (version, FULL)


@pytest.mark.parametrize("version", VERSIONED_IPS)
def test_a41_reading_versions_with_ip_versions(version):
    without = [{k: v for k, v in i.items() if k in {"name", "mac", "sandbox"}} for i in FULL.interfaces]
    assert results.parse(json.dumps(golden(version)), "0.1.0", WHERE) == (
        version,
        FULL.replace(interfaces=without),
    )


@pytest.mark.parametrize("version", LEGACY)
def test_a40_reading_legacy_versions_gives_v4_then_v6_and_no_interfaces(version):
    backwards = dict(reversed(golden(version).items()))
    assert results.parse(json.dumps(backwards), "1.0.0", WHERE) == (
        version,
        Result(
            ips=[
                {"address": "10.1.0.5/24", "gateway": "10.1.0.1"},
                {"address": "fd00::5/64", "gateway": "fd00::1"},
            ],
            routes=[
                {"dst": "0.0.0.0/0", "gw": "10.1.0.1"},
                {"dst": "10.96.0.0/12"},
                {"dst": "::/0", "gw": "fd00::1"},
            ],
            dns=DNS,
        ),
    )


@pytest.mark.parametrize("source", SUPPORTED)
@pytest.mark.parametrize("target", SUPPORTED)
def test_every_conversion_between_versions_is_the_golden_one_or_less(source, target):
    """A conversion loses nothing that the older of the two versions has."""
    lowest = min(source, target, key=SUPPORTED.index)
    through = json.loads(results.convert(json.dumps(golden(source)), target, "", WHERE).text)
    direct = results.encode(parse(golden(lowest)), target)
    assert through["cniVersion"] == target
    assert through == direct


@pytest.mark.parametrize("routes", [[], [{"dst": "0.0.0.0/0"}], [{"dst": "0.0.0.0/0", "gw": "10.0.0.1"}]])
@pytest.mark.parametrize("version", LEGACY)
def test_a42_legacy_results_survive_the_round_trip(version, routes):
    ip4 = {"ip": "10.0.0.2/24", "gateway": "10.0.0.1"} | ({"routes": routes} if routes else {})
    before = {"cniVersion": version, "ip4": ip4, "dns": {}}
    there = results.convert(json.dumps(before), "1.1.0", "", WHERE).text
    assert json.loads(results.convert(there, version, "", WHERE).text) == before


def test_a34_a35_an_empty_result_in_every_version_that_has_one():
    for version in VERSIONED_IPS:
        assert results.encode(Result(), version) == {"cniVersion": version, "dns": {}}
    for version in CURRENT:
        assert results.encode(Result(), version) == {"cniVersion": version}


@pytest.mark.parametrize("version", LEGACY)
def test_a39_a_result_without_addresses_has_no_legacy_form(version):
    with pytest.raises(InvalidConfig) as caught:
        results.encode(Result(interfaces=[{"name": "eth0", "sandbox": "/n"}]), version)
    assert caught.value.msg == "cannot convert: no valid IP addresses"
    assert caught.value.hint


def test_a38_a_family_without_address_loses_its_routes():
    only_v6 = Result(
        ips=[{"address": "fd00::5/64"}], routes=[{"dst": "0.0.0.0/0"}, {"dst": "::/0", "mtu": 1400}]
    )
    assert results.encode(only_v6, "0.2.0") == {
        "cniVersion": "0.2.0",
        "ip6": {"ip": "fd00::5/64", "routes": [{"dst": "::/0"}]},
        "dns": {},
    }


def test_encoding_for_an_unknown_version_fails():
    with pytest.raises(IncompatibleVersion):
        results.encode(Result(), "1.2.0")


def test_a43_zero_is_kept_where_it_means_something_and_dropped_elsewhere():
    read = parse(
        {
            "interfaces": [
                {"name": "eth0", "mac": "", "mtu": 0, "sandbox": "", "socketPath": "", "pciID": ""}
            ],
            "ips": [{"address": "10.0.0.2/24", "gateway": "", "interface": 0}],
            "routes": [
                {"dst": "10.0.0.0/8", "gw": "", "mtu": 0, "advmss": 0, "priority": 0, "table": 0, "scope": 0}
            ],
            "dns": {"nameservers": [], "domain": "", "search": None, "options": []},
        }
    )
    assert read == Result(
        interfaces=[{"name": "eth0"}],
        ips=[{"address": "10.0.0.2/24", "interface": 0}],
        routes=[{"dst": "10.0.0.0/8", "table": 0, "scope": 0}],
    )


def test_a45_an_ipv4_mapped_address_is_ipv4_and_a_wrong_ip_version_is_ignored():
    text = json.dumps({"cniVersion": "0.4.0", "ips": [{"version": "6", "address": "::ffff:1.2.3.4/120"}]})
    assert results.encode(parse(text), "0.3.1")["ips"] == [{"version": "4", "address": "1.2.3.4/24"}]
    assert results.encode(parse(text), "0.2.0")["ip4"] == {"ip": "1.2.3.4/24"}


@pytest.mark.parametrize(
    "index, links, kept",
    [(-1, 3, False), (5, 3, False), (3, 3, False), (0, 0, False), (0, 1, True), (2, 3, True)],
)
def test_a47_an_interface_index_that_points_nowhere_is_dropped(index, links, kept):
    read = parse(
        {
            "interfaces": [{"name": f"if{n}"} for n in range(links)],
            "ips": [{"address": "10.0.0.2/24", "interface": index}],
        }
    )
    assert read.ips[0].get("interface") == (index if kept else None)


# --- which version


@pytest.mark.parametrize(
    "text", ["null", "{}", ' \n{"dns": null, "ips": null}\n', '{"interfaces":[],"routes":[]}']
)
@pytest.mark.parametrize("version", SUPPORTED)
def test_b29_the_empty_result(text, version):
    assert results.parse(text, version, WHERE) == (version, Result())


@pytest.mark.parametrize("stated", ["", None, 1, 1.0, True, [], {}])
def test_b34_no_version_or_no_string_means_the_configurations(stated):
    body = {"cniVersion": stated, "ip4": {"ip": "10.0.0.2/24"}}
    version, read = results.parse(json.dumps(body), "0.2.0", WHERE)
    assert (version, read.ips) == ("0.2.0", [{"address": "10.0.0.2/24"}])


def test_b34_another_known_version_is_honoured():
    version, read = results.parse('{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.2/24"}}', "1.0.0", WHERE)
    assert (version, read.ips) == ("0.2.0", [{"address": "10.0.0.2/24"}])


@pytest.mark.parametrize("version", ["1.2.0", "v1.0.0", "1.0", 'x"\n'])
def test_b34_an_unknown_version_fails(version):
    with pytest.raises(IncompatibleVersion) as caught:
        parse({"cniVersion": version})
    assert caught.value.msg == f"{WHERE}: unsupported CNI result version {json.dumps(version)}"


@pytest.mark.parametrize("names", [("CNIVersion", "IP4", "DNS"), ("cniversion", "Ip4", "Dns")])
def test_b35_field_names_are_taken_in_any_case(names):
    version, ip4, dns = names
    read = parse(
        {version: "0.2.0", ip4: {"IP": "10.0.0.2/24", "Gateway": "10.0.0.1"}, dns: {"Search": ["a"]}}
    )
    assert read == Result(ips=[{"address": "10.0.0.2/24", "gateway": "10.0.0.1"}], dns={"search": ["a"]})
    upper = parse({"Interfaces": [{"Name": "e", "SocketPath": "/s", "PCIID": "0"}]})
    assert upper.interfaces == [{"name": "e", "socketPath": "/s", "pciID": "0"}]


def test_unknown_fields_are_ignored():
    read = parse({"ips": [{"address": "10.0.0.2/24", "x": [1]}], "vendor": {"ips": 3}})
    assert read == Result(ips=[{"address": "10.0.0.2/24"}])


# --- what is refused, and how


@pytest.mark.parametrize("text", ["", " ", "hello", "{", "{} x", '{"ips":[}', "\udc80", '{"ips":[],}'])
def test_b29_output_that_is_no_json_is_refused(text):
    message = refusal(text)
    assert message.startswith(f"{WHERE}: the result is not JSON: ")
    assert "line 1 column" in message


@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}")])
def test_a_result_that_is_nested_too_deeply_is_refused(opening, closing):
    """It is read again later, where Python may not read as deeply."""
    assert "100 levels" in refusal(f'{{"x": {opening * 100}1{closing * 100}}}')
    parse(f'{{"x": {opening * 99}1{closing * 99}}}', "1.0.0", WHERE)


@pytest.mark.parametrize(
    "text, kind", [("[]", "an array"), ("3", "a number"), ('"x"', "a string"), ("true", "a boolean")]
)
def test_a_result_must_be_an_object(text, kind):
    assert refusal(text) == f"{WHERE}: the result must be an object, not {kind}"


@pytest.mark.parametrize(
    "body, problem",
    [
        ({"ips": {}}, "ips must be an array, not an object"),
        ({"ips": [{"address": "10.0.0.1/8"}, None]}, "ips[1] must be an object, not null"),
        ({"ips": [{}]}, "ips[0].address is missing"),
        ({"ips": [{"address": None}]}, "ips[0].address is missing"),
        (
            {"ips": [{"address": "10.0.0.1/8"}, {"address": "10.0.0.1"}]},
            'ips[1].address must be an IP address with prefix length, such as 10.1.0.5/24, not "10.0.0.1"',
        ),
        (
            {"ips": [{"address": 7}]},
            "ips[0].address must be an IP address with prefix length, such as 10.1.0.5/24, not a number",
        ),
        (
            {"ips": [{"address": "10.0.0.1/8", "gateway": "10.0.0.1/8"}]},
            'ips[0].gateway must be an IP address, not "10.0.0.1/8"',
        ),
        (
            {"ips": [{"address": "10.0.0.1/8", "interface": "0"}]},
            "ips[0].interface must be a whole number, not a string",
        ),
        (
            {"ips": [{"address": "10.0.0.1/8", "interface": True}]},
            "ips[0].interface must be a whole number, not a boolean",
        ),
        (
            {"ips": [{"address": "10.0.0.1/8", "interface": 0.5}]},
            "ips[0].interface must be a whole number, not a number",
        ),
        ({"routes": [{"gw": "10.0.0.1"}]}, "routes[0].dst is missing"),
        (
            {"routes": [{"dst": "0.0.0.0/0", "gw": "nobody"}]},
            'routes[0].gw must be an IP address, not "nobody"',
        ),
        (
            {"routes": [{"dst": "0.0.0.0/0", "mtu": "1400"}]},
            "routes[0].mtu must be a whole number, not a string",
        ),
        ({"interfaces": ["eth0"]}, "interfaces[0] must be an object, not a string"),
        ({"interfaces": [{"name": 1}]}, "interfaces[0].name must be a string, not a number"),
        ({"dns": []}, "dns must be an object, not an array"),
        ({"dns": {"search": "a"}}, "dns.search must be an array, not a string"),
        ({"dns": {"search": ["a", None]}}, "dns.search[1] must be a string, not null"),
    ],
)
def test_a44_a46_errors_name_the_place(body, problem):
    assert refusal(body) == f"{WHERE}: {problem}"


@pytest.mark.parametrize(
    "body, problem",
    [
        ({"ip4": {"gateway": "10.0.0.1"}}, "ip4.ip is missing"),
        ({"ip4": {}}, "ip4.ip is missing"),
        ({"ip4": "10.0.0.1/8"}, "ip4 must be an object, not a string"),
        (
            {"ip6": {"ip": "fd00::1/64", "routes": [{"dst": "x"}]}},
            'ip6.routes[0].dst must be an IP address with prefix length, such as 10.1.0.5/24, not "x"',
        ),
    ],
)
def test_errors_in_legacy_results_name_the_place(body, problem):
    assert refusal(body, "0.2.0") == f"{WHERE}: {problem}"


def test_an_endless_value_is_cut_in_the_message():
    assert len(refusal({"ips": [{"address": "1" * 100_000}]})) < 250


# --- what the next plugin of a chain sees


@pytest.mark.parametrize("version", SUPPORTED)
def test_b42_a_result_in_the_lists_version_is_passed_on_to_the_byte(version):
    text = json.dumps(golden(version) | {"vendor": 1.50, "big": 9007199254740993}, indent=3)
    assert results.convert(text, version, "0.1.0", WHERE).text is text


def test_b42_a_result_of_another_form_is_converted():
    text = '{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.2/24"}}'
    assert json.loads(results.convert(text, "0.4.0", "0.4.0", WHERE).text) == {
        "cniVersion": "0.4.0",
        "ips": [{"version": "4", "address": "10.0.0.2/24"}],
        "dns": {},
    }


@pytest.mark.parametrize("stated", [{}, {"cniVersion": ""}, {"CNIVersion": "0.3.1"}, {"cniVersion": 4}])
def test_a36_within_a_form_only_the_version_is_set_and_unknown_fields_survive(stated):
    text = json.dumps(
        stated | {"ips": [{"version": "4", "address": "10.0.0.2/24", "x": 1.50}], "vendor": {"a": 1}}
    )
    converted = results.convert(text, "0.4.0", "0.4.0", WHERE).text
    assert json.loads(converted) == {
        "cniVersion": "0.4.0",
        "ips": [{"version": "4", "address": "10.0.0.2/24", "x": 1.50}],
        "vendor": {"a": 1},
    }


@pytest.mark.parametrize("text", ["null", "{}"])
@pytest.mark.parametrize("version", SUPPORTED)
def test_b29_the_empty_result_is_passed_on_with_its_version(text, version):
    assert json.loads(results.convert(text, version, version, WHERE).text) == {"cniVersion": version}


def test_a_malformed_result_is_not_passed_on():
    with pytest.raises(DecodingFailure, match=r"plugin bridge: ips\[0\]\.address"):
        results.convert('{"cniVersion":"1.0.0","ips":[{"address":"x"}]}', "1.0.0", "1.0.0", WHERE)


# --- prevResult


@pytest.mark.parametrize("stated", [{}, {"cniVersion": ""}, {"cniVersion": "0.4.0"}, {"cniVersion": "0.3.0"}])
def test_a71_prev_result_without_version_takes_the_configurations(stated):
    text = json.dumps(stated | {"ips": [{"version": "4", "address": "10.0.0.2/24"}]})
    assert results.prev_result(text, "0.4.0") == Result(ips=[{"address": "10.0.0.2/24"}])


@pytest.mark.parametrize(
    "stated, config, types",
    [
        ("0.2.0", "1.0.0", "[1.0.0 1.1.0]"),
        ("1.0.0", "0.4.0", "[0.3.0 0.3.1 0.4.0]"),
        ("0.4.0", "0.1.0", "[0.1.0 0.2.0]"),
        ("5678.456", "1.1.0", "[1.0.0 1.1.0]"),
    ],
)
def test_a71_prev_result_in_another_form_fails(stated, config, types):
    with pytest.raises(DecodingFailure) as caught:
        results.prev_result(json.dumps({"cniVersion": stated}), config)
    assert f'result type supports {types} but unmarshalled CNIVersion is "{stated}"' in caught.value.msg


@pytest.mark.parametrize(
    "text, problem", [("[]", "must be an object"), ('{"ips":3}', "ips must be an array"), ("{", "not JSON")]
)
def test_a71_a_malformed_prev_result_is_named(text, problem):
    with pytest.raises(DecodingFailure, match=f"^prevResult: .*{problem}"):
        results.prev_result(text, "1.0.0")
