"""Each fault that `genie discover` can see, injected into files: what is found, where, how bad (diagnosis F84-F106)."""

import base64
import json
import shutil
import subprocess
import time

import pytest

from genie_core.findings import Severity, Status
from tests import warm
from tests.discover import nodes
from tests.discover.conftest import codes, the
from tests.netns import PREFIX

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


def jwt(**claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return ".".join((part({"alg": "RS256"}), part(claims), "c2ln"))


def with_kubeconfig(node, user, mode=0o600):
    """Genie's configuration with a kubeconfig."""
    path = node.conf / "genie.kubeconfig"
    nodes.install_genie(node, kubernetes={"kubeconfig": str(path)})
    document = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    nodes.write(path, document, mode)
    return path


def test_f92_an_expired_token_is_fatal_and_never_shown(node):
    token = jwt(
        exp=time.time() - 90, iat=time.time() - 3690, iss="https://issuer", sub="system:serviceaccount:a:b"
    )
    with_kubeconfig(node, {"token": token})
    report = node.discover()
    finding = the(report, "GN1503")
    assert finding.severity is Severity.FATAL
    assert "expired at" in finding.title
    assert "system:serviceaccount:a:b" in finding.evidence[0].value
    assert token.split(".")[1] not in json.dumps(report.as_json())


def test_f92_a_token_file_is_read_and_a_long_life_is_fine(node):
    path = nodes.write(node.path / "token", jwt(exp=time.time() + 30 * 86400, iat=time.time()), mode=0o600)
    with_kubeconfig(node, {"tokenFile": str(path)})
    report = node.discover()
    assert codes(report) == []
    assert 29.9 < report.as_json()["credentials"][0]["daysLeft"] <= 30


def test_f92_less_than_an_hour_is_a_warning(node):
    with_kubeconfig(node, {"token": jwt(exp=time.time() + 1800)})
    assert the(node.discover(), "GN1504").severity is Severity.WARNING


def test_f92_a_client_certificate_that_has_expired(node, tmp_path):
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=genie -days -1"
    )
    argv = [*command.split(), "-keyout", f"{tmp_path}/key.pem", "-out", f"{tmp_path}/cert.pem"]
    if subprocess.run(
        argv, capture_output=True, check=False
    ).returncode:  # OpenSSL 3.4 wants it said otherwise
        argv[argv.index("-days") : argv.index("-days") + 2] = [
            "-not_before",
            "20200101000000Z",
            "-not_after",
            "20210101000000Z",
        ]
        subprocess.run(argv, capture_output=True, check=True)
    (tmp_path / "key.pem").chmod(0o600)
    user = {"client-certificate": f"{tmp_path}/cert.pem", "client-key": f"{tmp_path}/key.pem"}
    with_kubeconfig(node, user)
    assert "client certificate" in the(node.discover(), "GN1503").title


@pytest.mark.parametrize(
    "text", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"]
)
def test_f92_a_client_certificate_that_is_none(node, tmp_path, text):
    for name in ("cert.pem", "key.pem"):
        nodes.write(tmp_path / name, text, 0o600)
    user = {"client-certificate": f"{tmp_path}/cert.pem", "client-key": f"{tmp_path}/key.pem"}
    with_kubeconfig(node, user)
    report = node.discover()
    assert report.as_json()["credentials"][0]["error"] == "its client certificate cannot be read"
    assert report.as_json()["plugins"]


@pytest.mark.parametrize("expires", [1e400, 10**400, 1_900_000_000_000, -1])
def test_f92_a_moment_that_no_calendar_has(node, expires):
    """Milliseconds, for one; the report has no date for it, and everything else."""
    with_kubeconfig(node, {"token": jwt(exp=expires)})
    assert node.discover().as_json()["credentials"][0]["expires"] == ""


def test_f106_a_kubeconfig_that_every_user_can_read(node):
    path = with_kubeconfig(node, {"token": jwt(exp=time.time() + 30 * 86400)}, mode=0o644)
    finding = the(node.discover(), "GN1501")
    assert finding.severity is Severity.WARNING
    assert "world-readable" in finding.title
    assert finding.remedy.commands[0].argv == ("chmod", "0600", str(path))


