"""`genie agent` with real plugins in real namespaces: what a pod's author asks for, the pod gets."""

import json
import os
import signal
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from genie_core import __version__
from tests.live.agent.running import NODE
from tests.live.live import NPWG
from tests.patience import wait_until

pytestmark = [pytest.mark.root, pytest.mark.system]

APPLIED = ("True", "Applied")


def macvlan(node, subnet="10.4.0.0/24"):
    return {"type": "macvlan", "master": "up0", "ipam": node.node.ipam(subnet)}


def is_applied(node, *ifnames):
    """The pod has these interfaces, and its condition says so, of what it asks for now."""
    node.has(*ifnames)
    wait_until(lambda: node.condition() == APPLIED and node.is_answered())


def test_a_change_is_applied(node):
    node.start(cni="blue")
    agent = node.agent()
    node.annotate(cni="blue,red@net1")
    is_applied(node, "net1")
    node.annotate(cni="blue")
    is_applied(node)
    wait_until(lambda: node.pod_events() == ["NetworkAttached", "NetworkDetached"])
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(100) == 0
    node.node.delete(env={})
    assert node.node.held() == []


def test_a_pod_that_waits_for_the_condition_gets_it(node):
    """Readiness gates need the condition of pods that were never changed too."""
    node.start(cni="blue,red@net1")
    node.agent()
    is_applied(node, "net1")
    node.cluster.objects.add(
        {**node.pod("c1"), "metadata": {**node.pod("c1")["metadata"], "labels": {"a": "b"}}}
    )
    time.sleep(1)
    assert len(node.events("sync")) == 1  # nothing that it asks for has changed


def test_started_after_ten_changes(node):
    node.start(cni="blue,red@net1")
    for number in range(10):
        node.annotate(cni=f"blue,green@net{number}")
    node.agent()
    is_applied(node, "net9")
    assert node.journal() == [("eth0", "blue"), ("net9", "green")]


def test_a_pod_that_starts_later_and_changes(node):
    node.agent()
    node.start(cni="blue")
    is_applied(node)
    node.annotate(cni="blue,red@net1")
    is_applied(node, "net1")


def test_a_definition_that_comes_later(node):
    node.start(**{NPWG: ""})
    node.agent()
    node.annotate(**{NPWG: "late@net1"})
    wait_until(lambda: node.condition() == ("False", "Waiting"))
    wait_until(lambda: node.pod_events() == ["NetworkRefused"])
    node.cluster.nad("late", macvlan(node))
    is_applied(node, "net1")


def test_changes_that_succeed_watch_no_definitions(node):
    """Each watch is a thread, a connection, and a list of all definitions of the namespace."""
    for number in range(3):
        node.cluster.nad(f"x{number}", macvlan(node, f"10.4.{number}.0/24"))
    node.start(**{NPWG: ""})
    node.agent()
    for number in range(3):
        node.annotate(**{NPWG: f"x{number}@net{number}"})
        is_applied(node, f"net{number}")
    asked = [one.target for one in node.cluster.server.api.requests]
    assert not [target for target in asked if "network-attachment-definitions?" in target]


def test_an_annotation_that_flaps_lists_definitions_once(node):
    """The watch stays for a while: each is a thread and a connection until its next bookmark, and a list."""
    node.cluster.nad("x", macvlan(node))
    node.start()
    node.agent()
    for number in range(1, 4):
        node.annotate(**{NPWG: "nosuch"})
        wait_until(lambda count=number: statuses(node).count("refused") == count)
        node.annotate()
        wait_until(lambda count=number: statuses(node).count("unchanged") == count)
    asked = [one.target for one in node.cluster.server.api.requests]
    assert len([target for target in asked if "network-attachment-definitions?limit" in target]) == 1


def statuses(node):
    return [line["status"] for line in node.events("sync")]


def test_a_definition_that_is_mended(node):
    node.cluster.nad("x", {"type": "nothing-like-it"})
    node.start(**{NPWG: ""})
    node.agent()
    node.annotate(**{NPWG: "x@net1"})
    wait_until(lambda: node.condition() not in (None, APPLIED))
    wait_until(lambda: [line["status"] for line in node.events("sync")] == ["refused"])
    node.cluster.nad("x", macvlan(node))
    is_applied(node, "net1")


