"""kube-proxy with IPVS, on stored output of the kernel: a test machine may lack the module."""

from dataclasses import replace

import pytest

from genie_core.checks import ipvs, services
from genie_core.checks.registry import NETWORK
from genie_core.checks.runner import run
from genie_core.findings import Severity, Status
from genie_core.net.case import Case
from genie_core.net.ipvs import virtual_servers as parsed
from genie_core.survey.facts import Facts
from genie_core.survey.kernel import Address, Firewall, Link, Netns
from tests.diagnose.test_towards import behind, service

HEAD = """IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
"""
WEB = "TCP  0A60000A:0050 rr\n  -> 0AF4010A:1F90      Masq    1      0          0\n"
WEB6 = (
    "TCP  [fd00:0096:0000:0000:0000:0000:0000:000a]:0050 rr persistent 10800\n"
    "  -> [fd00:0001:0000:0000:0000:0000:0000:0010]:1F90      Masq    1      0          0\n"
)
OLD = "  -> 0AF4014D:1F90      Masq    WEIGHT      0          0\n"
ELSE = "UDP  C0000201:0035 rr\n  -> C0000202:0035      Masq    1      0          0\n"
OBJECTS = (
    service("web", "10.96.0.10", {"name": "http", "port": 80}),
    behind("web", "10.244.1.10", {"name": "http", "port": 8080}),
    service("idle", "10.96.0.11", {"name": "http", "port": 80}),
)


def model(text, *vips, device="kube-ipvs0"):
    links = (Link(index=9, name=device, kind="dummy", up=False),)
    addresses = tuple(Address(index=9, ip=ip, prefix=32) for ip in vips)
    return Case(
        Facts(node=Netns(links=links, addresses=addresses, ipvs=text and HEAD + text), objects=OBJECTS)
    )


def test_the_kernel_s_table_is_read():
    assert parsed(HEAD + WEB + WEB6 + "FWM  00000001 rr\nnonsense\n") == {
        ("tcp", "10.96.0.10", 80): [("10.244.1.10", 8080, 1)],
        ("tcp", "fd00:96::a", 80): [("fd00:1::10", 8080, 1)],
    }


@pytest.mark.parametrize(
    "text, vips, codes, words",
    [
        (WEB, ("10.96.0.10",), [], ""),
        (WEB + OLD.replace("WEIGHT", "0"), ("10.96.0.10",), [], ""),  # being drained
        ("", ("10.96.0.10",), [], ""),  # the table cannot be read
        ("\n", ("10.96.0.10",), ["GN0601"], "no IPVS virtual server for 10.96.0.10:80/tcp (shop/web)"),
        (ELSE, ("10.96.0.10",), ["GN0601"], "no IPVS virtual server"),
        (WEB, (), ["GN0601"], "kube-ipvs0 lacks its address"),
        (WEB + OLD.replace("WEIGHT", "1"), ("10.96.0.10",), ["GN0602"], "to 10.244.1.77:8080, which is no live"),
        (WEB.partition("\n")[0], ("10.96.0.10",), ["GN0602"], "has no destination"),
    ],
)  # fmt: skip
def test_virtual_servers_are_held_to_the_services(text, vips, codes, words):
    found = list(ipvs.translation(model(text, *vips)))
    assert [finding.code for finding in found] == codes
    assert all(words in finding.title for finding in found), found
    assert list(services.translation(model(text, *vips))) == []


def test_an_empty_virtual_server_is_not_called_a_fault():
    (found,) = ipvs.translation(model(WEB.partition("\n")[0], "10.96.0.10"))
    assert found.severity is Severity.WARNING


@pytest.mark.parametrize("text", ["", ELSE])
def test_a_node_without_kube_proxy_s_device_and_servers_is_none_of_ours(text):
    """keepalived's virtual servers, or no IPVS at all."""
    assert list(ipvs.translation(model(text, device="dummy0"))) == []


def node_port(text, links=()):
    """A node of kube-proxy's IPVS mode, with a service that has a node port, as its check judges it."""
    port = {"name": "http", "port": 80, "nodePort": 30080}
    objects = (
        service("web", "10.96.0.10", port),
        behind("web", "10.244.1.10", {"name": "http", "port": 8080}),
    )
    uplink = Link(index=2, name="eth0", up=True, carrier=True)
    held = Address(index=2, ip="192.0.2.1", prefix=24)
    node = model(text, "10.96.0.10").facts.node
    node = replace(node, links=(*node.links, uplink, *links), addresses=(*node.addresses, held))
    facts = Facts(node=replace(node, firewall=Firewall(iptables={"ip": "*nat\nCOMMIT"})), objects=objects)
    chosen = [check for check in NETWORK if check.id == "node-ports"]
    return run(Case(facts), chosen)


@pytest.mark.parametrize(
    "server, codes", [("C0000201:7580", []), ("C0000201:7581", ["GN0612"]), ("0AF40101:7580", ["GN0612"])]
)
def test_a_node_port_has_a_virtual_server_for_each_address_of_the_node(server, codes):
    """The check passed here, and had looked at nothing."""
    text = f"{WEB}TCP  {server} rr\n  -> 0AF4010A:1F90      Masq    1      0          0\n"
    assert [one.code for one in node_port(text)[0]] == codes


@pytest.mark.parametrize(
    "text, links", [("", ()), (WEB, (Link(index=8, name="cilium_host", kind="veth", up=True),))]
)
def test_what_translates_services_unseen_is_not_called_right(text, links):
    found, (result,) = node_port(text, links)
    assert (found, result.status, "programs" in result.reason) == ([], Status.SKIP, True)
