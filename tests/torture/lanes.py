"""Pods come and go in several lanes, while calls, plugins and both are killed at random instants.

Each lane has a namespace of its own. GC runs in between with the list that a runtime would give it: every container
from before its ADD until after its DEL. While GC runs no ADD begins (SPEC, section 2, "GC"); DEL and CHECK do.
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.processes import descendants
from tests.system import audit
from tests.system.node import finish

WISHES = (
    "blue",
    "red",
    "green",
    "blue,red@net1",
    "blue,red@net1,green@net2",
    "red,green",
    "ports,green@net9",
)
PORTS = {"portMappings": [{"hostPort": 30000, "containerPort": 80, "protocol": "tcp"}]}
# How long a call takes, about: the instant of a kill is chosen within.
SECONDS = 0.25
KILLED = 0.25  # how many calls are killed
MAX_DELS = 4


class Campaign:
    """`pods` pods in `lanes` lanes. `figures` counts what happened; `problems` says what should not have."""

    def __init__(self, node, *, pods, lanes=8, seed=0, killed=KILLED):
        self.node = node
        self.pods = pods
        self.lanes = lanes
        self.seed = seed
        self.killed = killed
        self.figures: Counter[str] = Counter()
        self.problems: list[str] = []
        self.slowest = 0.0
        self._valid: set[str] = set()
        self._guard = threading.Lock()
        self._starting = threading.Lock()
        self._over = threading.Event()

    def run(self):
        """Everything, and the audit at the end."""
        self._configure_ports()
        before = self._settle()
        collector = threading.Thread(target=self._collect)
        collector.start()
        try:
            with ThreadPoolExecutor(self.lanes) as pool:
                list(pool.map(self._lane, range(self.lanes)))
        finally:
            self._over.set()
            collector.join()
        self._finish(before)

    def _configure_ports(self):
        bridge = {"type": "bridge", "bridge": "br1", "isGateway": True, "ipMasq": True}
        portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
        plugins = [{**bridge, "ipam": self.node.ipam("10.8.0.0/16")}, portmap]
        self.node.configure("40-ports.conflist", {"cniVersion": "1.0.0", "name": "ports", "plugins": plugins})

    def _settle(self):
        for selection in WISHES:
            self.node.add(selection, runtime=PORTS)
            self.node.delete()
        return self.node.trace()

    def _lane(self, number):
        Lane(self, number).run(self.pods // self.lanes)

    def _collect(self):
        chance = random.Random(self.seed)
        while not self._over.wait(1):
            with self._starting, self._guard:
                listed = [{"containerID": container, "ifname": "eth0"} for container in sorted(self._valid)]
            with self._starting:
                process = self.node.start(
                    self.node.env("GC"),
                    self.node.stdin(version="1.1.0", **{"cni.dev/valid-attachments": listed}),
                )
                if chance.random() < self.killed:
                    time.sleep(chance.uniform(0, SECONDS))
                    process.kill()
                outcome = finish(process)
            self.count("GC killed" if outcome.killed else "GC")
            if outcome.status and not self.was_killed(outcome):
                self.problem(f"GC: {outcome.reply}")

    def _finish(self, before):
        outcome = self.node.call("GC", version="1.1.0", **{"cni.dev/valid-attachments": None})
        if outcome.status:
            self.problem(f"the last GC: {outcome.reply}")
        empty = audit.empty_leases(self.node.leases)
        self.figures["leases without an owner (host-local)"] = len(empty)
        for path in empty:
            path.unlink()
        left = audit.difference(before, self.node.trace())
        if left:
            self.problem(f"left behind:\n{left}")

    def was_killed(self, outcome):
        """Whether a kill, of the plugin or of one that it ran, is the reason of a failure."""
        return outcome.killed or "signal: killed" in outcome.reply["msg"]

    # --- for the lanes -----------------------------------------------------------------------------------

    def count(self, what):
        with self._guard:
            self.figures[what] += 1

    def problem(self, text):
        with self._guard:
            self.problems.append(text)

    def begin(self, container):
        """Wait until an ADD may begin."""
        with self._starting, self._guard:
            self._valid.add(container)

    def end(self, container, seconds):
        with self._guard:
            self._valid.discard(container)
            self.slowest = max(self.slowest, seconds)


class Lane:
    """One pod after the other."""

    def __init__(self, campaign, number):
        self.campaign = campaign
        self.node = campaign.node
        self.number = number
        self.chance = random.Random(campaign.seed * 1000 + number)
        self.pod = self.node.add_pod()

    def run(self, count):
        for turn in range(count):
            try:
                self.turn(f"lane{self.number}-{turn}")
            except Exception as error:  # noqa: BLE001 (the other lanes go on; it is reported at the end)
                self.campaign.problem(f"lane {self.number}, turn {turn}: {error!r}")
                self._renew()
        self.node.pods.remove(self.pod)
        self.pod.remove()

    def turn(self, container):
        """ADD, sometimes CHECK, DEL until it succeeds; and again."""
        selection = self.chance.choice(WISHES)
        self.campaign.begin(container)
        add = self._call("ADD", container, annotations={"cni": selection}, runtime=PORTS)
        if add.status == 0 and self.chance.random() < 0.3 and "ports" not in selection:
            check = self._call("CHECK", container, prevResult=add.reply)
            if check.status and not self.campaign.was_killed(check):
                self.campaign.problem(f"{container} {selection} CHECK: {check.reply}")
        gone = self.chance.random() < 0.1
        path = self.pod.path
        if gone:
            self.pod.remove()
        started = time.monotonic()
        self._delete(container, self.chance.choice((path, "")) if gone else path)
        self.campaign.end(container, time.monotonic() - started)
        if gone or self.touched:
            self._renew()
        elif links := self.pod.links():
            self.campaign.problem(f"{container} {selection}: {links} left in the pod")

    def _delete(self, container, netns):
        for _ in range(MAX_DELS):
            outcome = self._call("DEL", container, netns=netns)
            if outcome.status == 0:
                return
            self.campaign.count("DEL repeated")
        outcome = self.node.call("DEL", container, netns=netns)
        if outcome.status:
            self.campaign.problem(f"{container} DEL: {outcome.reply}")

    def _renew(self):
        """Remove a namespace that was in use during a kill, as a runtime removes a sandbox's."""
        self.node.pods.remove(self.pod)
        self.pod.remove()
        self.pod = self.node.add_pod()
        self.touched = False

    touched = False

    def _call(self, verb, container, netns=None, **document):
        process = self.node.start(
            self.node.env(verb, container, self.pod.path if netns is None else netns),
            self.node.stdin(**document),
        )
        victim = ""
        if self.chance.random() < self.campaign.killed:
            victim = self.chance.choice(("plugin", "delegate", "both"))
            time.sleep(self.chance.uniform(0, SECONDS))
            self.touched = self._kill(process, victim) or self.touched
        outcome = finish(process)
        if outcome.status == 0:
            victim = ""  # it came too late
        self.campaign.count(f"{verb}, {victim} killed" if victim else verb)
        return outcome

    def _kill(self, process, victim):
        """Whether a delegate was killed: then the namespace may hold a part of its work."""
        children = descendants(process.pid) if victim != "plugin" else []
        if victim != "delegate":
            process.kill()
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return bool(children)
