"""Which attachment keeps the default routes of a pod: conformance C26-C30."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_core.errors import DecodingFailure, InvalidConfig
from genie_core.model import Result
from genie_core.routes import (
    RouteChange,
    changed_results,
    changes_made,
    default_routes,
    owners_by_results,
    refuse_conflicts,
    route_changes,
    unasked_changes,
    with_routes,
)
from genie_core.spec import result as results

V4, V6 = "0.0.0.0/0", "::/0"
OWN4, OWN6 = {"dst": V4, "gw": "10.1.0.1"}, {"dst": V6, "gw": "fd01::1"}
OTHER4, OTHER6 = {"dst": V4, "gw": "10.2.0.1"}, {"dst": V6, "gw": "fd02::1"}
SUBNET = {"dst": "10.96.0.0/12", "gw": "10.1.0.9"}


def routed(*routes, gateway=None):
    ips = [{"address": "10.1.0.5/24", "gateway": gateway}] if gateway else []
    return Result(ips=ips, routes=routes)


def routes_after(changes, **parts):
    """All results' routes once the changed ones have taken the others' place."""
    changed = changed_results(changes, parts)
    return {ifname: (changed.get(ifname) or part).routes for ifname, part in parts.items()}


# --- which networks may ask for them


@pytest.mark.parametrize(
    "requests",
    [
        [None, None],
        [["10.1.0.1"]],
        [None, ["10.1.0.1", "fd00::1"]],
        [["10.1.0.1"], ["fd00::1"]],
        [["fd00::1"], None, ["10.1.0.1"]],
        [[], None],
    ],
)
def test_c27_one_attachment_for_each_family_may_ask(requests):
    refuse_conflicts([(f"entry {number}", wanted) for number, wanted in enumerate(requests, 1)])


@pytest.mark.parametrize(
    "requests, family",
    [
        ([["10.1.0.1"], ["10.2.0.1"]], "IPv4"),
        ([["10.1.0.1"], ["10.1.0.1"]], "IPv4"),
        ([["10.1.0.1", "fd00::1"], None, ["fd01::1"]], "IPv6"),
        ([["10.1.0.1"], ["::ffff:10.2.0.1"]], "IPv4"),
        ([[], []], "IPv4"),
        ([[], ["10.1.0.1"]], "IPv4"),
        ([["fd00::1"], []], "IPv6"),
    ],
)
def test_c27_two_for_one_family_are_refused_and_both_named(requests, family):
    with pytest.raises(InvalidConfig) as caught:
        refuse_conflicts([(f"entry {number}", wanted) for number, wanted in enumerate(requests, 1)])
    assert f"entry {len(requests)}: default-route for {family}" in caught.value.msg
    assert "by entry 1" in caught.value.msg


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1", "ff02::1"])
def test_an_invalid_gateway_is_refused_before_anything_runs(address):
    with pytest.raises(InvalidConfig, match="cannot be a gateway"):
        refuse_conflicts([("entry 1", [address])])


# --- what changes


def test_c26_without_a_request_nothing_changes():
    assert route_changes({"eth0": None, "net1": None}, {"eth0": routed(OWN4), "net1": routed(OTHER4)}) == []


def test_c26_gateways_are_for_their_families_alone():
    parts = {"eth0": routed(OWN4, OWN6), "net1": routed()}
    assert route_changes({"eth0": None, "net1": ["10.2.0.1"]}, parts) == [
        RouteChange("net1", True, "10.2.0.1")
    ]
    assert route_changes({"eth0": None, "net1": ["FD02:0::1", "10.2.0.1"]}, parts) == [
        RouteChange("net1", False, "fd02::1"),
        RouteChange("net1", True, "10.2.0.1"),
    ]


@pytest.mark.parametrize(
    "own, families",
    [
        ([OTHER4], [True]),
        ([OTHER6], [False]),
        ([OTHER4, OTHER6], [True, False]),
        ([SUBNET], []),
        ([{"dst": V4, "table": 100}], []),
    ],
)
def test_c26_an_empty_list_keeps_the_attachments_own_default_routes(own, families):
    parts = {"eth0": routed(OWN4, OWN6), "net1": routed(*own)}
    assert route_changes({"eth0": None, "net1": []}, parts) == [RouteChange("net1", v4) for v4 in families]


@pytest.mark.parametrize(
    "route, v4, is_default",
    [
        ({"dst": V4}, True, True),
        ({"dst": V4}, False, False),
        ({"dst": V6}, False, True),
        ({"dst": V4, "table": 254}, True, True),
        ({"dst": V4, "table": 0}, True, True),
        ({"dst": V4, "table": 7}, True, False),
        ({"dst": "0.0.0.0/1"}, True, False),
        ({"dst": "10.0.0.0/8"}, True, False),
        ({"dst": "::/96"}, False, False),
    ],
)
def test_c29_what_a_default_route_is(route, v4, is_default):
    assert default_routes(routed(route), v4) == [route] * is_default


@pytest.mark.parametrize("dst", ["", None])
def test_c29_a_route_without_destination_never_gets_here(dst):
    """Go prints and demands one; a result that leaves it out is refused where it is read."""
    with pytest.raises(DecodingFailure):
        results.parse(json.dumps({"cniVersion": "1.0.0", "routes": [{"dst": dst}]}), "1.0.0", "")


# --- what the results say then


def test_c30_the_owner_gets_the_gateway_and_the_others_lose_theirs():
    after = routes_after(
        [RouteChange("net1", True, "10.2.0.9")], eth0=routed(OWN4, SUBNET), net1=routed(OTHER4)
    )
    assert after == {"eth0": [SUBNET], "net1": [{"dst": V4, "gw": "10.2.0.9"}]}


def test_c28_the_other_family_is_left_alone():
    after = routes_after(
        [RouteChange("net1", True, "10.2.0.1")], eth0=routed(OWN4, OWN6), net1=routed(OTHER6)
    )
    assert after == {"eth0": [OWN6], "net1": [OTHER6, OTHER4]}


def test_c26_kept_routes_stay_as_they_are():
    own = {**OTHER4, "mtu": 1400}
    after = routes_after([RouteChange("net1", True)], eth0=routed(OWN4), net1=routed(own, SUBNET))
    assert after == {"eth0": [], "net1": [own, SUBNET]}


def test_a_default_route_that_leads_there_already_stays_as_it_was_written():
    """By its own gateway or, as plugins leave it out, by the addresses'."""
    own = {"dst": V4, "priority": 7}
    net1 = routed(own, {"dst": V4, "gw": "10.1.0.8"}, gateway="10.1.0.1")
    assert routes_after([RouteChange("net1", True, "10.1.0.1")], net1=net1) == {"net1": [own]}


