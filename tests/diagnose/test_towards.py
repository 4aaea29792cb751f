"""What `--to` may say: every form leads to one address, or to a sentence."""

import pytest

from genie_core.errors import GenieError, NotFound
from genie_core.net.case import Case
from genie_core.net.target import aim, pod_of
from genie_core.survey.facts import Facts
from genie_core.survey.kernel import Address, Link, Netns
from tests.diagnose import world

ETH0 = Link(index=2, name="eth0", kind="device", up=True)


def service(name, ip, *ports, namespace="shop"):
    return {
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"clusterIP": ip, "clusterIPs": [ip], "ports": list(ports)},
    }


def behind(name, address, port, namespace="shop"):
    return {
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": namespace,
            "name": f"{name}-x",
            "labels": {"kubernetes.io/service-name": name},
        },
        "ports": [port],
        "endpoints": [{"addresses": [address]}],
    }


WEB, PLAIN = {"name": "http", "port": 80}, {"name": "metrics", "port": 9100}
DNS = ({"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53})
OBJECTS = (
    world.pod("api-0", "node2", "10.244.2.10"),
    world.pod("db-0", "node2", "10.244.2.11", namespace="data"),
    world.pod("etcd-a.b.c", "node2", "10.244.2.12"),
    world.pod("starting", "node2", "", phase="Pending"),
    world.pod("done", "node2", "10.244.2.13", phase="Succeeded"),
    world.pod("on-node2", "node2", "192.0.2.2") | {"spec": {"nodeName": "node2", "hostNetwork": True}},
    world.node("node2", "192.0.2.2", "10.244.2.0/24"),
    service("web", "10.96.0.10", WEB, PLAIN),
    service("dns", "10.96.0.53", *DNS, namespace="kube-system"),
    service("db", "None", {"name": "sql", "port": 5432}, namespace="data"),
    behind("db", "10.244.2.11", {"name": "sql", "port": 5432}, namespace="data"),
)


@pytest.fixture
def model():
    pod = Netns(links=(ETH0,), addresses=(Address(index=2, ip="10.244.1.10", prefix=24),))
    return Case(Facts(namespace="shop", pod_name="web-0", pod=pod, objects=OBJECTS))


@pytest.mark.parametrize(
    "text, ip, protocol, port",
    [
        ("10.1.2.3", "10.1.2.3", "tcp", 0),
        ("10.1.2.3:80", "10.1.2.3", "tcp", 80),
        ("10.1.2.3:53/udp", "10.1.2.3", "udp", 53),
        ("node/node2", "192.0.2.2", "tcp", 0),
        ("node/node2:10250", "192.0.2.2", "tcp", 10250),
        ("api-0", "10.244.2.10", "tcp", 0),
        ("shop/api-0:8080", "10.244.2.10", "tcp", 8080),
        ("pod/api-0", "10.244.2.10", "tcp", 0),
        ("on-node2:10250", "192.0.2.2", "tcp", 10250),
        ("pod/data/db-0:5432", "10.244.2.11", "tcp", 5432),
        ("pod/etcd-a.b.c", "10.244.2.12", "tcp", 0),
        ("etcd-a.b.c", "10.244.2.12", "tcp", 0),
        ("web", "10.96.0.10", "tcp", 80),
        ("svc/web:9100", "10.96.0.10", "tcp", 9100),
        ("service/web:metrics", "10.96.0.10", "tcp", 9100),
        ("web.shop", "10.96.0.10", "tcp", 80),
        ("service/web.shop:80", "10.96.0.10", "tcp", 80),
        ("dns.kube-system.svc:53", "10.96.0.53", "udp", 53),
        ("dns.kube-system.svc:53/tcp", "10.96.0.53", "tcp", 53),
        ("dns.kube-system.svc.cluster.local.", "10.96.0.53", "udp", 53),
        ("db.data", "10.244.2.11", "tcp", 5432),
        ("db-0.db.data.svc.cluster.local:5432", "10.244.2.11", "tcp", 5432),
        ("10-244-2-10.shop.pod.cluster.local:80", "10.244.2.10", "tcp", 80),
    ],
)
def test_a_target(model, text, ip, protocol, port):
    found = aim(model, text)
    assert (found.ip, found.protocol, found.port) == (ip, protocol, port)


@pytest.mark.parametrize(
    "text, words",
    [
        ("[fd00::1]:80", "the pod has no IPv6 address"),
        ("fd00::1", "the pod has no IPv6 address"),
        ("node/node9", "nodes: node2"),
        ("service/web:81", "it has 80/tcp, 9100/tcp"),
        ("service/none", "no service shop/none is known"),
        ("starting", "starting: pod shop/starting has no address yet"),
        ("pod/done", "pod/done: pod shop/done has ended"),
        ("nothing", "no pod or service shop/nothing is known"),
        ("api-0.nowhere", "no pod or service nowhere/api-0 is known"),
    ],
)
def test_what_is_not_known_is_said_with_what_is(model, text, words):
    with pytest.raises(NotFound, match=words):
        aim(model, text)


@pytest.mark.parametrize(
    "text, words",
    [
        ("10.0.0.1:x", "from 1 to 65535"),
        ("10.0.0.1:65536", "from 1 to 65535"),
        ("pod/api-0:http", "from 1 to 65535"),
        ("10.0.0.1:53/sctp", "tcp or udp"),
        ("a/b/c", "is wanted"),
        ("node/a/b", "is wanted"),
        ("service/", "is wanted"),
        ("", "is wanted"),
    ],
)
def test_an_impossible_target_is_wrong_usage(model, text, words):
    with pytest.raises(GenieError, match=words) as caught:
        aim(model, text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "text, pod",
    [
        ("node/node2", ("", "")),
        ("db-0.db.data.svc", ("data", "db-0")),
        ("web.shop:80", ("shop", "web")),
        ("a/b/c", ("", "")),
    ],
)
def test_the_pod_that_is_read_for_it(text, pod):
    assert pod_of(text, "shop") == pod
