"""Annotations of running pods change in several lanes, while the agent and its changes are killed at random instants.

The runtime's calls go on beside it: pods end and start again, and are checked. At the end an agent is left alone, and
every pod has what its annotation asks for, and nothing else.
"""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from genie_core.edges.store import Store
from genie_core.tasks.sync.observed import observed
from tests.live.agent.running import Running
from tests.live.live import cni_args
from tests.netns import Namespace

APPLIED = ("True", "Applied")
# What may be on an interface, "" for none; red, a ptp network, once: it makes the same route each time.
CHOICES = {"net1": ("", "red", "green"), "net2": ("", "green")}


class LiveCampaign:
    """`changes` changes of `pods` pods in `lanes` lanes. `problems` says what should not have been."""

    def __init__(self, running: Running, *, pods, changes, lanes=8, seed=0, pause=0.1):
        self.running = running
        self.pods = [f"p{number}" for number in range(pods)]
        self.changes = changes
        self.lanes = lanes
        self.seed = seed
        self.pause = pause
        self.figures: Counter[str] = Counter()
        self.problems: list[str] = []
        self.spaces: dict[str, Namespace] = {}
        self._guard = threading.Lock()
        self._over = threading.Event()

    def run(self, patience):
        """Everything, within so many seconds after the last change."""
        for name in self.pods:
            self.spaces[name] = self.running.node.add_pod()
            self.running.start(name, netns=self.spaces[name].path, cni="blue")
        self.running.agent()
        killer = threading.Thread(target=self._kill)
        killer.start()
        try:
            with ThreadPoolExecutor(self.lanes) as pool:
                list(pool.map(self._lane, range(self.lanes)))
        finally:
            self._over.set()
            killer.join()
        self._settle(patience)
        self._audit()

    # --- what happens ------------------------------------------------------------------------------------

    def _lane(self, lane):
        """Each pod has one author."""
        chance = random.Random(f"{self.seed}/{lane}")
        mine = self.pods[lane :: self.lanes]
        left = self.changes // self.lanes
        while left:
            name = chance.choice(mine)
            what = chance.random()
            if what < 0.03:
                self._restart(name)
            elif what < 0.06:
                self._check(name)
            else:
                self.running.annotate(name, cni=_wish(chance))
                self._count("annotations changed")
                left -= 1
            time.sleep(chance.uniform(0, 2 * self.pause))

    def _restart(self, name):
        """The sandbox is replaced: DEL, as often as the runtime repeats it, then ADD."""
        node, netns = self.running.node, self.spaces[name].path
        for _ in range(4):
            done = node.call("DEL", name, netns=netns, env=cni_args(name))
            if done.status == 0:
                break
        else:
            self._problem(f"{name}: DEL failed: {done.reply}")
            return
        cni = self.running.pod(name)["metadata"]["annotations"]["cni"]
        done = node.call("ADD", name, netns=netns, env=cni_args(name), annotations={"cni": cni})
        if done.status:
            self._problem(f"{name}: ADD failed: {done.reply}")
        self._count("sandboxes replaced")

    def _check(self, name):
        done = self.running.node.call(
            "CHECK",
            name,
            netns=self.spaces[name].path,
            env=cni_args(name),
            prevResult={"cniVersion": "1.0.0"},
        )
        self._count(f"CHECK, {'right' if done.status == 0 else 'refused meanwhile'}")

    def _kill(self):
        """Kill the agent, which is then started again, or a change that it has begun, once a few others have ended."""
        chance = random.Random(f"{self.seed}/kill")
        while not self._over.wait(chance.uniform(0.1, 2)):
            self._wait_for_syncs(chance.randrange(5))
            if chance.random() < 0.4:
                agent = self.running.agents.pop()
                agent.kill()
                agent.wait()
                self.running.agent(wait=False)
                self._count("agents killed")
            elif children := self.running.children():
                try:
                    os.kill(chance.choice(children), signal.SIGKILL)
                    self._count("changes killed")
                except ProcessLookupError:
                    pass

    def _wait_for_syncs(self, count):
        """Wait until so many more have ended, but not for ever: the slower the node, the fewer there are."""
        wanted, give_up = self._syncs() + count, time.monotonic() + 20
        while self._syncs() < wanted and time.monotonic() < give_up:
            if self._over.wait(0.2):
                return

    def _syncs(self):
        return self.running.log.read_bytes().count(b'"event": "sync"')

    # --- the end -----------------------------------------------------------------------------------------

    def _settle(self, patience):
        give_up = time.monotonic() + patience
        waiting = list(self.pods)
        began = time.monotonic()
        while waiting and time.monotonic() < give_up:
            waiting = [name for name in waiting if not self._is_right(name)]
            time.sleep(0.2)
        self.figures["syncs"] = self._syncs()
        self.figures["seconds until all was right"] = round(time.monotonic() - began)
        self.problems += [f"{name} {self._state(name)}" for name in waiting]

    def _is_right(self, name):
        return (
            self.running.condition(name) == APPLIED
            and self.running.is_answered(name)
            and self._attached(name) == self._wanted(name)
        )

    def _attached(self, name):
        """(interface, network) of what the journal has; None while something of it is attached or released."""
        plan = Store(str(self.running.node.state)).load(name, "eth0")
        if plan is None or any(
            item.changing or item.releasing or not item.result for item in plan.attachments
        ):
            return None
        asked = observed(self.running.pod(name)["metadata"]["annotations"])
        if plan.request not in ("", asked):
            return None
        return sorted((item.ifname, item.network.name) for item in plan.attachments)

    def _state(self, name):
        asked = self.running.pod(name)["metadata"]["annotations"]["cni"]
        return f"asks for {asked}, has {self._attached(name)}, {self.running.condition(name)}"

    def _wanted(self, name):
        """(interface, network) of what the pod asks for."""
        first, *rest = self.running.pod(name)["metadata"]["annotations"]["cni"].split(",")
        return sorted([("eth0", first), *((item.partition("@")[2], item.partition("@")[0]) for item in rest)])

    def _audit(self):
        """Interfaces, addresses, leases and statuses agree; after DEL nothing is left."""
        running, addresses = self.running, list[str]()
        for name in self.pods:
            links = self.spaces[name].links()
            links.pop("lo", None)
            found = {link: [ip for ip in ips if not ip.startswith("fe80")] for link, ips in links.items()}
            if set(found) != {interface for interface, _ in self._wanted(name)}:
                self._problem(f"{name} has the interfaces {sorted(found)}; {self._state(name)}")
            mine = {link: ips[0].partition("/")[0] for link, ips in found.items() if ips}
            addresses += mine.values()
            status = json.loads(
                running.pod(name)["metadata"]["annotations"].get("multi-ip-preferences", "{}")
            )
            published = {entry["interface"]: entry["ip"] for entry in status.get("ips", {}).values()}
            if len(mine) > 1 and published != mine:
                self._problem(f"{name}: the status has {published}, the pod {mine}")
        held = [item for item in running.node.held() if item[0].isdigit()]
        if sorted(held) != sorted(addresses):
            self._problem(f"leases without an owner: {sorted(set(held) - set(addresses))}")
        running.agents[-1].kill()
        running.agents[-1].wait()
        for name in self.pods:
            done = running.node.call("DEL", name, netns=self.spaces[name].path, env=cni_args(name))
            if done.status:
                self._problem(f"{name}: the last DEL failed: {done.reply}")
        if left := [*running.node.held(), *running.node.state_files()]:
            self._problem(f"left after the last DEL: {left[:10]}")

    def _count(self, what, number=1):
        with self._guard:
            self.figures[what] += number

    def _problem(self, text):
        with self._guard:
            self.problems.append(text)


def _wish(chance):
    """A value of the annotation `cni`."""
    parts = [f"{network}@{ifname}" for ifname, some in CHOICES.items() if (network := chance.choice(some))]
    return ",".join(["blue", *parts])
