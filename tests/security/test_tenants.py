"""What a tenant can take of a node's networks: nothing that is not allowed by name, by whatever way he asks for it."""

import pytest

from genie_core.errors import TRY_AGAIN, GenieError, InvalidConfig, TryAgain
from tests.desk import Desk
from tests.plugin.cluster import NPWG
from tests.security.test_pod_authors import DEFAULT_NETWORK

ISOLATED = {"namespace_isolation": True}
REFUSED = "may not use secret, a network of the node"


@pytest.fixture
def desk(tmp_path):
    """The default network `policed`, and `secret`: file 20-secret.conflist, inner name vault, plugin hidden."""
    desk = Desk(tmp_path)
    desk.file("policed", file="10-policed.conflist")
    desk.file("vault", "hidden", file="20-secret.conflist")
    desk.file("vaults-other", "x", file="30-other.conflist")
    desk.nad("mine", {"type": "x"})
    desk.nad("vault")  # no configuration: the file of that inner name
    desk.nad("backup", {"type": "x"}, namespace="infra")
    desk.nad("vault", namespace="infra")
    desk.logical("logic", plugin="secret")
    desk.logical("by-inner-name", plugin="vault")
    desk.logical("on-dedicated", physicalNet="phy")
    desk.physical("phy", dedicatedNet=True, plugin="hidden", subnet="10.32.0.0/16")
    desk.logical("on-shared", physicalNet="wire", plugin="20-secret", sub_subnet="10.33.7.0/24")
    desk.physical("wire", subnet="10.33.0.0/16")
    desk.objects.add(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns", "labels": {"tier": "gold"}}}
    )
    return desk


WAYS = {
    "file name": {"cni": "secret"},
    "stem": {"cni": "20-secret"},
    "inner name": {"cni": "vault"},
    "plugin type": {"cni": "hidden"},
    "second of two": {"cni": "policed,secret@net1"},
    "logical network": {"networks": "logic"},
    "logical network, inner name": {"networks": "by-inner-name"},
    "dedicated physical network": {"networks": "on-dedicated"},
    "shared physical network": {"networks": "on-shared"},
    "definition without configuration": {NPWG: "vault"},
    "default network by a definition without configuration": {DEFAULT_NETWORK: "ns/vault"},
    "both": {NPWG: "mine", DEFAULT_NETWORK: "ns/vault"},
}


@pytest.mark.parametrize("namespace", ["ns", "kube-system"])
@pytest.mark.parametrize("annotations", WAYS.values(), ids=WAYS)
def test_no_way_leads_to_a_network_that_is_not_allowed(desk, annotations, namespace):
    """System namespaces get no `default_networks`, and no privilege."""
    if namespace != "ns":
        for kind in ("network-attachment-definitions", "logicalnetworks", "physicalnetworks"):
            for manifest in [one for key, one in desk.objects._objects.items() if key[1:3] == (kind, "ns")]:
                desk.objects.add({**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}})
        desk.namespace = namespace
        annotations = {key: value.replace("ns/", f"{namespace}/") for key, value in annotations.items()}
    with pytest.raises(InvalidConfig, match=REFUSED):
        desk.plan(annotations, **ISOLATED)
    assert desk.plan(annotations, **ISOLATED, allowed_networks={namespace: ["secret"]})
    assert desk.plan(annotations)


@pytest.mark.parametrize("annotations", WAYS.values(), ids=WAYS)
def test_a_list_of_allowed_networks_closes_without_isolation_too(desk, annotations):
    with pytest.raises(InvalidConfig, match=REFUSED):
        desk.plan(annotations, allowed_networks={"other": ["secret"]})
    with pytest.raises(InvalidConfig, match=REFUSED):
        desk.plan(annotations, allowed_networks={})


@pytest.mark.parametrize(
    "pattern", ["vault", "hidden", "20-secret", "20-secret.conflist", "secre", "*/secret"]
)
def test_a_network_is_allowed_by_one_name_only(desk, pattern):
    """The file's: another file's inner name, or plugin, would allow more than was meant."""
    with pytest.raises(InvalidConfig, match=REFUSED):
        desk.plan({"cni": "vault"}, **ISOLATED, allowed_networks={"ns": [pattern]})


def test_the_choice_by_load_is_among_what_is_allowed(desk):
    """Among all of them the first by name would be taken."""
    for settings, chosen in (
        ({}, "policed"),
        ({"smart_selection": {"candidates": ["secret"]}}, "policed"),
        ({"smart_selection": {"candidates": ["secret"]}, "allowed_networks": {"ns": ["secret"]}}, "vault"),
    ):
        (choice,) = desk.choose({"cni": ""}, **ISOLATED, **settings)
        assert choice.network.name == chosen


def test_made_up_networks_have_to_be_allowed_too(desk):
    with pytest.raises(InvalidConfig, match="may not use bridge"):
        desk.plan({"cni": "bridge"}, **ISOLATED, generate_missing=True)
    assert desk.plan(
        {"cni": "bridge"}, **ISOLATED, generate_missing=True, allowed_networks={"ns": ["bridge"]}
    )


