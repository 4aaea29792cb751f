"""`genie sync pod` with real plugins in real namespaces."""

import json
import shutil

import pytest

from genie_core.edges import policy_dir
from tests import warm
from tests.live.live import NPWG, cni_args
from tests.live.ward import environment

pytestmark = [pytest.mark.root, pytest.mark.system]

STATUS = "k8s.v1.cni.cncf.io/network-status"


def actions(report):
    return [f"{change['action']} {change['network']}@{change['interface']}" for change in report["changes"]]


def test_plug_and_unplug(live):
    live.start(cni="blue")
    live.annotate(cni="blue,red@net1,green")
    code, report = live.sync()
    assert (code, report["status"]) == (0, "changed")
    assert actions(report) == ["keep blue@eth0", "attach red@net1", "attach green@eth1"]
    assert live.links() == {"eth0": ["10.1.0.2/16"], "net1": ["10.2.0.2/16"], "eth1": ["10.3.0.2/16"]}
    assert report["state"][1] == {"network": "red", "interface": "net1", "ips": ["10.2.0.2"]}
    status = json.loads(live.pod()["metadata"]["annotations"]["multi-ip-preferences"])
    assert status["multi_entry"] == 3
    live.annotate(cni="blue,green")
    code, report = live.sync()
    assert actions(report) == ["keep blue@eth0", "keep green@eth1", "detach red@net1"]
    assert live.links() == {"eth0": ["10.1.0.2/16"], "eth1": ["10.3.0.2/16"]}
    assert live.journal() == [("eth0", "blue"), ("eth1", "green")]
    live.node.delete(env={})
    assert live.node.held() == []


def test_nothing_to_do(live):
    live.start(cni="blue,red@net1")
    before = live.links()
    code, report = live.sync()
    assert (code, report["status"]) == (0, "unchanged")
    assert actions(report) == ["keep blue@eth0", "keep red@net1"]
    assert live.links() == before


def test_an_interface_that_is_gone_is_said(live):
    """A change puts nothing back; that is repair."""
    live.start(cni="blue,red@net1")
    live.node.pod.run("ip", "link", "del", "net1")
    code, report = live.sync()
    assert (code, report["status"]) == (0, "unchanged")
    assert report["warnings"] == ["network red (net1): interface net1 is gone"]


def test_a_dry_run_changes_nothing(live):
    live.start(cni="blue")
    live.annotate(cni="blue,red@net1")
    before = live.node.trace()
    code, report = live.genie("sync", "pod", "ns/c1", "--dry-run")
    assert (code, report["dryRun"], actions(report)) == (0, True, ["keep blue@eth0", "attach red@net1"])
    assert live.node.trace() == before
    live.annotate(cni="blue,red@net1", **{"genie.cni.dev/live": "false"})
    code, report = live.genie("sync", "pod", "ns/c1", "--dry-run")
    assert (code, report["dryRun"], report["status"], report["changes"]) == (1, True, "refused", [])


def test_the_network_that_was_chosen_by_load_stays(live):
    """It is chosen once; where the cluster lets no node write it to the annotation, too.

    The pod itself takes one of its network's five addresses, so that the other one has more.
    """
    for number in (7, 8):
        entry = {"type": "bridge", "bridge": f"br{number}", "ipam": live.node.ipam(f"10.{number}.0.0/29")}
        document = {"cniVersion": "1.0.0", "name": f"small{number}", **entry}
        live.node.configure(f"50-small{number}.conf", document)
    live.node.settings["smart_selection"] = {"candidates": ["small7", "small8"]}
    live.write_configuration()
    live.cluster.server.api.forbidden = {("patch", "pods/status")}
    live.start(cni="")
    live.cluster.server.api.forbidden = set()
    before = live.links()
    code, report = live.sync()
    assert (code, report["status"]) == (0, "unchanged"), report
    assert live.links() == before


def test_another_network_on_the_same_interface(live):
    live.start(cni="blue,red@net1")
    live.annotate(cni="blue,green@net1")
    code, report = live.sync()
    assert (code, actions(report)) == (0, ["keep blue@eth0", "replace green@net1"])
    assert live.links()["net1"] == ["10.3.0.2/16"]
    assert [name for name in live.node.held() if name.startswith("10.2.")] == []


def test_unchanged_networks_are_not_touched(live):
    live.start(cni="blue,red@net1")
    before = live.node.pod.run("ip", "-json", "link").stdout
    live.annotate(cni="blue,red@net1,green@net2")
    live.sync()
    live.annotate(cni="blue,red@net1")
    live.sync()
    assert json.loads(live.node.pod.run("ip", "-json", "link").stdout) == json.loads(before)


