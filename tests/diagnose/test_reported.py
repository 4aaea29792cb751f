"""Kubernetes' reports as findings: messages of containerd, CRI-O and kubelet, outdated ones, conditions."""

import pytest

from genie_core.checks import kubernetes_reports, rank
from genie_core.findings import Code, Finding, Severity, Subject
from genie_core.net.case import Case
from genie_core.survey.facts import Event, Facts
from genie_core.survey.kernel import Link, Netns
from tests.diagnose import world

BLANK = 'plugin type="genie" failed (add)'
CONTAINERD = (
    "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox"
)
CRIO = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to create pod network sandbox k8s_p_0"
MISSING = 'failed to find plugin "portmap" in path [/opt/cni/bin]'


def event(message, reason="FailedCreatePodSandBox", last="2026-11-24T10:00:00Z", **more):
    return Event(kind="Pod", name="web-0", reason=reason, message=message, last=last, type="Warning", **more)


def facts(*events, pod=None, **more):
    return Facts(namespace="shop", pod_name="web-0", node_name="node1", events=events, pod=pod, **more)


def found(check, *events, **more):
    return list(check(Case(facts(*events, **more))))


@pytest.mark.parametrize(
    "message, plugin, words",
    [
        (f'{CONTAINERD} "8c1f": {BLANK}: no network', "genie", "no network"),
        (f'{CONTAINERD} "8c1f": {BLANK}: plugin type="bridge" name="b" failed (add): {MISSING}', "bridge", MISSING),
        (f'{CRIO}(8c1f): error adding pod to CNI network "genie": {BLANK}: no network', "genie", "no network"),
        ("Failed to create: rpc error: desc = cni plugin not initialized", "", "cni plugin not initialized"),
        ("Failed to create pod sandbox", "", "Failed to create pod sandbox"),
    ],
)  # fmt: skip
def test_the_innermost_plugin_and_its_words_are_the_cause(message, plugin, words):
    assert kubernetes_reports.cause_of(message) == (plugin, words)


def test_a_network_of_genies_that_failed_is_explained_by_genie():
    """As Genie says it: the network, then the plugin in libcni's words."""
    message = (
        f'{CONTAINERD} "8c1f": {BLANK}: network "blue" (eth1): plugin type="bridge" failed (add): {MISSING}'
    )
    (finding,) = found(kubernetes_reports.sandbox_refused, event(message))
    assert f"plugin bridge says: {MISSING}" in finding.title
    assert finding.remedy.commands[0].argv[:2] == ("genie", "explain")


def test_a_sandbox_that_cannot_be_made_is_fatal_and_quoted():
    (finding,) = found(kubernetes_reports.sandbox_refused, event(world.SANDBOX, count=7))
    assert (finding.code, finding.severity) == ("GN0901", Severity.FATAL)
    assert "plugin genie says: annotation cni, item 2" in finding.title
    assert "7 times" in finding.evidence[0].value
    assert finding.remedy.commands[0].argv == ("genie", "explain", "pod", "shop/web-0")


def test_what_is_no_matter_of_the_network_is_said_so():
    (finding,) = found(
        kubernetes_reports.sandbox_refused,
        event("Failed to create pod sandbox: failed to pull image pause:3.9"),
    )
    assert "outside its network" in finding.title


@pytest.mark.parametrize(
    "later",
    [
        event("main", "Started", "2026-11-24T10:00:01Z"),
        event("eth0", "AddedInterface", "2026-11-24T10:00:02Z"),
    ],
)
def test_what_was_made_since_has_outdated_it(later):
    assert found(kubernetes_reports.sandbox_refused, event(world.SANDBOX), later) == []


def test_a_pod_that_has_its_interface_gets_no_old_finding():
    here = Netns(links=(Link(index=2, name="eth0", kind="veth", up=True),))
    assert found(kubernetes_reports.sandbox_refused, event(world.SANDBOX), pod=here) == []


def test_another_objects_events_say_nothing_of_the_pod():
    assert (
        found(
            kubernetes_reports.sandbox_refused,
            Event(kind="Node", name="node1", reason="FailedCreatePodSandBox"),
        )
        == []
    )


def test_a_deleted_pod_whose_network_stays():
    stuck = event(
        'error killing pod: failed to "KillPodSandbox" for "u" with KillPodSandboxError: "rpc error: desc = '
        'failed to destroy network for sandbox "8c1f": plugin type="bridge" failed (delete): busy"',
        "FailedKillPod",
    )
    (finding,) = found(
        kubernetes_reports.release_refused,
        stuck,
        pod_object={"metadata": {"deletionTimestamp": "2026-11-24T09:59:00Z"}},
    )
    assert (finding.code, finding.title.endswith("bridge says: busy")) == ("GN0902", True)
    assert found(kubernetes_reports.release_refused, stuck, pod_object={"metadata": {}}) == []


@pytest.mark.parametrize(
    "condition, severity",
    [
        ({"type": "Ready", "status": "False", "message": "network not ready: cni not initialized"}, Severity.ERROR),
        ({"type": "NetworkUnavailable", "status": "True", "reason": "NoRouteCreated"}, Severity.WARNING),
        ({"type": "NetworkUnavailable", "status": "False"}, None),
        ({"type": "Ready", "status": "True", "message": "kubelet is posting ready status, network too"}, None),
        ({"type": "Ready", "status": "False", "message": "disk pressure"}, None),
    ],
)  # fmt: skip
def test_a_node_that_says_its_network_is_not_ready(condition, severity):
    node = world.node("node1", "192.0.2.1", "10.244.1.0/24", condition)
    other = world.node(
        "node2", "192.0.2.2", "10.244.2.0/24", {"type": "NetworkUnavailable", "status": "True"}
    )
    findings = found(kubernetes_reports.node_not_ready, objects=(other, node))
    assert [finding.severity for finding in findings] == ([severity] if severity else [])


@pytest.mark.parametrize("code, cause", [("GN1101", "GN1101"), ("GN1302", "")])
def test_a_quoted_message_follows_from_what_it_is_about_only(code, cause):
    """A missing plugin explains its message; an exhausted range beside it does not."""
    (finding,) = found(kubernetes_reports.sandbox_refused, event(f'{CONTAINERD} "8c1f": {BLANK}: {MISSING}'))
    other = Finding(
        code=Code.declared[code], severity=Severity.FATAL, title=code, object=Subject(kind="node")
    )
    ranked = rank.ranked([finding, other])
    assert next(f for f in ranked if f.code == "GN0901").consequence_of == cause


def test_what_kubelet_says_of_the_pod_comes_before_the_nodes_own_faults():
    """They would stop its packets, if it had a sandbox to send any."""
    (finding,) = found(kubernetes_reports.sandbox_refused, event(f'{CONTAINERD} "8c1f": {BLANK}: {MISSING}'))
    forwarding = Finding(
        code=Code.declared["GN0501"],
        severity=Severity.FATAL,
        title="ip_forward=0",
        object=Subject(kind="sysctl"),
    )
    assert [f.code for f in rank.ranked([forwarding, finding])] == ["GN0901", "GN0501"]
