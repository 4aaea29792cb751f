"""The CNI variables (conformance A01-A18), as a runtime or a person at a shell sets them."""

import os

import pytest

from tests.plugin.harness import VERSIONS

ALL = ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH")
REQUIRED = {
    "ADD": ALL,
    "CHECK": ALL,
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"),
    "GC": ("CNI_PATH",),
    "STATUS": ("CNI_PATH",),
    "VERSION": (),
}
NO_CNI = dict.fromkeys(("CNI_COMMAND", *ALL, "CNI_ARGS"))


@pytest.mark.parametrize("command", [None, ""])
def test_a01_without_command_it_says_what_it_is(node, command):
    reply = node.call("", env={**NO_CNI, "CNI_COMMAND": command}, stdin=b"")
    assert (reply.status, reply.stdout) == (0, b"")
    assert "CNI protocol versions supported: " + ", ".join(VERSIONS) in reply.stderr


def test_a01_installers_ask_with_dash_v(node):
    reply = node.call("", env=NO_CNI, stdin=b"", wrap=("sh", "-c", 'exec "$0" -v <&-'))
    assert (reply.status, reply.stdout) == (0, b"")
    assert "CNI protocol versions supported" in reply.stderr


def test_a02_all_missing_variables_are_named_in_order(node):
    reply = node.call("ADD", env={"CNI_NETNS": None, "CNI_IFNAME": None, "CNI_PATH": None})
    assert reply.error(4)["msg"] == "required env variables [CNI_NETNS,CNI_IFNAME,CNI_PATH] missing"


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize(
    "verb,variable", [(verb, variable) for verb in REQUIRED for variable in REQUIRED[verb]]
)
def test_a03_a05_each_required_variable_is_missed(node, verb, variable, value):
    """A05: an empty string counts as missing."""
    reply = node.call(verb, env={variable: value})
    assert reply.error(4)["msg"] == f"required env variables [{variable}] missing"


def test_a03_del_needs_no_netns(node):
    assert node.delete(env={"CNI_NETNS": None}).is_silent_success


@pytest.mark.parametrize("verb", ["GC", "STATUS"])
def test_a03_node_verbs_need_no_container(node, verb):
    node.network("a")
    absent = dict.fromkeys(("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"))
    reply = node.call(verb, env=absent, **{"cni.dev/valid-attachments": []})
    assert reply.is_silent_success, reply


def test_a04_configured_directories_stand_in_for_cni_path(node):
    node.network("a")
    reply = node.add(env={"CNI_PATH": None}, bin_dirs=[str(node.bin)])
    assert reply.result["ips"]
    assert node.calls()[0].env["CNI_PATH"] == str(node.bin)  # where the delegate finds its IPAM plugin
    node.forget_calls()
    assert node.delete(env={"CNI_PATH": None}, bin_dirs=[str(node.bin)]).is_silent_success
    assert node.said() == ["DEL a@eth0"]


@pytest.mark.parametrize("bad", ["some-%%container-id", "-x", ".x", "_x", "abc\n", "a/b", "ä", "a b"])
def test_a06_container_id_is_checked_whole(node, bad):
    document = node.add(env={"CNI_CONTAINERID": bad}).error(4)
    assert (document["msg"], document["details"]) == ("invalid characters in containerID", bad)


@pytest.mark.parametrize("good", ["a..b", "0", "A_b.c-d", "f" * 64, "f" * 250])
def test_a06_good_container_ids(node, good):
    node.network("a")
    assert node.add(env={"CNI_CONTAINERID": good}).result
    assert node.delete(env={"CNI_CONTAINERID": good}).is_silent_success
    assert node.said() == ["ADD a@eth0", "DEL a@eth0"]
    assert node.leftovers() == []


def test_a07_variables_are_checked_only_where_they_are_needed(node):
    node.network("a")
    env = {"CNI_CONTAINERID": "%%", "CNI_IFNAME": "a/b"}
    assert node.gc(env=env).is_silent_success
    assert node.call("STATUS", env=env).is_silent_success


@pytest.mark.parametrize("bad", ["abcdefghijklmnop", "é" * 8])
def test_a08_interface_name_has_at_most_15_bytes(node, bad):
    document = node.add(env={"CNI_IFNAME": bad}).error(4)
    assert document["msg"] == "interface name is too long"
    assert document["details"] == "interface name should be less than 16 characters"


@pytest.mark.parametrize("good", ["abcdefghijklmno", "é" * 7, "ETH_0.7", "-"])
def test_a08_good_interface_names(node, good):
    node.network("a")
    assert node.add(env={"CNI_IFNAME": good}).result["interfaces"][0]["name"] == good


@pytest.mark.parametrize("bad", [".", ".."])
def test_a09_dots(node, bad):
    assert node.add(env={"CNI_IFNAME": bad}).error(4)["msg"] == "interface name is . or .."


@pytest.mark.parametrize("bad", ["test/test", "test:test", "test test", "a\tb", "a\u00a0b", "eth0\n"])
def test_a09_characters(node, bad):
    document = node.delete(env={"CNI_IFNAME": bad}).error(4)
    assert document["msg"] == "interface name contains / or : or whitespace characters"


