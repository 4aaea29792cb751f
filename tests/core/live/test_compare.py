"""The networks that a pod has and those that it asks for now -> what changes."""

import pytest

from genie_core.errors import InvalidConfig
from genie_core.live.compare import compare
from genie_core.model import Attachment, Choice, NetConf, Plan, PluginConf, Selection
from genie_core.plan import attachment_of
from genie_core.select.names import parse_names
from genie_core.select.npwg import parse_selections


def network(name):
    return NetConf(name, "1.0.0", [PluginConf("bridge", '{"type": "bridge"}')], f"/net.d/{name}.conf")


def by_name(text):
    """The choices of an annotation `cni`."""
    return [Choice(selection, network(selection.name)) for selection in parse_names(text, "annotation cni")]


def by_attachment(text):
    """The default network `d`, and the choices of an attachment annotation."""
    selections = parse_selections(text, "shop", "annotation")
    extra = [
        Choice(
            w,
            network(w.name),
            label=w.label,
            additional=True,
            capabilities=w.capabilities,
            default_route=w.default_route,
        )
        for w in selections
    ]
    return [Choice(Selection("d", "", "the default"), network("d")), *extra]


def pod(choices, *names):
    """The pod that got these, on these interfaces."""
    attached = [
        attachment_of(choice, name, "cid", "", {}) for choice, name in zip(choices, names, strict=True)
    ]
    return Plan("cid", "eth0", "/netns", [], None, "boot", attached)


def moves(plan, choices):
    return [f"{move.action} {move.label}@{move.ifname}" for move in compare(plan, choices)]


@pytest.mark.parametrize(
    "had, names, wanted, expected",
    [
        ("a", "eth0", "a", ["keep a@eth0"]),
        ("a", "eth0", "a,b", ["keep a@eth0", "attach b@eth1"]),
        ("a,b", "eth0 eth1", "a", ["keep a@eth0", "detach b@eth1"]),
        ("a,b,c", "eth0 eth1 eth2", "a,c", ["keep a@eth0", "keep c@eth2", "detach b@eth1"]),
        (
            "a,b,c",
            "eth0 eth1 eth2",
            "a,c,d",
            ["keep a@eth0", "keep c@eth2", "attach d@eth3", "detach b@eth1"],
        ),
        ("a,b@net1", "eth0 net1", "a,c@net1", ["keep a@eth0", "replace c@net1"]),
        ("a,b@net1", "eth0 net1", "a,b@net2", ["keep a@eth0", "attach b@net2", "detach b@net1"]),
        ("a,b", "eth0 eth1", "b,a", ["keep b@eth1", "keep a@eth0"]),
        ("a,a", "eth0 eth1", "a", ["keep a@eth0", "detach a@eth1"]),
        ("a", "eth0", "a,a", ["keep a@eth0", "attach a@eth1"]),
        ("a,b@net5", "eth0 net5", "a,b", ["keep a@eth0", "keep b@net5"]),
        ("a,b", "eth0 eth1", "a,c@eth1", ["keep a@eth0", "replace c@eth1"]),
        ("a", "eth0", "b", ["replace b@eth0"]),
        ("a", "eth0", "b,a@net1", ["replace b@eth0", "attach a@net1"]),
    ],
)
def test_by_name(had, names, wanted, expected):
    assert moves(pod(by_name(had), *names.split()), by_name(wanted)) == expected


@pytest.mark.parametrize(
    "had, wanted, expected",
    [
        ("x", "x", ["keep d@eth0", "keep shop/x@net1"]),
        ("x", "", ["keep d@eth0", "detach shop/x@net1"]),
        ("x", "x,y", ["keep d@eth0", "keep shop/x@net1", "attach shop/y@net2"]),
        ("x", "y,x", ["keep d@eth0", "attach shop/y@net2", "keep shop/x@net1"]),
        ("x", '[{"name": "x", "ips": ["10.1.0.5/24"]}]', ["keep d@eth0", "replace shop/x@net1"]),
        ('[{"name": "x", "interface": "net1"}]', "other/x@net1", ["keep d@eth0", "replace other/x@net1"]),
        ('[{"name": "x", "default-route": ["10.1.0.1"]}]', "x", ["keep d@eth0", "replace shop/x@net1"]),
    ],
)
def test_by_attachment(had, wanted, expected):
    assert moves(pod(by_attachment(had), "eth0", "net1"), by_attachment(wanted)) == expected


def test_from_one_dialect_to_another():
    plan = pod(by_name("d,x"), "eth0", "eth1")
    assert moves(plan, by_attachment("x")) == ["keep d@eth0", "attach shop/x@net1", "detach x@eth1"]


def test_reasons():
    plan = pod(by_name("a,b@net1"), "eth0", "net1")
    assert [move.reason for move in compare(plan, by_name("a,c@net1"))] == ["as asked for", "c instead of b"]
    held = pod(by_attachment('[{"name": "x", "mac": "c2:b0:57:49:47:f1"}]'), "eth0", "net1")
    assert (
        compare(held, by_attachment('[{"name": "x", "ips": ["10.1.0.5/24"]}]'))[1].reason == "other ips, mac"
    )


def test_nothing_would_have_the_first_interface():
    with pytest.raises(InvalidConfig, match="network a has the pod's first interface eth0"):
        compare(pod(by_name("a,b"), "eth0", "eth1"), by_name("b"))


def test_a_name_twice():
    with pytest.raises(InvalidConfig, match="Repeated request"):
        compare(pod(by_name("a"), "eth0"), by_name("a,b@net1,c@net1"))


def test_a_pod_that_version_1_0_0_attached():
    held = [
        Attachment(network("d"), "eth0", "d"),
        Attachment(network("x"), "net1", "shop/x", capabilities={"mac": '"x"'}),
    ]
    plan = Plan("cid", "eth0", "/netns", [], None, "boot", held)
    assert moves(plan, by_attachment("x,y")) == ["keep d@eth0", "keep shop/x@net1", "attach shop/y@net2"]
    assert moves(plan, by_attachment('[{"name": "x", "ips": ["10.1.0.5/24"]}]')) == [
        "keep d@eth0",
        "replace shop/x@net1",
    ]
