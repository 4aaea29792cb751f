"""`genie gc` on a private node: what is left there by hand is found and removed, and nothing else."""

import json
import shlex
import sys
import time
from pathlib import Path

import pytest

from genie_cli.render import show
from genie_cli.views.gc import view
from genie_core.errors import IOFailure
from genie_core.survey.cri import list_sandboxes
from genie_core.tasks.dry_run.runtime_call import Sandbox
from genie_core.tasks.gc import GCReport, Leftover
from tests import warm
from tests.gc.node import PATH, ROOT, LeakyNode, make
from tests.gc.runtime import serve
from tests.patience import wait_until

pytestmark = [pytest.mark.root, pytest.mark.system, pytest.mark.usefixtures("code_in_place")]

BRIDGE = {
    "cniVersion": "1.0.0",
    "name": "foreign",
    "type": "bridge",
    "bridge": "fb0",
    "isGateway": True,
    "ipMasq": True,
    "ipam": {"type": "host-local", "subnet": "10.99.0.0/24"},
}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The command line there."""
    return str(warm.client(tmp_path_factory.mktemp("program") / "bin"))


@pytest.fixture
def node(program):
    with make() as private:
        yield LeakyNode(private, program)


def kinds(report):
    return sorted(item["kind"] for item in report["leftovers"])


def foreign_pod(node):
    """A pod that another program has attached, without Genie: its sandbox."""
    node.pods += 1
    netns = node.node.add_namespace(f"cni-00000000-0000-4000-8000-{node.pods:012d}")
    pod = Sandbox(netns=netns, name="foreign", namespace="shop", annotations={})
    result = node.direct("ADD", pod, BRIDGE)
    return pod, node.remember(pod, "foreign", result)


def test_a_healthy_node_has_nothing_left_over(node):
    node.add("bridge,ptp@net1")
    foreign_pod(node)
    report = node.gc("--yes")
    assert report["leftovers"] == []
    assert report["source"] == "the network namespaces that exist"
    assert len(node.leases()) == 3


def test_a_pod_that_vanished_is_released_by_its_plugins_and_its_chains_go(node):
    """lessons 1, 17: the kubelet comes with a new container ID, the old one's leftovers are ours."""
    gone, living = node.add("bridge,ptp@net1"), node.add("bridge")
    before = (node.leases(), node.chains())
    node.kill(gone)
    seen = node.gc("--dry-run")
    assert kinds(seen) == ["chain", "chain", "pending"]
    (pending,) = (item for item in seen["leftovers"] if item["kind"] == "pending")
    assert pending["container"] == gone.container_id
    assert pending["name"] == "bridge@eth0, ptp@net1"
    assert any("does not exist" in sentence for sentence in pending["evidence"])
    assert f"it was pod shop/{gone.name}" in pending["evidence"]
    assert (node.leases(), node.chains()) == before  # --dry-run
    done = node.gc("--yes")
    assert done["summary"] == {"found": 3, "removed": 3, "failed": 0}
    assert node.leases() == ["/var/lib/cni/networks/bridge/10.22.0.3"]
    assert len(node.chains()) == 1
    state = node.node.files("/var/lib/cni/genie/containers")
    assert [path.rpartition("/")[2] for path in state] == [f"{living.container_id}@eth0"]
    assert node.gc("--dry-run")["leftovers"] == []


def test_a_network_with_disable_gc_is_collected_for_a_person(node):
    """The runtime's GC leaves it alone."""
    [file] = [path for path in node.node.files("/etc/cni/net.d") if "bridge" in path]
    node.node.write(file, json.dumps({**json.loads(node.node.read(file)), "disableGC": "true"}))
    node.kill(node.add("bridge"))
    assert kinds(node.gc("--yes")) == ["chain", "pending"]
    assert node.leases() == []


def test_leftovers_of_other_programs(node):
    """Leases, cached results and NAT chains of containers that Genie never saw."""
    pod, cached = foreign_pod(node)
    living, _ = foreign_pod(node)
    node.kill(pod)
    found = node.gc("--dry-run")
    assert kinds(found) == ["cache", "chain", "lease"]
    assert {item["container"] for item in found["leftovers"]} == {pod.container_id}
    assert all(item["evidence"] for item in found["leftovers"])
    node.gc("--yes")
    assert node.leases() == ["/var/lib/cni/networks/foreign/10.99.0.3"]
    assert len(node.chains()) == 1
    assert cached not in node.node.files("/var/lib/cni/results")
    assert node.direct("CHECK", living, {**BRIDGE, "prevResult": _cached_result(node)}) == {}


