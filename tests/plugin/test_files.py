"""Which file a name means, and what is wrong with files (conformance B01-B15, D06-D15, X09, X16, X19)."""

import os

import pytest


def attached_by(node, cni=None, **options):
    """The networks that an ADD attached."""
    assert node.add(cni, **options).result
    return [call.config["name"] for call in node.calls("ADD")]


def test_b01_what_is_a_configuration_file(node):
    for name in ("x.conf.bak", "x.CONF", "x.conf~", "conf", "README", "x.yaml"):
        node.file(name, {"cniVersion": "1.0.0", "name": "no", "type": "no"})
    (node.conf / "00-folder.conf").mkdir()
    (node.conf / "folder").mkdir()
    node.install("yes")
    node.file("zz.conf", {"cniVersion": "1.0.0", "name": "yes", "type": "yes"})
    assert attached_by(node) == ["yes"]


def test_b01_a_hidden_file_counts(node):
    node.network("hidden", file=".conflist")
    assert attached_by(node) == ["hidden"]


def test_b01_a_directory_that_is_missing_is_empty(node):
    node.networks("a")
    dirs = [str(node.root / "missing"), str(node.conf), str(node.root / "also-missing")]
    assert attached_by(node, conf_dirs=dirs) == ["a"]


def test_b01_a_file_where_a_directory_should_be(node):
    node.networks("a")
    assert (
        str(node.conf / "10-a.conflist")
        in node.add(conf_dirs=[str(node.conf / "10-a.conflist")]).error(5)["msg"]
    )


def test_b02_d12_the_default_is_the_first_by_name_bytewise(node):
    node.install("p")
    for name, file in (("ten", "10.json"), ("nine", "9.conf"), ("upper", "A.conf"), ("ü", "ü.conf")):
        node.file(file, {"cniVersion": "1.0.0", "name": name if name.isascii() else "u", "type": "p"})
    assert attached_by(node) == ["ten"]
    node.delete()
    node.forget_calls()
    (node.conf / "10.json").unlink()
    assert attached_by(node) == ["nine"]


def test_b03_a_list_comes_before_single_configurations_where_the_name_inside_decides(node):
    node.install("p")
    node.file("10-x.conf", {"cniVersion": "1.0.0", "name": "wanted", "type": "p", "here": "conf"})
    node.network("wanted", "p", file="20-y.conflist")
    assert node.add("wanted").result
    assert "here" not in node.calls()[0].config


def test_b04_d12_a_malformed_file_is_passed_over_and_said(node):
    node.file("00-broken.conflist", "{")
    node.file("01-empty.conf", "")
    node.file("02-binary.conf", b"\xff\xfe\x00")
    node.file("03-list.conf", "[]")
    (node.conf / "04-dangling.conf").symlink_to(node.root / "nothing")
    os.mkfifo(node.conf / "05-pipe.conf")
    node.networks("a")
    reply = node.add()
    assert reply.result
    skipped = [event["file"].rpartition("/")[2][:2] for event in reply.events("configuration skipped")]
    assert skipped == ["00", "01", "02", "03", "04", "05"]


def test_b04_d08_the_wanted_file_is_malformed(node):
    node.networks("other")
    node.file("10-wanted.conflist", '{"name": "wanted",}')
    document = node.add("wanted").error(7)
    assert "annotation cni, item 1" in document["msg"]
    assert "No valid configuration file present for plugin wanted: " in document["msg"]
    assert "10-wanted.conflist: trailing comma (line 1 column 18)" in document["msg"]
    assert node.said() == []


def test_b05_d09_errors_name_the_network_and_the_directories(node):
    """In CNI-Genie's words."""
    node.networks("other")
    document = node.add("wanted").error(7)
    assert document["msg"].endswith(
        f": Configuration file is missing from cni directory ({node.conf}) for user requested plugin: wanted"
    )
    assert "other" in document["details"]


def test_b05_d12_nothing_at_all(node):
    document = node.add().error(11)
    assert document["msg"].startswith("No cni plugin has been installed on node. Unable to select default")
    assert f"no net configurations found in {node.conf}" in document["msg"]
    assert "install a CNI plugin" in document["details"]


