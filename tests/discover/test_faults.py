"""Faults of the files on a node that `genie discover` sees: what is found, where, how bad (diagnosis F84-F106)."""

import pytest

from genie_core.checks.registry import FILES
from genie_core.checks.runner import selection
from genie_core.findings import Severity, Status
from genie_core.tasks.discover import DiscoverOptions, discover
from tests.discover import nodes
from tests.discover.conftest import codes, the

PODMAN = {
    "cniVersion": "0.4.0",
    "name": "podman",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni-podman0",
            "isGateway": True,
            "ipMasq": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]]},
        }
    ],
}


def test_a_healthy_node_has_no_finding(node):
    node.configure("10-net.conflist", nodes.bridge())
    assert codes(node.discover()) == []


def test_f84_bad_json_has_line_and_column_and_says_what_it_blocks(node):
    node.configure("05-a.conf", '{"cniVersion":"1.0.0","name":"t","type":"bridge",}')
    node.configure("10-net.conflist", nodes.bridge())
    finding = the(node.discover(), "GN1001")
    assert finding.severity is Severity.FATAL
    assert (finding.object.line, finding.object.column) == (1, 49)
    assert "trailing comma" in finding.title
    assert "blocks every network" in finding.title


def test_bad_json_after_the_first_file_blocks_no_pod(node):
    node.configure("10-net.conflist", nodes.bridge())
    node.configure("20-b.conf", "{\n  nope\n}")
    finding = the(node.discover(), "GN1001")
    assert finding.severity is Severity.ERROR
    assert finding.object.line == 2


@pytest.mark.parametrize("directory", ["/a\0", "/\ud800"])
def test_a_directory_that_cannot_be_is_named_and_the_rest_is_looked_at(node, directory):
    """JSON can contain a path that no system call accepts."""
    node.configure("05-a.conf", "{ nope")
    range_ = [{"subnet": "100.99.0.0/24"}]
    ipam = {"type": "host-local", "dataDir": directory, "ranges": [range_]}
    node.configure("10-net.conflist", nodes.bridge(ipam=ipam))
    report = node.discover()
    assert "GN1001" in codes(report)
    assert "no file can have this name" in report.facts.missing["leases"]


@pytest.mark.parametrize("is_made", [True, False])
def test_leases_are_missing_only_where_no_directory_of_them_is_there(node, is_made):
    """host-local makes its data directory with the first address: until then there are no leases, and that is known."""
    node.ipam.rmdir()
    directory = node.path / "data"
    if is_made:
        directory.mkdir()
    ipam = {"type": "host-local", "dataDir": str(directory), "ranges": [[{"subnet": "100.99.0.0/24"}]]}
    node.configure("10-net.conflist", nodes.bridge(ipam=ipam))
    report = node.discover()
    assert ("leases" in report.facts.missing) is not is_made
    assert "leases-outside" not in {check.id for check in report.checks if check.status is Status.SKIP}


def test_f85_a_container_engine_s_file_sorts_before_genie_s(node):
    nodes.add_plugins(node.bin, "genie")
    node.configure("00-podman.conflist", PODMAN)
    node.configure("05-genie.conflist", nodes.GENIE)
    node.configure("10-net.conflist", nodes.bridge())
    finding = the(node.discover(), "GN1006")
    assert finding.severity is Severity.FATAL
    assert finding.object.file.endswith("00-podman.conflist")
    assert "before 05-genie.conflist" in finding.title
    assert "Podman" in finding.title


def test_f85_without_genie_the_engine_still_stands_before_the_cluster_s_own(node):
    node.configure("00-podman.conflist", PODMAN)
    node.configure("10-net.conflist", nodes.bridge())
    assert "before 10-net.conflist" in the(node.discover(), "GN1006").title


def test_an_engine_s_file_after_the_cluster_s_own_is_no_finding(node):
    node.configure("10-net.conflist", nodes.bridge())
    node.configure("87-podman.conflist", PODMAN)
    assert codes(node.discover()) == []


