"""NetworkPolicies as the API defines them (networking.k8s.io/v1), and their findings."""

import pytest

from genie_core.checks import network_policies
from genie_core.net.case import Case
from genie_core.net.flows import Flow
from genie_core.net.policy import EGRESS, INGRESS, Attempt, End, Policies
from genie_core.survey.facts import Facts, Probe
from genie_core.survey.kernel import Address, Firewall, Link, Netns

NAMESPACES = {"default": {"team": "a"}, "other": {"team": "b"}}


def pod(name, ip, namespace="default", ports=(), **labels):
    return {
        "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"ports": list(ports)}]}, "status": {"podIP": ip, "podIPs": [{"ip": ip}]},
    }  # fmt: skip


WEB = pod("web", "10.0.0.1", app="web")
DB = pod("db", "10.0.0.2", ports=[{"name": "sql", "containerPort": 5432}], app="db", tier="back")
FAR = pod("far", "10.0.1.3", namespace="other", app="web")


def end(item):
    return End(ip=item["status"]["podIP"], pod=item)


def policy(namespace="default", **spec):
    return {
        "kind": "NetworkPolicy",
        "metadata": {"name": "p", "namespace": namespace},
        "spec": {"podSelector": {}, **spec},
    }


def ruling(direction, *policies, source=WEB, target=DB, protocol="tcp", port=5432, namespaces=True):
    ends = [item if isinstance(item, End) else end(item) for item in (source, target)]
    known = [
        {"kind": "Namespace", "metadata": {"name": n, "labels": labels}} for n, labels in NAMESPACES.items()
    ]
    wanted = Attempt(source=ends[0], target=ends[1], protocol=protocol, port=port)
    return Policies([*policies, *(known if namespaces else ())]).rule(direction, wanted)


def test_without_a_policy_everything_is_allowed():
    assert ruling(INGRESS).allowed
    assert ruling(INGRESS, policy(namespace="other")).policies == ()


@pytest.mark.parametrize(
    "spec, ingress, egress",
    [
        ({}, False, True),
        ({"policyTypes": ["Ingress"]}, False, True),
        ({"policyTypes": ["Egress"]}, True, False),
        ({"egress": [{}]}, False, True),
        ({"egress": []}, False, True),
        ({"ingress": [{}]}, True, True),
        ({"policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": []}, True, False),
    ],
)
def test_policy_types_and_their_default(spec, ingress, egress):
    assert (ruling(INGRESS, policy(**spec)).allowed, ruling(EGRESS, policy(**spec)).allowed) == (
        ingress,
        egress,
    )


