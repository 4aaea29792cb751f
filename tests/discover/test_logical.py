"""`genie discover` and the cluster's logical networks on this node."""

import pytest

from genie_core.findings import Severity
from tests.apiserver import API, APIServer, Objects
from tests.discover import nodes
from tests.discover.conftest import codes, the
from tests.manifests import logical, physical


@pytest.fixture
def objects():
    return Objects()


@pytest.fixture
def api(objects):
    return API(objects)


@pytest.fixture
def discover(node, api):
    """The report of a node with the networks `net` (bridge) and `lan` (macvlan), whose Genie has this API server."""
    node.configure("10-net.conflist", nodes.bridge())
    nodes.add_plugins(node.bin, "macvlan")
    with APIServer(api) as server:
        entry = {"type": "genie", "default_plugin": "net", "kubernetes": {"k8s_api_root": server.url}}
        node.configure("00-genie.conflist", {"cniVersion": "1.0.0", "name": "genie", "plugins": [entry]})

        def discover(only, **ipam):
            lan = {
                "type": "macvlan",
                "master": "lo",
                "ipam": {"type": "host-local", "subnet": "10.9.0.0/16", **ipam},
            }
            node.configure("20-lan.conflist", {"cniVersion": "1.0.0", "name": "lan", "plugins": [lan]})
            return node.discover(api=True, only=only)

        yield discover


def test_an_interface_that_the_node_does_not_have(discover, objects):
    objects.add(physical("here", "shop", nic="lo"))
    objects.add(physical("none", "shop"))
    objects.add(physical("gone", "shop", nic="nic-not-here"))
    finding = the(discover("logical-nics"), "GN1620")
    assert finding.severity is Severity.WARNING
    assert 'Physicalnetwork shop/gone names the interface "nic-not-here"' in finding.title


def test_the_same_addresses_on_every_node(discover, objects):
    objects.add(logical("wide", "shop", plugin="lan", sub_subnet="10.32.0.0/16"))
    objects.add(
        logical("own", "shop", plugin="net", sub_subnet="10.33.0.0/16")
    )  # a bridge: it ends at the node
    objects.add(logical("plain", "shop", plugin="lan"))
    objects.add(logical("bad", "shop", plugin="lan", sub_subnet="x"))
    objects.add(logical("far", "shop", plugin="elsewhere", sub_subnet="10.34.0.0/16"))
    finding = the(discover("logical-addresses"), "GN1621")
    assert (
        "Logicalnetwork shop/wide: host-local gives out the same addresses of 10.32.0.0/16" in finding.title
    )
    assert finding.object.file.endswith("20-lan.conflist")


def test_ranges_of_the_nodes_own_are_well(discover, objects):
    objects.add(logical("wide", "shop", plugin="lan", sub_subnet="10.32.0.0/16"))
    own = {"rangeStart": "10.32.7.10", "rangeEnd": "10.32.7.99"}
    assert codes(discover("logical-addresses", **own)) == []
    assert codes(discover("logical-addresses", type="whereabouts")) == []


@pytest.mark.parametrize("check", ["logical-nics", "logical-addresses"])
@pytest.mark.parametrize("plural", ["physicalnetworks", "logicalnetworks"])
def test_without_the_right_to_list_them_nothing_is_said(discover, api, objects, check, plural):
    objects.add(physical("gone", "shop", nic="nic-not-here"))
    objects.add(logical("wide", "shop", plugin="lan", sub_subnet="10.32.0.0/16"))
    api.forbidden.add(("list", plural))
    (found,) = [item for item in discover(check).checks if item.id == check]
    assert found.status == "skip"
    assert "may not list logical networks" in found.reason
