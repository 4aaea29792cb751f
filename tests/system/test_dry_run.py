"""`genie dry-run` from outside: the real command, the real plugins, root and an ordinary user."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests import machine, ordinary_user, warm
from tests.system.dry_runs import BIN, changes_since, command, dry_run, names, network

pytestmark = [pytest.mark.root, pytest.mark.system, pytest.mark.usefixtures("code_in_place")]


def test_the_demo():
    """Two networks with made-up configurations: what `make demo` shows on any machine."""
    before = machine.snapshot()
    report = dry_run("--cni", "bridge,macvlan@net1", "--samples")
    assert report["apiVersion"] == "genie/v1alpha1"
    assert report["kind"] == "DryRunReport"
    assert [(item["interface"], item["network"], item["primary"]) for item in report["plan"]] == [
        ("eth0", "bridge", True),
        ("net1", "macvlan", False),
    ]
    assert report["plan"][1]["why"] == 'annotation cni, item 2 ("macvlan@net1")'
    assert [call["verb"] for call in report["calls"]] == ["ADD", "CHECK", "DEL", "DEL", "GC"]
    assert all(call["ok"] for call in report["calls"])
    assert [(step["plugin"], step["interface"]) for step in report["calls"][0]["steps"]] == [
        ("bridge", "eth0"),
        ("macvlan", "net1"),
    ]
    assert all(0 < step["ms"] < 10_000 for call in report["calls"] for step in call["steps"])
    interfaces = {item["name"]: item for item in report["pod"]["interfaces"]}
    assert interfaces["eth0"]["kind"] == "veth"
    assert "10.22.0.2/16" in interfaces["eth0"]["addresses"]
    assert interfaces["net1"]["kind"] == "macvlan"
    assert "192.0.2.100/24" in interfaces["net1"]["addresses"]
    assert {"to": "default", "via": "10.22.0.1", "interface": "eth0", "family": 4} in report["pod"]["routes"]
    assert [ip["address"] for ip in report["calls"][0]["result"]["ips"]] == report["summary"]["addresses"]
    appeared = report["node"]["appeared"]
    assert "/var/lib/cni/networks/bridge/10.22.0.2" in names(appeared, "file")
    assert any("masquerade" in rule for rule in names(appeared, "firewall"))
    assert report["node"]["left"] == []
    assert "cni0 (bridge)" in names(report["node"]["stays"], "interface")
    assert not names(report["node"]["stays"], "firewall")
    assert report["summary"]["ok"] is True
    assert changes_since(before) == []


def test_the_demo_as_text():
    environment = dict(os.environ, COLUMNS="80", NO_COLOR="1")
    done = warm.run("dry-run", "--cni", "bridge,macvlan@net1", "--samples", env=environment)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == 'A pod with the annotation cni: "bridge,macvlan@net1"'
    assert lines[-1].startswith("ok: attached with 10.22.0.2, 192.0.2.100; after DEL nothing is left (")
    for heading in (
        "The plan",
        "ADD: ",
        "What the pod has now",
        "Changes on the node",
        "CHECK: ",
        "DEL: ",
        "DEL again",
    ):
        assert any(line.startswith(heading) for line in lines), heading
    assert "made up" in done.stdout


def test_yaml_is_the_same_document():
    done = warm.run("dry-run", "--cni", "bridge", "--samples", "--verb", "add", "-o", "yaml")
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["kind"] == "DryRunReport"


def test_real_configuration_with_a_chain(conf_dir):
    """A directory's own networks, with plugins behind the bridge; the directory itself is not touched."""
    chained = [
        {"type": "portmap", "capabilities": {"portMappings": True}},
        {"type": "firewall"},
        {"type": "tuning"},
    ]
    (conf_dir / "10-blue.conflist").write_text(json.dumps(network("blue", 1, *chained)))
    (conf_dir / "20-red.conf").write_text(json.dumps(network("red", 2)["plugins"][0] | {"name": "red"}))
    before = {path.name: path.read_bytes() for path in conf_dir.iterdir()}
    report = dry_run("--cni", "blue,red@net7", "--conf-dir", str(conf_dir))
    assert [item["source"] for item in report["plan"]] == [
        f"{conf_dir}/10-blue.conflist",
        f"{conf_dir}/20-red.conf",
    ]
    assert report["plan"][0]["plugins"] == ["bridge", "portmap", "firewall", "tuning"]
    assert not any(item["madeUp"] for item in report["plan"])
    assert [step["plugin"] for step in report["calls"][0]["steps"]] == report["plan"][0]["plugins"] + [
        "bridge"
    ]
    assert report["summary"]["addresses"] == ["10.213.1.2/24", "10.213.2.2/24"]
    assert report["node"]["left"] == []
    assert {path.name: path.read_bytes() for path in conf_dir.iterdir()} == before


