"""Pods come and go while `genie serve` and the processes that run its calls are killed at random, beside all else."""

import os
import random
import signal
import subprocess
import threading

from genie_core.server import COUNTERS, counters
from tests.processes import children
from tests.torture.lanes import Campaign

PAUSE = 0.4  # seconds between two kills, at most
ENDS = (signal.SIGKILL, signal.SIGTERM)


class ServedCampaign(Campaign):
    """A campaign whose calls go to a server with its socket in `run_dir`; `figures` counts its ends, too."""

    def __init__(self, node, run_dir, **options):
        super().__init__(node, **options)
        self.run_dir = run_dir
        self._done = threading.Event()
        self._killer = threading.Thread(target=self._kill_until_done)
        self._server = self._start()

    def _settle(self):
        before = super()._settle()  # without kills
        self._killer.start()
        return before

    def _finish(self, before):
        self._done.set()
        self._killer.join()
        super()._finish(before)
        self._end(signal.SIGTERM)
        counted = counters.read(str(self.run_dir / COUNTERS)) or {}
        self.figures.update({f"calls, {name}": number for name, number in counted.items()})

    def was_killed(self, outcome):
        return super().was_killed(outcome) or "genie serve" in outcome.reply["msg"]

    def _start(self):
        return subprocess.Popen(
            self.node.inside(self.node.plugins / ".genie/serve"), env={}, stderr=subprocess.DEVNULL
        )

    def _kill_until_done(self):
        """Kill the server, or a process of its that waits or runs a call; then start it again, not always at once."""
        chance = random.Random(self.seed)
        while not self._done.wait(chance.uniform(0, PAUSE)):
            running = children(self._server.pid)
            if running and chance.random() < 0.7:
                self._kill_one(chance.choice(running))
                continue
            self._end(chance.choice(ENDS))
            self._done.wait(chance.uniform(0, PAUSE))
            self._server = self._start()

    def _kill_one(self, pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.count("process of a call killed")

    def _end(self, number):
        self._server.send_signal(number)
        self._server.wait()
        self.count("server ended")