def test_an_add_that_fails_brings_everything_back(live):
    live.start(cni="blue,red@net1")
    live.node.configure(
        "40-bad.conf", {"cniVersion": "1.0.0", "name": "bad", "type": "macvlan", "master": "nothere0"}
    )
    before = live.links()
    live.annotate(cni="blue,green@net1,bad@net2")
    code, report = live.sync()
    assert (code, report["status"]) == (1, "failed")
    assert "Link not found" in report["error"]["msg"]
    assert live.links().keys() == before.keys()
    assert live.journal() == [("eth0", "blue"), ("net1", "red")]
    live.node.delete(env={})
    assert live.node.held() == []


def test_a_network_that_is_not_there_is_refused_before_anything(live):
    live.start(cni="blue,red@net1")
    before = live.node.trace()
    live.annotate(cni="blue,nosuch")
    code, report = live.sync()
    assert (code, report["status"]) == (1, "refused")
    assert "nosuch" in report["error"]["msg"]
    assert live.node.trace() == before


@pytest.mark.parametrize("before, after", [("blue,blue@net1", "blue"), ("blue", "blue,blue@net1")])
def test_the_masquerading_of_an_interface_that_stays_is_not_ended(live, before, after):
    """Both would share the plugin's chain, which the DEL of one empties, in a rollback too."""
    live.start(cni=before)
    rules = live.node.trace()
    live.annotate(cni=after)
    code, report = live.sync()
    assert (code, report["status"]) == (1, "refused")
    assert "network blue (net1)" in report["error"]["msg"]
    assert report["error"]["hint"] == "recreate the pod"
    assert live.node.trace() == rules


def test_the_first_interface_is_refused(live):
    live.start(cni="blue")
    live.annotate(cni="green")
    code, report = live.sync()
    assert (code, report["status"]) == (1, "refused")
    assert "first interface eth0" in report["error"]["msg"]
    assert "--primary" in report["error"]["hint"]


def test_the_first_interface_with_the_same_address(live):
    for name, bridge in (("one", "br1"), ("two", "br2")):
        plugin = {
            "type": "bridge",
            "bridge": bridge,
            "capabilities": {"ips": True},
            "ipam": live.node.ipam("10.7.0.0/24"),
        }
        live.node.configure(f"50-{name}.conflist", {"cniVersion": "1.0.0", "name": name, "plugins": [plugin]})
    live.start(cni="one")
    before = live.links()
    live.annotate(cni="two")
    code, report = live.sync("--primary")
    assert (code, actions(report)) == (0, ["replace two@eth0"])
    assert live.links() == before


def test_the_first_interface_must_be_able_to_come_back(live, any_ipam):
    """Its network has an IPAM plugin that cannot be asked for an address."""
    for name, ipam in (("one", any_ipam), ("two", live.node.ipam)):
        entry = {"type": "bridge", "bridge": f"br-{name}", "capabilities": {"ips": name == "two"}}
        entry["ipam"] = ipam("10.7.0.0/24")
        live.node.configure(f"50-{name}.conflist", {"cniVersion": "1.0.0", "name": name, "plugins": [entry]})
    live.start(cni="one")
    before = live.links()
    live.annotate(cni="two")
    code, report = live.sync("--primary")
    assert (code, report["status"]) == (1, "refused"), report
    assert "cannot be asked for the pod's address again" in report["error"]["msg"]
    assert live.links() == before


def test_attachments_and_their_status(live):
    live.cluster.nad("x", {"type": "macvlan", "master": "up0", "ipam": live.node.ipam("10.4.0.0/24")})
    live.cluster.nad("y", {"type": "ptp", "ipam": live.node.ipam("10.5.0.0/24")})
    live.start(**{NPWG: "x"})
    live.annotate(**{NPWG: "x,y@net7"})
    assert live.sync()[0] == 0
    status = json.loads(live.pod()["metadata"]["annotations"][STATUS])
    assert [(entry["name"], entry["interface"]) for entry in status] == [
        ("blue", "eth0"), ("ns/x", "net1"), ("ns/y", "net7")
    ]  # fmt: skip
    live.annotate()
    report = live.sync()[1]
    assert actions(report) == ["keep blue@eth0", "detach ns/x@net1", "detach ns/y@net7"]
    assert [entry["name"] for entry in json.loads(live.pod()["metadata"]["annotations"][STATUS])] == ["blue"]


