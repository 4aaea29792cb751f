"""The agent watches a hundred healthy pods for ten minutes: it finds and repairs nothing, and costs little."""

import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

from genie_core.edges.netns import inside
from genie_core.tasks.node_state import open_context
from genie_core.tasks.repair.watch import Watcher

ROOT = Path(__file__).parents[2]
INTERVAL = 60.0  # `repair_interval_seconds`


class Ward:
    """A node's pods, with a watcher, and a look each minute."""

    def __init__(self, node, count):
        self.node = node
        for number in range(count):
            pod = node.add_pod()
            node.add(container=f"q{number}", netns=pod.path)
        self.seen = []
        self.seconds = {"watcher": 0.0, "looks": 0.0}
        self.looks = 0
        self.ended = threading.Event()

    def watch(self):
        """The events of a watcher until the end."""
        with Watcher(open_context(json.loads(self.node.stdin()))) as watcher:
            began = time.thread_time()
            while not self.ended.is_set():
                self.seen += watcher.wait(1.0)
                self.seconds["watcher"] = time.thread_time() - began

    def look(self):
        """One look at all pods, as the agent's timer has it done: what was found."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        words = [
            sys.executable,
            "-m",
            "genie_core.tasks.repair",
            "--mode",
            "fix",
            "--conf-dir",
            self.node.conf,
        ]
        done = subprocess.run(
            self.node.inside(*words, "--state-dir", self.node.state),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.seconds["looks"] += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.looks += 1
        return [line for line in (done.stdout + done.stderr).splitlines() if line]

    def keep(self, seconds):
        """Watch the pods for that many seconds; the problems."""
        thread = threading.Thread(target=inside, args=(str(self.node.host.path), self.watch))
        thread.start()
        problems = []
        until = time.monotonic() + seconds
        while True:
            problems += self.look()
            left = until - time.monotonic()
            if left <= 0:
                break
            time.sleep(min(INTERVAL, left))
        problems += [f"seen in {container}" for container in self.seen]
        self.seen.clear()
        problems += self.is_awake()
        self.ended.set()
        thread.join()
        return problems

    def is_awake(self):
        """Whether the watcher and the look find a real fault."""
        self.node.pods[-1].run("ip", "link", "set", "net1", "down")
        time.sleep(2)
        asleep = [] if self.seen else ["the watcher has not seen an interface that is down"]
        return asleep if self.look() else [*asleep, "a look has not found an interface that is down"]