def test_f86_a_missing_plugin_is_named_with_its_place_and_its_copy(node):
    conf = nodes.bridge()
    conf["plugins"].append({"type": "portmap", "capabilities": {"portMappings": True}})
    node.configure("10-net.conflist", conf)
    (node.bin / "portmap").rename(node.bin / "portmap.bak")
    finding = the(node.discover(), "GN1101")
    assert finding.severity is Severity.FATAL
    assert 'plugin "portmap"' in finding.title
    assert "plugins[1].type" in finding.title
    assert str(node.bin) in finding.title
    assert any("portmap.bak" in fact.value for fact in finding.evidence)
    assert finding.remedy.commands[0].argv == ("mv", f"{node.bin}/portmap.bak", f"{node.bin}/portmap")


def test_a_missing_address_plugin_is_found_too(node):
    node.configure("10-net.conflist", nodes.bridge())
    (node.bin / "host-local").unlink()
    assert 'IPAM plugin "host-local"' in the(node.discover(), "GN1101").title


def test_a_misspelt_type_gets_the_nearest_one(node):
    node.configure("10-net.conflist", nodes.bridge(type="brigde"))
    assert 'did you mean "bridge"' in the(node.discover(), "GN1101").remedy.text


def test_f89_a_version_that_no_plugin_does(node):
    node.configure("10-net.conflist", nodes.bridge(version="1.1.0"))
    finding = the(node.discover(), "GN1040")
    assert finding.severity is Severity.FATAL
    assert "1.1.0 is not supported by bridge, host-local" in finding.title
    assert "highest common version of the chain is 1.0.0" in finding.title
    assert finding.remedy.text == 'set "cniVersion": "1.0.0"'


@pytest.mark.parametrize(
    "versions, remedy, mended",
    [
        (
            {"cniVersion": "1.0.0", "cniVersions": ["0.4.0", "1.0.0", "1.1.0"]},
            'set "cniVersions": ["0.4.0", "1.0.0"]',
            {"cniVersions": ["0.4.0", "1.0.0"]},
        ),
        (
            {"cniVersion": "1.1.0", "cniVersions": ["1.0.0", "1.1.0"]},
            'set "cniVersions": ["1.0.0"], set "cniVersion": "1.0.0"',
            {"cniVersions": ["1.0.0"], "cniVersion": "1.0.0"},
        ),
        (
            {"cniVersion": "1.0.0", "cniVersions": ["1.1.0"]},
            'remove "cniVersions"',
            {"cniVersions": None},
        ),
    ],
)
def test_f89_the_remedy_for_a_file_with_several_versions(node, versions, remedy, mended):
    """The highest of them counts, so another cniVersion alone mends nothing. The remedy is carried out here."""
    node.configure("10-net.conflist", nodes.bridge() | versions)
    finding = the(node.discover(), "GN1040")
    assert "cniVersions 1.1.0 is not supported by bridge, host-local" in finding.title
    assert finding.remedy.text == remedy
    document = nodes.bridge() | versions | mended
    node.configure("10-net.conflist", {key: value for key, value in document.items() if value is not None})
    assert "GN1040" not in codes(node.discover())


def chain(node, tmp_path, kind, *types, **members):
    """Networks of these plugins on a node of that runtime."""
    nodes.add_plugins(node.bin, *types)
    document = nodes.bridge() | members
    document["plugins"] += [{"type": type_} for type_ in types]
    node.configure("10-net.conflist", document)
    cni = {
        "crio": f'[crio.network]\nnetwork_dir = "{node.conf}"\nplugin_dirs = ["{node.bin}"]\n',
        "containerd": f'version = 2\n[plugins."io.containerd.grpc.v1.cri".cni]\nconf_dir = "{node.conf}"\n',
    }[kind]
    return node.discover(runtime_config=str(nodes.write(tmp_path / f"{kind}.conf", cni)))


@pytest.mark.parametrize("type_", ["sbr", "bandwidth"])
def test_a_chain_whose_check_fails_on_cri_o(node, tmp_path, type_):
    finding = the(chain(node, tmp_path, "crio", type_), "GN1042")
    assert finding.severity is Severity.ERROR
    assert finding.remedy.text == 'set "disableCheck": true beside "plugins"'
    assert "GN1042" not in codes(chain(node, tmp_path, "crio", type_, disableCheck=True))  # the remedy
    assert "GN1042" not in codes(chain(node, tmp_path, "containerd", type_))  # calls no CHECK