def test_the_default_network_of_a_pod_without_annotations(conf_dir):
    (conf_dir / "10-blue.conflist").write_text(json.dumps(network("blue", 1)))
    report = dry_run("--conf-dir", str(conf_dir))
    assert [item["why"] for item in report["plan"]] == ["the node's default network"]


def test_genie_is_called_where_the_node_chains_other_plugins_to_it(conf_dir):
    chain = [{"type": "tuning"}, {"type": "genie", "default_plugin": "blue"}]
    conflist = {"cniVersion": "1.0.0", "name": "pods", "plugins": chain}
    (conf_dir / "00-genie.conflist").write_text(json.dumps(conflist))
    (conf_dir / "05-first.conflist").write_text(json.dumps(network("first", 2)))
    (conf_dir / "10-blue.conflist").write_text(json.dumps(network("blue", 1)))
    report = dry_run("--conf-dir", str(conf_dir), "--verb", "add")
    assert report["summary"]["addresses"] == ["10.213.1.2/24"]


def test_another_version_of_the_plugin_is_installed(conf_dir):
    """As after an upgrade of the command line alone; the node keeps its own."""
    old = Path("/opt/cni/bin/.genie/0.9.0")
    old.mkdir(parents=True)
    try:
        (old / "sealed").write_text("")
        before = {*old.parent.iterdir()}
        (conf_dir / "10-blue.conflist").write_text(json.dumps(network("blue", 1)))
        assert dry_run("--conf-dir", str(conf_dir), "--plan")["plan"][0]["network"] == "blue"
        assert {*old.parent.iterdir()} == before
    finally:
        shutil.rmtree(old)


def test_only_add(conf_dir):
    (conf_dir / "10-blue.conflist").write_text(json.dumps(network("blue", 1)))
    report = dry_run("--cni", "blue", "--conf-dir", str(conf_dir), "--verb", "add")
    assert [call["verb"] for call in report["calls"]] == ["ADD"]
    assert report["summary"] == {
        "ok": True,
        "released": False,
        "timedOut": False,
        "addresses": ["10.213.1.2/24"],
    }


@pytest.mark.parametrize("verb, verbs", [("check", ["ADD", "CHECK"]), ("del", ["ADD", "DEL"])])
def test_as_far_as_a_verb(conf_dir, verb, verbs):
    (conf_dir / "10-blue.conflist").write_text(json.dumps(network("blue", 1)))
    report = dry_run("--cni", "blue", "--conf-dir", str(conf_dir), "--verb", verb)
    assert [call["verb"] for call in report["calls"]] == verbs
    assert report["summary"]["released"] is (verb == "del")


