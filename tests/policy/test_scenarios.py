"""CNI-Genie's scenarios, and those of other policy engines' suites, each by its name."""

import json

import pytest

from genie_core.policy.cluster import Cluster
from genie_core.policy.compile import compile_node
from tests.policy.generated import HAS, NETWORKS, World, addresses
from tests.policy.journeys import verdict

POLICY_FOR = "k8s.v1.cni.cncf.io/policy-for"
RED, BLUE, GREEN = "logical/shop/red", "logical/shop/blue", "logical/bank/green"


def cluster(*policies, forms=(), labels=None, spaces=None):
    """Seven pods (generated.HAS); pod N has the label pod=N and those of `labels`; they are in shop, or in `spaces`."""
    pods = [
        {
            "kind": "Pod",
            "metadata": {
                "namespace": (spaces or {}).get(index, "shop"),
                "name": f"pod{index}",
                "uid": f"uid{index}",
                "labels": {"pod": str(index), **(labels or {}).get(index, {})},
            },
            "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]},
        }
        for index in range(len(HAS))
    ]
    return World(pods, {"shop": {"team": "a"}, "bank": {"team": "b"}}, list(policies), list(forms))


def allows(world, source, target, protocol="TCP", port=80, version=0):
    """Whether (pod, network) may talk to (pod, network)."""
    ends = [(world.pods[i], net, addresses(NETWORKS[net][1], i)[version]) for i, net in (source, target)]
    return verdict(compile_node(Cluster(world.documents()), "n1"), ends[0], ends[1], protocol, port)


def form(*entries, key="genieNetworkPolicy", namespace="shop"):
    metadata = {"namespace": namespace, "name": "form", "annotations": {key: json.dumps(entries)}}
    return {"kind": "NetworkPolicy", "metadata": metadata, "spec": {"podSelector": {}}}


def entry(network, peers=""):
    return {"networkSelector": network, "peerNetworks": peers}


def policy(name="p", networks="one", namespace="shop", **spec):
    notes = {POLICY_FOR: networks} if networks else {}
    metadata = {"namespace": namespace, "name": name, "annotations": notes}
    return {"kind": "MultiNetworkPolicy", "metadata": metadata, "spec": {"podSelector": {}, **spec}}


def only(index):
    return {"matchLabels": {"pod": str(index)}}


# --- CNI-Genie's form ------------------------------------------------------------------------------------

# pods on red: 2 and 5; on blue: 3; on green: 4 and 6


@pytest.mark.parametrize("key", ["genieNetworkPolicy", "genieNetworkpolicy"])
@pytest.mark.parametrize(
    "entries, red_blue, red_green, blue_green",
    [
        ([], True, True, True),
        ([entry("red")], False, False, True),
        ([entry("red", "blue")], True, False, True),
        ([entry("red", "blue"), entry("blue", "red")], True, False, False),
        ([entry("red"), entry("red", "blue, other")], True, False, True),
    ],
)
def test_the_form_of_cni_genie(key, entries, red_blue, red_green, blue_green):
    world = cluster(forms=[form(*entries, key=key)] if entries else [])
    red, blue, green = (2, RED), (3, BLUE), (4, GREEN)
    for one, other, wanted in ((red, blue, red_blue), (red, green, red_green), (blue, green, blue_green)):
        assert allows(world, one, other) is wanted
        assert allows(world, other, one) is wanted
    assert allows(world, (2, RED), (5, RED))
    assert allows(world, (2, RED), (1, "shop/one"))  # a network that is not logical is not concerned


def test_a_subnet_is_no_substring():
    """10.1.1.0/24 is not part of 110.1.1.0/24."""
    world = cluster(policy(podSelector=only(1), ingress=[{"from": [{"ipBlock": {"cidr": "0.77.1.0/24"}}]}]))
    assert not allows(world, (0, "shop/one"), (1, "shop/one"))


def test_both_must_allow():
    spec = {"podSelector": only(3), "ingress": [{"from": [{"namespaceSelector": {}}]}]}
    world = cluster(policy(networks="logical/blue", **spec), forms=[form(entry("red", "blue"))])
    assert not allows(world, (2, RED), (3, BLUE))  # red is not of the policy's networks
    wider = policy(networks="logical/blue, logical/red", **spec)
    assert allows(cluster(wider, forms=[form(entry("red", "blue"))]), (2, RED), (3, BLUE))
    assert not allows(cluster(wider, forms=[form(entry("red"))]), (2, RED), (3, BLUE))


