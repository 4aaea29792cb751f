"""What `genie debug` reads from an API server: all of it, refused in parts, slow, away, of the wrong pod or context."""

import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from genie_cli.app import main
from genie_core.checks import runner
from genie_core.checks.registry import NETWORK
from genie_core.edges.kubeconfig import make_cluster
from genie_core.edges.store import Store, boot_id
from genie_core.errors import NotFound
from genie_core.findings import Status
from genie_core.model import Attachment, NetConf, Plan, PluginConf, PodRef
from genie_core.net.case import Case
from genie_core.net.target import pod_of
from genie_core.survey import api as collect
from genie_core.survey import cluster, events
from genie_core.survey.collection import SECONDS
from genie_core.survey.facts import Facts
from genie_core.survey.kernel import Netns
from genie_core.survey.user_cluster import Access, find_cluster
from genie_core.survey.user_credentials import UserCluster
from genie_core.tasks.debug.location import elsewhere
from genie_core.tasks.debug.options import DebugOptions
from genie_core.tasks.debug.report import DiagnosisReport
from genie_core.tasks.debug.snapshot import snapshot
from genie_core.tasks.this_node import name_of, own_addresses
from tests.apiserver import APIServer
from tests.apiserver.faults import slow_headers
from tests.diagnose import world
from tests.fakes_kube import Recorder
from tests.plugin.test_rights import granted, used

ROLE = Path(__file__).parents[2] / "deploy/debug-rbac.yaml"


@pytest.fixture
def server(authority):
    with APIServer(world.api(), authority=authority) as running:
        yield running


@pytest.fixture
def kubeconfig(server, tmp_path):
    path = server.write_kubeconfig(tmp_path / "kubeconfig", user={"token": world.TOKEN})
    path.chmod(0o600)
    return path


@pytest.fixture
def read(kubeconfig):
    """Read what surrounds a pod."""

    def read_it(name="web-0"):
        return collect.read(the_cluster(Access(kubeconfig=str(kubeconfig))), "shop", name, node1)

    return read_it


def the_cluster(access):
    """The API server that the flags name, with its credentials."""
    found = find_cluster(access)
    assert found is not None
    return found.login()


def node1(_nodes):
    return "node1"


def api_of(server, node_of):
    """What is read for the node alone."""
    server.api.require_user = False
    entry = {"server": server.url, "certificate-authority": str(server.authority.ca_file)}
    found = UserCluster(cluster=make_cluster(entry, {}, "", Recorder()), entry=entry)
    return collect.read(found.login(), "", "", node_of)


def names(answers, kind):
    return sorted(item["metadata"]["name"] for item in cluster.of_kind(answers.objects, kind))


def test_everything_that_surrounds_the_pod(read):
    found = read()
    assert found.pod["metadata"]["name"] == "web-0"
    assert names(found, "Node") == ["node1", "node2"]
    assert set(names(found, "Pod")) == {"web-0", "web-1", "twin", "api-0"}
    assert (names(found, "Service"), names(found, "EndpointSlice")) == (["web"], ["web-x"])
    assert names(found, "NetworkPolicy") == ["deny"]
    assert next(cluster.of_kind(found.objects, "Namespace"))["metadata"]["labels"] == {"team": "shop"}


def test_events_are_the_pods_and_its_nodes_newest_first(read):
    events = [(event.kind, event.reason, event.count) for event in read().events]
    assert events == [
        ("Pod", "FailedCreatePodSandBox", 7),
        ("Pod", "Scheduled", 1),
        ("Node", "NodeNotReady", 1),
    ]


def test_networks_that_the_annotation_names_come_without_secrets(read):
    found = read()
    assert [(one.name, one.plugins) for one in found.networks] == [
        ("far", ({"type": "macvlan", "master": "eth1"},))
    ]
    assert "shop/gone does not exist" in found.missing["networks: shop/gone"]
    assert "networks: other/hidden" in found.missing