def test_the_change_of_one_pod_does_not_wait_for_that_of_another(node):
    go = node.node.root / "go"
    hold = f"touch {node.node.root}/waits.$CNI_CONTAINERID; until [ -e {go} ]; do sleep 0.05; done"
    node.node.wrap("macvlan", f'[ "$CNI_COMMAND" != ADD ] || {{ {hold}; }}; exec "$REAL"')
    node.start(cni="blue")
    node.start("c2", netns=node.node.add_pod().path, cni="blue")
    node.agent()
    for name in ("c1", "c2"):
        wait_until(lambda name=name: node.condition(name) == APPLIED)
        node.annotate(name, cni="blue,green@net1")
    wait_until(lambda: len(list(node.node.root.glob("waits.*"))) == 2)
    go.touch()
    for name in ("c1", "c2"):
        wait_until(lambda name=name: ("net1", "green") in node.journal(name))
        wait_until(lambda name=name: node.is_answered(name) and node.condition(name) == APPLIED)


def test_a_refusal_is_reported_once_and_waits_for_the_annotation(node):
    node.start(cni="blue")
    node.agent()
    node.annotate(cni="green")
    wait_until(lambda: node.condition() == ("False", "Refused"))
    assert "first interface" in node.message()
    node.node.configure("60-other.conf", {"cniVersion": "1.0.0", "name": "other", **macvlan(node)})
    wait_until(
        lambda: len(node.events("sync")) >= 2
    )  # another configuration may be the remedy: it is tried again
    assert node.pod_events() == ["NetworkRefused"]
    node.annotate(cni="blue,green")
    is_applied(node, "eth1")


def test_a_plugin_that_fails_is_tried_again(node):
    flag = node.node.root / "fail"
    node.node.wrap("macvlan", f'[ "$CNI_COMMAND" = ADD ] && [ -e {flag} ] && exit 1; exec "$REAL"')
    flag.touch()
    node.start(cni="blue")
    node.agent()
    node.annotate(cni="blue,green@net1")
    wait_until(lambda: len([line for line in node.events("sync") if line["status"] == "failed"]) >= 2)
    assert node.condition() == ("False", "PluginFailed")
    assert node.pod_events() == ["NetworkFailed"]
    flag.unlink()
    is_applied(node, "net1")


@pytest.mark.parametrize("where", ["pod", "namespace"])
def test_an_opt_out_holds_until_it_is_removed(node, where):
    def opt_out(value):
        text = {"genie.cni.dev/live": value}
        if where == "namespace":
            node.cluster.objects.add(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns", "annotations": text}}
            )
            return
        pod = node.pod()
        pod["metadata"]["annotations"] |= text
        node.cluster.objects.add(pod)

    node.start(cni="blue")
    opt_out("false")
    node.agent()
    node.annotate(cni="blue,red@net1")
    time.sleep(2)
    assert node.events("sync") == []
    assert list(node.links()) == ["eth0"]
    opt_out("true")
    is_applied(node, "net1")


def test_pods_of_other_nodes_and_of_other_plugins_are_left_alone(node):
    node.start(cni="blue")
    pod = node.pod()
    pod["spec"]["nodeName"] = "another"
    node.cluster.objects.add(pod)
    foreign = {**pod, "metadata": {**pod["metadata"], "name": "foreign"}, "spec": {"nodeName": NODE}}
    node.cluster.objects.add(foreign)
    node.agent()
    node.annotate(cni="blue,red@net1")
    time.sleep(1.5)
    assert node.events("sync") == []
    lists = [one.target for one in node.cluster.server.api.requests if one.target.startswith("/api/v1/pods?")]
    assert lists
    assert all("fieldSelector=spec.nodeName%3Dnode-1" in target for target in lists)