LISTS = {
    "no name": ({"cniVersion": "1.0.0", "plugins": [{"type": "p"}]}, "no name"),
    "empty name": ({"name": " ", "plugins": [{"type": "p"}]}, "no name"),
    "name is a number": ({"name": 7, "plugins": [{"type": "p"}]}, "name must be a string, not a number"),
    "version is a number": (
        {"cniVersion": 1, "name": "n", "plugins": [{"type": "p"}]},
        "cniVersion must be a string",
    ),
    "plugins is an object": (
        {"name": "n", "plugins": {"type": "p"}},
        "plugins must be an array, not an object",
    ),
    "no plugins in it": ({"name": "n", "plugins": []}, "no plugins in list"),
    "null plugins": ({"name": "n", "plugins": None}, "no plugins in list"),
    "no plugins at all": ({"name": "n"}, "no plugin configs found"),
    "nothing at all": ({}, "no name"),
    "a single plugin": ({"name": "n", "type": "p"}, "no plugins in list"),
    "a plugin without type": ({"name": "n", "plugins": [{"type": "p"}, {}]}, "plugins[1]: missing 'type'"),
    "a null plugin": ({"name": "n", "plugins": [None]}, "plugins[0] must be an object, not null"),
    "a plugin that is text": ({"name": "n", "plugins": ["p"]}, "plugins[0] must be an object, not a string"),
    "type is a list": ({"name": "n", "plugins": [{"type": ["p"]}]}, "plugins[0].type must be a string"),
    "capability": (
        {"name": "n", "plugins": [{"type": "p", "capabilities": {"mac": "yes"}}]},
        "plugins[0]: capability 'mac' must",
    ),
    "capabilities": (
        {"name": "n", "plugins": [{"type": "p", "capabilities": [1]}]},
        "plugins[0].capabilities must be an object",
    ),
    "disableCheck": (
        {"name": "n", "plugins": [{"type": "p"}], "disableCheck": "perhaps"},
        "disableCheck must be",
    ),
    "disableGC": ({"name": "n", "plugins": [{"type": "p"}], "disableGC": 1}, "disableGC must be"),
    "only inlined, none": ({"name": "n", "loadOnlyInlinedPlugins": True}, "no plugins in list"),
    "versions": (
        {"name": "n", "plugins": [{"type": "p"}], "cniVersions": "1.0.0"},
        "cniVersions must be an array",
    ),
    "no version": (
        {"cniVersion": "foo", "name": "n", "plugins": [{"type": "p"}]},
        'cniVersion "foo" is not a version',
    ),
    "a bad version": ({"name": "n", "plugins": [{"type": "p"}], "cniVersions": ["x"]}, 'cniVersion "x"'),
    "name leaves": (
        {"name": "../../x", "plugins": [{"type": "p"}]},
        "invalid characters found in network name",
    ),
    "type leaves": ({"name": "n", "plugins": [{"type": "../p"}]}, "invalid plugin name: '../p'"),
}


@pytest.mark.parametrize("what", LISTS)
def test_b06_b10_b12_b14_b16_malformed_lists(node, what):
    content, problem = LISTS[what]
    node.install("p")
    file = node.file("10-n.conflist", content)
    document = node.add("n").error(7)
    assert f"{file}: {problem}" in document["msg"]
    assert node.said() == []


def test_b07_a_list_in_a_conf_file(node):
    node.network("n", "p", file="10-n.conf")
    document = node.add("n").error(7)
    assert "10-n.conf: missing 'type'" in document["msg"]
    assert ".conflist file: rename it" in document["details"]


def test_b07_a_conf_file_without_a_type(node):
    """It is no list without plugins: that is what .conflist is for."""
    node.file("10-n.conf", {"cniVersion": "1.0.0", "name": "n"})
    assert "10-n.conf: missing 'type'" in node.add("n").error(7)["msg"]


def test_b07_a_single_plugin_may_have_plugins_of_its_own(node):
    """The file's extension says what it is, as for libcni."""
    node.install("p")
    node.file("10-n.conf", {"cniVersion": "1.0.0", "name": "n", "type": "p", "plugins": [{"type": "q"}]})
    assert node.add("n").result
    assert node.said() == ["ADD p@eth0"]
    assert node.calls()[0].config["plugins"] == [{"type": "q"}]


def test_b07_a_single_configuration_becomes_a_list_of_one(node):
    node.install("p")
    node.file("10-n.conf", {"cniVersion": "0.4.0", "name": "n", "type": "p", "mtu": 1400})
    assert node.add("n").result
    assert node.calls()[0].config == {"cniVersion": "0.4.0", "name": "n", "type": "p", "mtu": 1400}