def test_the_cluster_role_is_what_is_asked(read, server):
    """deploy/debug-rbac.yaml, no more and no fewer."""
    read()
    assert {_used(request) for request in server.api.requests} == granted("debug-rbac.yaml")


def _used(request):
    """A request as a rule; that of a list in all namespaces has no namespace in its path."""
    path = request.target.partition("?")[0]
    if "/namespaces/" not in path:
        group = path.split("/")[2] if path.startswith("/apis/") else ""
        return group, path.rpartition("/")[2], "list"
    return used(request)


@pytest.mark.parametrize(
    "verb, plural, source, says",
    [
        ("get", "pods", "pod object", "get pods in namespace shop"),
        ("list", "pods", "objects: Pod", "list pods in all namespaces"),
        ("list", "nodes", "objects: Node", "list nodes (403)"),
        ("list", "services", "objects: Service", "list services in all namespaces"),
        ("list", "events", "events", "list events in namespace"),
        ("list", "endpointslices", "objects: EndpointSlice", "list endpointslices.discovery.k8s.io in all namespaces"),
        ("list", "namespaces", "objects: Namespace", "list namespaces (403)"),
        ("list", "networkpolicies", "objects: NetworkPolicy", "list networkpolicies.networking.k8s.io in all"),
    ],
)  # fmt: skip
def test_what_is_refused_is_named_and_the_rest_is_there(read, server, verb, plural, source, says):
    server.api.forbidden.add((verb, plural))
    found = read()
    assert says in found.missing[source]
    assert "genie-debug" in found.missing[source]
    assert len([key for key in found.missing if not key.startswith("networks")]) == 1
    assert found.objects


def test_a_pod_that_does_not_exist(read):
    with pytest.raises(NotFound) as raised:
        read("web-9")
    assert raised.value.exit_code == 3


def test_a_server_that_is_away_costs_its_deadline_once(read, server, monkeypatch):
    """Each kind of object waiting for it in turn would take nine times as long."""
    monkeypatch.setattr(collect, "SECONDS", 4)
    server.close()
    started = time.monotonic()
    found = read()
    assert time.monotonic() - started < 7 * 4
    assert {"pod object", "objects", "objects: Node", "events"} <= found.missing.keys()
    assert "cannot be reached" in found.missing["objects"]


def test_the_text_says_that_the_server_is_away(capsys, kubeconfig, server):
    server.close()
    where = ["--kubeconfig", str(kubeconfig), "--node", "node1"]
    assert main(["debug", "pod", "shop/web-0", *where]) == 3
    said = capsys.readouterr().err
    assert "the API server and the container runtime could not be asked" in said
    assert "cannot be reached" in said
    assert "once the API server answers it finds the node and runs there" in said
    main(["debug", "node", *where])
    assert "API server  not read: the API server https://" in capsys.readouterr().out


def test_a_slow_server_gives_what_it_gave_in_time(read, server, monkeypatch):
    monkeypatch.setattr(collect, "SECONDS", 2)
    server.faults += [None, None, slow_headers(250)]
    found = read()
    assert (found.pod != {}, names(found, "Node"), names(found, "Service")) == (True, ["node1", "node2"], [])
    assert "objects" not in found.missing
    assert "objects: Service" in found.missing


def test_long_lists_come_in_pages_and_what_is_too_long_is_not_taken_for_all(read, server, monkeypatch):
    monkeypatch.setattr(collect, "PAGE", 3)
    monkeypatch.setattr(collect, "MOST", 7)
    for number in range(10):
        server.api.objects.add(world.node(f"n{number}", f"192.0.2.{100 + number}", f"10.{number}.0.0/24"))
    found = read()
    assert len(names(found, "Node")) == 7
    assert "more than 7" in found.missing["objects: Node"]
    assert len([key for key in found.missing if not key.startswith("networks")]) == 1


