"""DEL: from the state alone, to the end, and again (conformance A60-A69, B69-B71, X01-X04, X31, X32)."""

import shutil

import pytest

from tests.plugin.cluster import NPWG

UNREACHABLE = {"kubernetes": {"k8s_api_root": "http://127.0.0.1:1"}}


@pytest.fixture
def attached(node):
    """A pod with three networks; what the delegates were asked so far is forgotten."""
    node.networks("a", "b", "c")
    assert node.add("a,b@eth3,c").result
    node.forget_calls()
    return node


THREE_DELS = ["DEL c@eth1", "DEL b@eth3", "DEL a@eth0"]


def test_a60_success_is_silent_and_x02_names_are_those_of_the_add(attached):
    """X02: CNI-Genie counted interfaces backwards and released c as eth0."""
    assert attached.delete().is_silent_success
    assert attached.said() == THREE_DELS
    assert attached.leftovers() == []


def test_a61_del_is_idempotent(attached):
    for _ in range(3):
        assert attached.delete().is_silent_success
    assert attached.said()[:3] == THREE_DELS
    assert attached.leftovers() == []


def test_a61_del_without_an_add(node):
    assert node.delete().is_silent_success
    node.networks("a")
    assert node.delete(env={"CNI_CONTAINERID": "never"}).is_silent_success
    assert node.leftovers() == []


@pytest.mark.parametrize("netns", ["", None, "/run/netns/gone"])
def test_a62_a_namespace_that_is_gone(attached, netns):
    assert attached.delete(env={"CNI_NETNS": netns}).is_silent_success
    assert attached.said() == THREE_DELS
    assert {call.env["CNI_NETNS"] for call in attached.calls()} == {""}  # plugins that open it would fail


@pytest.mark.parametrize(
    "prev_result", [{"nonsense": 1}, [7], "x", None, {"cniVersion": "9.9.9"}, {"ips": 7}]
)
def test_a63_any_prev_result(attached, prev_result):
    assert attached.delete(prevResult=prev_result).is_silent_success
    assert attached.said() == THREE_DELS


def test_a63_a_null_prev_result(attached):
    stdin = attached.stdin(prevResult="?").replace(b'"?"', b"null")
    assert attached.delete(stdin=stdin).is_silent_success
    assert attached.said() == THREE_DELS


def change_all_files(node):
    for path in node.conf.iterdir():
        path.write_text(path.read_text().replace('"type": "', '"type": "other-'))