CHOICES = {
    "the highest known": (["0.3.1", "1.0.0", "0.4.0"], "0.3.0", "1.0.0"),
    "cniVersion may be higher": (["0.3.1"], "1.1.0", "1.1.0"),
    "higher than ours is passed over": (["0.4.0", "1.2.0", "9.0.0"], "0.3.1", "0.4.0"),
    "numbers, not letters (B09)": (["0.4.0", "0.10.0", "0.3.1"], "0.3.1", "0.10.0"),
    "empty": ([], "0.4.0", "0.4.0"),
    "only the list": (["0.4.0", "1.0.0"], None, "1.0.0"),
}


@pytest.mark.parametrize("case", CHOICES)
def test_b08_b09_cni_versions(node, case):
    versions, version, chosen = CHOICES[case]
    node.install("p")
    entry = {"name": "n", "cniVersions": versions, "plugins": [{"type": "p"}]}
    node.file("10-n.conflist", entry | ({"cniVersion": version} if version else {}))
    node.answer("ADD", stdout="{}")
    node.call("ADD", annotations={})
    assert node.calls()[0].config["cniVersion"] == chosen


@pytest.mark.parametrize("word", [True, "true", "TRUE", "True"])
def test_b10_booleans_may_be_words(node, word):
    node.network("n", "p", loadOnlyInlinedPlugins=word)
    (node.conf / "n").mkdir()
    node.file("n/10-q.conf", {"type": "q"})
    assert node.add("n").result
    assert node.said() == ["ADD p@eth0"]


SIBLINGS = {
    # (inline plugins, loadOnlyInlinedPlugins, plugin files) -> what is called
    "inline and files": (
        ["p"],
        False,
        ["20-b.conf", "10-a.conf", "x.conflist", "y.json"],
        ["p", "10-a", "20-b"],
    ),
    "files only": (None, False, ["10-a.conf"], ["10-a"]),
    "inline only": (["p"], False, [], ["p"]),
    "inline only by its setting": (["p"], True, ["10-a.conf"], ["p"]),
}


@pytest.mark.parametrize("case", SIBLINGS)
def test_b11_plugins_in_the_folder_named_like_the_network(node, case):
    inline, only, files, called = SIBLINGS[case]
    entry = {"cniVersion": "1.0.0", "name": "n", "loadOnlyInlinedPlugins": only}
    if inline:
        entry["plugins"] = [{"type": type_} for type_ in inline]
    node.install("p", "10-a", "20-b", "x", "y")
    node.file("10-n.conflist", entry)
    (node.conf / "n").mkdir()
    (node.conf / "n" / "folder.conf").mkdir()
    for file in files:
        node.file(f"n/{file}", {"type": file.partition(".")[0], "name": "other", "cniVersion": "0.1.0"})
    assert node.add("n").result
    assert [call.type for call in node.calls()] == called
    assert {call.config["name"] for call in node.calls()} == {"n"}


def test_b11_a_broken_plugin_file_names_itself(node):
    node.network("n", "p")
    (node.conf / "n").mkdir()
    broken = node.file("n/10-a.conf", "{}")
    assert f"{broken}: missing 'type'" in node.add("n").error(7)["msg"]


@pytest.mark.parametrize("cni", ["genie", "00-genie", "copy", "chained", "x, genie", "other"])
def test_b15_x09_genie_is_never_called_by_genie(node, cni):
    """By its type, wherever it stands in a chain; by its file under another name; as the default."""
    node.networks("x")
    node.file("00-genie.conflist", {"cniVersion": "1.0.0", "name": "genie", "plugins": [{"type": "genie"}]})
    node.file("copy.conf", {"cniVersion": "1.0.0", "name": "copy", "type": "genie"})
    node.network("chained", "x", "genie", "y")
    node.file("other.conf", {"cniVersion": "1.0.0", "name": "other", "type": "other"})
    (node.bin / "genie").unlink()
    for name in ("genie", "other"):
        os.link(node.genie, node.bin / name) if same_disk(node) else (node.bin / name).symlink_to(node.genie)
    assert "enie" in node.add(cni).error(7)["msg"]
    assert node.said() == []


def same_disk(node):
    return node.genie.stat().st_dev == node.bin.stat().st_dev


def test_b15_genies_own_file_is_no_default_network(node):
    node.file("00-genie.conflist", {"cniVersion": "1.0.0", "name": "genie", "plugins": [{"type": "genie"}]})
    node.add().error(11)
    node.networks("x")
    assert attached_by(node) == ["x"]