def test_other_tables_are_other_business():
    sbr = {"dst": V4, "gw": "10.1.0.1", "table": 100}
    assert routes_after([RouteChange("net1", True)], eth0=routed(sbr, OWN4)) == {"eth0": [sbr]}


def test_unchanged_results_are_not_recorded_again():
    parts = {"eth0": routed(OWN4), "net1": routed(OTHER4, OTHER6), "net2": routed(SUBNET)}
    assert set(changed_results([RouteChange("net1", True)], parts)) == {"eth0"}


def test_one_family_through_each_of_two_attachments():
    parts = {"eth0": routed(OWN4, OWN6), "net1": routed(), "net2": routed(OTHER4)}
    changes = route_changes({"eth0": None, "net1": ["10.2.0.1"], "net2": ["fd02::1"]}, parts)
    assert routes_after(changes, **parts) == {"eth0": [], "net1": [OTHER4], "net2": [OTHER6]}


# --- their text


def test_c30_the_text_keeps_what_genie_does_not_know():
    text = '{"cniVersion":"1.0.0","vendor":{"a":1.50},"Routes":[{"dst":"0.0.0.0/0"}],"ips":[{"address":"10.1.0.5/24"}]}'
    rewritten = with_routes(text, "1.0.0", routed(OTHER4))
    assert '"vendor":{"a":1.50}' in rewritten.replace(": ", ":")
    assert results.parse(rewritten, "1.0.0", "")[1].routes == [OTHER4]
    assert results.parse(rewritten, "1.0.0", "")[1].ips == [{"address": "10.1.0.5/24"}]
    assert "outes" not in with_routes(text, "1.0.0", routed())


def test_c30_results_of_the_first_versions_hold_routes_beside_their_address():
    text = '{"cniVersion":"0.2.0","ip4":{"ip":"10.1.0.5/24","routes":[{"dst":"0.0.0.0/0"}]}}'
    before = results.parse(text, "0.2.0", "")[1]
    rewritten = json.loads(with_routes(text, "0.2.0", before.replace(routes=[OTHER4])))
    assert rewritten["ip4"] == {"ip": "10.1.0.5/24", "routes": [OTHER4]}
    assert with_routes('{"cniVersion":"0.2.0"}', "0.2.0", Result()) == '{"cniVersion":"0.2.0"}'


