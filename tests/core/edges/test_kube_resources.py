"""Names and URLs (conformance X22): nothing that a pod's author writes leads to another object."""

import pytest

from genie_core.edges.kube_resources import LOGICAL_NETWORK, NETWORK_ATTACHMENT, PHYSICAL_NETWORK, POD, target
from genie_core.errors import InvalidConfig
from tests.apiserver import API
from tests.fakes_kube import memory_api

NO_NAMES = [
    "../../secrets/x",
    "..",
    ".",
    "a/b",
    "a%2fb",
    "a?b",
    "a#b",
    "a\n",
    "a\0",
    "A",
    "",
    "-a",
    "a-",
    "a..b",
    ".a",
    "a.",
    "a b",
    "ü",
    "a_b",
    "a" * 254,
    "a,b",
    "a=b",
    "ａ",
]


@pytest.mark.parametrize(
    "resource, expected",
    [
        (POD, "/api/v1/namespaces/demo/pods/web.0"),
        (NETWORK_ATTACHMENT, "/apis/k8s.cni.cncf.io/v1/namespaces/demo/network-attachment-definitions/web.0"),
        (LOGICAL_NETWORK, "/apis/alpha.network.k8s.io/v1/namespaces/demo/logicalnetworks/web.0"),
        (PHYSICAL_NETWORK, "/apis/alpha.network.k8s.io/v1/namespaces/demo/physicalnetworks/web.0"),
    ],
)
def test_urls_C32_D19_D21(resource, expected):
    assert target(resource.path("demo", "web.0"), {}) == expected


@pytest.mark.parametrize("name", NO_NAMES)
def test_an_invalid_name_is_never_requested_X22(name):
    api = API()
    kube = memory_api(api)
    for call in (
        lambda: kube.get_pod("demo", name),
        lambda: kube.get_pod(name, "web"),
        lambda: kube.get_object(NETWORK_ATTACHMENT, "demo", name),
        lambda: kube.get_object(LOGICAL_NETWORK, name, "n"),
        lambda: kube.annotate("demo", name, "", {}),
    ):
        with pytest.raises(InvalidConfig) as caught:
            call()
        assert caught.value.msg.isprintable()
        assert len(caught.value.msg) < 200
    assert api.requests == []


def test_lengths():
    POD.path("n" * 63, "p" * 253)
    for namespace, name in (("n" * 64, "p"), ("n.m", "p"), ("n", "p" * 254)):
        with pytest.raises(InvalidConfig):
            POD.path(namespace, name)


def test_parts_and_queries_are_quoted():
    assert target(("api", "v1", "a b/ü"), {"fieldSelector": "spec.nodeName=n 1&x"}) == (
        "/api/v1/a%20b%2F%C3%BC?fieldSelector=spec.nodeName%3Dn%201%26x"
    )
    for part in ("", ".", ".."):
        with pytest.raises(InvalidConfig):
            target(("api", part), {})
