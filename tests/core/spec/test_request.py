"""The runtime's call, as a rule (conformance A02-A23); tests/plugin has the same on the process."""

import pytest

from genie_core.errors import DecodingFailure, GenieError, InvalidConfig, InvalidEnvironment
from genie_core.model import PodRef
from genie_core.spec.request import (
    ifname_problem,
    is_identifier,
    missing_variables,
    parse_args,
    parse_config,
    parse_request,
    pod_of,
)

ENV = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "cid",
    "CNI_NETNS": "/netns",
    "CNI_IFNAME": "eth0",
    "CNI_PATH": "/a::/b:",
    "CNI_ARGS": "K8S_POD_NAME=p",
    "OTHER": "1",
}


def test_a_whole_call():
    text = '{"cniVersion": "1.0.0", "name": "n", "x": 1.10}'
    request = parse_request(ENV, text)
    assert (request.verb, request.container_id, request.netns, request.ifname) == (
        "ADD",
        "cid",
        "/netns",
        "eth0",
    )
    assert request.path == ["/a", "/b"]  # B18
    assert (request.args, request.version, request.text, request.env) == (
        "K8S_POD_NAME=p",
        "1.0.0",
        text,
        ENV,
    )


@pytest.mark.parametrize("value", ["", "null", '""'])
def test_a27_the_first_version_is_meant_where_there_is_none(value):
    version = f', "cniVersion": {value}' if value else ""
    assert parse_request(ENV, f'{{"name": "n"{version}}}').version == "0.1.0"


@pytest.mark.parametrize(
    "env,missing",
    [
        ({"CNI_COMMAND": "ADD"}, ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]),
        ({"CNI_COMMAND": "CHECK", "CNI_PATH": "/a"}, ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]),
        ({"CNI_COMMAND": "DEL"}, ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"]),
        ({"CNI_COMMAND": "GC"}, ["CNI_PATH"]),
        ({"CNI_COMMAND": "STATUS", "CNI_PATH": "/a"}, []),
        ({"CNI_COMMAND": "NOPE"}, []),
        (ENV, []),
    ],
)
def test_a02_a03_a05_missing_variables(env, missing):
    assert missing_variables(env) == missing
    assert missing_variables({**dict.fromkeys(ENV, ""), **env}) == missing


def test_a04_bin_dirs_stand_in_for_cni_path():
    env = {**ENV, "CNI_PATH": ""}
    assert parse_request(env, '{"name": "n", "bin_dirs": ["/opt"]}').path == []
    with pytest.raises(InvalidEnvironment, match=r"\[CNI_PATH\] missing"):
        parse_request(env, '{"name": "n", "bin_dirs": []}')


def test_a07_variables_that_a_verb_does_not_need_are_not_checked():
    assert missing_variables({**ENV, "CNI_COMMAND": "GC", "CNI_IFNAME": "a/b", "CNI_CONTAINERID": "%"}) == []


def test_a10_malformed_before_missing():
    with pytest.raises(InvalidEnvironment, match="invalid characters in containerID"):
        missing_variables({**ENV, "CNI_CONTAINERID": "%", "CNI_IFNAME": ""})
    with pytest.raises(InvalidEnvironment, match="invalid characters in containerID"):
        parse_request({**ENV, "CNI_CONTAINERID": "%"}, "not even JSON")


def test_a17_verbs_come_after_stdin():
    env = {**ENV, "CNI_COMMAND": "NOPE"}
    with pytest.raises(InvalidEnvironment, match=r"^unknown CNI_COMMAND: NOPE;"):
        parse_request(env, '{"name": "n"}')
    with pytest.raises(DecodingFailure):
        parse_request(env, "")


@pytest.mark.parametrize("text", ["a", "0", "a..b", "A_b.c-D", "x" * 500])
def test_a06_identifiers(text):
    assert is_identifier(text)


@pytest.mark.parametrize("text", ["", "-a", ".a", "_a", "a\n", "a b", "ä", "aä", "a/b", "a\0", "١"])
def test_a06_an_invalid_identifier(text):
    assert not is_identifier(text)


@pytest.mark.parametrize("name", ["a", "eth0.100", "x" * 15, "é" * 7, "my_IF-2", "...", "@"])
def test_a08_a09_names_of_interfaces(name):
    assert ifname_problem(name) == ""


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 16,
        "é" * 8,
        ".",
        "..",
        "a/b",
        "a:b",
        "a b",
        "a\n",
        "a\u2003",
        "\0",
        "a\x1b",
        "\ud800",
    ],
)
def test_a08_a09_an_invalid_interface_name(name):
    assert ifname_problem(name)


@pytest.mark.parametrize(
    "text,code",
    [
        ("", 6),
        ("[]", 6),
        ("7", 6),
        ('{"name": 7}', 6),
        ('{"name": "n", "cniVersion": 1}', 6),
        ("{}", 7),
        ("null", 7),
        ('{"name": null}', 7),
        ('{"name": ""}', 7),
        ('{"name": "a/b"}', 7),
        ('{"name": "a\\n"}', 7),
    ],
)
def test_a21_a22_an_invalid_configuration(text, code):
    with pytest.raises(GenieError) as caught:
        parse_config(text)
    assert caught.value.code == code
    assert isinstance(caught.value, DecodingFailure if code == 6 else InvalidConfig)


@pytest.mark.parametrize(
    "args,pairs",
    [
        ("", {}),
        (";;", {}),
        ("A=1;B=2", {"A": "1", "B": "2"}),
        ("A=b=c", {"A": "b=c"}),
        ("A=;B==", {"A": "", "B": "="}),
        ("A=1;A=2", {"A": "2"}),
        ("Unk=nown;IgnoreUnknown=1", {"Unk": "nown", "IgnoreUnknown": "1"}),
        ("IgnoreUnknown=FALSE", {"IgnoreUnknown": "FALSE"}),
        (" A = 1 ", {" A ": " 1 "}),
    ],
)
def test_a11_a12_a13_cni_args(args, pairs):
    assert parse_args(args) == pairs


@pytest.mark.parametrize("args", ["A", "=1", "A=1;B", "IgnoreUnknown=2", "IgnoreUnknown="])
def test_a11_a12_invalid_cni_args(args):
    with pytest.raises(InvalidEnvironment, match="CNI_ARGS"):
        parse_args(args)


def test_a14_the_pod():
    args = {
        "K8S_POD_NAMESPACE": "ns",
        "K8S_POD_NAME": "p",
        "K8S_POD_UID": "u",
        "K8S_POD_INFRA_CONTAINER_ID": "s",
    }
    assert pod_of(args) == PodRef("ns", "p", "u", "s")
    assert pod_of({"K8S_POD_NAMESPACE": "ns", "K8S_POD_NAME": "p"}) == PodRef("ns", "p")


@pytest.mark.parametrize("args", [{}, {"K8S_POD_NAME": "p"}, {"K8S_POD_NAMESPACE": "ns", "K8S_POD_NAME": ""}])
def test_a15_no_pod(args):
    assert pod_of(args) is None