def test_cached_results_that_name_the_namespace_only_in_the_result(node):
    """containerd 1.7's libcni has no member `netns`; such a pod is as much alive as any other."""
    (living, _), (gone, cached) = foreign_pod(node), foreign_pod(node)
    for pod in (living, gone):
        node.remember(pod, "foreign", _result_of(node, pod), netns="")
    assert node.gc("--yes")["leftovers"] == []
    node.kill(gone)
    found = node.gc("--dry-run")
    assert kinds(found) == ["cache", "chain", "lease"]
    assert {item["container"] for item in found["leftovers"]} == {gone.container_id}
    (entry,) = (item for item in found["leftovers"] if item["kind"] == "cache")
    assert entry["name"] == cached
    assert entry["evidence"] == [
        f"its namespace {gone.netns} does not exist",
        "no namespace has the address 10.99.0.3",
    ]


def test_a_cached_result_without_its_pod_stays(node):
    """A network without addresses, and no runtime that answers: nothing shows that its container is gone."""
    pod = Sandbox(netns="", name="plain", namespace="shop", annotations={})
    path = node.remember(pod, "plain", {"cniVersion": "1.0.0"}, netns="")
    assert node.gc("--yes")["leftovers"] == []
    assert path in node.node.files("/var/lib/cni/results")


def test_loopback_addresses_do_not_show_the_container_of_a_result(node):
    """Runtimes keep the results of the plugin loopback too; 127.0.0.1 is in use in every namespace, for ever."""
    (living, _), (gone, _) = foreign_pod(node), foreign_pod(node)
    own = {"cniVersion": "1.0.0", "ips": [{"address": "127.0.0.1/8"}, {"address": "::1/128"}]}
    paths = [node.remember(pod, "cni-loopback", own) for pod in (living, gone)]
    node.node.run(["ip", "link", "set", "lo", "up"], netns=living.netns)
    node.kill(gone)
    node.gc("--yes")
    left = [path for path in node.node.files("/var/lib/cni/results") if "loopback" in path]
    assert left == paths[:1]


def _result_of(node, pod):
    return json.loads(node.node.read(f"/var/lib/cni/results/foreign-{pod.container_id}-eth0"))["result"]


def _cached_result(node):
    (path,) = node.node.files("/var/lib/cni/results")
    return json.loads(node.node.read(path))["result"]


def nft_rules(network, container, address):
    """What bridge and portmap make with their nftables back ends (plugins 1.6, ipmasq_nftables_linux.go)."""
    comment = f"{'0' * 16}-{'1' * 16}, net: {network}, if: eth0, id: {container}"[:128]
    return f"""
add table inet cni_plugins_masquerade
add chain inet cni_plugins_masquerade masq_checks
add rule inet cni_plugins_masquerade masq_checks ip saddr {address} ip daddr != 10.99.0.0/24 masquerade \
    comment "{comment}"
add table ip cni_hostport
add chain ip cni_hostport hostports
add chain ip cni_hostport masquerading {{ type nat hook postrouting priority srcnat; }}
add rule ip cni_hostport hostports ip protocol tcp th dport 8080 dnat ip addr . port to {address} . 80 \
    comment "{container}"
add rule ip cni_hostport masquerading ip saddr 127.0.0.1 ip daddr {address} masquerade comment "{container}"
"""


def test_nftables_rules_that_other_programs_left(node):
    """Also where the comment was too long for the whole container ID; a living container's are not touched."""
    living, _ = foreign_pod(node)
    node.node.run(["nft", "-f", "-"], stdin="add table inet peoples\nadd chain inet peoples c\n")
    for container, address in ((living.container_id, "10.99.0.2"), ("d" * 64, "10.99.0.77")):
        ran = node.node.run(
            ["nft", "-f", "-"], stdin=nft_rules("a-network-of-some-length", container, address)
        )
        assert ran.returncode == 0, ran.stderr
    before = node.node.run(["nft", "list", "ruleset"]).stdout
    assert f"id: {'d' * 64}" not in before
    found = node.gc("--dry-run")
    assert [(item["kind"], item["container"][:32]) for item in found["leftovers"]] == [
        ("chain", "d" * 32)
    ] * 2
    assert all("no namespace has the address 10.99.0.77" in item["evidence"] for item in found["leftovers"])
    assert node.node.run(["nft", "list", "ruleset"]).stdout == before
    assert node.gc("--yes")["summary"] == {"found": 2, "removed": 2, "failed": 0}
    after = node.node.run(["nft", "list", "ruleset"]).stdout
    assert "dddd" not in after
    assert after.count(living.container_id[:32]) == before.count(living.container_id[:32]) > 2
    assert node.gc("--dry-run")["leftovers"] == []