CHANGES = {
    "files removed": lambda node: shutil.rmtree(node.conf),
    "files changed": change_all_files,
    "files damaged": lambda node: node.file("10-a.conflist", "{"),
    "another default": lambda node: node.network("default", file="00-default.conflist"),
    "API server down": lambda node: node.config.update(UNREACHABLE),
    "default_plugin changed": lambda node: node.config.update(default_plugin="c,b"),
    "another annotation": lambda node: node.config.update(
        runtimeConfig={"io.kubernetes.cri.pod-annotations": {"cni": "b"}}
    ),
    "bad settings": lambda node: node.config.update(
        log_level=7, conf_dirs="x", default_plugin={}, kubernetes=3
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a64_x03_x04_x31_del_undoes_what_add_did_whatever_changed_since(attached, change):
    before = sorted(call.stdin for call in attached.calls())
    CHANGES[change](attached)
    attached.forget_calls()
    assert attached.delete().is_silent_success
    assert attached.said() == THREE_DELS
    assert all(call.config["plugins" if False else "type"] == call.type for call in attached.calls())
    assert attached.leftovers() == []
    assert before == []


def test_a64_the_delegates_get_the_bytes_of_the_add(node):
    """B63, B64: numbers and unknown fields to the byte, though the file changed."""
    entry = {"type": "a", "big": 9007199254740993, "ratio": 1.10, "unknown": {"ü": [None, True]}}
    node.network("a", entry)
    assert node.add().result
    node.network("a", {"type": "a", "other": 1})
    assert node.delete().is_silent_success
    add, delete = node.calls()
    assert add.config == {**entry, "name": "a", "cniVersion": "1.0.0"}
    previous = delete.config.pop("prevResult", None) or delete.config["prevResult"]
    assert {**add.config, "prevResult": previous} == delete.config


@pytest.mark.parametrize("gone", ["state directory", "state file"])
def test_a64_without_state_the_default_network_is_released_where_possible(attached, gone):
    if gone == "state directory":
        shutil.rmtree(attached.state)
    else:
        attached.states()[0].unlink()
    attached.fail("DEL")
    assert attached.delete().is_silent_success
    assert attached.said() == ["DEL a@eth0"]
    assert attached.calls()[0].env["CNI_NETNS"] == ""  # its path does not exist


def test_a65_an_add_that_began_nothing(node):
    node.networks("a", "b")
    (node.bin / "b").unlink()
    assert "failed to find plugin" in node.add("a,b").error(7)["msg"]
    (node.bin / "a").unlink()
    assert node.delete().is_silent_success
    assert node.said() == []
    assert node.leftovers() == []


def test_a66_x32_all_are_tried_and_all_failures_named(attached):
    attached.fail("DEL", "b", msg="b is busy")
    attached.fail("DEL", "a", msg="a is busy", code=11)
    document = attached.delete().error(7)
    assert "b is busy" in document["msg"]
    assert "a is busy" in document["msg"]
    assert attached.said() == THREE_DELS


def test_a66_the_next_del_tries_the_rest(attached):
    attached.fail("DEL", "b")
    attached.delete().error(7)
    attached.forget_calls()
    attached.delete().error(7)
    assert attached.said() == ["DEL b@eth3"]
    attached.heal()
    attached.forget_calls()
    assert attached.delete().is_silent_success
    assert attached.said() == ["DEL b@eth3"]
    assert attached.leftovers() == []


@pytest.mark.parametrize(
    "words", ["lease not found", "open /x: no such file or directory", "NOT not found found"]
)
def test_a67_a_failure_is_not_worded_so_that_go_cni_takes_it_for_success(attached, words):
    attached.fail("DEL", "b", msg=words, details=words)
    text = attached.delete().stdout.decode()
    assert "not found" not in text
    assert "no such file or directory" not in text
    assert attached.states()


def test_a67_nor_is_a_namespace_or_binary_that_cannot_be_used(attached):
    (attached.bin / "b").unlink()
    (attached.bin / "b").write_text("#!/no/such/interpreter\n")
    (attached.bin / "b").chmod(0o755)
    text = attached.delete().stdout.decode()
    assert '"code": 101' in text
    assert "not found" not in text
    assert "no such file or directory" not in text


@pytest.mark.parametrize("damage", ["truncated", "empty", "binary", "another shape", "a directory", "a link"])
def test_a68_a_damaged_state_never_wedges_the_pod(attached, damage):
    [path] = attached.states()
    text = path.read_bytes()
    path.unlink()
    if damage == "a directory":
        path.mkdir()
        (path / "file").write_text("")
    elif damage == "a link":
        path.symlink_to(attached.root / "elsewhere")
    else:
        path.write_bytes(
            {
                "truncated": text[:100],
                "empty": b"",
                "binary": b"\xff\x00\x80",
                "another shape": text.replace(b'"attachments"', b'"networks"'),
            }[damage]
        )
        path.chmod(0o600)
    reply = attached.delete()
    assert reply.is_silent_success
    assert reply.events("state damaged")
    said = attached.said()  # the default network, then whatever it may have been attached to
    assert said[0] == "DEL a@eth0"
    assert {line for line in said if line.endswith("eth0")} == {"DEL a@eth0", "DEL b@eth0", "DEL c@eth0"}
    assert attached.states() == []
    assert attached.delete().is_silent_success


@pytest.mark.parametrize("known_from", ["a copy of the definition", "another container"])
def test_a68_a_damaged_state_of_a_network_that_no_file_describes(node, cluster, known_from):
    """Its configuration is in a NetworkAttachmentDefinition; DEL asks no API server."""
    node.network("a")
    cluster.nad("net", {"cniVersion": "1.0.0", "name": "inline", "type": "x"})
    cluster.nad("bad", "{")
    assert node.add(annotations={NPWG: "net"}).result
    if known_from == "another container":
        assert node.add(annotations={NPWG: "net"}, env={"CNI_CONTAINERID": "other"}).result
        shutil.rmtree(node.state / "objects")
    else:
        node.add(annotations={NPWG: "bad"}, env={"CNI_CONTAINERID": "other"}).error(7)
    (node.state / "containers" / "cid1@eth0").write_bytes(b"{")
    node.forget_calls()
    asked = cluster.asked()
    assert node.delete().is_silent_success
    assert "DEL x@net1" in node.said()
    assert cluster.asked() == asked
    assert [path.name for path in node.states()] == ["other@eth0"] * (known_from == "another container")


def test_a68_a_damaged_state_where_no_configuration_can_be_read(attached):
    """What other containers have been recorded with is known."""
    assert attached.add("b", env={"CNI_CONTAINERID": "other"}).result
    attached.forget_calls()
    attached.states()[0].write_text("{")
    assert attached.delete(conf_dirs=[str(attached.conf / "10-a.conflist")]).is_silent_success
    assert "DEL b@eth0" in attached.said()
    assert [path.name for path in attached.states()] == ["other@eth0"]


def test_a68_two_damaged_states_of_one_name(attached):
    """The file that was kept the first time does not prevent the second time."""
    for _ in range(2):
        name = attached.state / "containers" / "cid1@eth0"
        name.unlink(missing_ok=True)
        name.mkdir()
        (name / "file").write_text("")
        assert attached.delete().is_silent_success
        assert attached.states() == []


def test_a69_the_uid_of_the_pod_does_not_matter(attached):
    args = "K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p;K8S_POD_UID=another"
    assert attached.delete(env={"CNI_ARGS": args}).is_silent_success
    assert attached.said() == THREE_DELS
    assert "K8S_POD_UID=u1" in attached.calls()[0].env["CNI_ARGS"]  # B63: the ADD's


def test_b63_capabilities_are_those_of_the_add(node):
    node.network("a", {"type": "a", "capabilities": {"portMappings": True}})
    ports = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
    assert node.add(runtimeConfig={"portMappings": ports}).result
    assert node.delete(runtimeConfig={"portMappings": []}).is_silent_success
    assert node.calls("DEL")[0].config["runtimeConfig"] == {"portMappings": ports}


def test_b69_a_chain_goes_in_reverse_with_the_final_result(node):
    node.network("chain", "a", "b", "c")
    for number, name in enumerate("abc", 1):
        node.answer("ADD", name, stdout={"cniVersion": "1.0.0", "ips": [{"address": f"10.{number}.0.2/24"}]})
    assert node.add().result
    assert node.delete().is_silent_success
    assert node.said("DEL") == ["DEL c@eth0", "DEL b@eth0", "DEL a@eth0"]
    assert {call.config["prevResult"]["ips"][0]["address"] for call in node.calls("DEL")} == {"10.3.0.2/24"}


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_b70_prev_result_of_del_came_with_0_4_0(node, version):
    node.network("a", version=version)
    assert node.add().result
    assert node.delete().is_silent_success
    assert ("prevResult" in node.calls("DEL")[0].config) == (version >= "0.4.0")


def test_b71_a_chain_stops_at_the_failing_plugin_and_other_networks_go_on(node):
    node.networks("x")
    node.network("chain", "a", "b", "c")
    assert node.add("x,chain").result
    node.fail("DEL", "b", msg="stuck")
    document = node.delete().error(7)
    assert document["msg"] == 'network "chain" (eth1): plugin type="b" failed (delete): stuck'
    assert node.said("DEL") == ["DEL c@eth1", "DEL b@eth1", "DEL x@eth0"]


def test_f9_the_last_del_goes_on_behind_a_plugin_that_fails_each_time(node):
    """A pod's author can make a plugin fail in DEL too: the chain's address must not stay taken for that."""
    node.network("chain", "a", "b", "c")
    assert node.add().result
    node.fail("DEL", "b", msg="stuck")
    for _ in range(5):
        node.delete().error(7)
    node.forget_calls()
    assert node.delete().is_silent_success
    assert node.said() == ["DEL c@eth0", "DEL b@eth0", "DEL a@eth0"]
    assert len(node.states()) == 1  # b has not given back what it holds


def interface_network(node, name, type_="macvlan"):
    """A network of an interface plugin with its IPAM plugin, both scripted."""
    node.install("host-local")
    return node.network(name, {"type": type_, "ipam": {"type": "host-local", "dataDir": str(node.root)}})


def test_a_network_whose_parent_is_gone_is_released_by_the_first_del(node):
    """macvlan looks for its master before it calls IPAM. The interface has gone with it, the address has not."""
    interface_network(node, "m")
    assert node.add().result
    node.fail("DEL", "macvlan", msg="Link not found")
    node.forget_calls()
    assert node.delete().is_silent_success
    own, ipam = node.calls()
    assert (own.type, ipam.type) == ("macvlan", "host-local")
    assert own.stdin == ipam.stdin
    assert {**own.env} == {**ipam.env}
    assert node.states() == []


def test_a_network_whose_parent_is_gone_waits_for_its_ipam_plugin(node):
    interface_network(node, "m")
    assert node.add().result
    node.fail("DEL", "macvlan", msg="Link not found")
    node.fail("DEL", "host-local", msg="locked")
    node.delete().error(7)
    assert len(node.states()) == 1


def test_an_interface_plugin_that_fails_in_the_last_del_does_not_keep_its_address(node):
    """A bridge may fail for a reason that passes: its DEL is repeated, and IPAM is called in the last one."""
    interface_network(node, "m", "bridge")
    assert node.add().result
    node.fail("DEL", "bridge", msg="stuck")
    for _ in range(5):
        node.delete().error(7)
    assert node.said("DEL") == ["DEL bridge@eth0"] * 5
    node.forget_calls()
    assert node.delete().is_silent_success
    own, ipam = node.calls()
    assert (own.type, ipam.type) == ("bridge", "host-local")


# --- networks whose ADD never succeeded

WRONG = {"same words": ("Link not found", 999), "invalid configuration": ("a field is wrong", 7)}


def wrong_network(node, says="Link not found", code=999):
    """A network beside a right one, whose plugin refuses its configuration in ADD and DEL."""
    node.networks("a", "b")
    node.fail("ADD", "b", code=code, msg="Link not found")
    node.fail("DEL", "b", code=code, msg=says)


@pytest.mark.parametrize("says", WRONG)
def test_a_wrong_definition_fails_no_del_and_leaves_one_record_whatever_its_tries(node, says):
    wrong_network(node, *WRONG[says])
    for number in range(12):
        env = {"CNI_CONTAINERID": f"try{number}"}
        assert "Link not found" in node.add("a,b", env=env).error(WRONG[says][1])["msg"]
        assert node.delete(env=env).is_silent_success
        assert [path.name for path in node.states()] == [f"try{number}@eth0"]
    assert node.said("DEL").count("DEL b@eth1") == 24  # each DEL tries it again
    assert [name for name in node.leftovers() if name.startswith("locks/")] == ["locks/try11@eth0"]


def test_a_wrong_definition_that_is_mended_is_released(node):
    wrong_network(node)
    node.add("a,b").error(999)
    node.heal()
    assert node.delete().is_silent_success
    assert node.leftovers() == []


def test_what_a_wrong_definition_left_is_collected_when_nothing_of_it_can_exist(node):
    wrong_network(node)
    node.add("a,b").error(999)
    assert node.delete().is_silent_success
    assert len(node.states()) == 1
    assert node.gc().is_silent_success
    assert node.leftovers() == []


@pytest.mark.parametrize("words", ["dial tcp: connection refused", "something else"])
def test_a_network_that_may_hold_something_is_kept_for_each_container(node, words):
    """A DEL that fails for a temporary reason, or for another one than ADD, does not show that nothing is held."""
    wrong_network(node, words)
    node.fail("ADD", "b", code=999, msg="dial tcp: connection refused")
    for number in range(3):
        env = {"CNI_CONTAINERID": f"try{number}"}
        node.add("a,b", env=env).error(999)
        assert node.delete(env=env).is_silent_success
    assert len(node.states()) == 3
    assert node.gc().is_silent_success
    assert len(node.states()) == 3
    node.heal()
    assert node.gc().is_silent_success
    assert node.leftovers() == []


def test_a_lease_of_a_wrong_definition_keeps_its_record(node):
    """Its interface plugin fails, and so does IPAM: what is on the disk counts."""
    interface_network(node, "m")
    for verb in ("ADD", "DEL"):
        node.fail(verb, "macvlan", code=999, msg="invalid CIDR address")
    node.fail("DEL", "host-local", code=999, msg="invalid CIDR address")
    lease = node.root / "m" / "10.0.0.2"
    lease.parent.mkdir()
    lease.write_text("cid1\neth0")
    node.add().error(999)
    assert node.delete().is_silent_success
    assert node.gc().is_silent_success
    assert len(node.states()) == 1
    lease.write_text("another\neth0")
    assert node.gc().is_silent_success
    assert node.leftovers() == []


def test_an_address_that_was_taken_before_the_add_failed_is_given_back(node):
    """The plugin behind fails, and the interface plugin's master is gone by then: IPAM is asked itself."""
    node.install("host-local")
    node.network("m", {"type": "macvlan", "ipam": {"type": "host-local"}}, "tuning")
    node.fail("ADD", "tuning")
    node.fail("DEL", "macvlan", msg="Link not found")
    node.add().error(7)
    assert node.said("DEL") == ["DEL tuning@eth0", "DEL macvlan@eth0", "DEL host-local@eth0"]
    assert node.delete().is_silent_success
    assert node.gc().is_silent_success
    assert node.leftovers() == []


def test_a_container_is_attached_again_after_a_wrong_definition(node):
    wrong_network(node)
    node.add("a,b").error(999)
    assert node.add("a").result
    assert node.delete().is_silent_success
    assert node.leftovers() == []


def test_b71_an_entry_with_its_own_name_is_in_the_status_by_it(node):
    node.network("chain", "a", {"type": "b", "name": "second"})
    node.fail("ADD", "b", msg="full")
    document = node.add("chain").error(7)
    assert document["msg"] == 'network "chain" (eth0): plugin type="b" name="second" failed (add): full'


def test_the_binary_is_gone_and_comes_back(attached):
    """A missing binary fails no DEL, but what it holds is not forgotten (lessons 2)."""
    (attached.bin / "b").unlink()
    reply = attached.delete()
    assert reply.is_silent_success
    assert reply.events("network not released")
    assert attached.said() == ["DEL c@eth1", "DEL a@eth0"]
    attached.install("b")
    attached.forget_calls()
    assert attached.delete().is_silent_success
    assert attached.said() == ["DEL b@eth3"]
    assert attached.leftovers() == []


def test_the_binary_has_moved(attached):
    other = attached.root / "bin2"
    other.mkdir()
    (attached.bin / "b").rename(other / "b")
    assert attached.delete(bin_dirs=[str(other)]).is_silent_success
    assert attached.said() == THREE_DELS


def test_x01_a_failed_delegate_is_released_too(node):
    node.networks("a", "b")
    node.fail("ADD", "b")
    node.add("a,b").error(7)
    assert node.said() == ["ADD a@eth0", "ADD b@eth1", "DEL b@eth1", "DEL a@eth0"]
    assert node.leftovers() == []