@pytest.mark.parametrize("ipam", [{}, {"ipam": {}}, {"ipam": {"type": ""}}, {"ipam": None}])
def test_a_bridge_without_addresses_whose_check_fails_on_cri_o(node, tmp_path, ipam):
    """It calls an IPAM plugin without a name; macvlan does not."""
    plugins = [{"type": "bridge", "bridge": "br-net", **ipam}]
    assert "IPAM" in the(chain(node, tmp_path, "crio", plugins=plugins), "GN1042").title
    assert "GN1042" not in codes(chain(node, tmp_path, "crio", plugins=plugins, disableCheck=True))
    plugins = [{"type": "macvlan", "master": "lo", **ipam}]
    assert "GN1042" not in codes(chain(node, tmp_path, "crio", plugins=plugins))


def test_f89_the_common_version_is_numerically_the_highest(node):
    nodes.add_plugins(node.bin, "bridge", versions=["0.9.0", "0.10.0"])
    nodes.add_plugins(node.bin, "host-local", versions=["0.10.0", "0.9.0"])
    node.configure("10-net.conflist", nodes.bridge(version="1.0.0"))
    assert "is 0.10.0" in the(node.discover(), "GN1040").title


def test_f91_the_runtime_reads_another_directory(node, tmp_path):
    elsewhere = "/var/lib/rancher/k3s/agent/etc/cni/net.d"
    config = f'version = 2\n[plugins."io.containerd.grpc.v1.cri".cni]\n  conf_dir = "{elsewhere}"\n'
    node.configure("10-net.conflist", nodes.bridge())
    report = node.discover(runtime_config=str(nodes.write(tmp_path / "config.toml", config)))
    finding = the(report, "GN1201")
    assert finding.severity is Severity.FATAL
    assert f"containerd reads {elsewhere}; {node.conf} is ignored" in finding.title
    assert finding.evidence[0].source == f"{tmp_path}/config.toml"


@pytest.mark.parametrize("config", [None, "version = 2\n[plugins", "version = 2\n"])
def test_plugins_are_missed_only_where_a_runtime_is_known_to_look(tmp_path, config):
    """Of a file that cannot be read it is not known which directories it names: the default was taken for them."""
    nodes.add_plugins(tmp_path / "usr/lib/cni", "bridge", "host-local")
    nodes.add_plugins(tmp_path / "opt/cni/bin", "loopback")
    nodes.write(tmp_path / "etc/cni/net.d/10-net.conflist", nodes.bridge())
    if config is not None:
        nodes.write(tmp_path / "etc/config.toml", config)
    options = DiscoverOptions(root=str(tmp_path), runtime_config="/etc/config.toml", api=False)
    found = codes(discover(options, selection(["GN1101|GN1202"], [], FILES)))
    assert set(found) == ({"GN1101"} if config == "version = 2\n" else {"GN1202"})


def test_the_network_s_own_bridge_is_no_overlap(lab):
    assert lab.findings() == []


def test_f27_a_bridge_with_another_subnet(lab):
    lab.ip("addr del 100.99.0.1/24 dev cni0")
    lab.ip("addr add 100.98.0.1/24 dev cni0")
    (finding,) = lab.findings()
    assert finding["code"] == "GN1024"
    assert "bridge cni0 has 100.98.0.1/24" in finding["title"]


def test_a_network_on_the_node_s_own_subnet(lab):
    lab.ip("addr add 100.99.0.200/24 dev eth0")
    (finding,) = lab.findings()
    assert (finding["code"], finding["severity"]) == ("GN1036", "error")
    assert "the node's eth0" in finding["title"]


# --- more of what sits in a configuration directory -------------------------------------------------------


def test_cilium_s_renamed_files(node):
    node.configure("05-net.conflist", nodes.bridge())
    path = node.configure("00-genie.conflist.cilium_bak", nodes.GENIE)
    finding = the(node.discover(), "GN1005")
    assert finding.severity is Severity.WARNING
    assert "cni.exclusive" in finding.title
    assert finding.remedy.commands[0].argv == ("mv", str(path), str(path).removesuffix(".cilium_bak"))