def test_a_private_node_like_this_one(conf_dir, netns):
    """Names, MTUs and addresses of the node, and a gateway that answers: `master: up0` works."""
    node = netns()
    for line in (
        "link add up0 mtu 1400 type veth peer name up1",
        "link set up0 up",
        "link set up1 up",
        "addr add 10.77.0.5/24 dev up0",
        "route add default via 10.77.0.1",
        "link add br7 type bridge",
        "addr add 10.88.0.1/24 dev br7",
    ):
        node.run("ip", *line.split())
    lan = network("lan", 7, type="macvlan", master="up0", ipam=ipam("10.77.0.0/24", "10.77.0.50"))
    (conf_dir / "10-lan.conflist").write_text(json.dumps(lan))
    words = command("--cni", "lan", "--conf-dir", str(conf_dir), "--node-like-this", "-o", "json")
    report = json.loads(node.run(*words).stdout)
    before = {item["name"]: item for item in report["node"]["before"]["interfaces"]}
    assert before.keys() == {"up0", "br7"}
    assert before["up0"]["mtu"] == 1400
    assert "10.77.0.5/24" in before["up0"]["addresses"]
    assert (before["br7"]["kind"], before["br7"]["addresses"][0]) == ("bridge", "10.88.0.1/24")
    assert {"to": "default", "via": "10.77.0.1", "interface": "up0", "family": 4} in report["node"]["before"][
        "routes"
    ]
    assert report["summary"]["addresses"] == ["10.77.0.50/24"]
    assert [(reach["address"], reach["reached"]) for reach in report["reachability"]] == [("10.77.0.1", True)]
    assert report["summary"]["ok"] is True


def ipam(subnet, first):
    return {"type": "host-local", "ranges": [[{"subnet": subnet, "rangeStart": first}]]}


def test_an_error_that_repeats_a_password_is_shown_without_it(conf_dir, tmp_path):
    """A plugin's message may quote its configuration."""
    plugin = tmp_path / "bin" / "loud"
    plugin.parent.mkdir()
    plugin.write_text(
        """#!/bin/sh\necho 'dial http://me:verysecret@host' >&2\n"""
        """echo '{"code": 9, "msg": "cannot reach https://me:verysecret@host/"}'\nexit 1\n"""
    )
    plugin.chmod(0o755)
    (conf_dir / "10-loud.conf").write_text('{"cniVersion": "1.0.0", "name": "loud", "type": "loud"}')
    where = ("--conf-dir", str(conf_dir), "--bin-dir", str(plugin.parent))
    report = dry_run("--cni", "loud", *where, code=1)
    assert report["calls"][0]["error"]["msg"].endswith("cannot reach https://(hidden)@host/")
    assert "verysecret" not in json.dumps(report)


def test_what_each_plugin_was_given_and_answered(conf_dir):
    """The exact environment and input, those of the IPAM plugin that the bridge calls, and no secret."""
    chained = {"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}, "apiToken": "verysecret"}
    chained["servers"] = ["https://me:verysecret@10.0.0.1:2379/x", "etcd at http://very:sec@ret@host and on"]
    (conf_dir / "10-blue.conflist").write_text(json.dumps(network("blue", 1, chained)))
    report = dry_run("--cni", "blue@eth0", "--conf-dir", str(conf_dir), "--verb", "del")
    bridge, tuning = report["calls"][0]["steps"]
    assert bridge["environment"]["CNI_COMMAND"] == "ADD"
    assert bridge["environment"]["CNI_IFNAME"] == "eth0"
    assert "K8S_POD_NAME=dry-run" in bridge["environment"]["CNI_ARGS"]
    assert bridge["input"]["name"] == "blue"
    assert bridge["output"]["ips"][0]["address"] == "10.213.1.2/24"
    (ipam,) = bridge["inner"]
    assert (ipam["plugin"], ipam["environment"]["CNI_COMMAND"]) == ("host-local", "ADD")
    assert tuning["input"]["prevResult"]["ips"] == bridge["output"]["ips"]
    assert tuning["input"]["apiToken"] == "(not shown)"
    urls = ["https://(hidden)@10.0.0.1:2379/x", "etcd at http://(hidden)@host and on"]
    assert tuning["input"]["servers"] == urls
    assert "verysecret" not in json.dumps(report)
    released = [(step["plugin"], step["environment"]["CNI_COMMAND"]) for step in report["calls"][1]["steps"]]
    assert released == [("tuning", "DEL"), ("bridge", "DEL")]


def test_the_records_of_networks_that_are_attached_side_by_side(conf_dir):
    """Each is that of its own interface, and the IPAM plugin's is inside the one that called it."""
    genie = {"type": "genie", "parallel_attachments": True}
    (conf_dir / "00-genie.conflist").write_text(
        json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [genie]})
    )
    for number, name in enumerate(("blue", "red"), 1):
        (conf_dir / f"{number}0-{name}.conflist").write_text(json.dumps(network(name, number)))
    report = dry_run("--cni", "blue,red@net7", "--conf-dir", str(conf_dir), "--verb", "add")
    steps = {step["interface"]: step for step in report["calls"][0]["steps"]}
    assert sorted(steps) == ["eth0", "net7"]
    for interface, step in steps.items():
        assert step["environment"]["CNI_IFNAME"] == interface
        assert [inner["plugin"] for inner in step["inner"]] == ["host-local"]
        assert step["inner"][0]["environment"]["CNI_IFNAME"] == interface