def test_the_pod_that_is_asked_about_with_to_is_read_wherever_it_is(kubeconfig, server, monkeypatch):
    monkeypatch.setattr(collect, "ELSEWHERE", 1)
    server.api.objects.add(world.pod("zz", "node2", "10.244.2.99", namespace="zoo"))
    found = the_cluster(Access(kubeconfig=str(kubeconfig)))
    assert "zz" in names(collect.read(found, "shop", "web-0", node1, ("zoo", "zz")), "Pod")
    assert "zz" not in names(collect.read(found, "shop", "web-0", node1), "Pod")


@pytest.mark.parametrize(
    "text, pod",
    [("web", ("shop", "web")), ("a/web:80", ("a", "web")), ("pod/web", ("shop", "web")), ("pod/a/web", ("a", "web")),
     ("10.0.0.1:80", ("", "")), ("[fd00::1]:80", ("", "")), ("fd00::1", ("", "")), ("service/web:80", ("", ""))],
)  # fmt: skip
def test_a_target_may_be_a_pod(text, pod):
    assert pod_of(text, "shop") == pod


def test_an_events_message_is_one_line_without_secrets():
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrOHMifQ.c2ln"
    said = events.one_line(
        f"a\x1b[31m\nb Authorization: Bearer {jwt} https://u:pw@h/ token=abc password: 'x y' {'z' * 2000}"
    )
    assert said.startswith("a [31m b ")
    assert len(said) == events.LONGEST
    assert not any(secret in said for secret in (jwt, "u:pw", "abc", "'x"))


@pytest.mark.parametrize(
    "item", [{}, {"reason": "x"}, {"involvedObject": 3, "reason": 1}, {"series": [], "count": "x"}]
)
def test_an_invalid_event_is_skipped(item):
    assert events.newest([item]) == ()


# --- the command -----------------------------------------------------------------------------------------


