"""Properties of every result, whatever a plugin returns."""

import ipaddress
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_core.errors import DecodingFailure, IncompatibleVersion
from genie_core.merge import merge, merge_previous
from genie_core.model import Result
from genie_core.spec import addresses
from genie_core.spec import result as results
from genie_core.spec.versions import SUPPORTED
from genie_core.status import NetworkEntry, multi_ip_preferences, network_status

pytestmark = pytest.mark.property

CURRENT = SUPPORTED[5:]
versions = st.sampled_from(SUPPORTED)
words = st.text(min_size=1, max_size=12)
numbers = st.integers(1, 2**31)
v4 = st.ip_addresses(v=4).map(str)
v6 = st.ip_addresses(v=6).map(str).filter(lambda text: not text.startswith("::ffff:"))
v4_prefixes = st.builds("{}/{}".format, v4, st.integers(0, 32))
v6_prefixes = st.builds("{}/{}".format, v6, st.integers(0, 128))


def some(required, **optional):
    return st.fixed_dictionaries(required, optional=optional)


def one_family(address, prefix):
    ip = some({"address": prefix}, gateway=address)
    route = some(
        {"dst": prefix},
        gw=address,
        mtu=numbers,
        advmss=numbers,
        priority=numbers,
        table=st.integers(0, 300),
        scope=st.integers(0, 255),
    )
    return ip, route


IP4, ROUTE4 = one_family(v4, v4_prefixes)
IP6, ROUTE6 = one_family(v6, v6_prefixes)
links = some({"name": words}, mac=words, sandbox=words, mtu=numbers, socketPath=words, pciID=words)
dns = some(
    {},
    nameservers=st.lists(words, min_size=1, max_size=3, unique=True),
    domain=words,
    search=st.lists(words, min_size=1, max_size=3, unique=True),
    options=st.lists(words, min_size=1, max_size=3, unique=True),
)


@st.composite
def canonical(draw, min_ips=0):
    """Any result as `parse` gives it."""
    interfaces = draw(st.lists(links, max_size=3))
    ips = draw(st.lists(IP4 | IP6, min_size=min_ips, max_size=4))
    for ip in ips:
        if interfaces and draw(st.booleans()):
            ip["interface"] = draw(st.integers(0, len(interfaces) - 1))
    return Result(interfaces, ips, draw(st.lists(ROUTE4 | ROUTE6, max_size=4)), draw(dns))


def encode_text(result, version):
    return json.dumps(results.encode(result, version))


def parse(text):
    return results.parse(text, "", "test")


class TestConversions:
    """SPEC, "Result": the result must be in the cniVersion of the configuration that the plugin was given."""

    @given(canonical(min_ips=1), versions)
    def test_what_is_written_says_its_version_and_can_be_read(self, result, version):
        stated, read = parse(encode_text(result, version))
        assert stated == version
        assert read.ips[0]["address"] in [ip["address"] for ip in result.ips]

    @given(canonical(), st.sampled_from(CURRENT))
    def test_the_current_form_loses_nothing(self, result, version):
        assert parse(encode_text(result, version)) == (version, result)

    @given(canonical(min_ips=1), versions)
    def test_writing_what_was_read_changes_nothing(self, result, version):
        once = encode_text(result, version)
        assert results.encode(parse(once)[1], version) == json.loads(once)

    @given(canonical(min_ips=1), versions, versions)
    def test_a42_a_detour_over_a_newer_version_loses_nothing(self, result, one, other):
        lower, higher = sorted((one, other), key=SUPPORTED.index)
        text = encode_text(result, lower)
        detour = results.convert(results.convert(text, higher, "", "t").text, lower, "", "t").text
        assert json.loads(detour) == json.loads(text)

    @given(canonical(min_ips=1), versions, versions, versions)
    def test_going_down_in_two_steps_is_going_down_in_one(self, result, a, b, c):
        low, middle, high = sorted((a, b, c), key=SUPPORTED.index)
        text = encode_text(result, high)
        steps = results.convert(results.convert(text, middle, "", "t").text, low, "", "t").text
        assert json.loads(steps) == json.loads(results.convert(text, low, "", "t").text)

    @given(canonical(min_ips=1), versions, versions)
    def test_converting_twice_is_converting_once(self, result, source, target):
        once = results.convert(encode_text(result, source), target, "", "t").text
        assert results.convert(once, target, "", "t").text is once

    @given(canonical(min_ips=1), st.sampled_from(SUPPORTED[:2]))
    def test_a38_legacy_results_hold_the_first_address_of_each_family(self, result, version):
        body = results.encode(result, version)
        for name, family in (("ip4", True), ("ip6", False)):
            first = next(
                (ip["address"] for ip in result.ips if addresses.is_v4(ip["address"]) is family), None
            )
            assert body.get(name, {}).get("ip") == first