def test_an_annotation_that_flaps(node):
    node.start(cni="blue")
    node.agent()
    for number in range(60):
        node.annotate(cni=("blue", "blue,red@net1", "blue,green@net1")[number % 3])
        time.sleep(0.05)
    is_applied(node, "net1")
    assert node.journal() == [("eth0", "blue"), ("net1", "green")]
    assert len(node.events("sync")) < 30


def test_the_status_may_not_be_written(node):
    """One pod is tried for all, at growing intervals, with one message; once it may be written, all are."""
    node.cluster.server.api.forbidden = {("patch", "pods/status"), ("create", "events")}
    node.start(cni="blue")
    others = ("c2", "c3")
    for name in others:
        node.start(name, netns=node.node.add_pod().path, cni="blue")
    node.agent()
    node.annotate(cni="blue,red@net1")
    node.has("net1")
    wait_until(lambda: {line["pod"] for line in node.events("sync")} == {"ns/c1", "ns/c2", "ns/c3"})
    wait_until(lambda: json.loads(node.get("/readyz")[1]).get("podStatus"))
    node.cluster.server.api.forbidden = set()
    is_applied(node, "net1")
    wait_until(lambda: [node.condition(name) for name in others] == [APPLIED, APPLIED])
    said = [line["problem"] for line in node.events("sync") if "not written" in line.get("problem", "")]
    assert len(said) == 1
    wait_until(lambda: "podStatus" not in json.loads(node.get("/readyz")[1]))


def test_what_the_pod_got_later_says_so(node):
    node.cluster.nad("x", macvlan(node))
    node.cluster.nad("y", {"type": "ptp", "ipam": node.node.ipam("10.5.0.0/24")})
    node.start(**{NPWG: "x"})
    node.agent()
    node.annotate(**{NPWG: "x,y"})
    is_applied(node, "net1", "net2")
    status = json.loads(node.pod()["metadata"]["annotations"]["k8s.v1.cni.cncf.io/network-status"])
    assert [entry.get("genie.cni.dev/added-by") for entry in status] == [None, None, "sync"]


# --- the API server's days ---------------------------------------------------------------------------------


def test_the_server_is_away_for_a_while(node):
    node.start(cni="blue")
    node.agent()
    is_applied(node)
    port = node.cluster.server.port
    node.cluster.server.close()
    wait_until(lambda: node.events("the API server cannot be followed"))
    status, body = node.get("/readyz")
    assert status == 200
    assert "cannot be reached" in json.loads(body)["apiServer"]
    time.sleep(2)
    node.annotate(cni="blue,red@net1")
    node.cluster.serve(port)
    is_applied(node, "net1")
    wait_until(lambda: json.loads(node.get("/readyz")[1])["apiServer"] == "answers")


def test_the_server_is_away_when_the_agent_starts(node):
    node.start(cni="blue")
    port = node.cluster.server.port
    node.cluster.server.close()
    node.agent(wait=False)
    wait_until(lambda: node.events("the API server cannot be followed"))
    node.annotate(cni="blue,red@net1")
    node.cluster.serve(port)
    is_applied(node, "net1")


def test_a_history_that_is_lost_and_streams_that_end(node):
    node.start(cni="blue")
    node.agent()
    is_applied(node)
    api = node.cluster.server.api
    for number in range(6):
        (api.end_watches, api.objects.forget_history, node.cluster.server.hang_up)[number % 3]()
        node.annotate(cni=f"blue,red@net{number}")
        time.sleep(0.1)
    is_applied(node, "net5")


# --- killed agents, and two agents on one node -----------------------------------------------------------


def test_two_agents_do_no_harm(node):
    node.start(cni="blue")
    node.agent()
    node.agent()
    for networks in ("blue,red@net1", "blue,green@net1", "blue,green@net1,red@net2"):
        node.annotate(cni=networks)
        time.sleep(0.7)
    is_applied(node, "net1", "net2")
    wait_until(lambda: not node.children())
    assert node.journal() == [("eth0", "blue"), ("net1", "green"), ("net2", "red")]
    node.node.delete(env={})
    assert node.node.held() == []