def test_a_lease_without_an_owner(node):
    """host-local was killed between making the file and writing into it; one that is in use stays."""
    for address in ("10.99.0.9", "10.99.0.10"):
        node.node.write(f"/var/lib/cni/networks/foreign/{address}", "")
    other = node.node.add_namespace("peoples")
    node.node.run(["ip", "address", "add", "10.99.0.10/24", "dev", "lo"], netns=other)
    young = node.gc("--dry-run", "--min-age", "1h")
    assert young["leftovers"] == []
    assert sorted(item["kind"] for item in young["young"]) == kinds(node.gc("--dry-run"))
    (found,) = node.gc("--yes")["leftovers"]
    assert (found["kind"], found["name"]) == ("lease", "/var/lib/cni/networks/foreign/10.99.0.9")
    assert found["evidence"][0].startswith("it is empty")
    assert found["removed"] is True
    assert node.leases() == ["/var/lib/cni/networks/foreign/10.99.0.10"]


# Holds host-local's lock until another process has opened it too, then writes the lease's owner.
SLOW_WRITER = """
import fcntl, glob, os, sys, time
lock = open(os.path.dirname(sys.argv[1]) + "/lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
open("/run/held", "w").close()
deadline = time.monotonic() + 100
while time.monotonic() < deadline:
    fds = [fd for fd in glob.glob("/proc/[0-9]*/fd/*") if fd.split("/")[2] != str(os.getpid())]
    if any(os.path.realpath(fd) == lock.name for fd in fds):  # which takes one that is closed meanwhile, too
        break
    time.sleep(0.02)
open(sys.argv[1], "w").write("x")
"""


def test_a_lease_that_is_written_while_it_is_to_be_removed_stays(node):
    """host-local holds its lock while it writes: gc waits for the lock, and reads the lease again."""
    path = "/var/lib/cni/networks/foreign/10.99.0.9"
    node.node.write(path, "")
    words = shlex.join([sys.executable, "-c", SLOW_WRITER, path])
    node.node.run(["sh", "-c", f"{words} >/dev/null 2>&1 &"])
    wait_until(lambda: "/run/held" in node.node.files("/run"))
    node.program = str(
        Path(sys.executable).with_name("genie")
    )  # the writer may not look at a process from outside
    report = node.gc("--yes", code=1)
    assert "given to another container" in report["leftovers"][0]["problem"]
    assert node.leases() == [path]


def test_an_abandoned_namespace_and_the_veth_into_it(node):
    """A runtime that was killed leaves both; namespaces that a person made are left alone."""
    pod, cached = foreign_pod(node)
    node.node.run(["rm", cached])
    node.node.add_namespace("peoples")
    found = node.gc("--dry-run")
    assert kinds(found) == ["namespace", "veth"]
    veth, namespace = found["leftovers"]
    assert namespace["name"] == pod.netns
    assert "it is on fb0" in veth["evidence"]
    done = node.gc("--yes")
    assert done["summary"] == {"found": 2, "removed": 2, "failed": 0}
    assert veth["name"] not in node.links()
    # the address is in no namespace any more: now its lease and its chain are left over
    assert kinds(node.gc("--yes")) == ["chain", "lease"]
    assert node.leases() == []
    assert node.node.files("/run/netns") == ["/run/netns/peoples"]


def test_the_bridge_of_a_logical_network_that_no_pod_is_on(node):
    """The DEL of its last pod was killed on the way. Bridges of others, and one with a port, stay."""
    empty, used, other = "genie0000000001", "geniev000000001", "genie0"
    for name in (empty, used, other):
        node.node.run(["ip", "link", "add", name, "type", "bridge"])
    node.node.run(["ip", "link", "add", "port0", "type", "veth", "peer", "name", "port1"])
    node.node.run(["ip", "link", "set", "port0", "master", used])
    report = node.gc("--yes")
    assert [(item["kind"], item["name"], item["removed"]) for item in report["leftovers"]] == [
        ("bridge", empty, True)
    ]
    assert {empty, used, other} & node.links() == {used, other}
    assert node.gc("--yes")["leftovers"] == []


def test_a_namespace_with_a_process_is_in_use(node):
    pod, cached = foreign_pod(node)
    node.node.run(["rm", cached])
    node.node.run(["sh", "-c", f"nsenter --net={pod.netns} sleep 30 >/dev/null 2>&1 &"])
    assert node.gc("--yes")["leftovers"] == []


