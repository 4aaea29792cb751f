"""An agent beside a node with real plugins, an API server, and pods."""

import json
import os
import signal
import socket
import urllib.request

from genie_core.edges.netns import inside
from genie_core.status import OBSERVED
from genie_core.tasks.sync.observed import observed
from tests import warm
from tests.live.live import ROOT, Live, pod_object
from tests.patience import wait_until
from tests.processes import are_starting, processes

NODE = "node-1"
CONDITION = "genie.cni.dev/NetworksReady"


class Running(Live):
    """A node whose pods an agent follows, of which there may be several."""

    def __init__(self, root, plugins):
        super().__init__(root, plugins)
        self.agents = []
        self.log = root / "agent.log"

    def close(self):
        for agent in self.agents:
            if agent.poll() is None:
                agent.kill()
            agent.wait()
        self.end_children()
        super().close()

    def words(self, *more):
        places = {
            "--conf-dir": self.node.conf,
            "--ipam-dir": self.node.leases,
            "--cache-dir": self.node.root / "cache",
            "--node": NODE,
        }
        flags = [str(word) for pair in places.items() for word in pair]
        return ["agent", *flags, *more]

    def environment(self):
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"}

    def agent(self, *more, wait=True, repair=("--repair", "off")):
        """Start one; it serves on a port of its own. `repair` () leaves that to the configuration."""
        log = self.log.open("ab")
        words = self.words(*(() if "--repair" in more else repair), *more)
        words = [*words, "--listen", "127.0.0.1:0"]
        process = warm.start(
            "genie_cli", *words, netns=self.node.host.path, stderr=log, env=self.environment()
        )
        log.close()
        self.agents.append(process)
        if wait:
            wait_until(lambda: self.events("following this node's pods", process.pid) or process.poll())
            assert process.poll() is None, self.log.read_text()
        return process

    def once(self, *more):
        words = self.words("--once", *(more or ("--repair", "off")))
        return warm.run(*words, netns=self.node.host.path, env=self.environment())

    def lines(self):
        """What the agents have logged."""
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def events(self, name, pid=None):
        return [line for line in self.lines() if line["event"] == name and pid in (None, line.get("pid"))]

    def get(self, path):
        """(status, body) of a page of the last agent."""
        port = self.events("serving")[-1]["port"]

        def ask():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=240) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

        return inside(str(self.node.host.path), ask)

    def start(self, name="c1", netns=None, **annotations):
        """A pod of this node, and its ADD."""
        document = pod_object(name, annotations)
        document["spec"] = {"nodeName": NODE, "containers": []}
        self.cluster.objects.add(document)
        args = f"IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME={name};K8S_POD_UID=u1"
        outcome = self.node.call("ADD", name, netns=netns, env={"CNI_ARGS": args}, annotations=annotations)
        assert outcome.status == 0, outcome
        return outcome.reply

    def condition(self, name="c1"):
        """(status, reason) of Genie's condition of a pod."""
        conditions = (self.pod(name).get("status") or {}).get("conditions") or []
        return next(((one["status"], one["reason"]) for one in conditions if one["type"] == CONDITION), None)

    def is_answered(self, name="c1"):
        """Whether the written status is of the annotations as they are now."""
        annotations = self.pod(name)["metadata"]["annotations"]
        return annotations.get(OBSERVED) == observed(annotations)

    def message(self, name="c1"):
        conditions = (self.pod(name).get("status") or {}).get("conditions") or []
        return next((one["message"] for one in conditions if one["type"] == CONDITION), "")

    def pod_events(self):
        kind = self.cluster.objects.find_kind("", "v1", "events")
        assert kind is not None
        return sorted(item["reason"] for item in self.cluster.objects.list(kind, "ns", {})["items"])

    def has(self, *ifnames):
        """Wait until the first pod has these interfaces, and its journal too."""
        wanted = {"eth0", *ifnames}
        wait_until(lambda: {name for name, _ in self.journal()} == wanted == self.interfaces())

    def interfaces(self):
        """The names of the first pod's interfaces."""
        names = inside(str(self.node.pod.path), socket.if_nameindex)
        return {name for _, name in names} - {"lo"}

    def end_children(self):
        """Kill what an agent of this node has left running: its changes survive it, and the test ends."""
        for pid in self.children():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def end_of_children(self):
        """Wait until the changes have ended that a `genie agent --once`, which has ended, has begun.

        One that has not its own command line yet has still the agent's, or for a moment none.
        """
        host = self.node.host.path
        wait_until(lambda: not (self._commands() or are_starting(host) or self._commands()))

    def children(self):
        """The changes that run on this node."""
        return self._commands(b"genie_core.tasks.sync")

    def _commands(self, *programs):
        """The PIDs of programs about this node: of these, else of any."""
        place, wanted = str(self.node.conf).encode(), programs or (b"genie_cli", b"genie_core.tasks.sync")
        return processes(lambda words: place in words and not {*words}.isdisjoint(wanted))
