"""`genie dry-run --on-host`, on a private node that stands for the real one: whatever ends it, nothing is left."""

import json
import os
import shlex
import signal
import sys
import time

import pytest

from genie_core.sandbox.private_node import PrivateNode
from tests.patience import wait_until

pytestmark = [pytest.mark.root, pytest.mark.system]

CNI = "/usr/lib/cni"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ENV = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONPATH": ROOT,
    "PYTHONDONTWRITEBYTECODE": "1",
    "TMPDIR": "/run",
}
BLUE = {
    "cniVersion": "1.0.0",
    "name": "blue",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "blue0",
            "isGateway": True,
            "ipMasq": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.213.1.0/24"}]]},
        },
        {"type": "pausing", "apiToken": "verysecret"},
    ],
}
# Stops for a minute, once, at the verb that /run/stop-at names, and says so. Later in the chain than bridge.
PAUSING = """\
#!/bin/sh
if [ "$CNI_COMMAND" = "$(cat /run/stop-at 2>/dev/null)" ]; then
    rm /run/stop-at
    echo >/run/stopped
    exec sleep 60
fi
exec /usr/lib/cni/tuning
"""


class Host:
    """A private node, on which `genie dry-run --on-host` is run as on a real one."""

    def __init__(self, node):
        self.node = node
        node.write("/etc/cni/net.d/10-blue.conflist", json.dumps(BLUE))
        node.write("/run/bin/pausing", PAUSING, 0o755)

    def words(self, *arguments):
        flags = ["--on-host", "--cni", "blue", "--bin-dir", CNI, "--bin-dir", "/run/bin", "-o", "json"]
        return [sys.executable, "-m", "genie_cli", "dry-run", *flags, *arguments]

    def dry_run(self, *arguments, code=0, stdin=""):
        """The report, and what was said on stderr."""
        ran = self.node.run(self.words("--yes", *arguments), env=ENV, stdin=stdin)
        assert ran.returncode == code, ran.stdout + ran.stderr
        return json.loads(ran.stdout), ran.stderr

    def begin(self, *arguments, stop_at=""):
        """Start one and come back at once, or when its chain has come to the verb; its process ID."""
        if stop_at:
            self.node.write("/run/stop-at", stop_at)
        line = shlex.join(self.words("--yes", *arguments))
        script = f"({line} >/run/out 2>/run/err & echo $! >/run/pid; wait $!; echo $? >/run/code) >/dev/null 2>&1 &"
        self.node.run(["sh", "-c", script], env=ENV)
        wait_until(lambda: "/run/pid" in self.node.files("/run"))
        if stop_at:
            wait_until(lambda: "/run/stopped" in self.node.files("/run"))
            self.node.run(["rm", "/run/stopped"])
        return self.node.read("/run/pid").strip()

    def processes(self):
        """Process ID -> command line, of everything that Genie runs here."""
        script = (
            'for p in /proc/[0-9]*; do echo "${p#/proc/} $(tr "\\0\\n" "  " <$p/cmdline)"; done 2>/dev/null'
        )
        lines = self.node.run(["sh", "-c", script]).stdout.splitlines()
        found = dict(line.partition(" ")[::2] for line in lines)
        marks = ("genie_cli", "host_node_inside", "genie-dry-run-", "sleep 60", "/run/bin")
        return {pid: line for pid, line in found.items() if any(mark in line for mark in marks)}

    def kill(self, number, *pids):
        self.node.run(["kill", f"-{int(number)}", *pids])

    def guard(self):
        """The process that outlives the command; those that it has just forked have its command line too."""
        return min((pid for pid, line in self.processes().items() if "host_node_inside" in line), key=int)

    def left(self):
        """Namespaces, links but the uplink and the bridge, leases, NAT rules, files, processes."""
        files = self.node.files("/run/netns", "/var/lib/cni")
        links = {link["ifname"] for link in json.loads(self.node.run(["ip", "-json", "link"]).stdout)}
        rules = self.node.run(["iptables-save", "-t", "nat"]).stdout.splitlines()
        return [
            *(path for path in files if not path.endswith(("/lock", "/last_reserved_ip.0"))),
            *(links - {"lo", "eth0", "blue0"}),
            *(rule for rule in rules if "CNI-" in rule),
            *(path for path in self.node.files("/run") if path.startswith("/run/genie-dry-run-")),
            *self.processes().values(),
        ]

    def wait_until_nothing_is_left(self):
        deadline = time.monotonic() + 100
        while left := self.left():
            assert time.monotonic() < deadline, left
            time.sleep(0.05)


@pytest.fixture
def host():
    with PrivateNode(visible=[CNI, ROOT]) as node:
        yield Host(node)