def genie(capsys, *arguments, code):
    """The document of `genie debug pod`, which must end with this code."""
    assert main(["debug", "pod", *map(str, arguments), "--no-probes", "-o", "json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_pod_of_another_node_is_said_to_be_there(capsys, kubeconfig):
    report = genie(capsys, "shop/api-0", "--kubeconfig", kubeconfig, "--node", "node1", code=3)
    assert report["target"]["state"] == "not-here"
    assert "on node node2" in report["target"]["reason"]


@pytest.mark.parametrize("nodes, state", [((), ""), (("ip-10-0-0-1",), "not-here")])
def test_a_node_with_its_domain_is_this_machine_where_no_node_may_be_listed(nodes, state):
    """The host name of a cloud's machine may lack the domain that the Node's name has."""
    question = DebugOptions(namespace="shop", name="web-0")
    pod = {"spec": {"nodeName": "ip-10-0-0-1.ec2.internal"}, "status": {"phase": "Running"}}
    listed = [{"kind": "Node", "metadata": {"name": name}} for name in nodes]
    answers = collect.Answers(pod=pod, objects=listed)
    assert elsewhere(question, answers, "ip-10-0-0-1")[0] == state
    assert elsewhere(question, answers, "ip-10-0-0-2")[0] == "not-here"


def test_a_pod_without_a_namespace_is_one_of_the_contexts(capsys, kubeconfig):
    document = json.loads(kubeconfig.read_text())
    document["contexts"][0]["context"]["namespace"] = "shop"
    kubeconfig.write_text(json.dumps(document))
    where = ("--kubeconfig", kubeconfig, "--node", "node1")
    assert "shop/api-0" in genie(capsys, "api-0", *where, code=3)["target"]["reason"]
    assert "other/api-0 does not exist" in genie(capsys, "api-0", "-n", "other", *where, code=3)["message"]


def test_a_machine_that_is_taken_for_the_pods_node_is_named_as_such(capsys, kubeconfig, server):
    """--node is where other commands run: of a pod it names this machine, which is not the pod's node here."""
    server.api.objects.add(world.pod("web-8", "node1", "10.244.1.18"))
    error = genie(capsys, "shop/web-8", "--kubeconfig", kubeconfig, "--node", "node1", code=3)
    assert "this machine is taken for node node1, as --node or $NODE_NAME says" in error["hint"]


def test_an_unknown_pod_is_a_target_not_found(capsys, kubeconfig):
    error = genie(capsys, "shop/web-9", "--kubeconfig", kubeconfig, "--node", "node1", code=3)
    assert "shop/web-9 does not exist" in error["message"]


def test_a_pending_pod_has_the_plugins_words_as_its_cause(capsys, kubeconfig, server):
    """No sandbox yet is exit code 3, in one document, and the events' message is the first finding."""
    server.api.objects.add(world.pod("web-0", "node1", "", phase="Pending"))
    report = genie(capsys, "shop/web-0", "--kubeconfig", kubeconfig, "--node", "node1", code=3)
    first = report["findings"][0]
    assert (report["target"]["state"], first["code"]) == ("no-sandbox", "GN0901")
    assert "plugin genie says: annotation cni, item 2" in first["title"]
    assert "FailedCreatePodSandBox (7 times" in first["evidence"][0]["value"]
    assert report["events"][0]["reason"] == "FailedCreatePodSandBox"


def test_a_pending_pod_is_found_by_the_records_where_no_runtime_answers(
    capsys, kubeconfig, server, tmp_path, netns
):
    """Its init containers may wait for the network: it is Pending as long, and has a sandbox."""
    server.api.objects.add(world.pod("web-7", "node1", "", phase="Pending"))
    where = ("--kubeconfig", kubeconfig, "--node", "node1", "--state-dir", tmp_path, "--no-probes")
    report = genie(capsys, "shop/web-7", *where, code=3)
    said = "pod shop/web-7 is Pending: it has no sandbox on this node yet (the container runtime could not be asked)"
    assert report["target"]["reason"] == said
    store = Store(str(tmp_path))
    store.prepare()
    network = NetConf("green", "1.0.0", [PluginConf("ptp", "{}")], "/etc/cni/net.d/30-green.conf")
    attached = [Attachment(network, "eth0", "green", origin="")]
    space = str(netns().path)
    store.save(Plan("c1", "eth0", space, [], PodRef("shop", "web-7"), boot_id(), attached))
    report = genie(capsys, "shop/web-7", *where, "--fail-on", "never", code=0)
    assert (report["target"]["state"], report["target"]["netns"]) == ("diagnosed", space)


def test_without_its_name_the_node_is_found_by_its_address(read, server):
    """Of the node alone: its pods and its events are those of the Node that has this machine's address."""
    server.api.objects.add(world.node("mine", "127.0.0.1", "10.244.9.0/24"))
    server.api.objects.add(world.pod("here", "mine", "10.244.9.9"))
    named = partial(name_of, "some-host-name", own=own_addresses(), is_explicit=False)
    found = api_of(server, named)
    assert "here" in names(found, "Pod")
    assert found.events == ()


def test_secrets_stay_out_of_what_is_saved(capsys, kubeconfig, server, tmp_path):
    """Environments, a definition's token, a token in an event's message."""
    server.api.objects.add(world.pod("web-0", "node1", "", phase="Pending", **{"team/password": world.TOKEN}))
    message = f"{world.SANDBOX}; Authorization: Bearer {world.TOKEN}"
    server.api.objects.add(
        world.event(9, "web-0", "FailedCreatePodSandBox", message, last="2026-11-24T11:00:00Z")
    )
    where = ("--kubeconfig", kubeconfig, "--node", "node1", "--save", tmp_path / "facts.json")
    report = genie(capsys, "shop/web-0", *where, code=3)
    assert world.TOKEN not in (tmp_path / "facts.json").read_text() + json.dumps(report)
    assert "(hidden)" in report["findings"][0]["evidence"][0]["value"]


def test_a_kubeconfig_that_the_environment_names_wrongly_is_named(capsys, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "/none/config")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert main(["debug", "pod", "shop/web-0", "--here"]) == 3
    said = capsys.readouterr().err
    assert "the API server: no API server: $KUBECONFIG names /none/config, which does not exist\n" in said


def test_a_target_by_name_is_not_known_without_the_cluster(capsys, tmp_path):
    facts = Facts(
        namespace="shop", pod_name="web-0", node=Netns(), pod=Netns(), missing={"objects": "no API server"}
    )
    path = tmp_path / "facts.json"
    path.write_text(snapshot(DiagnosisReport(facts=facts)))
    for target in ("service/db", "node/n9"):
        assert main(["debug", "pod", "--from", str(path), "--to", target]) == 3
        assert "\n  the cluster's objects were not read: no API server\n" in capsys.readouterr().err


@pytest.mark.parametrize("named", ["web-0", "shop/wbe-0"])
def test_a_pod_without_its_namespace_or_with_a_typo_gets_the_nodes_pods(capsys, monkeypatch, tmp_path, named):
    """The API server, which would know, is not there; the node's own records are."""
    monkeypatch.setenv("KUBECONFIG", "/none/config")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    store = Store(str(tmp_path))
    store.prepare()
    network = NetConf("green", "1.0.0", [PluginConf("ptp", "{}")], "/etc/cni/net.d/30-green.conf")
    attached = [Attachment(network, "eth0", "green", origin="")]
    store.save(Plan("c1", "eth0", "/run/netns/x", [], PodRef("shop", "web-0"), boot_id(), attached))
    places = ("--state-dir", str(tmp_path), "--conf-dir", str(tmp_path))
    for words in (["debug", "pod", named], ["trace", named, "10.1.2.3"], ["explain", "pod", named]):
        assert main([*words, "--here", *places]) == 3
        assert "\n  hint: did you mean shop/web-0?" in capsys.readouterr().err


def test_a_wrong_context_is_wrong_usage(capsys, kubeconfig):
    error = genie(capsys, "shop/web-0", "--kubeconfig", kubeconfig, "--context", "prod", code=2)
    assert "--context prod" in error["message"]
    assert "test" in error["hint"]


def test_a_plugin_for_credentials_has_its_own_time(capsys, server, tmp_path):
    """That of a cloud takes seconds, and more than the collectors have."""
    script = tmp_path / "login"
    status = json.dumps({"token": world.TOKEN})
    version = "client.authentication.k8s.io/v1"
    answer = f'{{"apiVersion": "{version}", "kind": "ExecCredential", "status": {status}}}'
    script.write_text(f"#!/bin/sh\nsleep {SECONDS + 0.5}\necho '{answer}'\n")
    script.chmod(0o700)
    user = {"exec": {"apiVersion": version, "command": str(script)}}
    path = server.write_kubeconfig(tmp_path / "kubeconfig", user=user)
    report = genie(capsys, "shop/api-0", "--kubeconfig", path, "--node", "node1", code=3)
    assert "on node node2" in report["target"]["reason"]


def test_a_plugin_that_gives_no_credentials_is_a_missing_source(capsys, server, tmp_path):
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/false"}}
    path = server.write_kubeconfig(tmp_path / "kubeconfig", user=user)
    assert main(["debug", "node", "--kubeconfig", str(path), "--node", "node1", "-o", "json"]) in (0, 1)
    missing = json.loads(capsys.readouterr().out)["missing"]["objects"]
    assert missing == "the credential plugin false gave no credentials; false: exit status 1"


def test_a_credential_that_is_refused_is_a_missing_source_and_not_shown(capsys, server, tmp_path):
    path = server.write_kubeconfig(tmp_path / "stale", user={"token": "stale-s3cret"})
    assert main(["debug", "node", "--kubeconfig", str(path), "--node", "node1", "-o", "json"]) in (0, 1)
    text = capsys.readouterr().out
    assert "does not accept Genie's credentials" in json.loads(text)["missing"]["objects"]
    assert "stale-s3cret" not in text


@pytest.mark.parametrize("words", [["debug", "pod", "shop/web-1"], ["trace", "shop/web-1", "10.1.2.3"]])
@pytest.mark.parametrize(
    "user, advice",
    [
        ({"token": "stale"}, "they have expired or were revoked"),
        ({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "false"}}, "log in again"),
    ],
)
def test_where_the_credentials_are_refused_the_pod_s_node_is_not_known(
    capsys, server, tmp_path, words, user, advice
):
    path = server.write_kubeconfig(tmp_path / "stale", user=user)
    assert main([*words, "--kubeconfig", str(path), "--cri-socket", str(tmp_path / "none.sock")]) == 4
    assert f"to have it find the node and run there: {advice}" in capsys.readouterr().err


def test_a_check_whose_kind_was_refused_is_skipped_and_never_called_ok():
    facts = Facts(objects=({"kind": "Node"},), missing={"objects: Service": "may not list services"})
    need = {check.id: check.needs for check in NETWORK}
    assert {"objects: Service", "objects: EndpointSlice"} <= set(need["services"])
    check = next(check for check in NETWORK if check.id == "virtual-servers")
    _, (outcome,) = runner.run(Case(facts), [replace(check, needs=("objects: Node", "objects: Service"))])
    assert (outcome.status, outcome.reason) == (Status.SKIP, "may not list services")


def test_people_see_the_events_with_wide_and_that_the_time_was_up(capsys, kubeconfig, server):
    server.api.objects.add(world.pod("web-0", "node1", "", phase="Pending"))
    where = ["--kubeconfig", str(kubeconfig), "--node", "node1", "-o", "wide"]
    assert main(["debug", "pod", "shop/web-0", *where]) == 3
    shown = capsys.readouterr().out
    assert "FailedCreatePodSandBox" in shown[: shown.index("GN0901")]
    assert main(["debug", "node", *where, "--here", "--timeout", "1ms"]) == 124
    assert "timed out (--timeout)" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["debug", "pod", "shop/web-1"], ["trace", "shop/web-1", "10.1.2.3"]])
