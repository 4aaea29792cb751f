"""The controller of docs/switch-networks-by-load.md, beside an agent."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.live.agent.running import CONDITION
from tests.live.live import ROOT
from tests.patience import wait_until

pytestmark = [pytest.mark.root, pytest.mark.system]

PAGE = (Path(ROOT) / "docs/switch-networks-by-load.md").read_text()


@pytest.fixture
def switching(node, tmp_path):
    """Three pods on blue and red, an agent, and what is run with a load and a number of rounds."""
    names = ("web-0", "web-1", "web-2")
    for name in names:
        netns = node.node.pod if name == "web-0" else node.node.add_pod()
        node.start(name, netns=netns.path, cni="blue,red@net1")
        pod = node.pod(name)
        pod["metadata"]["labels"] = {"app": "web"}
        node.cluster.objects.add(pod)
    node.agent()
    wait_until(lambda: {node.condition(name) for name in names} == {("True", "Applied")})
    (script,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    (tmp_path / "switch.py").write_text(script)
    load = tmp_path / "load"
    load.write_text(f"#!/bin/sh\ncat {tmp_path}/level\n")
    load.chmod(0o755)
    (tmp_path / "kubeconfig").write_text(kubeconfig(node.cluster.server.url))
    env = {
        "PATH": os.environ["PATH"],
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "NAMESPACE": "ns",
        "SELECTOR": "app=web",
        "NETWORKS": "blue red green",
        "LOAD": str(load),
        "ROUND": "0.1",
    }

    def run(level, rounds):
        (tmp_path / "level").write_text(str(level))
        words = [sys.executable, tmp_path / "switch.py", str(rounds)]
        return subprocess.run(
            node.node.inside(*words), capture_output=True, text=True, timeout=240, check=False, env=env
        )

    return node, run


def kubeconfig(server):
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


def test_pods_are_moved_within_the_budget(switching):
    node, run = switching
    done = run(0.7, 2)
    assert (done.returncode, done.stdout) == (0, ""), done
    done = run(0.9, 1)
    assert (done.returncode, done.stdout) == (0, "load 0.9: web-0 is on green\n"), done
    assert node.links()["net1"] == ["10.3.0.2/16"]
    done = run(0.1, 1)
    assert (done.returncode, done.stdout) == (0, "load 0.1: web-0 is on red\n"), done
    done = run(0.95, 3)
    assert done.returncode == 0, done
    assert done.stdout.splitlines() == [
        "load 0.95: web-0 is on green",
        "load 0.95: web-1 is on green",
        "load 0.95: web-2 stays, 2 moves in 600 s are spent",
    ]


def test_a_move_that_fails_is_taken_back(switching):
    node, run = switching
    (node.node.conf / "30-green.conf").write_text(
        json.dumps({"cniVersion": "1.0.0", "name": "green", "type": "macvlan", "master": "nothere0"})
    )
    done = run(0.9, 1)
    assert done.returncode == 1
    assert "web-0 could not be moved to green" in done.stderr
    assert node.pod("web-0")["metadata"]["annotations"]["cni"] == "blue,red@net1"
    wait_until(lambda: node.condition("web-0") == ("True", "Applied"))
    assert set(node.links()) == {"eth0", "net1"}


def test_a_readiness_gate(node):
    """The page's pod has the condition of its gate once it has its networks, and not while it cannot have them."""
    page = (Path(ROOT) / "docs/change-a-running-pod.md").read_text()
    (text,) = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    manifest = yaml.safe_load(text)
    kubernetes_validate.validate(manifest, "1.37", strict=True)
    (gate,) = manifest["spec"]["readinessGates"]
    (waited,) = re.findall(r"kubectl wait --for=condition=(\S+)", page)
    assert gate["conditionType"] == waited == CONDITION
    node.start("web-0", **manifest["metadata"]["annotations"])
    node.agent()
    wait_until(lambda: node.condition("web-0") == ("True", "Applied"))
    node.annotate("web-0", cni="blue,nosuch@net1")
    wait_until(lambda: (node.condition("web-0") or ("",))[0] == "False")
