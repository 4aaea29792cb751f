"""The files of `genie generate-config` with the real plugins: ADD, CHECK, DEL, DEL, in a private node."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from genie_core.catalog import PLUGINS, Role
from tests import machine, warm

pytestmark = [pytest.mark.root, pytest.mark.system, pytest.mark.usefixtures("code_in_place")]

BIN = "/usr/lib/cni"
INSTALLED = {path.name for path in Path(BIN).iterdir()} if Path(BIN).is_dir() else set()
# host-device wants a second interface, which a private node does not have: it has a test of its own.
TYPES = [
    plugin.type
    for plugin in PLUGINS.values()
    if plugin.role is Role.INTERFACE and plugin.type in INSTALLED - {"host-device"}
]
BEHIND = [p.type for p in PLUGINS.values() if p.role is Role.META and p.type in INSTALLED]
# These can stand in one chain, and every kernel has what they need; each of the others has a chain of its own.
TOGETHER = [type_ for type_ in BEHIND if type_ in ("portmap", "firewall", "tuning")]
CHAINS = [TOGETHER, *([type_] for type_ in BEHIND if type_ not in TOGETHER)]
# What this machine's kernel cannot make says so itself; then the configuration got as far as it could.
SUBNET = "10.200."  # where free ones are found: on a shared machine, the lines that are ours
NO_SUCH_LINK = "operation not supported"


def genie(*arguments, prefix=()):
    words = ["generate-config", *arguments, "--bin-dir", BIN]
    if not prefix:
        return warm.run(*words)
    command = [*prefix, sys.executable, "-m", "genie_cli", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


def assert_a_pod_lives_on(*arguments):
    """The configuration works, or the kernel, and no other part, refuses it; nothing is left."""
    done = genie(*arguments, "--test", "-o", "json")
    report = json.loads(done.stdout)
    assert report["node"]["left"] == [], report
    failed = [call for call in report["calls"] if not call["ok"]]
    if failed:
        assert all(NO_SUCH_LINK in call["error"]["msg"] for call in failed), failed
        assert done.returncode == 1
    else:
        assert report["summary"]["released"], report
        assert done.returncode == 0
    return report


def test_the_reference_plugins_are_here():
    assert {"bridge", "macvlan", "ptp", "ipvlan", "vlan", "loopback"} <= set(TYPES)
    assert {"portmap", "tuning", "bandwidth", "firewall", "sbr"} <= set(BEHIND)


def test_on_a_node_that_has_configurations_already():
    folder = Path("/etc/cni/net.d")
    folder.mkdir()
    try:
        assert genie("bridge", "--write").returncode == 0
        assert assert_a_pod_lives_on("bridge")["plan"][0]["network"] == "bridge2"
        assert [file.name for file in folder.iterdir()] == ["90-bridge.conflist"]
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("type_", TYPES)
def test_every_interface_plugin(type_):
    before = machine.snapshot()
    report = assert_a_pod_lives_on(type_)
    if type_ in ("bridge", "macvlan", "ptp"):
        assert report["summary"]["addresses"] == ["10.200.0.2/24"], report["summary"]
    assert [
        line for line in machine.difference(before, machine.snapshot()).splitlines() if SUBNET in line
    ] == []


@pytest.mark.parametrize("types", CHAINS, ids=",".join)
def test_every_plugin_that_is_chained(types):
    more = ["--set", "plugins[1].vrfname=vrf9"] if types == ["vrf"] else []
    report = assert_a_pod_lives_on("bridge", "--chain", ",".join(types), *more)
    assert {step["plugin"] for step in report["calls"][0]["steps"]} == {"bridge", *types}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--ipam", "static", "--address", "100.99.0.5/24", "--gateway", "100.99.0.1"),
        ("--subnet", "fd00:99::/64"),
        (
            *("--subnet", "100.99.0.0/24", "--gateway", "100.99.0.9", "--range-start", "100.99.0.20"),
            *("--mtu", "1300", "--bridge", "br-x"),
        ),
    ],
)
def test_options_of_a_bridge(arguments):
    report = assert_a_pod_lives_on("bridge", *arguments)
    assert report["summary"]["ok"]


def test_host_device_moves_a_spare_interface_and_gives_it_back(netns, tmp_path):
    node, pod = netns(), netns()
    node.run("ip", "link", "add", "spare0", "type", "veth", "peer", "name", "far0")
    done = genie(
        "host-device",
        "--master",
        "spare0",
        "--ipam",
        "static",
        "--address",
        "100.99.0.5/24",
        prefix=["ip", "netns", "exec", node.name],
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (entry,) = document["plugins"]
    assert entry["device"] == "spare0"
    config = json.dumps(entry | {"name": document["name"], "cniVersion": document["cniVersion"]})
    for verb, inside in (("ADD", True), ("DEL", False)):
        env = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": "c1",
            "CNI_NETNS": str(pod.path),
            "CNI_IFNAME": "net1",
            "CNI_PATH": BIN,
        }
        command = ["ip", "netns", "exec", node.name, f"{BIN}/host-device"]
        ran = subprocess.run(command, env=env, input=config, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout
        assert ("net1" in pod.links()) is inside
    assert entry["device"] in node.links()


def test_what_is_written_discover_finds_healthy(tmp_path):
    conf = tmp_path / "conf"
    for type_ in ("bridge", "ptp", "macvlan"):
        done = genie(type_, "--write", "--conf-dir", str(conf))
        assert done.returncode == 0, done.stderr
    where = ("--conf-dir", conf, "--bin-dir", BIN)
    done = warm.run("discover", *where, "-o", "json", "--fail-on", "warning")
    report = json.loads(done.stdout)
    assert done.returncode == 0, report["findings"]
    assert [file["verdict"] for file in report["configurations"]] == ["ok"] * 3


def test_a_pipe_into_the_dry_run():
    made = genie("bridge", "--name", "piped", "-o", "json")
    words = ["dry-run", "--cni", "stdin", "-f", "-", "--bin-dir", BIN, "-o", "json"]
    done = warm.run(*words, stdin=made.stdout)
    assert json.loads(done.stdout)["summary"]["ok"], done.stdout