def test_a_network_that_every_pod_gets_is_no_secret(desk):
    """The default network, the operator's own settings, the pod's own definitions and the global ones."""
    assert desk.seen({}, **ISOLATED) == ["policed@eth0"]
    assert desk.seen({"cni": "policed,policed"}, **ISOLATED) == ["policed@eth0", "policed@eth1"]
    assert desk.seen({"cni": "secret"}, **ISOLATED, default_plugin="secret") == ["vault@eth0"]
    assert desk.seen({}, **ISOLATED, default_networks=["secret", "infra/backup"])[1:] == [
        "vault@net1",
        "infra/backup@net2",
    ]
    assert desk.seen({NPWG: "mine"}, **ISOLATED) == ["policed@eth0", "ns/mine@net1"]
    assert desk.seen({NPWG: "infra/backup"}, **ISOLATED, global_namespaces=["infra"])


def test_another_namespaces_definition_is_allowed_by_its_full_name(desk):
    for rules in ({}, {"ns": ["backup"]}, {"ns": ["*"]}, {"other": ["infra/backup"]}):
        with pytest.raises(InvalidConfig, match="may not use a network of namespace infra"):
            desk.plan({NPWG: "infra/backup"}, **ISOLATED, allowed_networks=rules)
    assert not [request for request in desk.api.requests if "/infra/" in request.target]
    assert desk.plan({NPWG: "infra/backup"}, **ISOLATED, allowed_networks={"ns": ["infra/back*"]})
    with pytest.raises(InvalidConfig, match=REFUSED):  # which names a file, that is not allowed
        desk.plan({NPWG: "infra/vault"}, **ISOLATED, allowed_networks={"ns": ["infra/*"]})


def test_the_error_says_what_and_where_and_which_setting_would_allow_it(desk):
    with pytest.raises(InvalidConfig) as refused:
        desk.plan({"cni": "policed,vault@net1"}, **ISOLATED, allowed_networks={"n*": ["vlan-*"]})
    error = refused.value
    assert error.msg == 'annotation cni, item 2 ("vault@net1"): a pod in namespace ns ' + REFUSED
    assert "allowed by name: vlan-*" in error.details
    assert error.hint == '{"ns": ["secret"]} in allowed_networks of Genie\'s configuration would allow it'


# --- labels --------------------------------------------------------------------------------------------------

GOLD = {"allowed_networks": {"tier=gold": ["secret"], "ns": ["other"]}}


def test_labels_of_the_namespace(desk):
    assert desk.plan({"cni": "secret"}, **ISOLATED, **GOLD)
    with pytest.raises(InvalidConfig, match=REFUSED):
        desk.plan({"cni": "secret"}, **ISOLATED, allowed_networks={"tier=silver": ["secret"]})


def test_names_alone_ask_no_server(desk):
    assert desk.plan({"cni": "other"}, **ISOLATED, **GOLD)
    with pytest.raises(InvalidConfig):
        desk.plan({"cni": "secret"}, **ISOLATED, allowed_networks={"other": ["secret"]})
    assert desk.api.requests == []


def test_labels_that_cannot_be_read_are_no_permission(desk):
    desk.api.forbidden.add(("get", "namespaces"))
    with pytest.raises(TryAgain, match="labels of namespace ns, which cannot be read") as refused:
        desk.plan({"cni": "secret"}, **ISOLATED, **GOLD)
    assert refused.value.code == TRY_AGAIN
    assert "deploy/namespace-labels.yaml" in refused.value.hint
    desk.api.forbidden.clear()
    desk.api.fail(503, times=99)
    desk.timeout = 0.5
    with pytest.raises(TryAgain):
        desk.plan({"cni": "secret"}, **ISOLATED, **GOLD)


# --- dialects ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "annotations, key, word",
    [
        ({"cni": "policed"}, "cni", "cni"),
        ({"cni": ""}, "cni", "cni"),
        ({"networks": "logic"}, "networks", "networks"),
        ({NPWG: "mine"}, NPWG, "attachments"),
        ({DEFAULT_NETWORK: "ns/mine"}, DEFAULT_NETWORK, "default-network"),
        ({NPWG: "mine", DEFAULT_NETWORK: "ns/mine"}, DEFAULT_NETWORK, "default-network"),
    ],
)
def test_an_annotation_that_does_not_count_fails_the_pod(desk, annotations, key, word):
    """It would start on other networks than it asked for."""
    others = [other for other in ("cni", "networks", "attachments", "default-network") if other != word]
    with pytest.raises(InvalidConfig, match="may not choose networks with it") as refused:
        desk.plan(annotations, annotation_dialects=others)
    assert refused.value.msg.startswith(f"annotation {key}:")
    assert f'"{word}" in annotation_dialects' in refused.value.hint
    wanted = [word, "attachments"] if len(annotations) > 1 else [word]
    assert desk.plan(annotations, annotation_dialects=wanted)


def test_a_pod_that_asks_for_nothing_needs_no_dialect(desk):
    assert desk.seen({}, annotation_dialects=[]) == ["policed@eth0"]
    assert desk.seen({"cni": "policed", "networks": "logic"}, annotation_dialects=["cni"]) == ["policed@eth0"]


def test_a_setting_that_cannot_be_read_allows_nothing(desk):
    for wrong in ({"allowed_networks": ["secret"]}, {"annotation_dialects": "cni"}):
        with pytest.raises(GenieError):
            desk.plan({"cni": "secret"}, **ISOLATED, **wrong)
