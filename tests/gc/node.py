"""A private node with Genie on it, with leftovers for `genie gc` to find."""

import json
import sys
from pathlib import Path

from genie_core.jsontext import encode
from genie_core.sandbox.private_node import PrivateNode
from genie_core.spec.conf import parse_network
from genie_core.tasks.dry_run.configuration import configure
from genie_core.tasks.dry_run.runtime_call import Sandbox, environment, standard_input

BIN_DIR = "/opt/cni/bin"
CNI_BIN = "/usr/lib/cni"
ROOT = Path(__file__).parents[2]
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
CACHE = "/var/lib/cni/results"
BETWEEN = """
import json, subprocess, sys
from genie_core.tasks.gc import GCOptions, collect, find
options = GCOptions(min_age=0.001)
report = find(options, interval=6.0, sleep=lambda _: subprocess.run(sys.argv[1:], check=True))
print(json.dumps(collect(report, options).as_json()))
"""


class LeakyNode:
    """Attach pods as a runtime does, and remove them without DEL, as a runtime must not.

    `program` is the command line there.
    """

    def __init__(self, node, program):
        self.node = node
        self.program = program
        configured = configure(node, {"cni": "bridge,ptp"}, [], {}, "always")
        self.network = parse_network(node.read(configured.conflist), configured.conflist)
        self.pods = 0

    def add(self, cni="bridge", ports=None):
        """An attached pod: its sandbox."""
        self.pods += 1
        name = f"cni-00000000-0000-4000-8000-{self.pods:012d}"
        annotations = {"cni": cni}
        pod = Sandbox(
            netns=self.node.add_namespace(name),
            name=f"p{self.pods}",
            namespace="shop",
            annotations=annotations,
        )
        stdin = json.loads(standard_input(self.network, pod))
        if ports:
            stdin["runtimeConfig"]["portMappings"] = ports
        ran = self.node.run(
            [f"{BIN_DIR}/genie"],
            env=environment("ADD", pod, [BIN_DIR, CNI_BIN], PATH),
            stdin=encode(stdin),
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return pod

    def direct(self, verb, pod, plugin):
        """A call of a plugin without Genie."""
        ran = self.node.run(
            [f"{CNI_BIN}/{plugin['type']}"],
            env=environment(verb, pod, [CNI_BIN], PATH),
            stdin=json.dumps(plugin),
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return json.loads(ran.stdout or "{}")

    def remember(self, pod, network, result, netns=None):
        """The result as libcni keeps it; before its version 1.2 without the namespace: netns=""."""
        document = {
            "kind": "cniCacheV1",
            "containerId": pod.container_id,
            "ifName": "eth0",
            "networkName": network,
        }
        document |= {"netns": pod.netns if netns is None else netns, "result": result}
        path = f"{CACHE}/{network}-{pod.container_id}-eth0"
        self.node.write(path, json.dumps(document))
        return path

    def kill(self, pod):
        """Remove the pod's namespace, without a DEL."""
        self.node.remove_namespace(pod.netns)

    def gc(self, *arguments, code=0):
        """`genie gc`'s report."""
        words = ["gc", "--interval", "10ms", "--min-age", "1ms", "-o", "json"]
        ran = self.node.run([self.program, *words, *arguments], env={"PATH": PATH})
        assert ran.returncode == code, ran.stdout + ran.stderr
        return json.loads(ran.stdout)

    def between_looks(self, *command):
        """The report of a collection that runs a command while it waits for its second look."""
        code = [sys.executable, "-c", BETWEEN, *command]
        ran = self.node.run(code, env={"PATH": PATH, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"})
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return json.loads(ran.stdout)

    def leases(self):
        return [
            path for path in self.node.files("/var/lib/cni/networks") if path.rpartition("/")[2][0].isdigit()
        ]

    def chains(self):
        """The NAT chains that plugins made for containers."""
        text = self.node.run(["iptables-save", "-t", "nat"]).stdout
        return [
            line.split()[0][1:]
            for line in text.splitlines()
            if line.startswith(":CNI-") and line[5:].split()[0][-1].isalnum()
        ]

    def links(self):
        return {link["ifname"] for link in json.loads(self.node.run(["ip", "-json", "link"]).stdout)}


def make():
    """The context of a private node in which this checkout can be run."""
    return PrivateNode(visible=[CNI_BIN, str(ROOT)])
