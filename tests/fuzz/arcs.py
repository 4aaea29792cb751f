"""The code that a call reached for the first time: lines, and both ways out of every branch, of `genie_core`.

`sys.monitoring` (PEP 669) forgets each place once it was seen, so code that has been reached costs nothing
any more. Python 3.11 has none: there nothing is ever new, and cases are made from the real inputs alone.
"""

import sys
from pathlib import Path
from typing import Any

import genie_core

_PACKAGE = str(Path(genie_core.__file__).parent)
_MONITORING: Any = getattr(sys, "monitoring", None)


class Arcs:
    """What was reached since `forget`. One at a time."""

    def __init__(self):
        self.seen = set()
        self._new = set()
        self._ends = {}  # of each branch, the way out that was seen first
        if _MONITORING:
            self._watch(_MONITORING)

    def _watch(self, monitoring):
        tool, events = monitoring.COVERAGE_ID, monitoring.events
        monitoring.use_tool_id(tool, "genie-fuzz")
        ways = [getattr(events, name, 0) for name in ("BRANCH_LEFT", "BRANCH_RIGHT")]  # Python 3.14
        for event in [events.LINE, *(ways if all(ways) else [events.BRANCH])]:
            monitoring.register_callback(
                tool, event, self._on_branch if event != events.LINE else self._on_line
            )
        monitoring.set_events(tool, events.LINE | (ways[0] | ways[1] or events.BRANCH))

    def _on_line(self, code, line):
        if code.co_filename.startswith(_PACKAGE):
            self._new.add((code.co_filename, line))
        return _MONITORING.DISABLE

    def _on_branch(self, code, start, end):
        """Python 3.13 reports both branches by one event: it is disabled only when both were seen."""
        if not code.co_filename.startswith(_PACKAGE):
            return _MONITORING.DISABLE
        arc = (code.co_filename, code.co_firstlineno, start, end)
        other = self._ends.setdefault(arc[:3], end)
        self._new.add(arc)
        return None if other == end else _MONITORING.DISABLE

    def take(self):
        """What is new since the last call."""
        new, self._new = self._new - self.seen, set()
        self.seen |= new
        return new

    def forget(self):
        """Forget what was reached."""
        self.seen, self._new, self._ends = set(), set(), {}
        if _MONITORING:
            _MONITORING.restart_events()

    def reached_by(self, run):
        """All that `run` reaches, whether new or not. What was seen before stays seen."""
        seen = self.seen
        self.forget()
        run()
        reached = self.take()
        self.seen = seen
        return reached