# --- what other engines' suites cover ----------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 1], ids=["v4", "v6"])
@pytest.mark.parametrize("egress", [False, True], ids=["ingress", "egress"])
class TestStandard:
    """Pods 0, 1 and 4 on the network shop/one; pod 1 is selected."""

    def allowed(self, world, egress, other, version, protocol="TCP", port=80):
        ends = [(other, "shop/one"), (1, "shop/one")]
        first, second = ends[::-1] if egress else ends
        return allows(world, first, second, protocol, port, version)

    def made(self, egress, *rules, name="p", **more):
        kind, side = ("egress", "to") if egress else ("ingress", "from")
        body = [{**({side: rule["peers"]} if "peers" in rule else {}),
                 **({"ports": rule["ports"]} if "ports" in rule else {})} for rule in rules]  # fmt: skip
        return policy(name, podSelector=only(1), policyTypes=[kind.capitalize()], **{kind: body}, **more)

    def test_deny_all_with_one_allow(self, egress, version):
        world = cluster(self.made(egress), self.made(egress, {"peers": [{"podSelector": only(0)}]}, name="q"))
        assert self.allowed(world, egress, 0, version)
        assert not self.allowed(world, egress, 4, version)

    def test_a_block_with_exceptions(self, egress, version):
        cidr, hole = ("10.77.1.0/24", "10.77.1.14/32") if version == 0 else ("fd77:2::/64", "fd77:2::e/128")
        world = cluster(self.made(egress, {"peers": [{"ipBlock": {"cidr": cidr, "except": [hole]}}]}))
        assert self.allowed(world, egress, 0, version)
        assert not self.allowed(world, egress, 4, version)

    def test_a_range_of_ports(self, egress, version):
        world = cluster(self.made(egress, {"ports": [{"port": 80, "endPort": 90}]}))
        assert [self.allowed(world, egress, 0, version, port=n) for n in (79, 80, 90, 91)] == [
            False,
            True,
            True,
            False,
        ]

    def test_a_protocol_alone(self, egress, version):
        world = cluster(self.made(egress, {"ports": [{"protocol": "UDP"}]}))
        assert self.allowed(world, egress, 0, version, "UDP", 1)
        assert not self.allowed(world, egress, 0, version, "TCP", 1)
        assert not self.allowed(world, egress, 0, version, "ICMP", 0)

    def test_a_port_by_name(self, egress, version):
        world = cluster(self.made(egress, {"ports": [{"port": "http"}]}))
        assert self.allowed(world, egress, 0, version, port=8080)
        assert not self.allowed(world, egress, 0, version, port=80)

    def test_a_namespace_without_pods(self, egress, version):
        peers = [{"namespaceSelector": {"matchLabels": {"team": "b"}}}]
        world = cluster(self.made(egress, {"peers": peers}))
        assert not self.allowed(world, egress, 0, version)
        assert self.allowed(
            cluster(self.made(egress, {"peers": peers}), spaces={0: "bank"}), egress, 0, version
        )

    def test_both_selectors_of_a_peer(self, egress, version):
        peers = [{"namespaceSelector": {"matchLabels": {"team": "b"}}, "podSelector": only(0)}]
        world = cluster(self.made(egress, {"peers": peers}), spaces={0: "bank", 4: "bank"})
        assert self.allowed(world, egress, 0, version)
        assert not self.allowed(world, egress, 4, version)

    def test_a_rule_without_peers(self, egress, version):
        world = cluster(self.made(egress, {}))
        assert self.allowed(world, egress, 4, version, "ICMP", 0)

    def test_the_other_direction_stays_free(self, egress, version):
        world = cluster(self.made(egress))
        assert self.allowed(world, not egress, 0, version)


def test_a_policy_without_networks_is_for_all_but_the_primary():
    world = cluster(policy(networks="", podSelector=only(1)))
    assert allows(world, (0, "cni/bridge"), (1, "cni/bridge"))
    assert not allows(world, (0, "shop/one"), (1, "shop/one"))
    assert not allows(world, (3, "cni/direct"), (1, "cni/direct"))


def test_a_network_whose_definition_is_gone_or_not_there_yet():
    """Attachments by its name are still isolated."""
    world = cluster(policy(podSelector=only(1)))
    documents = [one for one in world.documents() if one["kind"] != "NetworkAttachmentDefinition"]
    ends = [(world.pods[i], "shop/one", addresses(1, i)[0]) for i in (0, 1)]
    assert not verdict(compile_node(Cluster(documents), "n1"), ends[0], ends[1], "TCP", 80)


@pytest.mark.parametrize("leaving, peer", [({0: True}, False), ({1: True}, True), ({}, True)])
def test_what_is_being_released_is_isolated_and_no_peer(leaving, peer):
    """Its address may be another pod's before the release has ended; until then it is its own."""
    world = cluster(policy(podSelector=only(1), ingress=[{"from": [{"podSelector": only(0)}]}]))
    documents = world.documents()
    (listed,) = [one for one in documents if one["kind"] == "AttachmentList"]
    for item in listed["items"]:
        item["releasing"] = leaving.get(int(item["name"][3:]), False)
    ruleset = compile_node(Cluster(documents), "n1")
    ends = [(world.pods[i], "shop/one", addresses(1, i)[0]) for i in (0, 1, 4)]
    assert verdict(ruleset, ends[0], ends[1], "TCP", 80) is peer
    assert not verdict(ruleset, ends[2], ends[1], "TCP", 80)