def test_the_default_route_returns_to_the_primary(live):
    bridge = {"type": "bridge", "bridge": "br0", "isDefaultGateway": True}
    live.node.configure(
        "10-blue.conf",
        {"cniVersion": "1.0.0", "name": "blue", **bridge, "ipam": live.node.ipam("10.1.0.0/16")},
    )
    live.cluster.nad("x", {"type": "ptp", "ipam": live.node.ipam("10.4.0.0/24")})
    live.start(**{NPWG: '[{"name": "x", "default-route": ["10.4.0.1"]}]'})
    assert default_device(live) == ["net1"]
    live.annotate()
    code, report = live.sync()
    assert (code, report["status"]) == (0, "changed")
    assert default_device(live) == ["eth0"]
    assert live.node.call("CHECK", prevResult={"cniVersion": "1.0.0"}).status == 0


def test_a_default_route_without_a_gateway_returns_too(live):
    """As a plugin makes it for `routes` where no address has a gateway."""
    ipam = {"type": "static", "addresses": [{"address": "10.6.0.5/24"}], "routes": [{"dst": "0.0.0.0/0"}]}
    network = {"type": "macvlan", "master": "up0", "ipam": ipam}
    live.node.configure("10-blue.conf", {"cniVersion": "1.0.0", "name": "blue", **network})
    live.cluster.nad("x", {"type": "ptp", "ipam": live.node.ipam("10.4.0.0/24")})
    live.start(**{NPWG: '[{"name": "x", "default-route": ["10.4.0.1"]}]'})
    assert default_device(live) == ["net1"]
    live.annotate()
    code, report = live.sync()
    assert (code, report["status"]) == (0, "changed"), report
    assert default_device(live) == ["eth0"]
    assert live.node.call("CHECK", prevResult={"cniVersion": "1.0.0"}).status == 0


def default_device(live):
    routes = json.loads(live.node.pod.run("ip", "-json", "route", "show", "default").stdout)
    return [route["dev"] for route in routes]


def test_events_condition_and_observed(live):
    live.start(cni="blue")
    live.annotate(cni="blue,red@net1")
    live.sync()
    pod = live.pod()
    (condition,) = [
        one for one in pod["status"]["conditions"] if one["type"] == "genie.cni.dev/NetworksReady"
    ]
    assert (condition["status"], condition["reason"]) == ("True", "Applied")
    observed = pod["metadata"]["annotations"]["genie.cni.dev/networks-observed"]
    assert len(observed) == 16
    assert condition["message"].endswith(observed)
    assert [event["reason"] for event in events(live)] == ["NetworkAttached"]
    live.annotate(cni="blue,nosuch")
    live.sync()
    assert sorted(event["reason"] for event in events(live)) == ["NetworkAttached", "NetworkRefused"]


def events(live):
    kind = live.cluster.objects.find_kind("", "v1", "events")
    return live.cluster.objects.list(kind, "ns", {})["items"]


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda pod: pod.setdefault("spec", {}).update(hostNetwork=True), "hostNetwork"),
        (lambda pod: pod["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z"), "terminating"),
        (lambda pod: pod.update(status={"phase": "Succeeded"}), "ended"),
        (
            lambda pod: pod["metadata"]["annotations"].update({"genie.cni.dev/live": "false"}),
            "genie.cni.dev/live",
        ),
    ],
)
def test_pods_that_are_never_touched(live, change, said):
    live.start(cni="blue")
    live.annotate(cni="blue,red@net1")
    pod = live.pod()
    change(pod)
    live.cluster.objects.add(pod)
    code, report = live.sync()
    assert (code, report["status"]) == (1, "refused")
    assert said in report["error"]["msg"]
    assert list(live.links()) == ["eth0"]


def test_a_pod_that_is_not_here(live):
    live.cluster.objects.add({**live_pod("other")})
    assert live.sync(name="other")[0] == 3
    assert live.sync(name="nosuch")[0] == 3


def live_pod(name):
    from tests.live.live import pod_object

    return pod_object(name, {"cni": "blue"})


def test_a_pod_with_the_nodes_network_is_not_in_the_state(live):
    pod = live_pod("other")
    live.cluster.objects.add({**pod, "spec": {"hostNetwork": True}})
    code, report = live.sync(name="other")
    assert (code, report["status"]) == (1, "refused")
    assert "hostNetwork" in report["error"]["msg"]
    after = live.pod("other")
    assert after["metadata"]["annotations"] == pod["metadata"]["annotations"]
    assert "conditions" not in after.get("status", {})
    assert events(live) == []


def test_another_pod_of_the_name(live):
    live.start(cni="blue")
    pod = live.pod()
    pod["metadata"]["uid"] = "u2"
    live.cluster.objects.add(pod)
    assert live.sync()[0] == 3


def test_the_newest_of_two_sandboxes_where_no_runtime_says_which_one_runs(live):
    live.start("c1", cni="blue")
    namespace = live.node.add_pod()
    second = live.node.call(
        "ADD", "a1", netns=namespace.path, env=cni_args("c1"), annotations={"cni": "blue"}
    )
    assert second.status == 0, second
    live.annotate(cni="blue,red@net1")
    code, report = live.sync()
    assert (code, report["target"]["containerID"]) == (0, "a1")
    assert {*namespace.links()} - {"lo"} == {"eth0", "net1"}