def test_a_kubeconfig_that_is_named_and_not_there(node):
    with_kubeconfig(node, {}).unlink()
    assert "No such file" in the(node.discover(), "GN1505").title


def test_a_kubeconfig_without_a_server_where_the_configuration_names_it(node):
    """CNI-Genie's own set-up: a kubeconfig with a user only, and the server in `policy`."""
    path = with_kubeconfig(node, {"token": jwt(exp=time.time() + 30 * 86400)})
    document = json.loads(path.read_text())
    del document["clusters"], document["contexts"][0]["context"]["cluster"]
    nodes.write(path, document, 0o600)
    assert "no API server is named" in the(node.discover(), "GN1505").title
    genie = json.loads((node.conf / "00-genie.conflist").read_text())
    genie["plugins"][0]["policy"] = {"k8s_api_root": "https://127.0.0.1:1/api/v1/"}
    node.configure("00-genie.conflist", genie)
    report = node.discover()
    assert "GN1505" not in codes(report)
    assert report.as_json()["credentials"][0]["server"] == "https://127.0.0.1:1"


def test_a_token_inside_a_configuration(node):
    conf = nodes.bridge()
    conf["plugins"][0]["policy"] = {"k8s_auth_token": "s3cret"}
    node.configure("10-net.conflist", conf)
    report = node.discover()
    assert the(report, "GN1507").object.line > 0
    assert "s3cret" not in json.dumps(report.as_json())


# --- leases and leftovers --------------------------------------------------------------------------------


def lease(node, address, container, network="net"):
    path = nodes.write(node.ipam / network / address, f"{container}\r\neth0")
    age = time.time() - 3600
    import os

    os.utime(path, (age, age))


def cached(node, container, netns, name=None):
    document = {
        "kind": "cniCacheV1",
        "containerId": container,
        "ifName": "eth0",
        "networkName": "net",
        "netns": netns,
        "config": base64.b64encode(b'{"token":"s3cret"}').decode(),
        "result": {"cniVersion": "1.0.0", "ips": [{"address": "100.99.0.2/24"}]},
    }
    return nodes.write(node.cache / f"net-{name or container}-eth0", document)


@pytest.fixture
def namespace():
    """A named network namespace that lives as long as the test."""
    name = f"{PREFIX}-disc"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield f"/run/netns/{name}"
    subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.mark.root
def test_f94_leases_that_no_sandbox_has(node, namespace):
    node.configure("10-net.conflist", nodes.bridge())
    cached(node, "alive", namespace)
    lease(node, "100.99.0.2", "alive")
    for number in range(20, 61):
        lease(node, f"100.99.0.{number}", f"deadbeef{number}")
    finding = the(node.discover(), "GN1301")
    assert finding.severity is Severity.WARNING
    assert "41 of 253 addresses are leased to container IDs that no sandbox has" in finding.title


@pytest.mark.root
def test_f94_a_lease_of_the_last_minute_is_no_leak(node, namespace):
    node.configure("10-net.conflist", nodes.bridge())
    cached(node, "alive", namespace)
    nodes.write(node.ipam / "net" / "100.99.0.9", "on-its-way\r\neth0")
    assert codes(node.discover()) == []


def test_f94_is_skipped_where_the_containers_are_not_known(node):
    node.configure("10-net.conflist", nodes.bridge())
    lease(node, "100.99.0.9", "whoever")
    report = node.discover()
    assert codes(report) == []
    (check,) = [check for check in report.checks if check.id == "leases-leaked"]
    assert check.status == "skip"
    assert check.reason == "no container runtime answered"


@pytest.mark.parametrize("held,code", [(13, "GN1302"), (12, "GN1303"), (10, None)])
def test_f95_a_range_that_is_full_or_nearly(node, held, code):
    node.configure("10-net.conflist", nodes.bridge(subnet="100.99.0.0/28"))
    for number in range(2, 2 + held):
        lease(node, f"100.99.0.{number}", f"c{number}")
    report = node.discover()
    assert codes(report) == ([code] if code else [])
    if code == "GN1302":
        assert "13 of 13 addresses of 100.99.0.0/28 are leased" in report.findings[0].title
        assert report.findings[0].severity is Severity.FATAL


