"""Killed at every step: one call is killed before one system call, DEL follows, and nothing may be left."""

from typing import Any

from tests.system import audit, kills
from tests.system.node import THREE

# Before it takes its locks the plugin has done nothing that anybody else could see.
BEGIN = "/state/lock"
VERBS = ("ADD", "DEL", "CHECK", "GC")


class Steps:
    """Kills calls of one node; its pod is attached to nothing before and after each."""

    def __init__(self, node):
        self.node = node
        self.before = audit.settle(node)

    def points(self, verb):
        """All places of the verb, from the moment when it takes its locks."""
        outcome, file = self._prepared(verb), self.node.root / f"{verb}.strace"
        done = self._call(verb, outcome, kills.strace_record(file))
        assert done.status == 0, done
        self.node.delete()
        return kills.points(file, begin=BEGIN)

    def kill(self, verb, point):
        """What is wrong after a call that was killed there, and DEL; "" if nothing, None if it came through."""
        outcome = self._call(verb, self._prepared(verb), kills.strace_kill(point))
        problem = self.released()
        return problem if problem or outcome.killed else None

    def released(self):
        """What is left after DEL, called twice (conformance A61)."""
        for _ in range(2):
            outcome = self.node.call("DEL")
            if outcome.status:
                return f"DEL failed: {outcome.reply}"
        return audit.difference(self.before, self.node.trace())

    def _prepared(self, verb):
        """ADD's result, for the verbs that come after one."""
        return None if verb == "ADD" else self.node.add()

    def _call(self, verb, result, wrap):
        document: dict[str, Any] = {"annotations": {"cni": THREE}}
        if verb == "CHECK":
            document["prevResult"] = result
        if verb == "GC":
            document |= {"version": "1.1.0", "cni.dev/valid-attachments": None}
        return self.node.call(verb, wrap=wrap, **document)