def test_from_a_file(live, tmp_path):
    live.start(cni="blue")
    live.annotate(cni="blue,red@net1")
    file = tmp_path / "pod.json"
    file.write_text(json.dumps(live.pod()))
    asked = len(live.cluster.server.api.requests)
    code, report = live.sync("--pod-file", str(file))
    assert (code, report["status"]) == (0, "changed")
    assert len(live.cluster.server.api.requests) == asked


@pytest.mark.parametrize("text", ["kind: Service\nmetadata: {name: c1, namespace: ns}\n", "[", ""])
def test_from_a_file_without_a_pod(live, tmp_path, text):
    """A Service of the pod's name asks for no network: nothing may be detached for it."""
    live.start(cni="blue,red@net1")
    before = live.links()
    file = tmp_path / "pod.yaml"
    file.write_text(text)
    assert live.sync("--pod-file", str(file))[0] == 2
    assert live.links() == before


def test_its_configuration_is_where_it_was_installed(live):
    """As on k3s, whose directory is not the usual one; what was installed is recorded in the state directory."""
    live.start(cni="blue")
    live.annotate(cni="blue,red@net1")
    record = {"conflist": str(live.node.conf / "00-genie.conflist"), "stateDir": str(live.node.state)}
    file = live.node.state / "installed.json"
    file.write_text(json.dumps({**record, "binDirs": [str(live.node.plugins)], "document": {}, "moved": {}}))
    words = ["sync", "pod", "ns/c1", "--yes", "-o", "json", "--state-dir", live.node.state]
    done = warm.run(*words, netns=live.node.host.path, env=environment())
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "changed"), done


def test_the_server_is_away(live):
    live.start(cni="blue")
    live.cluster.server.close()
    code, report = live.sync()
    assert (code, report["status"], report["error"]["code"]) == (1, "failed", 11)


def test_the_pod_may_not_be_read(live):
    live.start(cni="blue")
    live.cluster.server.api.forbidden = {("get", "pods")}
    code, report = live.sync()
    assert (code, report["status"], report["error"]["code"]) == (4, "failed", 7)


def test_a_plugin_that_hangs(live):
    live.node.wrap("macvlan", '[ "$CNI_COMMAND" = ADD ] && sleep 300; exec "$REAL"')
    live.start(cni="blue")
    live.annotate(cni="blue,green@net1")
    code, report = live.sync("--timeout", "3s")
    assert code == 124
    assert live.node.call("CHECK", prevResult={"cniVersion": "1.0.0"}).status == 0
    live.node.wrap("macvlan", 'exec "$REAL"')
    code, report = live.sync()
    assert (code, report["status"]) == (0, "changed")


def test_without_a_terminal_it_asks_for_yes(live):
    live.start(cni="blue")
    assert live.genie("sync", "pod", "ns/c1")[0] == 2


def test_the_status_that_policies_need(live):
    """A pod that was attached before policies were switched on, with one network; the others of the cluster need it."""
    live.start(cni="red")
    live.sync()
    assert STATUS not in live.pod()["metadata"]["annotations"]
    live.write_configuration(policy_engine=True)
    assert live.sync()[1]["status"] == "unchanged"
    (entry,) = json.loads(live.pod()["metadata"]["annotations"][STATUS])
    assert (entry["genie.cni.dev/network"], entry["ips"]) == ("cni/red", ["10.2.0.2"])


def test_a_network_that_stays_is_not_guarded_again(live):
    """It gets its default route back, and nothing else: its policies are compiled, and its packets flow on."""
    bridge = {
        "type": "bridge",
        "bridge": "br0",
        "isDefaultGateway": True,
        "ipam": live.node.ipam("10.1.0.0/16"),
    }
    live.node.configure("10-blue.conf", {"cniVersion": "1.0.0", "name": "blue", **bridge})
    live.cluster.nad("x", {"type": "ptp", "ipam": live.node.ipam("10.4.0.0/24")})
    live.start(**{NPWG: '[{"name": "x", "default-route": ["10.4.0.1"]}]'})
    live.write_configuration(policy_engine=True)
    policy_dir.write({"cni/blue": [{"namespace": "ns", "podSelector": {}}]})
    try:
        live.annotate()
        code, report = live.sync()
    finally:
        shutil.rmtree(policy_dir.DIRECTORY)
    assert (code, report["status"]) == (0, "changed"), report
    assert default_device(live) == ["eth0"]
    assert "genie_policy" not in live.node.host.run("nft", "list", "tables").stdout