def test_a_pod_that_may_not_be_read_is_named_as_such(capsys, kubeconfig, server, words):
    server.api.forbidden.add(("get", "pods"))
    assert main([*words, "--kubeconfig", str(kubeconfig), "--node", "node1"]) == 3
    assert (
        "the API server does not allow Genie to get pods in namespace shop (403)" in capsys.readouterr().err
    )


@pytest.mark.parametrize("target", ["", "10.1.2.3:0", "10.1.2.3:99999", "a/b/c", "10.1.2.3:53/sctp"])
def test_a_target_that_can_be_none_is_wrong_usage_wherever_the_pod_is(capsys, target):
    assert main(["trace", "shop/web-0", target]) == 2
    assert f"error: DST {target}" in capsys.readouterr().err
    assert not target or main(["debug", "pod", "shop/web-0", "--to", target]) == 2


@pytest.mark.parametrize("words", [["-n", "../x", "web-0"], ["Shop/web-0"], ["shop/web_0"]])
@pytest.mark.parametrize("command", [["debug", "pod"], ["explain", "pod"]])
def test_what_can_be_no_name_is_wrong_usage(capsys, command, words):
    assert main([*command, *words]) == 2
    assert "cannot be the name of a" in capsys.readouterr().err


def test_trace_names_the_sources_that_it_could_not_ask(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert main(["trace", "shop/web-0", "10.1.2.3", "--cri-socket", str(tmp_path / "none.sock")]) == 3
    err = capsys.readouterr().err
    assert "the API server and the container runtime could not be asked" in err
    assert "--netns" in err