NAMES = [
    "cniVersion",
    "ip4",
    "ip6",
    "ip",
    "interfaces",
    "name",
    "ips",
    "address",
    "gateway",
    "interface",
    "dns",
]
NAMES += ["routes", "dst", "gw", "table"]
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


class TestAnything:
    """Whatever a plugin prints is a result or an error with a code; never a crash (conformance A55)."""

    @given(JUNK.map(json.dumps) | st.text(max_size=30), versions)
    def test_any_text_is_read_or_refused(self, text, version):
        refused, stated, result = "", version, Result()
        try:
            stated, result = results.parse(text, version, "test")
        except (DecodingFailure, IncompatibleVersion) as error:
            refused = error.msg
        assert not refused or refused.startswith("test: ")
        assert parse(encode_text(result, "1.1.0"))[1] == result
        assert stated in SUPPORTED


class TestAddresses:
    """RFC 5952 form, as Python's own module prints it."""

    @given(st.ip_addresses(v=6))
    def test_v6(self, address):
        expected = str(address.ipv4_mapped or address)
        assert addresses.canonical_address(str(address)) == expected
        assert addresses.canonical_address(address.exploded.upper()) == expected

    @given(st.ip_addresses(v=4), st.integers(0, 32))
    def test_v4_and_its_mapped_form(self, address, bits):
        assert addresses.canonical_prefix(f"{address}/{bits}") == f"{address}/{bits}"
        assert addresses.canonical_prefix(f"::ffff:{address}/{96 + bits}") == f"{address}/{bits}"

    @given(st.text(alphabet="0123456789abf:./%+- ", max_size=20) | st.text(max_size=20))
    def test_what_is_accepted_is_an_address_for_python_too_and_stable(self, text):
        for canonical_form, reference in (
            (addresses.canonical_address, ipaddress.ip_address),
            (addresses.canonical_prefix, ipaddress.ip_interface),
        ):
            try:
                printed = canonical_form(text)
            except ValueError:
                continue
            reference(printed)
            assert canonical_form(printed) == printed


parts = st.lists(st.tuples(words, canonical()), max_size=4)


class TestMerging:
    """SPEC, "Result": `interface` is the index into the `interfaces` list of the same result."""

    @given(parts)
    def test_a47_a49_every_address_is_on_an_interface_of_its_own_network(self, several):
        merged = merge(several, "/netns")
        start, seen = 0, 0
        for ifname, result in several:
            for ip in result.ips:
                index = merged.ips[seen]["interface"]
                expected = result.interfaces[ip["interface"]]["name"] if "interface" in ip else ifname
                assert merged.interfaces[index]["name"] == expected
                assert index >= start
                seen += 1
            start += len(merge([(ifname, result)], "/netns").interfaces)
        assert seen == len(merged.ips)
        assert start == len(merged.interfaces)

    @given(parts)
    def test_d28_nothing_is_lost_and_order_is_kept(self, several):
        merged = merge(several, "/netns")
        assert [ip["address"] for ip in merged.ips] == [
            ip["address"] for _, result in several for ip in result.ips
        ]
        assert [r["dst"] for r in merged.routes] == [r["dst"] for _, result in several for r in result.routes]
        names = [link["name"] for link in merged.interfaces]
        for _, result in several:
            assert all(link["name"] in names for link in result.interfaces)

    @given(parts)
    def test_merging_a_merged_result_changes_nothing(self, several):
        merged = merge(several, "/netns")
        assert merge([("eth0", merged)], "/netns").ips == merged.ips
        assert merge_previous(merged, Result()) == merged
        assert merge_previous(Result(), merged) == merged

    @given(parts, versions)
    def test_a_merged_result_can_be_printed(self, several, version):
        merged = merge(several, "/netns")
        if merged.ips:
            assert parse(encode_text(merged, version))[0] == version

    @given(parts)
    def test_d29_no_route_crosses_families(self, several):
        for route in merge(several, "/netns").routes:
            given_one = any(route == own for _, result in several for own in result.routes)
            assert given_one or addresses.is_v4(route["gw"]) is addresses.is_v4(route["dst"])


class TestStatus:
    """Multi-network standard, "Network Status": one map for each attachment, in order."""

    @given(parts)
    def test_c58_both_annotations_are_json_with_an_entry_for_each(self, several):
        status = json.loads(network_status([NetworkEntry("n", ifname, result) for ifname, result in several]))
        assert len(status) == len(several)
        for entry, (_, result) in zip(status, several, strict=True):
            assert set(entry.get("ips", [])) <= {addresses.host(ip["address"]) for ip in result.ips}
            assert isinstance(entry["dns"], dict)
        preferences = multi_ip_preferences(several)
        assert (preferences is None) is (len(several) < 2)
        if preferences:
            assert len(json.loads(preferences)["ips"]) == sum(1 for _, result in several if result.ips)
