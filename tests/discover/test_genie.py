"""Genie's own configuration and program on a node, beside Multus and CNI-Genie."""

import json
import shutil

from genie_core.findings import Severity
from tests.discover import nodes
from tests.discover.conftest import codes, the


def test_genie_that_delegates_to_itself(node):
    nodes.install_genie(node, default_plugin="net, genie")
    assert the(node.discover(), "GN1007").severity is Severity.ERROR


def test_genie_and_multus_side_by_side(node):
    nodes.add_plugins(node.bin, "genie", "multus")
    node.configure("00-genie.conflist", nodes.GENIE)
    node.configure(
        "01-multus.conf", {"cniVersion": "1.0.0", "name": "multus", "type": "multus", "clusterNetwork": "net"}
    )
    node.configure("10-net.conflist", nodes.bridge())
    assert the(node.discover(), "GN1008").severity is Severity.WARNING


def test_multus_as_genie_s_default_network(node):
    nodes.install_genie(node, "default_plugin")
    nodes.add_plugins(node.bin, "multus")
    node.configure("01-multus.conf", {"cniVersion": "1.0.0", "name": "multus", "type": "multus"})
    found = the(node.discover(), "GN1008")
    assert found.severity is Severity.ERROR
    (command,) = found.remedy.commands
    assert command.argv == ("genie", "install", "--set", "default_plugin=net")
    nodes.install_genie(node, default_plugin=command.argv[-1].partition("=")[2])
    assert the(node.discover(), "GN1008").severity is Severity.WARNING


def test_genie_without_a_default_network(node):
    nodes.add_plugins(node.bin, "genie")
    node.configure("00-genie.conflist", nodes.GENIE)
    assert the(node.discover(), "GN1607").severity is Severity.FATAL


def test_a_default_network_on_another_interface_than_the_runtime_s(node):
    nodes.install_genie(node, default_plugin="net@net1")
    finding = the(node.discover(), "GN1607")
    assert finding.severity is Severity.FATAL
    assert 'default_plugin "net@net1" cannot be attached' in finding.title
    assert "no network of this pod gets the interface eth0" in finding.evidence[0].value


def test_networks_of_every_pod_with_an_interface_of_their_own(node):
    nodes.install_genie(node, default_networks=["net@data0", "net@lo"])
    finding = the(node.discover(), "GN1607")
    assert 'default_networks "net@lo"' in finding.title
    assert "lo is the loopback interface" in json.dumps([one.value for one in finding.evidence])


def test_genie_s_binary_without_its_configuration(node):
    nodes.add_plugins(node.bin, "genie")
    node.configure("10-net.conflist", nodes.bridge())
    assert the(node.discover(), "GN1601").severity is Severity.WARNING


def test_the_binary_of_cni_genie(node):
    """A compiled program named genie is the predecessor's: `genie install` takes its place (test_predecessor.py)."""
    node.bin.mkdir(parents=True, exist_ok=True)
    shutil.copy("/bin/true", node.bin / "genie")
    node.configure("10-net.conflist", nodes.bridge())
    report = node.discover()
    found = the(report, "GN1614")
    assert (found.severity, found.object.file) == (Severity.INFO, f"{node.bin}/genie")
    assert "GN1601" not in [str(one.code) for one in report.findings]
    node.configure("00-genie.conflist", nodes.GENIE)
    found = the(node.discover(), "GN1614")
    assert (found.severity, "00-genie.conflist calls it" in found.title) == (Severity.WARNING, True)
    nodes.add_plugins(node.bin, "genie")
    assert "GN1614" not in [str(one.code) for one in node.discover().findings]


def test_genie_whose_interpreter_an_upgrade_removed(node):
    """The plugin still answers, run by another Python, so no other check finds it."""
    nodes.add_plugins(node.bin, "genie")
    script = (node.bin / "genie").read_text()
    nodes.write(
        node.bin / "genie", f"{script}# Genie 1.0.0, the CNI plugin, run by /no/python3\n", mode=0o755
    )
    node.configure("00-genie.conflist", nodes.GENIE)
    node.configure("10-net.conflist", nodes.bridge())
    found = the(node.discover(), "GN1610")
    assert (found.severity, "/no/python3" in found.title) == (Severity.ERROR, True)


def limited(node, **limits):
    """The node with Genie, one network `net` and these limits."""
    nodes.install_genie(node, **limits)
    return node.discover()


def test_allowed_networks_that_are_not_on_the_node(node):
    report = limited(
        node, allowed_networks={"shop": ["net", "n*", "storge", "infra/any"], "team-*": ["vlan-*"]}
    )
    titles = [finding.title for finding in report.findings if finding.code == "GN1611"]
    assert [title.partition(",")[0] for title in titles] == [
        "allowed_networks has shop: storge",
        "allowed_networks has team-*: vlan-*",
    ]


def test_labels_of_namespaces_without_an_api_server(node):
    found = the(limited(node, allowed_networks={"tier=gold": ["net"], "shop": ["net"]}), "GN1612")
    assert (found.severity, "(tier=gold)" in found.title) == (Severity.ERROR, True)
    kubernetes = {"kubernetes": {"kubeconfig": "/etc/kubeconfig"}}
    assert "GN1612" not in codes(limited(node, allowed_networks={"tier=gold": ["net"]}, **kubernetes))


def test_genie_that_lets_the_runtime_keep_the_annotations(node):
    nodes.install_genie(node, "capabilities")
    assert set(codes(node.discover())) == {"GN1602"}
