"""The pure parts of a dry run: reading a ruleset, comparing two states, reading the plugin's answer."""

import json
from types import SimpleNamespace

import pytest

from genie_core.spec.conf import parse_network
from genie_core.tasks.dry_run import samples
from genie_core.tasks.dry_run.netview import Interface, Route, View, appeared, parse_ruleset
from genie_core.tasks.dry_run.runtime_call import Sandbox, environment, read_answer, standard_input

RULESET = """\
# Warning: table ip nat is managed by iptables-nft, do not touch!
table ip nat {
	set allowed {
		type ipv4_addr
		elements = { 10.0.0.1 }
	}

	chain CNI-6a53 {
		ip daddr 10.22.0.0/16 counter accept
	}

	chain POSTROUTING {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr 10.22.0.2 counter jump CNI-6a53
	}

	chain empty {
	}
}
table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy accept;
	}
}
"""


def test_a_ruleset_is_its_rules_and_own_chains():
    """iptables-nft makes base chains and tables when it only lists rules, so they are no leftovers."""
    assert set(parse_ruleset(RULESET)) == {
        "ip nat: set allowed",
        "ip nat allowed: type ipv4_addr",
        "ip nat allowed: elements = { 10.0.0.1 }",
        "ip nat CNI-6a53: ip daddr 10.22.0.0/16 counter accept",
        "ip nat: chain CNI-6a53",
        "ip nat POSTROUTING: ip saddr 10.22.0.2 counter jump CNI-6a53",
        "ip nat: chain empty",
    }
    assert list(parse_ruleset("")) == []


def interface(name, *addresses, kind="veth"):
    return Interface(name=name, kind=kind, mac="m", mtu=1500, up=True, parent="", addresses=addresses)


def test_additions_between_two_views():
    route = Route(to="10.0.0.0/24", via="", interface="cni0", family=4)
    default = Route(to="default", via="10.0.0.1", interface="cni0", family=4)
    before = View(interfaces=(interface("eth0", "192.0.2.2/24"),), routes=(default,), files=("/a",))
    after = View(
        interfaces=(
            interface("eth0", "192.0.2.2/24"),
            interface("cni0", "10.0.0.1/24", "fe80::1/64", kind="bridge"),
        ),
        routes=(default, route),
        firewall=("ip nat: chain X",),
        files=("/a", "/b"),
    )
    assert appeared(before, after) == [
        ("interface", "cni0 (bridge)"),
        ("address", "10.0.0.1/24 on cni0"),
        ("route", "10.0.0.0/24 on cni0"),
        ("firewall", "ip nat: chain X"),
        ("file", "/b"),
    ]
    assert appeared(after, before) == []


def ran(stdout="", stderr="", returncode=0, expired=False):
    return SimpleNamespace(returncode=returncode, stdout=stdout, stderr=stderr, ms=12.3, expired=expired)


def test_an_answer_with_steps_and_warnings():
    log = [
        {"level": "debug", "event": "delegate", "plugin": "bridge", "network": "n", "interface": "eth0"}
        | {"delegateVerb": "ADD", "status": 0, "ms": 7.25},
        {"level": "warning", "event": "several files fit", "network": "n", "container": "c"},
    ]
    stderr = "a delegate's own words\n" + "\n".join(map(json.dumps, log)) + "\n[1]\n"
    call = read_answer("ADD", ran('{"cniVersion": "1.0.0"}', stderr))
    assert call.result == {"cniVersion": "1.0.0"}
    assert call.problem is None
    assert [(step.plugin, step.interface, step.ms) for step in call.steps] == [("bridge", "eth0", 7.25)]
    assert call.warnings == ("several files fit: network n",)


@pytest.mark.parametrize(
    "event, warning",
    [
        ({"event": "skipped", "file": "/a.conf", "problem": "/a.conf: no type"}, "skipped: /a.conf: no type"),
        ({"event": "skipped", "file": "/a.conf", "problem": "no type"}, "skipped: file /a.conf: no type"),
        ({"event": "no state", "problem": 'item 2 ("b"): none'}, 'no state: item 2 ("b"): none'),
        ({"event": "slow", "plugin": "a", "ms": 7}, "slow: plugin a, ms 7"),
        ({"event": "alone"}, "alone"),
    ],
)
def test_a_warning_names_its_file_once(event, warning):
    line = json.dumps(event | {"time": "T", "level": "warning", "verb": "ADD"})
    assert read_answer("ADD", ran("{}", line)).warnings == (warning,)


@pytest.mark.parametrize(
    "answer,code,msg",
    [
        (ran('{"code": 7, "msg": "bad", "details": "d"}', returncode=1), 7, "bad"),
        (ran("", "segfault", returncode=139), 999, "it ended with status 139 and printed nothing"),
        (ran("oops", returncode=1), 999, "it printed something that is not a JSON object"),
        (ran("oops"), 999, "it printed something that is not a JSON object"),
        (ran("[]", returncode=1), 999, "it printed something that is not a JSON object"),
        (ran("", returncode=-9, expired=True), 999, "no answer within 0.0 s, so it was killed"),
    ],
)
def test_an_answer_that_is_an_error(answer, code, msg):
    call = read_answer("ADD", answer)
    assert call.problem is not None
    assert (call.problem.code, call.problem.msg) == (code, msg)
    assert call.as_json()["ok"] is False


def test_the_input_is_what_libcni_would_give():
    text = json.dumps(
        {
            "cniVersion": "1.0.0",
            "name": "genie",
            "plugins": [
                {
                    "type": "genie",
                    "kubernetes": {"kubeconfig": "/real/one"},
                    "capabilities": {"io.kubernetes.cri.pod-annotations": True, "portMappings": True},
                }
            ],
        }
    )
    sandbox = Sandbox(netns="/run/netns/x", name="p", namespace="ns", annotations={"cni": "a,b"})
    network = parse_network(text, "test")
    given = json.loads(standard_input(network, sandbox, '{"cniVersion": "1.0.0", "ips": []}'))
    assert given["name"] == "genie"
    assert given["cniVersion"] == "1.0.0"
    assert given["runtimeConfig"] == {"io.kubernetes.cri.pod-annotations": {"cni": "a,b"}}
    assert given["prevResult"] == {"cniVersion": "1.0.0", "ips": []}
    assert "capabilities" not in given
    assert given["kubernetes"] == {}  # a dry run asks no API server
    env = environment("ADD", sandbox, ["/a", "/b"], "/bin")
    assert env["CNI_PATH"] == "/a:/b"
    assert env["CNI_NETNS"] == "/run/netns/x"
    assert f"K8S_POD_INFRA_CONTAINER_ID={sandbox.container_id}" in env["CNI_ARGS"].split(";")
    assert len(sandbox.container_id) == 64


@pytest.mark.parametrize("name", samples.NAMES)
def test_samples_are_valid_configurations(name):
    network = parse_network(samples.sample(name), name)
    assert network.name == name
    assert network.plugins[0].type == name