def test_a_plain_file_where_a_namespace_was(node):
    """After a reboot only the mount point may be left."""
    path = "/run/netns/cni-00000000-0000-4000-8000-00000000dead"
    node.node.write(path, "")
    assert kinds(node.gc("--yes")) == ["namespace"]
    assert node.node.files("/run/netns") == []


def test_an_address_that_is_in_use_is_never_freed(node):
    """nerdctl's containers are in no kubelet's runtime: the address in a namespace is what counts."""
    pod, cached = foreign_pod(node)
    node.node.run(["rm", cached])
    node.kill(pod)
    other = node.node.add_namespace("peoples")
    node.node.run(["ip", "address", "add", "10.99.0.2/24", "dev", "lo"], netns=other)
    assert "lease" not in kinds(node.gc("--yes"))
    assert node.leases() == ["/var/lib/cni/networks/foreign/10.99.0.2"]


def test_a_pod_whose_path_leads_to_another_namespace_now(node):
    """It is gone, although its path exists; what is in the other namespace stays."""
    pod = node.add("bridge")
    name = pod.netns.rpartition("/")[2]
    node.kill(pod)
    assert node.node.add_namespace(name) == pod.netns
    node.node.run(["ip", "link", "add", "eth0", "type", "dummy"], netns=pod.netns)
    (found,) = [item for item in node.gc("--yes")["leftovers"] if item["kind"] == "pending"]
    assert found["evidence"][0] == f"at {pod.netns} is another namespace by now"
    assert (found["removed"], node.leases()) == (True, [])


def test_young_things_are_left(node):
    """No runtime lists a sandbox that is just being made. What is too young is listed, and not called clean."""
    node.kill(node.add())
    pod, cached = foreign_pod(node)
    node.kill(pod)
    report = node.gc("--yes", "--min-age", "1h")
    assert report["leftovers"] == []
    assert {item["kind"] for item in report["young"]} == {"pending", "lease", "cache", "chain"}
    assert not any(item["removed"] for item in report["young"])
    assert len(node.leases()) == 2
    assert node.node.files("/var/lib/cni/results") == [cached]


def test_the_text_lists_what_is_only_too_young(capsys):
    left = Leftover(
        kind="lease", name="/leases/10.0.0.9", container="c" * 64, evidence=("no record has its container",)
    )
    show(view(GCReport(dry_run=True, source="crictl", seconds=5, young=(left,)), wide=False), sys.stdout)
    shown = " ".join(capsys.readouterr().out.split())
    assert "Younger than 1m: pods may be on their way (1)" in shown
    assert "/leases/10.0.0.9" in shown
    assert shown.endswith("nothing is left over that is older than 1m (--min-age); look again in 1m")


def test_what_is_left_from_before_the_clock_was_set_back_is_not_young_for_a_year(node):
    """A node may start with a clock that is far ahead, and set it later."""
    pod = node.add("bridge,ptp@net1")
    sandbox, cached = foreign_pod(node)
    [lease] = [path for path in node.leases() if "/foreign/" in path]
    cut_off = "/var/lib/cni/networks/foreign/10.99.0.77"
    node.node.write(cut_off, "")
    state = f"/var/lib/cni/genie/containers/{pod.container_id}@eth0"
    later = f"@{time.time() + 365 * 86400:.0f}"
    node.node.run(["touch", "--no-create", "--date", later, cached, lease, cut_off, state])
    for gone in (pod, sandbox):
        node.kill(gone)
    report = node.gc("--yes", "--min-age=1h")
    found = {(item["kind"], item["name"]) for item in report["leftovers"]}
    assert {("lease", lease), ("lease", cut_off), ("cache", cached)} <= found
    assert "pending" in kinds(report)
    assert node.leases() == []


def test_both_looks_have_to_agree(node):
    """What appears, or is put right, between the two looks is left alone."""
    node.node.write("/var/lib/cni/networks/net/10.5.0.5", "c" * 64 + "\neth0")
    back = node.node.add_namespace("back")
    report = node.between_looks(
        "nsenter", f"--net={back}", "ip", "address", "add", "10.5.0.5/24", "dev", "lo"
    )
    assert report["leftovers"] == []
    assert report["observations"] == {"secondsApart": 6.0, "unconfirmed": 1}
    assert node.leases() == ["/var/lib/cni/networks/net/10.5.0.5"]


