"""The dialect of a pod's annotations, and lists of names (conformance D01-D05, X36)."""

import pytest

from genie_core.dialects import BY_ATTACHMENT, BY_DEFAULT, BY_LOAD, BY_LOGICAL_NETWORK, BY_NAME, dialect_of
from genie_core.errors import InvalidConfig
from genie_core.select.names import MAX_NETWORKS, parse_names, printable

NPWG = "k8s.v1.cni.cncf.io/networks"


@pytest.mark.parametrize(
    "annotations,dialect",
    [
        ({}, BY_DEFAULT),
        ({"other": "x"}, BY_DEFAULT),
        ({NPWG: "n", "cni": "a", "networks": "l"}, BY_ATTACHMENT),
        ({NPWG: " ", "cni": "a"}, BY_NAME),
        ({"cni": "a", "networks": "l"}, BY_NAME),
        ({"cni": "", "networks": "l"}, BY_LOGICAL_NETWORK),
        ({"cni": " \t", "networks": "l"}, BY_LOGICAL_NETWORK),
        ({"networks": "l"}, BY_LOGICAL_NETWORK),
        ({"cni": ""}, BY_LOAD),
        ({"cni": " ", "networks": " "}, BY_LOAD),
        ({"networks": ""}, BY_DEFAULT),
        ({NPWG: "", "networks": ""}, BY_DEFAULT),
    ],
)
def test_d01_d02_d04_precedence(annotations, dialect):
    assert dialect_of(annotations) == dialect


@pytest.mark.parametrize(
    "value,selections",
    [
        ("a", [("a", "")]),
        (" a , b@eth3,a ", [("a", ""), ("b", "eth3"), ("a", "")]),
        ("a @ x", [("a", "x")]),
        ("10-my.net_v2", [("10-my.net_v2", "")]),
        ("größe@ü", [("größe", "ü")]),
    ],
)
def test_d03_names(value, selections):
    assert [(selection.name, selection.ifname) for selection in parse_names(value, "here")] == selections


@pytest.mark.parametrize(
    "value,item",
    [
        ("", "item 1 is empty"),
        ("a,,b", "item 2 is empty"),
        ("a,b,", "item 3 is empty"),
        ("@x", 'item 1 ("@x")'),
        ("a,b@", 'item 2 ("b@")'),
        ("a@x@y", 'item 1 ("a@x@y")'),
        ("a@lo", 'item 1 ("a@lo")'),
        ("ns/a", 'item 1 ("ns/a")'),
        ("a:1", 'item 1 ("a:1")'),
        ("a\\b", 'item 1 ("a\\b")'),
        ("a b", 'item 1 ("a b")'),
        ("a\x1b[31m", 'item 1 ("a?[31m")'),
        ("x" * 200 + "/", 'item 1 ("' + "x" * 77 + '...")'),
    ],
)
def test_d05_x36_an_error_names_the_item(value, item):
    with pytest.raises(InvalidConfig) as caught:
        parse_names(value, "annotation cni")
    assert caught.value.msg.startswith(f"annotation cni, {item}")
    assert caught.value.hint or "has no" in caught.value.msg


def test_what_is_shown_of_an_annotation_cannot_confuse_a_terminal():
    assert printable("a\x1b\n\u202eb\ud800") == "a???b?"
    assert len(printable("x" * 1000)) == 80


def test_an_annotation_names_no_more_networks_than_a_pod_could_have():
    """Each costs a request and a plugin: 60,000 of them would keep a node busy (found by fuzzing)."""
    assert len(parse_names(",".join(["a"] * MAX_NETWORKS), "x")) == MAX_NETWORKS
    with pytest.raises(InvalidConfig, match=f"^x: {MAX_NETWORKS + 1} networks"):
        parse_names(",".join(["a"] * (MAX_NETWORKS + 1)), "x")