def test_the_same_report_as_in_a_private_node(host):
    """Plan, steps with environment, input, output and time, and nothing left; it is said loudly that it is the node."""
    report, said = host.dry_run()
    assert "the real plugins will run on this node" in said
    assert report["target"]["onHost"] is True
    assert report["summary"]["ok"] is True
    assert report["summary"]["addresses"] == ["10.213.1.2/24"]
    bridge, pausing = report["calls"][0]["steps"]
    assert bridge["environment"]["CNI_COMMAND"] == "ADD"
    assert bridge["output"]["ips"][0]["address"] == "10.213.1.2/24"
    assert [run["plugin"] for run in bridge["inner"]] == ["host-local"]
    assert pausing["input"]["prevResult"]["ips"] == bridge["output"]["ips"]
    assert pausing["input"]["apiToken"] == "(not shown)"
    assert {"kind": "file", "name": "/var/lib/cni/networks/blue/10.213.1.2"} in report["node"]["appeared"]
    assert host.left() == []
    assert host.node.files("/etc/cni") == ["/etc/cni/net.d/10-blue.conflist"]
    # GC would free the addresses of the node's pods, which the throw-away state does not know.
    assert [call["verb"] for call in report["calls"]] == ["ADD", "CHECK", "DEL", "DEL"]
    assert any("GC was not run" in note for note in report["notes"])


NAD = """
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: storage}
spec: {config: '{"cniVersion": "1.0.0", "type": "macvlan", "master": "eth0",
                 "ipam": {"type": "host-local", "subnet": "192.0.2.0/24"}}'}
"""


def test_network_objects_of_a_manifest(host):
    """They come from an API server of the dry run, which ends with it."""
    flags = ["--nad", "-", "--networks", "storage@net7", "--verb", "add"]
    report, _ = host.dry_run(*flags, stdin=NAD)
    assert [item["network"] for item in report["plan"]] == ["blue", "storage"]
    status = json.loads(report["annotationsWritten"]["k8s.v1.cni.cncf.io/network-status"])
    assert [entry["name"] for entry in status] == ["blue", "default/storage"]
    host.wait_until_nothing_is_left()  # --verb add: the end of the dry run releases it


def test_only_the_plan(host):
    report, _ = host.dry_run("--plan")
    assert (report["target"]["onHost"], report["calls"]) == (True, [])
    assert [item["network"] for item in report["plan"]] == ["blue"]
    assert host.left() == []


@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_killed_at_a_verb_it_leaves_nothing(host, verb):
    """bridge and host-local have done their part, or have undone it: namespace, veth, lease, rules, folder all go."""
    pid = host.begin(stop_at=verb)
    assert host.left()
    host.kill(signal.SIGKILL, pid)
    host.wait_until_nothing_is_left()
    assert host.node.read("/run/code") == "137\n"


@pytest.mark.parametrize("seconds", [0.3, 0.8])
def test_killed_at_any_time_it_leaves_nothing(host, seconds):
    pid = host.begin()
    time.sleep(seconds)
    host.kill(signal.SIGKILL, pid)
    host.wait_until_nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_the_end_of_the_terminal_leaves_nothing(host, number):
    pid = host.begin(stop_at="ADD")
    host.kill(number, pid)
    host.wait_until_nothing_is_left()
    assert host.node.read("/run/code") == "130\n"
    assert host.node.read("/run/err").endswith("error: interrupted\n")


@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_when_the_process_that_cleans_up_is_killed_the_command_does_it(host, verb):
    host.begin(stop_at=verb)
    host.kill(signal.SIGKILL, host.guard())
    host.wait_until_nothing_is_left()
    assert host.node.read("/run/code") == "1\n"
    assert "ended unexpectedly" in host.node.read("/run/err")


@pytest.mark.parametrize("seconds", [0.3, 0.7])
def test_the_process_that_cleans_up_is_killed_at_any_time(host, seconds):
    host.begin()
    wait_until(lambda: [line for line in host.processes().values() if "host_node_inside" in line])
    guard = host.guard()
    time.sleep(seconds)
    host.kill(signal.SIGKILL, guard)
    host.wait_until_nothing_is_left()
    assert host.node.read("/run/code") == "1\n"


def test_when_both_are_killed_the_next_one_does_it(host):
    """As a machine's out-of-memory killer or the end of a container would."""
    pid = host.begin(stop_at="ADD")
    host.kill(signal.SIGKILL, pid, host.guard())
    wait_until(lambda: not host.processes())
    assert host.left()
    host.dry_run("--plan")
    assert host.left() == []


def test_genie_gc_finds_what_was_not_undone(host):
    pid = host.begin(stop_at="ADD")
    words = [sys.executable, "-m", "genie_cli", "gc", "--yes", "--interval", "10ms", "-o", "name"]
    assert host.node.run(words, env=ENV).stdout == ""  # it is under way
    host.kill(signal.SIGKILL, pid, host.guard())
    wait_until(lambda: not host.processes())
    ran = host.node.run(words, env=ENV)
    assert ran.stdout.startswith("dry-run//run/genie-dry-run-"), ran.stdout + ran.stderr
    assert host.left() == []


def test_only_when_it_is_wanted(host):
    ran = host.node.run(host.words(), env=ENV)
    assert ran.returncode == 2
    error = json.loads(ran.stdout)
    assert "leases" in error["message"]
    assert "--yes" in error["hint"]
