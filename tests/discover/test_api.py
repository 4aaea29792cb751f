"""Genie's own health where it has an API server: answering, away, refusing, without the definitions; and its state."""

import json

import pytest

from genie_core.edges.store import Store
from genie_core.findings import Severity
from genie_core.model import Attachment, NetConf, Plan, PluginConf, PodRef
from genie_core.steps import Released
from tests.discover import nodes
from tests.discover.conftest import codes, install, the


def test_an_api_server_that_answers(node, server):
    install(node, server)
    report = node.discover(api=True)
    assert codes(report) == []
    assert report.as_json()["genie"]["api"] == "ok"
    assert len(report.as_json()["genie"]["definitions"]) == 3


def test_a_token_that_it_refuses_is_not_shown(node, server):
    install(node, server, token="stale-s3cret")
    report = node.discover(api=True)
    assert the(report, "GN1605").severity is Severity.ERROR
    assert "stale-s3cret" not in json.dumps(report.as_json())


@pytest.mark.parametrize(
    "refused, message",
    [
        ("pods", "its account may not get pods"),
        ("network-attachment-definitions", "its account may not get network-attachment-definitions"),
    ],
)
def test_an_account_without_the_rights_is_not_called_ok(node, server, refused, message):
    install(node, server)
    server.api.forbidden.add(("get", refused))
    report = node.discover(api=True)
    assert message in the(report, "GN1605").title
    assert report.as_json()["genie"]["api"] == message


def test_an_api_server_that_is_away_delays_by_its_deadline_only(node, server):
    install(node, server)
    server.close()
    report = node.discover(api=True, timeout=0.5)
    assert "GN1605" in codes(report)


def test_no_api_sends_no_request(node, server):
    install(node, server)
    report = node.discover()
    assert report.as_json()["genie"]["api"] == "not asked"
    assert {check.reason for check in report.checks if check.id == "genie-api"} == {"--no-api"}


# --- the state -----------------------------------------------------------------------------------------------


def plan(container, *, released=(), boot_id="another-boot"):
    network = NetConf("net", "1.0.0", [PluginConf("bridge", '{"type":"bridge"}')], "net.conf")
    attachments = [
        Attachment(network, f"eth{i}", "net", released=flag) for i, flag in enumerate(released or (False,))
    ]
    return Plan(container, "eth0", "/run/netns/x", ["/bin"], PodRef("shop", "web"), boot_id, attachments)


@pytest.mark.root
def test_the_content_of_the_state(node):
    store = Store(str(node.state))
    store.prepare()
    half = plan("half", released=(False, False))
    for entry in (plan("whole"), half):
        store.save(entry)
    store.record(Released(half, 0))
    damaged = node.state / "containers" / "bad@eth0"
    nodes.write(damaged, "{", mode=0o600)
    report = node.discover()
    genie = report.as_json()["genie"]
    assert (genie["entries"], genie["pendingDeletes"], genie["damaged"]) == (2, 1, [str(damaged)])
    assert {"GN1603", "GN1604", "GN1608"} <= set(codes(report))
    assert "1 attachment is waiting for a DEL" in the(report, "GN1603").title


@pytest.mark.root
def test_a_lease_is_reported_with_its_pod(node):
    store = Store(str(node.state))
    store.prepare()
    store.save(plan("c1"))
    node.configure("10-net.conflist", nodes.bridge())
    nodes.write(node.ipam / "net" / "100.99.0.2", "c1\r\neth0")
    (network,) = node.discover().as_json()["networks"]
    assert network["leases"] == [
        {"address": "100.99.0.2", "container": "c1", "interface": "eth0", "pod": "shop/web", "leaked": False}
    ]