# --- whatever is asked

gateways4, gateways6 = st.sampled_from(["10.1.0.1", "10.2.0.1"]), st.sampled_from(["fd01::1", "fe80::1"])
some_routes = st.lists(
    st.sampled_from([OWN4, OWN6, OTHER4, OTHER6, SUBNET, {"dst": V4}, {"dst": V6}]), max_size=5
)
some_results = st.dictionaries(
    st.sampled_from(["eth0", "net1", "net2"]), some_routes.map(lambda routes: routed(*routes)), min_size=1
)
some_gateways: st.SearchStrategy[list[str] | None] = st.one_of(
    st.none(),
    st.just([]),
    gateways4.map(lambda gateway: [gateway]),
    st.tuples(gateways6, gateways4).map(list),
)


@st.composite
def pods(draw):
    """Results, and what one of their attachments asks for."""
    parts = draw(some_results)
    asking = draw(st.sampled_from(sorted(parts)))
    return parts, {ifname: draw(some_gateways) if ifname == asking else None for ifname in parts}


@pytest.mark.property
@given(pods())
def test_c28_default_routes_of_a_changed_family_are_the_owners_alone(pod):
    parts, requests = pod
    changes = route_changes(requests, parts)
    after = {ifname: changed_results(changes, parts).get(ifname, part) for ifname, part in parts.items()}
    for change in changes:
        for ifname, result in after.items():
            found = default_routes(result, change.v4)
            assert bool(found) is (ifname == change.ifname)
            if change.gateway:
                assert {route["gw"] for route in found} <= {change.gateway}
    changed = {change.v4 for change in changes}
    for ifname, result in after.items():
        before = parts[ifname]
        for v4 in {True, False} - changed:
            assert default_routes(result, v4) == default_routes(before, v4)
        assert (SUBNET in result.routes) is (SUBNET in before.routes)


@pytest.mark.property
@given(pods())
def test_changing_twice_changes_nothing_more(pod):
    parts, requests = pod
    once = {**parts, **changed_results(route_changes(requests, parts), parts)}
    assert changed_results(route_changes(requests, once), once) == {}


# --- where no network asks

V6_ADDRESS = Result(ips=[{"address": "fd01::5/64"}])


@pytest.mark.parametrize(
    "parts, expected",
    [
        ([routed(OWN4), routed()], []),
        ([routed(), routed()], []),
        ([routed(OWN4), routed(OTHER4)], [True]),
        ([routed(), routed(OTHER4)], [True]),
        ([routed(OWN4, OWN6), routed(OTHER6)], [False]),
        ([routed(OWN4), routed(OTHER4, OTHER6)], [True, False]),
        ([routed(OWN4), routed({**OTHER4, "table": 100})], []),
        ([V6_ADDRESS, routed()], [False]),
        ([routed(), V6_ADDRESS], []),
    ],
)
def test_what_has_to_be_looked_at_is_decided_by_the_results(parts, expected):
    """IPv6 routers may advertise a default route on any interface, so a primary network with IPv6 is protected."""
    changes = unasked_changes([], ["eth0", "net1"], dict(zip(("eth0", "net1"), parts, strict=True)))
    assert [change.v4 for change in changes] == expected
    assert all((change.ifname, change.successors) == ("eth0", ["net1"]) for change in changes)


def test_a_family_that_a_network_asks_for_is_left_to_it():
    parts = {"eth0": routed(OWN4, OWN6), "net1": routed(OTHER4, OTHER6)}
    asked = route_changes({"eth0": None, "net1": ["10.2.0.1"]}, parts)
    assert [change.v4 for change in unasked_changes(asked, ["eth0", "net1"], parts)] == [False]


def test_the_results_change_as_the_kernel_did():
    parts = {
        "eth0": routed(OWN4),
        "net1": routed(OTHER4, SUBNET),
        "net2": routed({**OTHER4, "priority": 5}, OTHER6),
    }
    changes = unasked_changes([], list(parts), parts)
    kept = changes_made(changes, owners_by_results(changes, parts))
    assert routes_after(kept, **parts) == {"eth0": [OWN4], "net1": [SUBNET], "net2": [OTHER6]}
    assert changes_made(changes, ["", ""]) == []