@pytest.mark.parametrize(
    "selector, hit",
    [
        ({}, True),
        ({"matchLabels": {"app": "db"}}, True),
        ({"matchLabels": {"app": "db", "tier": "front"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "x"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db"]}]}, False),
        ({"matchExpressions": [{"key": "gone", "operator": "NotIn", "values": ["db"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_who_is_selected(selector, hit):
    assert (ruling(INGRESS, policy(podSelector=selector)).policies == ("default/p",)) is hit


@pytest.mark.parametrize(
    "peer, from_web, from_far",
    [
        ({"podSelector": {"matchLabels": {"app": "web"}}}, True, False),
        ({"namespaceSelector": {"matchLabels": {"team": "b"}}}, False, True),
        ({"namespaceSelector": {}}, True, True),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}, "podSelector": {"matchLabels": {"app": "db"}}}, False, False),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}, True, True),
        ({"ipBlock": {"cidr": "10.0.0.0/16", "except": ["10.0.1.0/24"]}}, True, False),
        ({"ipBlock": {"cidr": "fd00::/8"}}, False, False),
    ],
)  # fmt: skip
def test_peers(peer, from_web, from_far):
    rules = policy(ingress=[{"from": [peer]}])
    assert [ruling(INGRESS, rules, source=s).allowed for s in (WEB, FAR)] == [from_web, from_far]


@pytest.mark.parametrize(
    "ports, hit",
    [
        ([], True),
        ([{"port": 5432}], True),
        ([{"protocol": "UDP", "port": 5432}], False),
        ([{"protocol": "TCP"}], True),
        ([{"port": 80}, {"port": 5432}], True),
        ([{"port": 5000, "endPort": 6000}], True),
        ([{"port": 5433, "endPort": 6000}], False),
        ([{"port": "sql"}], True),
        ([{"port": "http"}], False),
    ],
)
def test_ports(ports, hit):
    assert ruling(INGRESS, policy(ingress=[{"ports": ports}])).allowed is hit
    assert ruling(EGRESS, policy(policyTypes=["Egress"], egress=[{"ports": ports}])).allowed is hit


def test_policies_add_up_and_rules_are_alternatives():
    closed, opened = (
        policy(),
        policy(ingress=[{"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}, {"ports": [{"port": 5432}]}]),
    )
    assert ruling(INGRESS, closed).allowed is False
    assert ruling(INGRESS, closed, opened).allowed is True


def test_an_unknown_object_is_no_denial():
    strange = End(ip="10.0.0.9", known=False)
    by_label = policy(ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"team": "b"}}}]}])
    assert ruling(INGRESS, by_label, source=strange).allowed is None
    assert ruling(INGRESS, by_label, source=FAR, namespaces=False).allowed is None
    assert ruling(INGRESS, by_label, source=End(ip="192.0.2.1")).allowed is False
    named = policy(policyTypes=["Egress"], egress=[{"ports": [{"port": "sql"}]}])
    assert ruling(EGRESS, named, target=strange).allowed is None


def test_policies_bind_neither_a_pod_to_itself_nor_host_network_pods():
    assert ruling(EGRESS, policy(policyTypes=["Egress"]), target=WEB).allowed
    host = pod("agent", "192.168.0.1")
    host["spec"]["hostNetwork"] = True
    assert ruling(INGRESS, policy(), target=host).policies == ()


ELSEWHERE = {"kind": "Node", "metadata": {"name": "n2"}, "spec": {"podCIDRs": ["10.0.0.2/32"]}}
ENGINE = Firewall(iptables={"ip": "*filter\n:cali-FORWARD - [0:0]\nCOMMIT"})


def found(*probes, asked=False, engine=True):
    """The findings of a pod that needs the database while a policy forbids all its egress."""
    facts = Facts(
        namespace="default",
        pod_name="web",
        pod_object=WEB,
        objects=(DB, ELSEWHERE, policy(podSelector={"matchLabels": {"app": "web"}}, policyTypes=["Egress"])),
        pod=Netns(
            links=(Link(index=2, name="eth0"),), addresses=(Address(index=2, ip="10.0.0.1", prefix=24),)
        ),
        node=Netns(firewall=ENGINE if engine else Firewall(iptables={"ip": ""})),
        probes=tuple(Probe(kind="tcp", target="10.0.0.2", role="target", result=result) for result in probes),
    )
    model = Case(facts)
    if asked:
        model = model.narrow(
            [Flow(role="outside", target="10.0.0.2", protocol="tcp", port=5432, name="default/db")]
        )
    (finding,) = network_policies.not_allowed(model)
    return finding


@pytest.mark.parametrize(
    "probes, more, severity",
    [
        ([], {}, "info"),
        (["timeout"], {}, "info"),
        (["ok"], {}, "warning"),  # nothing enforces it
        ([], {"asked": True}, "warning"),
        (["ok"], {"asked": True}, "info"),
        (["timeout"], {"engine": False}, "info"),
    ],
)
def test_a_policy_is_an_intention_and_never_an_error(probes, more, severity):
    finding = found(*probes, **more)
    assert (finding.code, finding.severity.value) == ("GN0523", severity)
    assert finding.title.startswith(
        "NetworkPolicy default/p selects this pod and allows no egress to default/db"
    )
    assert (finding.object.kind, finding.object.ns, finding.object.name) == ("NetworkPolicy", "default", "p")