def dual(node, *second):
    """A network with a range set of one IPv4 address, and this other set."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": "100.99.0.0/30"}, *second[1:]], *second[:1]],
    }
    node.configure("10-net.conflist", nodes.bridge(ipam=ipam))
    lease(node, "100.99.0.2", "c1")


def test_a_pod_needs_an_address_of_each_range_set(node):
    """Free IPv6 addresses do not help where IPv4 is used up."""
    dual(node, [{"subnet": "fd99::/64"}])
    report = node.discover()
    assert codes(report) == ["GN1302"]
    (network,) = report.as_json()["networks"]
    assert network["free"] == 0
    assert [(item["subnets"], item["free"]) for item in network["sets"]] == [
        (["100.99.0.0/30"], 0),
        (["fd99::/64"], 2**64 - 2),
    ]


def test_the_ranges_of_one_set_stand_in_for_each_other(node):
    dual(node, [{"subnet": "fd99::/64"}], {"subnet": "100.99.1.0/28"})
    report = node.discover()
    assert codes(report) == []
    assert report.as_json()["networks"][0]["free"] == 13


@pytest.mark.root
def test_f94_the_runtime_s_own_directories_are_believed(node):
    node.configure("10-net.conflist", nodes.bridge())
    sandboxes = node.path / "sandboxes"
    (sandboxes / "alive").mkdir(parents=True)
    lease(node, "100.99.0.2", "alive")
    lease(node, "100.99.0.3", "dead")
    finding = the(node.discover(sandbox_dirs=(str(sandboxes),)), "GN1301")
    assert [fact.value for fact in finding.evidence] == ["dead eth0"]


@pytest.mark.root
def test_f98_a_cached_result_without_a_sandbox(node, namespace):
    node.configure("10-net.conflist", nodes.bridge())
    original = cached(node, "alive", namespace)
    shutil.copy(original, node.cache / "net-dead0000-eth0")
    cached(node, "gone", "/run/netns/cni-that-is-gone")
    report = node.discover()
    titles = [finding.title for finding in report.findings if finding.code == "GN1401"]
    assert len(titles) == 2
    assert any("net-dead0000-eth0" in title for title in titles)
    assert any("cni-that-is-gone is gone" in title for title in titles)
    assert "s3cret" not in json.dumps(report.as_json())


@pytest.mark.root
def test_f99_a_stale_namespace_is_named_with_the_veth_it_keeps(node):
    name, veth = f"cni-{PREFIX[2:]:0>8}-dead", f"{PREFIX}d"[:15]
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        argv = ["ip", "link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", name]
        subprocess.run(argv, check=True)
        finding = the(node.discover(only="netns"), "GN1402")
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
    assert finding.severity is Severity.WARNING
    assert f"{name} has no process and no sandbox; it holds {veth}" in finding.title


class Lab:
    """A node with a bridge that its network uses, an overlay's /32 address in it, and a pod."""

    def __init__(self, namespace, pod, node):
        self.namespace, self.node = namespace, node
        for line in (
            "link add cni0 type bridge",
            "addr add 100.99.0.1/24 dev cni0",
            "link set cni0 up",
            "link add eth0 type veth peer name e0",
            "addr add 192.0.2.10/24 dev eth0",
            "link set eth0 up",
            "route add default via 192.0.2.1",
            "link add ov0 type bridge",
            "addr add 100.99.0.0/32 dev ov0",
            f"link add veth1 type veth peer name eth0 netns {pod.name}",
            "link set veth1 master cni0",
        ):
            self.ip(line)
        node.configure("10-net.conflist", nodes.bridge("net", "100.99.0.0/24", bridge="cni0"))

    def ip(self, line):
        self.namespace.run("ip", *line.split())

    def findings(self):
        flags = [
            "--only",
            "subnet|bridge|conf",
            "--conf-dir",
            str(self.node.conf),
            "--bin-dir",
            str(self.node.bin),
        ]
        asked = ["discover", "--no-api", "-o", "json", "--fail-on", "never", *flags]
        return json.loads(warm.run(*asked, netns=str(self.namespace.path)).stdout)["findings"]


@pytest.fixture
def lab(netns, node):
    return Lab(netns(), netns(), node)


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