def test_wide_shows_them_to_a_person():
    done = warm.run("dry-run", "--cni", "bridge", "--samples", "-o", "wide")
    assert done.returncode == 0, done.stderr
    assert "host-local, called by bridge" in done.stdout
    assert "CNI_COMMAND=CHECK" in done.stdout
    assert "The private node before it" in done.stdout


def test_only_the_plan(conf_dir):
    (conf_dir / "10-blue.conflist").write_text(json.dumps(network("blue", 1)))
    report = dry_run("--cni", "blue,blue@net1", "--conf-dir", str(conf_dir), "--plan")
    assert [item["interface"] for item in report["plan"]] == ["eth0", "net1"]
    assert report["calls"] == []
    error = dry_run("--cni", "green", "--conf-dir", str(conf_dir), "--plan", code=3)
    assert "green" in error["message"]


def test_two_pods_reach_each_other_and_their_gateways():
    report = dry_run("--cni", "bridge", "--samples", "--pods", "2", "--verb", "del")
    assert [(call["verb"], call["pod"]) for call in report["calls"]] == [
        ("ADD", 1),
        ("ADD", 2),
        ("DEL", 1),
        ("DEL", 2),
    ]
    assert len(report["pods"]) == 2
    assert [(r["pod"], r["address"], r["what"], r["reached"]) for r in report["reachability"]] == [
        (1, "10.22.0.1", "gateway", True),
        (1, "10.22.0.3", "pod 2", True),
        (2, "10.22.0.1", "gateway", True),
        (2, "10.22.0.2", "pod 1", True),
    ]
    assert report["node"]["left"] == []


def test_the_default_route_that_is_kept_is_reported(conf_dir):
    for number, name in ((1, "blue"), (2, "red")):
        conf = network(name, number, isDefaultGateway=True)
        (conf_dir / f"{number}0-{name}.conflist").write_text(json.dumps(conf))
    asked = ["--cni", "blue,red@net1", "--conf-dir", str(conf_dir), "--verb", "add"]
    report = dry_run(*asked)
    assert [route["interface"] for route in report["pod"]["routes"] if route["to"] == "default"] == ["eth0"]
    assert report["calls"][0]["defaultRoutes"] == [{"family": "IPv4", "kept": "eth0", "removed": ["net1"]}]
    done = warm.run("dry-run", *asked)
    assert done.returncode == 0, done.stderr
    assert "IPv4 default route: eth0 keeps its own; that of net1 was removed" in done.stdout


def test_a_gateway_that_does_not_exist_does_not_answer(conf_dir):
    conf = network("blue", 1, isGateway=False, ipMasq=False)
    (conf_dir / "10-blue.conflist").write_text(json.dumps(conf))
    report = dry_run("--cni", "blue", "--conf-dir", str(conf_dir), "--verb", "add")
    assert [(reach["what"], reach["reached"]) for reach in report["reachability"]] == [("gateway", False)]


