"""`genie generate-config` from inside: what is chosen, what is refused, what is kept."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from genie_core.catalog.plugin import Wanted
from genie_core.errors import GenieError
from genie_core.survey.conf_files import parse_conf
from genie_core.survey.kernel import Address, Hop, Link, Netns, Route
from genie_core.survey.rootfs import Root
from genie_core.tasks import generate
from genie_core.tasks.generate import GenerateOptions, SetupOptions
from genie_core.tasks.generate.request import set_path
from tests.discover import nodes

PARTS = (
    "bridge",
    "ptp",
    "macvlan",
    "host-local",
    "static",
    "portmap",
    "tuning",
    "sbr",
    "bandwidth",
    "flannel",
)


class Maker:
    """Generates on a node of files with scripted plugins, and with an uplink of our choosing."""

    def __init__(self, path):
        self.conf, self.bin = path / "conf", path / "bin"
        self.conf.mkdir()
        nodes.add_plugins(self.bin, *PARTS)

    def __call__(self, type_="", mtu=1500, address="192.0.2.9/24", **options):
        wanted = Wanted(**options.pop("wanted", {}))
        places: dict[str, Any] = {"conf_dirs": (str(self.conf),), "bin_dirs": (str(self.bin),)}
        asked = GenerateOptions(type=type_, wanted=wanted, **places, **options)
        link = Link(name="up0", index=2, mtu=mtu, up=True)
        ip, _, length = address.partition("/")
        node = Netns(
            links=(link,),
            addresses=(Address(index=2, ip=ip, prefix=int(length)),),
            routes=(Route(dst="0.0.0.0/0", hops=(Hop(index=2),)),),
        )
        return generate.generate_network(asked, replace(generate.look(asked), node=node))


@pytest.fixture
def make(tmp_path):
    return Maker(tmp_path)


def first(result):
    return result.document["plugins"][0]


def test_a_bridge_from_nothing(make):
    result = make("bridge")
    assert result.document["cniVersion"] == "1.0.0"
    assert [entry["type"] for entry in result.document["plugins"]] == ["bridge", "portmap"]
    assert first(result)["ipam"]["ranges"] == [[{"subnet": "10.200.0.0/24"}]]
    assert result.files[0].path == f"{make.conf}/90-bridge.conflist"
    assert result.findings == []


@pytest.mark.parametrize("member", ["pciBusID", "hwaddr", "plugins[0].device"])
def test_the_device_that_set_names_is_the_only_one(make, member):
    result = make("host-device", changes=[(member, "0e:00:00:00:00:01")], force=True)
    assert [key for key in first(result) if key not in ("type", "ipam")] == [
        member.removeprefix("plugins[0].")
    ]


def test_the_addresses_of_static_that_set_gives(make):
    addresses = [{"address": "10.9.0.5/24"}]
    result = make("bridge", ipam="static", changes=[("ipam.addresses", addresses)])
    assert first(result)["ipam"] == {"type": "static", "addresses": addresses}
    member = make("bridge", ipam="static", changes=[("ipam.addresses[0].address", "10.9.0.5/24")])
    assert first(member)["ipam"] == first(result)["ipam"]


def test_the_uplink_s_mtu_where_it_is_not_the_usual_one(make):
    assert first(make("bridge", mtu=1400))["mtu"] == 1400
    assert "mtu" not in first(make("bridge", mtu=1500))


def test_the_parent_is_that_of_the_default_route(make):
    assert first(make("macvlan"))["master"] == "up0"


def test_a_subnet_that_nothing_else_has(make):
    nodes.write(make.conf / "10-a.conflist", nodes.bridge("a", "10.200.0.0/24"))
    result = make("bridge", address="10.200.1.1/24")
    assert first(result)["ipam"]["ranges"][0][0]["subnet"] == "10.200.2.0/24"


def test_a_bridge_that_no_other_network_has(make):
    nodes.write(make.conf / "10-a.conflist", nodes.bridge("a", "10.200.0.0/24", bridge="cni0"))
    assert first(make("bridge"))["bridge"] == "cni1"


def test_making_it_again_changes_nothing(make):
    result = make("bridge", wanted={"name": "blue"})
    nodes.write(make.conf / "90-blue.conflist", result.files[0].text)
    again = make("bridge", wanted={"name": "blue"})
    assert again.files[0] == result.files[0]


def test_the_version_is_the_highest_that_all_plugins_do(make):
    nodes.add_plugins(make.bin, "portmap", versions=["0.3.1", "0.4.0", "1.1.0"])
    assert make("bridge").document["cniVersion"] == "0.4.0"


def test_what_runtimes_of_before_1_1_0_can_read(make):
    """containerd 1.7 reads cniVersion alone, and fails every pod for a version that it does not know."""
    nodes.add_plugins(make.bin, "bridge", "host-local", "portmap", versions=["0.4.0", "1.0.0", "1.1.0"])
    document = make("bridge").document
    assert (document["cniVersion"], document["cniVersions"]) == ("1.0.0", ["1.0.0", "1.1.0"])
    assert list(document)[:3] == ["cniVersion", "cniVersions", "name"]


def test_plugins_without_a_common_version_are_refused(make):
    nodes.add_plugins(make.bin, "portmap", versions=["0.2.0"])
    with pytest.raises(GenieError, match="no version in common"):
        make("bridge")


def test_a_version_that_a_plugin_does_not_do_is_refused(make):
    with pytest.raises(GenieError, match="would not work") as caught:
        make("bridge", version="1.1.0")
    assert "GN1040" in caught.value.details


@pytest.mark.parametrize(
    "type_,options,words",
    [
        ("bridg", {}, 'unknown type "bridg"'),
        ("portmap", {}, "only works behind another plugin"),
        ("host-local", {}, "only gives addresses"),
        ("macvlan", {"wanted": {"master": "eth9"}}, "would not work"),
        ("bridge", {"wanted": {"subnet": "10.1.0.1/24"}}, "host bits"),
        ("bridge", {"wanted": {"subnet": "x"}}, "not a subnet"),
        ("bridge", {"wanted": {"subnet": "10.1.0.0/24", "gateway": "10.2.0.1"}}, "would not work"),
        ("bridge", {"wanted": {"subnet": "192.0.2.0/24"}}, "would not work"),
        ("bridge", {"chain": ("macvlan",)}, "cannot be chained"),
        ("bridge", {"ipam": "portmap"}, "unknown address plugin"),
        ("bridge", {"ipam": "static"}, "static needs the addresses"),
        ("macvlan", {"wanted": {"mode": "bridged"}}, "would not work"),
        ("ipvlan", {}, "would not work"),  # its binary is not there
        ("bridge", {"changes": [("plugins[9].x.y", 1)]}, "no place"),
    ],
)
def test_an_impossible_configuration_is_refused_with_the_reason(make, type_, options, words):
    with pytest.raises(GenieError, match=words):
        make(type_, **options)


def test_all_reasons_at_once(make):
    with pytest.raises(GenieError) as caught:
        make(
            "macvlan", wanted={"mode": "x", "master": "eth9", "subnet": "10.1.0.0/24", "gateway": "10.2.0.1"}
        )
    assert len(caught.value.details.splitlines()) == 3


def test_force_allows_a_missing_master(make):
    assert first(make("macvlan", wanted={"master": "eth9"}, force=True))["master"] == "eth9"


def test_a_file_that_would_sort_first_needs_force(make):
    nodes.write(make.conf / "95-now.conflist", nodes.bridge("now", "10.9.0.0/24"))
    with pytest.raises(GenieError, match="would sort before 95-now"):
        make("bridge")
    assert make("bridge", force=True).files


def test_members_are_set_last(make):
    result = make(
        "bridge",
        changes=[("ipam.ranges[0][0].gateway", "10.200.0.9"), ("plugins[1].snat", False), ("name", "n")],
    )
    assert first(result)["ipam"]["ranges"][0][0]["gateway"] == "10.200.0.9"
    assert result.document["plugins"][1]["snat"] is False
    assert result.document["name"] == "n"


def test_a_chain_that_check_cannot_look_at_is_not_checked(make):
    assert make("bridge", chain=("sbr",)).document["disableCheck"] is True
    assert "disableCheck" not in make("bridge", chain=("tuning",)).document


def test_an_old_file_is_updated_and_keeps_unknown_keys(make):
    ipam = '{"type":"host-local","subnet":"10.10.0.1/16"}'
    old = f'{{"name":"mybridgenet","type":"bridge","x-big":9007199254740993,"ipam":{ipam}}}'
    result = make(base=old, base_source="old.conf")
    assert result.document["cniVersion"] == "1.0.0"
    assert first(result)["ipam"]["subnet"] == "10.10.0.0/16"
    assert "9007199254740993" in result.files[0].text
    assert any("host bits" in text for text in result.notes)


def test_options_win_over_the_file(make):
    base = json.dumps(nodes.bridge("a", "10.9.0.0/24"))
    entry = first(make(base=base, base_source="a", wanted={"subnet": "10.8.0.0/24", "mtu": 1400}))
    assert (entry["ipam"]["ranges"][0][0]["subnet"], entry["mtu"]) == ("10.8.0.0/24", 1400)


@pytest.mark.parametrize(
    "base,words",
    [
        ("{", "ends too early"),
        ("[]", "an object was expected"),
        ('{"plugins": []}', "at least one entry"),
        ('{"name":"x"}', "type"),
    ],
)
def test_a_file_that_is_no_configuration(make, base, words):
    with pytest.raises(GenieError) as caught:
        make(base=base, base_source="f")
    assert words in f"{caught.value.msg} {caught.value.details}"


def test_everything_generated_is_healthy_to_the_checks(make):
    for type_ in ("bridge", "ptp", "macvlan"):
        result = make(type_)
        assert parse_conf(result.files[0].path, result.files[0].text).network is not None
        assert [f for f in result.findings if f.severity in ("error", "fatal")] == []


@pytest.mark.parametrize("path", ["", "a[x]", "a..b", "[0]"])
def test_invalid_paths(path):
    with pytest.raises(ValueError):
        set_path({"a": []}, path, 1)


# --- Genie's own set-up, and writing -----------------------------------------------------------------------


def setup(make, **options):
    asked = GenerateOptions(conf_dirs=(str(make.conf),), bin_dirs=(str(make.bin),), root="/")
    return generate.generate_setup(
        SetupOptions(conf_dir=str(make.conf), bin_dir=str(make.bin), **options), generate.look(asked), "/"
    )


def test_the_default_network_is_pinned_to_what_pods_get_now(make):
    nodes.write(make.conf / "10-canal.conflist", nodes.bridge("k8s-pod-network", "10.9.0.0/24"))
    assert first(setup(make))["default_plugin"] == "canal"


def test_a_kubeconfig_with_token_file_is_private_and_holds_no_token(make, tmp_path):
    token = nodes.write(tmp_path / "token", "s3cret")
    result = setup(make, api_server="https://192.0.2.1:6443", token_file=str(token))
    by_name = {file.path.rpartition("/")[2]: file for file in result.files}
    assert by_name["genie.kubeconfig"].mode == 0o600
    user = json.loads(by_name["genie.kubeconfig"].text)["users"][0]["user"]
    assert user == {"tokenFile": str(token)}
    assert first(result)["kubernetes"]["kubeconfig"].endswith("genie.kubeconfig")
    assert "s3cret" not in json.dumps(result.as_json())


def test_writing_keeps_a_copy_and_is_quiet_the_second_time(make):
    result = make("bridge")
    path = make.conf / "90-bridge.conflist"
    nodes.write(path, "{}", mode=0o600)
    report = generate.write_files(result.files, Root())
    assert report.written == [str(path)]
    assert json.loads(path.read_text()) == result.document
    (copy,) = report.backups
    assert Path(copy).read_text() == "{}"
    assert copy.endswith(".bak")
    again = generate.write_files(result.files, Root())
    assert (again.written, again.unchanged, again.backups) == ([], [str(path)], [])
    assert not [name for name in path.parent.iterdir() if name.name.startswith(".")]


def test_each_writing_keeps_a_copy_of_its_own_also_within_a_second(make):
    path = make.conf / "90-bridge.conflist"
    copies: list[str] = []
    for text in ("1", "2", "3"):
        nodes.write(path, text)
        copies += generate.write_files(make("bridge").files, Root()).backups
    assert [Path(copy).read_text() for copy in copies] == ["1", "2", "3"]


def test_what_may_hold_a_credential_is_private(make):
    result = make("bridge", changes=[("etcd_password", "x")], force=True)
    assert result.files[0].mode == 0o600


@pytest.mark.parametrize("kind, result", [("containerd", None), ("crio", "primary")])
def test_genie_s_own_file_is_for_where_the_runtime_looks(tmp_path, kind, result):
    """Its directory of plugins is searched too, and CRI-O's setting names the primary network alone."""
    if kind == "crio":
        nodes.write(tmp_path / "etc/crio/crio.conf", '[crio.network]\nplugin_dirs = ["/usr/lib/cni/"]\n')
    else:
        cni = '[plugins."io.containerd.grpc.v1.cri".cni]\nbin_dir = "/usr/lib/cni"\n'
        nodes.write(tmp_path / "etc/containerd/config.toml", f"version = 2\n{cni}")
    nodes.write(tmp_path / "etc/cni/net.d/10-net.conflist", nodes.bridge())
    asked = GenerateOptions(root=str(tmp_path))
    setup = SetupOptions(conf_dir=asked.conf_dir, bin_dir="")
    (entry,) = generate.generate_setup(setup, generate.look(asked), str(tmp_path)).document["plugins"]
    assert (entry["bin_dirs"], entry.get("result")) == (["/usr/lib/cni"], result)