# --- names


@pytest.mark.parametrize(
    "file,name",
    [
        ("10-weave.conf", "weave"),
        ("10-my-net.conf", "my-net"),
        ("weave.conflist", "weave"),
        ("10-macvlan-eth0.100.conf", "macvlan-eth0.100"),
        ("my-net.conf", "my-net"),
        ("my-net.conf", "net"),
        ("10-weave.conf", "10-weave"),
        ("weave.net.json", "weave.net"),
        ("-x.conf", "-x"),
        ("10-.conf", "10-"),
        ("00-00-a.conf", "00-a"),
    ],
)
def test_d06_d07_x19_names_of_files(node, file, name):
    content = {"cniVersion": "1.0.0", "name": "inside", "type": "p"}
    node.file(
        file, {"cniVersion": "1.0.0", "name": "inside", "plugins": [content]} if "list" in file else content
    )
    node.network("other", "q", file="00-other.conflist")
    node.install("p")
    assert attached_by(node, name) == ["inside"]


def test_d07_the_order_of_the_rules(node):
    """File name, then name in the file, then type, then CNI-Genie's rule; each is used once those before it fail."""
    rules = {
        "50-wanted.conflist": ("by-file", "p"),
        "40-a.conflist": ("wanted", "p"),
        "30-b.conflist": ("by-type", "wanted"),
        "20-c-wanted.conflist": ("by-rest", "p"),
        "c-wanted.conflist": ("by-rest", "p"),
    }
    for file, (name, type_) in rules.items():
        node.network(name, type_, file=file)
    for expected in ("by-file", "wanted", "by-type", "by-rest"):
        assert attached_by(node, "wanted") == [expected]
        node.delete()
        node.forget_calls()
        (node.conf / next(file for file, (name, _) in rules.items() if name == expected)).unlink()


def test_d07_several_files_fit(node):
    node.network("one", "p", file="20-wanted.conflist")
    node.network("two", "p", file="10-wanted.conflist")
    reply = node.add("wanted")
    assert [call.config["name"] for call in node.calls()] == ["two"]
    assert reply.events("several files fit")[0]["used"].endswith("10-wanted.conflist")


def test_d06_the_first_file_that_can_be_read_wins(node):
    node.file("10-wanted.conflist", "{")
    node.network("good", "p", file="20-wanted.conflist")
    assert attached_by(node, "wanted") == ["good"]


def test_d03_a_list_with_repeats_and_interfaces(node):
    node.networks("flannel", "weave")
    assert node.add("flannel , weave@eth4,flannel@eth3").result
    assert node.said() == ["ADD flannel@eth0", "ADD weave@eth4", "ADD flannel@eth3"]


@pytest.mark.parametrize(
    "cni,item",
    [
        ("a,,b", "item 2 is empty"),
        (",a", "item 1 is empty"),
        ("a,", "item 2 is empty"),
        ("a@e1@e2", 'item 1 ("a@e1@e2"): there is more than one'),
        ("a,b@", 'item 2 ("b@"): interface name is empty'),
        ("@eth1", 'item 1 ("@eth1"): no network before the'),
        ("a@abcdefghijklmnop", "interface name is too long"),
        ("a@e/1", "interface name contains"),
        ("a@e:1", "interface name contains"),
        ("a@e 1", "interface name contains"),
        ("a@..", "interface name is . or .."),
        ("a@lo", "lo is the loopback interface"),
        ("a@e\x001", "cannot be printed"),
        ("a@\ud800", "cannot be printed"),
        ("a@e\x7f", "cannot be printed"),
        ("../../etc/passwd", "a network's name has no '/'"),
        ("a b", "a network's name has no"),
        ("a:b", "a network's name has no"),
        ("a\x00", "a network's name has no"),
        ("a\ud800", "a network's name has no"),
    ],
)
def test_d05_x36_items_that_cannot_be(node, cni, item):
    node.networks("a", "b")
    document = node.add(cni).error(7)
    assert "annotation cni" in document["msg"]
    assert item in document["msg"]
    assert node.said() == []


def test_d09_x16_x20_an_unknown_plugin_names_the_remedy_and_writes_nothing(node):
    """X20: `bridge` is not in a folder because `win-bridge` is."""
    node.install("win-bridge", "bridge")
    before = sorted(node.conf.iterdir())
    assert "genie generate-config TYPE --name bridge --write" in node.add("bridge").error(7)["details"]
    assert sorted(node.conf.iterdir()) == before


