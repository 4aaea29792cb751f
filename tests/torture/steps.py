"""Killed at every step: one call is killed before one system call, DEL follows, and nothing may be left.

`Steps` kills the plugin itself; `Delegates` the plugins below it, and host-local below those.
"""

from typing import Any

from tests.system import audit, kills
from tests.system.node import THREE

# Before it takes its locks the plugin has done nothing that another process could see.
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
        """The problem after a call that was killed there, and DEL; "" for none, None if the call was not killed."""
        outcome = self._call(verb, self._prepared(verb), kills.strace_kill(point))
        problem = self.released()
        return problem if problem or outcome.killed else None

    def released(self):
        """What is left after DEL, called twice (conformance A61)."""
        for _ in range(2):
            outcome = self.node.call("DEL")
            if outcome.status:
                return f"DEL failed: {outcome.reply}"
        return audit.left(self.node, self.before)

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


# What the reference plugins change the world with: files, netlink, programs.
CHANGING = ("openat", "write", "sendto", "unlinkat", "execve", "flock")
PLUGINS = ("bridge", "ptp", "macvlan", "host-local")
WRAPPER = """\
[ "$CNI_COMMAND:$0" = "$KILL_VERB:{folder}/$KILL_PLUGIN" ] || exec "$REAL"
exec strace -f -q -o /dev/null -e trace=$KILL_CALL --inject=$KILL_CALL:signal=KILL:when=$KILL_NUMBER "$REAL"
"""


class Delegates:
    """Kills the delegates of one node and their children. `orphans` counts host-local's leases without an owner."""

    def __init__(self, node):
        self.node = node
        self.before = audit.settle(node)
        self.orphans = 0
        for plugin in PLUGINS:
            node.wrap(plugin, WRAPPER.format(folder=node.root / "wrapped"))

    def kill(self, verb, plugin, call, number):
        """The problem after a plugin was killed before its `number`-th `call`; None if none was killed."""
        env = {
            "KILL_VERB": verb,
            "KILL_PLUGIN": plugin,
            "KILL_CALL": call,
            "KILL_NUMBER": str(number),
        }
        pod = self.node.add_pod()
        try:
            if verb == "DEL":
                self.node.add(netns=pod.path)
            outcome = self.node.call(verb, netns=pod.path, env=env, annotations={"cni": THREE})
            again = self.node.call("DEL", netns=pod.path)
        finally:
            self.node.pods.remove(pod)
            pod.remove()  # as the runtime does; a killed macvlan leaves a link of another name in it
        if again.status:
            return f"DEL failed: {again.reply}"
        for lease in audit.empty_leases(self.node.leases):
            self.orphans += 1
            lease.unlink()
        problem = audit.left(self.node, self.before)
        return problem if problem or outcome.status else None