def test_a10_a_malformed_variable_is_named_before_a_missing_one(node):
    reply = node.add(env={"CNI_CONTAINERID": "%%", "CNI_IFNAME": None})
    assert reply.error(4)["msg"] == "invalid characters in containerID"


@pytest.mark.parametrize("args", ["A=b=c", "", ";;A=1;", "A="])
def test_a11_pairs_are_split_at_the_first_equals_sign(node, args):
    node.network("a")
    assert node.add(env={"CNI_ARGS": args}).result
    assert node.calls()[0].env["CNI_ARGS"] == args


@pytest.mark.parametrize("args", ["A", "=b", "A=1;B"])
def test_a11_a_pair_without_equals_sign_fails_add_and_not_del(node, args):
    node.network("a")
    assert "CNI_ARGS" in node.add(env={"CNI_ARGS": args}).error(4)["msg"]
    assert node.said() == []
    assert node.delete(env={"CNI_ARGS": args}).is_silent_success


@pytest.mark.parametrize(
    "args", ["Unk=nown;IgnoreUnknown=1", "IgnoreUnknown=TRUE;Unk=nown", "Unk=nown;IgnoreUnknown=false"]
)
def test_a12_a13_unknown_keys_are_the_delegates_business(node, args):
    node.network("a")
    assert node.add(env={"CNI_ARGS": args}).result
    assert node.calls()[0].env["CNI_ARGS"] == args


def test_a12_ignore_unknown_is_a_boolean(node):
    assert "IgnoreUnknown" in node.add(env={"CNI_ARGS": "IgnoreUnknown=maybe"}).error(4)["msg"]


def test_a13_unknown_keys_without_ignore_unknown(node):
    node.network("a")
    assert node.add(env={"CNI_ARGS": "FOO=1"}).result
    assert node.calls()[0].env["CNI_ARGS"] == "FOO=1"


def test_a14_keys_are_case_sensitive(node):
    """Without the key K8S_POD_NAME in exactly this spelling there is no pod, and the API server is not asked."""
    node.network("a")
    args = "k8s_pod_name=p;K8S_POD_NAMESPACE=ns"
    assert node.add(annotations=None, env={"CNI_ARGS": args}).result


@pytest.mark.parametrize("args", [None, "", "IgnoreUnknown=1", "K8S_POD_NAME=p", "K8S_POD_NAMESPACE=ns"])
def test_a15_without_a_pod_the_default_network_and_no_api_call(node, args):
    """The API server that is configured does not exist: asking it would fail with code 11."""
    node.network("a")
    unreachable = {"k8s_api_root": "http://127.0.0.1:1"}
    assert node.add(annotations=None, env={"CNI_ARGS": args}, kubernetes=unreachable).result
    assert node.said() == ["ADD a@eth0"]


@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_a16_the_hosts_namespace_is_refused(node, verb):
    node.network("a")
    document = node.call(verb, annotations={}, env={"CNI_NETNS": "/proc/self/ns/net"}).error(8)
    assert document["msg"] == "plugin's netns and netns from CNI_NETNS should not be the same"
    assert node.said() == []


@pytest.mark.parametrize("override", ["1", "true", "TRUE", "True"])
def test_a16_the_override(node, override):
    node.network("a")
    env = {"CNI_NETNS": "/proc/self/ns/net", "CNI_NETNS_OVERRIDE": override, "CNI_IFNAME": "genie-test0"}
    assert node.add(env=env).result


@pytest.mark.parametrize("override", ["0", "yes", ""])
def test_a16_other_values_do_not_override(node, override):
    env = {"CNI_NETNS": "/proc/self/ns/net", "CNI_NETNS_OVERRIDE": override}
    node.add(env=env).error(8)


@pytest.mark.parametrize("verb", ["NOPE", "add", "Add", "ADD ", "VERSIONS"])
def test_a17_unknown_verbs(node, verb):
    assert node.call(verb).error(4)["msg"] == f"unknown CNI_COMMAND: {verb}"


def test_a17_stdin_is_judged_first(node):
    node.call("NOPE", stdin=b"{").error(6)


def test_a18_a_bare_environment(node):
    """Every call here has nothing but CNI variables and `/` as directory; this one also has text beyond ASCII."""
    node.network("a")
    args = "K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p;NOTE=größer-\udcff"
    reply = node.add("a", env={"CNI_ARGS": args, "CNI_IFNAME": "ünï0"}, description="größer")
    assert reply.result["interfaces"][0]["name"] == "ünï0"
    call = node.calls()[0]
    assert (call.env["CNI_ARGS"], call.env["CNI_IFNAME"]) == (args, "ünï0")


def test_a18_an_annotation_in_other_letters_is_quoted_in_the_answer(node):
    assert "größer" in node.add("größer").error(7)["msg"]


AS_ORDINARY_USER = ("setpriv", "--reuid=65534", "--clear-groups") if os.geteuid() == 0 else ()


def test_a18_an_ordinary_user_may_ask_for_the_version(node):
    assert node.call("VERSION", stdin=b"", wrap=AS_ORDINARY_USER).result["cniVersion"] == "1.1.0"
