"""Changes of a running pod, killed at every step: `genie sync pod`, the plugins that it runs, and the agent's one pass.

A kill is followed by one of what may come next on a node: the runtime's DEL, its CHECK, its GC, or the next sync. In
the end the pod has what it asks for, its status says that, and after DEL nothing is left. At no instant does the
status say of the present request that it is applied where it is not.
"""

import compileall
import json
import subprocess
import sys

from genie_core.status import OBSERVED
from genie_core.tasks.sync.observed import observed
from tests import warm
from tests.live.agent.running import CONDITION, Running
from tests.live.live import ROOT, cni_args
from tests.netns import Namespace
from tests.system import audit, kills
from tests.torture.steps import BEGIN, PLUGINS, WRAPPER

# What the pod asks for, before and after.
CHANGES = {
    "plug": ("blue", "blue,green@net1"),
    "unplug": ("blue,green@net1", "blue"),
    "replace": ("blue,green@net1", "blue,red@net1"),
}
NEXT = ("DEL", "CHECK", "GC", "sync")
# The plugins that a change runs, by verb.
RUN = {
    "plug": (("ADD", "macvlan"), ("ADD", "host-local")),
    "unplug": (("DEL", "macvlan"), ("DEL", "host-local")),
    "replace": (("DEL", "macvlan"), ("ADD", "ptp"), ("ADD", "host-local")),
}
APPLIED = ("True", "Applied")
APPLIED_CONDITION = {"status": "True", "reason": "Applied", "message": ""}


class SyncSteps:
    """Kills changes of one node's pod c1, which is attached before each and released after it."""

    def __init__(self, running: Running):
        self.running = running
        self.node = running.node
        for package in ("genie_core", "genie_cli"):  # else the first call alone would write what is compiled
            compileall.compile_dir(ROOT / package, quiet=1)
        self.before = audit.settle(self.node)
        self.orphans = 0

    def points(self, change):
        """All places of the change, from the moment when it takes its locks."""
        return self._recorded(change, self._sync, BEGIN)

    def agent_points(self, change):
        """All places of the agent's one pass, from its first request on."""
        return self._recorded(change, self._pass, "CLONE_THREAD")

    def kill(self, change, point, then):
        """The problem after a change that was killed there, and the next event; None if it was not killed."""
        self._prepare(change)
        return self._judged(self._sync(kills.strace_kill(point)), change, then)

    def kill_agent(self, change, point, then):
        """The same for the agent's one pass; its change runs on without it."""
        self._prepare(change)
        return self._judged(self._pass(kills.strace_kill(point)), change, then)

    def kill_plugin(self, change, verb, plugin, call, number, then):
        """The same where a plugin is killed before its `number`-th `call`."""
        killing = {
            "KILL_VERB": verb,
            "KILL_PLUGIN": plugin,
            "KILL_CALL": call,
            "KILL_NUMBER": str(number),
        }
        self._prepare(change)
        done = self._sync(env=killing)
        for lease in audit.empty_leases(self.node.leases):
            self.orphans += 1
            lease.unlink()
        problem = self._claims() or self._finished(change, then, is_torn=True)
        left = self._deleted()
        self._renew()
        problem = problem or left or audit.left(self.node, self.before)
        return problem if problem or done.returncode else None

    def _renew(self):
        """A new namespace for the pod: a killed macvlan leaves a link in it whose name it alone knew."""
        old = self.node.pods.pop(0)
        old.remove()
        self.node.pods.insert(0, Namespace())
        self.before = {line.replace(old.name, self.node.pod.name) for line in self.before}

    def wrap_plugins(self):
        """Put what kills them in front of the plugins."""
        for plugin in PLUGINS:
            self.node.wrap(plugin, WRAPPER.format(folder=self.node.root / "wrapped"))

    # --- one kill ----------------------------------------------------------------------------------------

    def _recorded(self, change, call, begin):
        file = self.node.root / f"{change}.strace"
        self._prepare(change)
        done = call(kills.strace_record(file))
        assert done.returncode == 0, done
        assert self._after(change, "sync") == ""
        return kills.points(file, begin=begin)

    def _prepare(self, change):
        before, wanted = CHANGES[change]
        self.running.start(cni=before)
        held = self.running.pod()
        held["metadata"]["annotations"][OBSERVED] = observed({"cni": before})
        held["status"] = {"conditions": [{"type": CONDITION, **APPLIED_CONDITION}]}
        self.running.cluster.objects.add(held)
        self.running.annotate(cni=wanted)

    def _judged(self, done, change, then):
        problem = self._after(change, then)
        return problem if problem or done.returncode in (-9, 137) else None

    def _after(self, change, then):
        problem = self._claims() or self._finished(change, then)
        left = self._released()
        return problem or left

    def _finished(self, change, then, *, is_torn=False):
        """The problem after the next change has finished it.

        `is_torn`: a plugin was killed, and may have left a link without an address.
        """
        if then == "DEL":
            return ""
        if then == "CHECK":
            done = self.node.call("CHECK", env=cni_args("c1"), prevResult={"cniVersion": "1.0.0"})
            if done.status and not (done.reply and done.reply["msg"]):
                return f"CHECK: {done}"
        if then == "GC":
            valid = [{"containerID": "c1", "ifname": "eth0"}]
            done = self.node.call("GC", version="1.1.0", **{"cni.dev/valid-attachments": valid})
            if done.status:
                return f"GC: {done.reply}"
        done = self._sync()
        if done.returncode:
            return f"{then}, and the next sync: {done.stdout}"
        wanted = {name.partition("@")[2] or "eth0" for name in CHANGES[change][1].split(",")}
        found = self.running.links()
        links = {name: ips for name, ips in found.items() if ips or name in wanted or not is_torn}
        if set(links) != wanted or {name for name, _ in self.running.journal()} != wanted:
            return f"{then}: it has {links}, its journal {self.running.journal()}"
        if self.running.condition() != APPLIED or not self.running.is_answered():
            return f"{then}: {self.running.condition()}"
        return self._claims()

    def _claims(self):
        """The false statements of the status about the present request."""
        if not self.running.is_answered():
            return ""
        links = {name: ips[0].partition("/")[0] for name, ips in self.running.links().items() if ips}
        notes = self.running.pod()["metadata"]["annotations"]
        entries = json.loads(notes.get("multi-ip-preferences", "{}")).get("ips", {}).values()
        said = {entry["interface"]: entry["ip"] for entry in entries}
        if self.running.condition() == APPLIED and said not in ({}, links):
            return f"the status says {said}, and it has {links}"
        return ""

    def _released(self):
        return self._deleted() or audit.left(self.node, self.before)

    def _deleted(self):
        for _ in range(2):
            done = self.node.call("DEL", env=cni_args("c1"))
            if done.status:
                return f"DEL: {done.reply}"
        return ""

    # --- what is killed ----------------------------------------------------------------------------------

    def _sync(self, wrap=(), env=None):
        words = ["sync", "pod", "ns/c1", "--yes", "-o", "json", "--conf-dir", self.node.conf]
        return self._run(wrap, words, env or {})

    def _pass(self, wrap=()):
        words = self.running.words("--once", "--repair", "off")
        done = self._run(wrap, words, {})
        self.running.end_of_children()
        return done

    def _run(self, wrap, words, env):
        env = {**self.running.environment(), **env}
        if not wrap:
            return warm.run(*words, netns=self.node.host.path, env=env)
        argv = self.node.inside(*wrap, sys.executable, "-m", "genie_cli", *words)
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=240, env=env)
