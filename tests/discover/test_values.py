"""Values of a plugin's configuration: unknown keys, contradictions, missing capabilities, the parent's limits."""

import pytest

from genie_core.findings import Severity
from genie_core.tasks.discover import DiscoverOptions, discover
from tests.discover import nodes
from tests.discover.conftest import codes, install, the

BOTH = {"type": "host-local", "subnet": "100.99.1.0/24", "ranges": [[{"subnet": "100.99.0.0/24"}]]}


@pytest.mark.parametrize(
    "members, code, severity, words",
    [
        ({"brigde": "cni0"}, "GN1011", Severity.WARNING, "plugins[0].brigde"),
        ({"hairpinMode": True, "promiscMode": True}, "GN1022", Severity.FATAL, "exclude each other"),
        ({"ipam": BOTH}, "GN1034", Severity.FATAL, "subnet and ranges are both there"),
    ],
)
def test_a_member_that_does_not_fit(node, members, code, severity, words):
    node.configure("10-net.conflist", nodes.bridge(**members))
    finding = the(node.discover(), code)
    assert (finding.severity, words in finding.title) == (severity, True), finding.title


def test_host_ports_without_their_capability(node):
    conf = nodes.bridge()
    conf["plugins"].append({"type": "portmap"})
    node.configure("10-net.conflist", conf)
    assert the(node.discover(), "GN1012").severity is Severity.WARNING
    conf["plugins"][1]["capabilities"] = {"portMappings": True}  # the remedy
    node.configure("10-net.conflist", conf)
    assert codes(node.discover()) == []


def test_a_token_in_a_file_that_root_alone_reads(node):
    path = node.configure("10-net.conflist", nodes.bridge(policy={"k8s_auth_token": "s3cret"}))
    path.chmod(0o600)
    finding = the(node.discover(), "GN1502")
    assert finding.severity is Severity.WARNING
    assert "s3cret" not in str(finding.as_json())


def test_a_cached_result_that_is_no_json(node):
    nodes.write(node.cache / "net-c1-eth0", '{"kind": "cniCacheV1", ')
    node.configure("10-net.conflist", nodes.bridge())
    finding = the(node.discover(), "GN1403")
    assert "net-c1-eth0 cannot be read" in finding.title


def test_a_runtime_that_attaches_every_file(tmp_path):
    cri = '[plugins."io.containerd.grpc.v1.cri".cni]\nmax_conf_num = 2\n'
    nodes.write(tmp_path / "etc/containerd/config.toml", f"version = 2\n{cri}")
    nodes.add_plugins(tmp_path / "opt/cni/bin", "bridge", "host-local")
    for name, subnet in (("a", "100.98.0.0/24"), ("b", "100.99.0.0/24")):
        nodes.write(tmp_path / f"etc/cni/net.d/10-{name}.conflist", nodes.bridge(name, subnet))
    report = discover(DiscoverOptions(root=str(tmp_path), api=False))
    assert "every pod 2 networks (max_conf_num): 10-a.conflist, 10-b.conflist" in the(report, "GN1205").title


@pytest.mark.root
@pytest.mark.parametrize(
    "plugin, code, words",
    [
        (
            {"type": "macvlan", "master": "eth0", "mtu": 9000},
            "GN1021",
            "9000 is above the 1500 of its parent eth0",
        ),
        ({"type": "host-device", "device": "eth0"}, "GN1023", "carries the default route of this node"),
    ],
)
def test_the_parent_s_limits(lab, plugin, code, words):
    nodes.add_plugins(lab.node.bin, "macvlan", "host-device")
    lab.node.configure("20-lan.conflist", {"cniVersion": "1.0.0", "name": "lan", "plugins": [plugin]})
    found = [finding for finding in lab.findings() if finding["code"] == code]
    assert len(found) == 1
    assert words in found[0]["title"]


def test_a_default_network_that_another_file_may_replace(node):
    nodes.install_genie(node, "default_plugin")
    assert "GN1609" not in codes(node.discover())  # there is no other
    node.configure("20-blue.conflist", nodes.bridge("blue", "100.98.0.0/24"))
    finding = the(node.discover(), "GN1609")
    assert (finding.severity, "now " in finding.title and "10-net.conflist" in finding.title) == (
        Severity.INFO,
        True,
    )


def test_a_cluster_without_the_kinds_of_networks(node, server):
    install(node, server)
    server.api.objects.kinds[:] = [
        kind for kind in server.api.objects.kinds if kind.kind != "NetworkAttachmentDefinition"
    ]
    finding = the(node.discover(api=True), "GN1606")
    assert "network-attachment-definitions" in finding.title