@pytest.mark.parametrize("is_child_killed", [False, True])
def test_killed_in_the_middle_of_a_change(node, is_child_killed):
    """The change survives the agent; where it is killed too, the next agent finds what was cut off."""
    go, waits = node.node.root / "go", node.node.root / "waits"
    hold = f"touch {waits}; until [ -e {go} ]; do sleep 0.05; done"
    node.node.wrap("macvlan", f'[ "$CNI_COMMAND" != ADD ] || {{ {hold}; }}; exec "$REAL"')
    node.start(cni="blue")
    agent = node.agent()
    node.annotate(cni="blue,green@net1,red@net2")
    wait_until(waits.exists)
    agent.kill()
    agent.wait()
    assert node.children()
    if is_child_killed:
        node.end_children()
    go.touch()
    if not is_child_killed:
        is_applied(node, "net1", "net2")
    node.agent()
    is_applied(node, "net1", "net2")
    node.node.delete(env={})
    assert node.node.held() == []


def test_the_runtimes_del_in_the_middle(node):
    go, waits = node.node.root / "go", node.node.root / "waits"
    hold = f"touch {waits}; until [ -e {go} ]; do sleep 0.05; done"
    node.node.wrap("macvlan", f'[ "$CNI_COMMAND" != ADD ] || {{ {hold}; }}; exec "$REAL"')
    node.start(cni="blue")
    node.agent()
    node.annotate(cni="blue,green@net1")
    wait_until(waits.exists)
    deletion = node.node.start(node.node.env("DEL"), node.node.stdin())
    node.cluster.objects.remove(node.cluster.objects.kind_of(node.pod()), "ns", "c1")
    go.touch()
    deletion.communicate(timeout=240)
    assert deletion.returncode == 0
    wait_until(lambda: node.events("sync") and not node.children())
    assert node.node.held() == []
    assert node.node.state_files() == []


# --- one pass ------------------------------------------------------------------------------------------------


def test_once(node):
    node.start(cni="blue")
    node.annotate(cni="blue,red@net1")
    done = node.once()
    assert done.returncode == 0, done.stderr
    is_applied(node, "net1")
    node.annotate(cni="green")
    assert node.once().returncode == 1
    node.annotate(cni="green", **{"genie.cni.dev/live": "false"})
    assert node.once().returncode == 0


def node_conditions(node):
    """Type -> status."""
    kind = node.cluster.objects.find_kind("", "v1", "nodes")
    conditions = node.cluster.objects.get(kind, "", NODE)["status"]["conditions"]
    return {one["type"]: one["status"] for one in conditions}


def add_node_object(node):
    kubelets = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
    node.cluster.objects.add(
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}, "status": {"conditions": [kubelets]}}
    )


def test_once_looks_after_the_node(node):
    """Repair, collection and node checks: a link that is down, a lease without an owner, the node's condition."""
    add_node_object(node)
    node.start(cni="blue,red@net1")
    node.node.pod.run("ip", "link", "set", "net1", "down")
    lease = node.node.leases / "blue" / "10.1.99.99"
    lease.write_text("gone\r\neth0")
    os.utime(lease, (time.time() - 3600,) * 2)
    done = node.once("--repair", "fix")
    assert done.returncode == 0, done.stderr
    assert not lease.exists()
    (link,) = json.loads(node.node.pod.run("ip", "-json", "link", "show", "net1").stdout)
    assert "UP" in link["flags"]
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert node_conditions(node) == {"Ready": "True", "GenieNetworkReady": events[-1]["status"]}
    assert [line["event"] for line in events] == ["sync", "repair", "repair", "collected", "node condition"]
    assert [(line["kind"], line["result"]) for line in events[1:3]] == [
        ("link", "mended"),
        ("route", "mended"),
    ]
    assert "NetworkRepaired" in node.pod_events()
    kind = node.cluster.objects.find_kind("", "v1", "nodes")
    noted = json.loads(
        node.cluster.objects.get(kind, "", NODE)["metadata"]["annotations"]["genie.cni.dev/node"]
    )
    assert (noted["version"], noted["tokenExpires"]) == (__version__, 0)
    assert all(count > 0 for count in noted["findings"].values())
    assert (
        len(
            node.cluster.objects.get(node.cluster.objects.find_kind("", "v1", "nodes"), "", NODE)["status"][
                "conditions"
            ]
        )
        == 2
    )