@pytest.mark.parametrize(
    "content,code,path",
    [
        ({"cniVersion": "1.0.0", "plugins": [{"type": "bridge"}]}, "GN1002", "no name"),
        ({"cniVersion": "1.0.0", "name": "a", "plugins": [{"name": "x"}]}, "GN1002", "missing 'type'"),
        ({"cniVersion": "1.0.0", "name": "a", "plugins": []}, "GN1002", "no plugins"),
        ([], "GN1002", "an object was expected"),
    ],
)
def test_files_that_are_json_and_no_network(node, content, code, path):
    node.configure("10-a.conflist", content)
    finding = the(node.discover(), code)
    assert path in finding.title


def test_a_name_that_two_files_have(node):
    node.configure("10-a.conflist", nodes.bridge(subnet="100.99.0.0/24"))
    node.configure("20-b.conflist", nodes.bridge(subnet="100.99.0.0/24"))
    finding = the(node.discover(), "GN1003")
    assert finding.object.file.endswith("20-b.conflist")
    assert finding.object.line == 3


def test_a_key_that_is_there_twice(node):
    node.configure("10-net.conf", '{"cniVersion":"1.0.0","name":"net","type":"x","type":"bridge"}')
    assert the(node.discover(), "GN1004").object.column == 47


def test_a_key_that_is_there_twice_to_plugins(node):
    node.configure("10-net.conf", '{"cniVersion":"1.0.0","name":"net","type":"bridge","mtu":1400,"MTU":1500}')
    assert "MTU occurs twice for plugins, which use the last one" in the(node.discover(), "GN1004").title


@pytest.mark.parametrize(
    "span,code",
    [
        ({"subnet": "100.99.0.1/24"}, "GN1031"),
        ({"subnet": "100.99.0.0/24", "gateway": "100.98.0.1"}, "GN1032"),
        ({"subnet": "100.99.0.0/24", "rangeStart": "100.97.0.1"}, "GN1033"),
        ({"subnet": "100.99.0.0/24", "rangeStart": "100.99.0.9", "rangeEnd": "100.99.0.3"}, "GN1033"),
        ({"subnet": "nonsense"}, "GN1030"),
    ],
)
def test_ranges_that_host_local_refuses(node, span, code):
    conf = nodes.bridge()
    conf["plugins"][0]["ipam"]["ranges"] = [[span]]
    node.configure("10-net.conflist", conf)
    finding = the(node.discover(), code)
    assert finding.severity is Severity.FATAL
    assert finding.object.line > 1


def test_networks_that_overlap(node):
    node.configure("10-a.conflist", nodes.bridge("a", "100.99.0.0/16"))
    node.configure("20-b.conflist", nodes.bridge("b", "100.99.5.0/24"))
    finding = the(node.discover(), "GN1035")
    assert finding.severity is Severity.ERROR
    assert "100.99.5.0/24" in finding.title
    assert "10-a.conflist" in finding.title


def test_ranges_side_by_side_on_one_lan_do_not_overlap(node):
    nodes.add_plugins(node.bin, "macvlan")
    for name, first, last in (("a", 10, 20), ("b", 21, 30)):
        conf = nodes.bridge(name)
        span = {"subnet": "100.99.0.0/24", "rangeStart": f"100.99.0.{first}", "rangeEnd": f"100.99.0.{last}"}
        conf["plugins"] = [{"type": "macvlan", "ipam": {"type": "host-local", "ranges": [[span]]}}]
        node.configure(f"10-{name}.conflist", conf)
    assert codes(node.discover()) == []


def test_two_networks_on_one_bridge_with_two_subnets(node):
    node.configure("10-a.conflist", nodes.bridge("a", "100.99.0.0/24", bridge="cni9"))
    node.configure("20-b.conflist", nodes.bridge("b", "100.98.0.0/24", bridge="cni9"))
    assert "cni9" in the(node.discover(), "GN1037").title


def test_an_unknown_type_is_no_finding(node):
    nodes.add_plugins(node.bin, "acme-net")
    node.configure(
        "10-acme.conf", {"cniVersion": "1.0.0", "name": "acme", "type": "acme-net", "whatever": {"x": [1]}}
    )
    report = node.discover()
    assert codes(report) == []
    (plugin,) = [p for p in report.as_json()["plugins"] if p["type"] == "acme-net"]
    assert plugin["versions"] == nodes.VERSIONS
    assert not plugin["known"]