@pytest.mark.parametrize(
    "name,network", [("bridge", "mybridgenet"), ("macvlan", "macvlannet"), ("sriov", "sriovnet")]
)
def test_d10_x11_x16_x17_generate_missing(node, name, network):
    """From memory, with the interface that was asked for, and subnets that host-local takes."""
    node.networks("a")
    node.install(name)
    assert node.add(f"a,{name}@eth7", generate_missing=True).result
    call = node.calls()[1]
    assert (call.type, call.ifname, call.config["name"]) == (name, "eth7", network)
    assert call.config["ipam"]["subnet"].endswith(("/17", "/26"))
    assert [path.name for path in node.conf.iterdir()] == ["10-a.conflist"]


def test_d10_nothing_else_is_made_up(node):
    node.install("calico")
    node.add("calico", generate_missing=True).error(7)
    for name in ("bridge", "macvlan", "sriov"):
        said = node.add(name, generate_missing=False).error(7)
        assert '"generate_missing": true in Genie\'s configuration makes one up' in said["details"]
    assert "generate_missing" not in node.add("calico", generate_missing=False).error(7)["details"]


def test_d11_default_plugin_is_a_list_and_is_read_at_each_call(node):
    node.networks("a", "weave", "flannel")
    assert node.add(default_plugin="weave, flannel@eth7, weave").result
    assert node.said() == ["ADD weave@eth0", "ADD flannel@eth7", "ADD weave@eth1"]
    node.delete()
    node.forget_calls()
    assert node.add(default_plugin="flannel").result
    assert node.said() == ["ADD flannel@eth0"]
    node.delete()
    node.forget_calls()
    assert node.add(default_plugin=" ").result
    assert node.said() == ["ADD a@eth0"]


def test_d11_a_mistake_in_it_is_an_error(node):
    assert "default_plugin, item 2 is empty" in node.add(default_plugin="a,").error(7)["msg"]
    assert "default_plugin, item 1" in node.add(default_plugin="nobody").error(11)["msg"]


def test_d13_no_annotation_means_the_default(node):
    node.networks("a", "b")
    for annotations in ({}, {"other": "x"}, None):
        args = "" if annotations is None else None
        env = {} if args is None else {"CNI_ARGS": args}
        assert node.call("ADD", annotations=annotations, env=env).result
        node.delete()
    assert node.said("ADD") == ["ADD a@eth0"] * 3


def test_d33_new_files_are_seen_at_the_next_call(node):
    node.networks("a")
    node.add("b").error(7)
    node.networks("b")
    assert node.add("b").result


OLD_KEYS = {
    "default_plugin": "weave",
    "cAdvisor_address": "http://127.0.0.1:4194",
    "log_level": "info",
    "datastore_type": "kubernetes",
    "hostname": "node-1",
    "romana_root": "http://romana:9600",
    "segment_label_name": "romanaSegment",
    "etcd_endpoints": "http://127.0.0.1:2379",
    "policy": {
        "type": "k8s",
        "k8s_auth_token": "x",
        "k8s_client_certificate": "/c",
        "k8s_client_key": "/k",
        "k8s_certificate_authority": "/ca",
        "k8s_api_root": "https://10.0.0.1:443/api/v1/",
    },
    "kubernetes": {"kubeconfig": "/etc/cni/net.d/genie-kubeconfig", "k8s_api_root": "https://[fd00::1]:443"},
}


def test_d14_all_keys_of_cni_genie_are_taken(node):
    node.networks("weave")
    assert node.add(**OLD_KEYS).result
    assert node.delete(**OLD_KEYS).is_silent_success


def test_a_hundred_networks(node):
    node.networks("a")
    result = node.add(",".join(["a"] * 100)).result
    assert [link["name"] for link in result["interfaces"]] == [f"eth{number}" for number in range(100)]
    assert node.delete().is_silent_success
    assert node.leftovers() == []


def test_a_directory_with_a_name_in_other_letters(node):
    node.network("a")
    folder = node.root / "größe"
    node.conf.rename(folder)
    env = {"LC_ALL": "C", "CNI_PATH": None}
    node.bin.rename(node.root / "böse")
    assert node.add(env=env, conf_dirs=[str(folder)], bin_dirs=[str(node.root / "böse")]).result
    assert node.calls()[0].argv0 == str(node.root / "böse" / "a")