def test_a_failed_removal_is_reported(node):
    """A plugin whose binary is gone keeps its network in the state; everything else goes on."""
    gone = node.add("bridge")
    node.kill(gone)
    node.node.run(["mount", "-t", "tmpfs", "none", "/usr/lib/cni"])
    report = node.gc("--yes", code=1)
    (pending,) = (item for item in report["leftovers"] if item["kind"] == "pending")
    assert pending["removed"] is False
    assert 'failed to find plugin "bridge"' in pending["problem"]
    again = node.gc("--dry-run", "--min-age", "1h")  # the DEL that failed makes the record no younger
    assert [item["kind"] for item in again["leftovers"]] == ["pending"]


def test_what_a_plugin_refuses_for_good_is_given_up_when_asked_to(node):
    """Only Genie's record is removed; the lease, which then has no owner, is found by the next collection."""
    gone = node.add("bridge")
    node.kill(gone)
    node.node.run(["mount", "-t", "tmpfs", "none", "/usr/lib/cni"])
    (pending,) = (item for item in node.gc("--yes", "--forget")["leftovers"] if item["kind"] == "pending")
    assert (pending["removed"], pending["problem"]) == (True, "")
    assert "only Genie's record" in pending["evidence"][-1]
    node.gc("--yes")
    assert node.gc("--yes")["leftovers"] == []
    assert node.leases() == []


@pytest.fixture
def runtime(node):
    """Start a runtime with these sandboxes in the node: its socket."""

    def start(sandboxes):
        words = [sys.executable, "-m", "tests.gc.runtime", "/run/cri.sock", json.dumps(sandboxes)]
        env = f"PATH={PATH} PYTHONPATH={ROOT} PYTHONDONTWRITEBYTECODE=1"
        line = f"env {env} " + " ".join(f"'{word}'" for word in words)
        node.node.run(["sh", "-c", f"{line} >/run/runtime.log 2>&1 &"])
        deadline = time.monotonic() + 100
        while "/run/cri.sock" not in node.node.files("/run"):
            assert time.monotonic() < deadline, node.node.read("/run/runtime.log")
            time.sleep(0.05)
        return "/run/cri.sock"

    return start


def test_the_runtime_itself_says_which_sandboxes_there_are(node, runtime):
    """A container that the runtime does not list is gone, though its namespace is still there without a process."""
    forgotten, living = node.add("bridge"), node.add("bridge")
    socket = runtime({living.container_id: living.netns})
    found = node.gc("--dry-run", "--cri-socket", socket)
    assert found["source"] == f"the runtime at {socket}"
    assert {item["container"] for item in found["leftovers"]} == {forgotten.container_id}
    assert kinds(found) == ["namespace", "pending", "veth"]
    assert any("has no such sandbox" in said for said in found["leftovers"][0]["evidence"])
    node.gc("--yes", "--cri-socket", socket)
    assert node.leases() == ["/var/lib/cni/networks/bridge/10.22.0.3"]
    assert node.node.files("/run/netns") == [living.netns]
    assert node.gc("--dry-run", "--cri-socket", socket)["leftovers"] == []


def test_a_runtime_that_was_named_and_does_not_answer(node):
    node.kill(node.add())
    error = node.gc("--yes", "--cri-socket", "/run/nobody.sock", "--timeout", "1s", code=1)
    assert error["kind"] == "Error"
    assert "/run/nobody.sock" in error["message"]
    assert len(node.leases()) == 1


def test_in_a_container_it_says_that_the_node_is_elsewhere(node):
    """lessons 24: `hostPID: true`, and files of its own."""
    node.node.write("/var/lib/cni/networks/net/10.5.0.5", "c" * 64)
    words = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /var/lib/cni && exec "$@"', "sh"]
    words += [sys.executable, "-m", "genie_cli", "gc", "--dry-run"]
    ran = node.node.run(words, env={"PATH": PATH, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"})
    assert "/var/lib/cni/networks is not the node's" in ran.stderr
    assert "nothing is left over" in ran.stdout


def test_without_yes_and_a_terminal_it_refuses(node):
    error = node.gc(code=2)
    assert "--dry-run" in error["hint"]


def test_the_edge_of_the_runtime(tmp_path):
    """The sandboxes with their namespaces, over real gRPC; and a socket that no process serves."""
    server = serve(tmp_path / "cri.sock", {"abc": "/run/netns/x"})
    try:
        (sandbox,) = list_sandboxes(f"unix://{tmp_path}/cri.sock", 5)
    finally:
        server.stop(0)
    assert (sandbox.id, sandbox.pod, sandbox.netns) == ("abc", "shop/p", "/run/netns/x")
    with pytest.raises(IOFailure, match=r"nobody\.sock: there is no such socket"):
        list_sandboxes(f"{tmp_path}/nobody.sock", 1)