def test_once_fails_as_long_as_a_fault_is_left(node):
    """Each time, not only when the fault is reported."""
    node.start(cni="blue,green@net1")
    node.node.host.run("ip", "link", "set", "up0", "down")
    for _ in range(2):
        assert node.once("--repair", "fix").returncode == 1


def test_what_a_repair_could_not_write_is_in_the_agents_log(node):
    node.start(cni="blue,red@net1")
    node.cluster.server.api.forbidden = {("create", "events")}
    node.node.pod.run("ip", "link", "set", "net1", "down")
    node.agent("--repair", "report")
    wait_until(lambda: node.events("not written to the API server"))


def test_the_status_of_what_was_attached_again(node):
    """It could not be written by the repair, whose network gave another address; it is written later."""
    folder = node.node.root / "bin"
    folder.mkdir()
    (folder / "any-ipam").write_text('#!/bin/sh\nsed "s/any-ipam/host-local/" | /usr/lib/cni/host-local\n')
    (folder / "any-ipam").chmod(0o755)
    node.node.binaries.insert(0, folder)
    network = {**macvlan(node), "ipam": {**node.node.ipam("10.8.0.0/24"), "type": "any-ipam"}}
    node.node.configure("50-any.conf", {"cniVersion": "1.0.0", "name": "any", **network})
    node.start(cni="blue")
    node.agent("--repair", "fix")
    node.annotate(cni="blue,any@net1")
    is_applied(node, "net1")
    node.cluster.server.api.forbidden = {("patch", "pods/status")}
    node.node.pod.run("ip", "link", "del", "net1")
    wait_until(lambda: node.events("repair"))
    assert "attached again with 10.8.0.3/24, not 10.8.0.2/24" in node.events("repair")[0]["message"]
    node.cluster.server.api.forbidden = set()
    wait_until(lambda: "10.8.0.3" in node.pod()["metadata"]["annotations"]["multi-ip-preferences"])


def test_a_fault_is_mended_at_once(node):
    node.start(cni="blue,red@net1")
    node.agent("--repair", "fix")
    is_applied(node, "net1")
    node.node.pod.run("ip", "link", "set", "net1", "down")
    wait_until(lambda: [line["result"] for line in node.events("repair")] == ["mended", "mended"])
    assert samples(node.get("/metrics")[1])["genie_repairs_total", "link", "mended"] == 1


def test_once_without_a_server(node):
    node.start(cni="blue")
    node.cluster.server.close()
    done = node.once()
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr


# --- what it reports -------------------------------------------------------------------------------------------


def samples(text):
    """(name, labels) -> value, by Prometheus' own parser; no family stands twice on the page."""
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    assert text.count("# TYPE ") == len({line for line in text.splitlines() if line.startswith("# TYPE ")})
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_and_health(node):
    file = node.node.root / "genie.prom"
    node.write_configuration(metrics_file=str(file))
    node.node.settings["metrics_file"] = str(file)
    node.start(cni="blue")
    node.agent()
    node.annotate(cni="blue,red@net1")
    is_applied(node, "net1")
    node.annotate(cni="blue,nosuch")
    wait_until(lambda: node.condition() == ("False", "Waiting"))
    wait_until(lambda: samples(node.get("/metrics")[1])["genie_sync_total", "attach", "refused"] == 1)
    found = samples(node.get("/metrics")[1])
    assert found["genie_sync_total", "attach", "done"] == 1
    assert found["genie_calls_total", "0", "ADD"] == 1
    assert found["genie_plugin_seconds_count", "ADD", "blue", "bridge"] == 1
    assert found["genie_queue_depth",] == 0
    assert found["genie_build_info", __version__] == 1
    wait_until(lambda: samples(node.get("/metrics")[1]).get(("genie_attachments", "red")) == 1)
    assert samples(node.get("/metrics")[1])["genie_addresses", "blue", "used"] == 1
    assert node.get("/livez")[0] == node.get("/readyz")[0] == 200
    assert node.get("/other")[0] == 404