def test_kept_until_standard_input_ends(plugin):
    """The time for looking is not limited: --timeout is for the plugins only."""
    quick = [*plugin("""echo '{"cniVersion": "1.0.0"}'"""), "--verb", "del"]
    began = time.monotonic()
    dry_run(*quick)
    limit = max(4, 6 * (time.monotonic() - began))  # all that the plugins may take, on a busy machine too
    with subprocess.Popen(
        command(*quick, "--keep", "--timeout", f"{limit:.1f}s", "-o", "json"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        line = next(line for line in running.stderr or () if "look at it with" in line)
        shown = subprocess.run(
            line.partition("with: ")[2].split(), capture_output=True, text=True, check=True
        ).stdout
        assert "lo: <LOOPBACK,UP,LOWER_UP>" in shown
        time.sleep(limit)
        out, _ = running.communicate(timeout=240)
    assert json.loads(out)["summary"]["ok"] is True


def test_a_network_that_is_not_configured_is_no_sample_on_a_real_node(conf_dir):
    """Where the node has configurations, a made-up one would hide what is wrong."""
    (conf_dir / "10-blue.conflist").write_text(json.dumps(network("blue", 1)))
    report = dry_run("--cni", "blue,macvlan", "--conf-dir", str(conf_dir), code=1)
    error = report["calls"][0]["error"]
    assert error["code"] == 7
    assert "item 2" in error["msg"]
    assert report["pod"]["interfaces"] == []
    assert report["node"]["left"] == []
    report = dry_run("--cni", "blue,macvlan", "--conf-dir", str(conf_dir), "--samples")
    assert [item["madeUp"] for item in report["plan"]] == [False, True]


@pytest.fixture
def as_configured(tmp_path):
    """Run a dry run on a node whose containerd has these directories, and no configuration of another runtime."""
    program = warm.client(tmp_path / "program")

    def run(conf, bins, *arguments):
        config = f'version = 2\n[plugins."io.containerd.grpc.v1.cri".cni]\nconf_dir = "{conf}"\nbin_dir = "{bins}"\n'
        (tmp_path / "containerd").mkdir(exist_ok=True)
        (tmp_path / "containerd/config.toml").write_text(config)
        inside = 'mkdir -p /etc/containerd && mount --bind "$0" /etc/containerd && exec "$@"'
        covered = ["unshare", "--mount", "sh", "-c", inside, str(tmp_path / "containerd")]
        words = [*covered, str(program), "dry-run", *arguments]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    return run


def test_plugins_are_searched_where_the_runtime_searches_them(as_configured, conf_dir, tmp_path):
    """bridge is in /usr/lib/cni, the runtime searches elsewhere: a dry run that is ok would be a lie."""
    (conf_dir / "10-blue.conflist").write_text(json.dumps(network("blue", 1)))
    (tmp_path / "bins").mkdir()
    done = as_configured(conf_dir, tmp_path / "bins", "--cni", "blue")
    assert done.returncode == 1, done.stdout
    assert 'failed to find plugin "bridge" in path' in " ".join(done.stdout.split())
    assert as_configured(conf_dir, BIN, "--cni", "blue").returncode == 0
    named = as_configured(conf_dir, tmp_path / "bins", "--cni", "blue", "--bin-dir", BIN)
    assert named.returncode == 0, named.stdout
    searches = f"plugins were searched in {BIN}; containerd searches {tmp_path}/bins"
    assert f"note: {searches}: a real ADD does not find bridge, host-local" in " ".join(named.stdout.split())


def test_no_plugins_at_all(tmp_path):
    report = dry_run("--cni", "bridge", "--samples", "--bin-dir", str(tmp_path), code=1)
    assert 'failed to find plugin "bridge"' in report["calls"][0]["error"]["msg"]


ORDINARY = """\
import json, sys
sys.path.insert(0, sys.argv[1])
from genie_core.sandbox.private_node import PrivateNode
from genie_core.tasks.dry_run.options import DryRunOptions
from genie_core.tasks.dry_run.run import dry_run
with PrivateNode() as node:
    question = DryRunOptions(
        annotations={"cni": "bridge,macvlan@net1"}, conf_files={}, bin_dirs=[sys.argv[2]], samples="always"
    )
    print(json.dumps(dry_run(question, node).as_json()))
"""


def test_an_ordinary_user_gets_the_same():
    before = machine.snapshot()
    with ordinary_user.readable_copy() as folder:
        report = ordinary_user.run_python(ORDINARY, folder, BIN)
    assert report["summary"] == {
        "ok": True,
        "released": True,
        "timedOut": False,
        "addresses": ["10.22.0.2/16", "192.0.2.100/24"],
    }
    assert report["node"]["left"] == []
    assert changes_since(before) == []
