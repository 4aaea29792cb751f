"""What would happen to a pod on this node, found out without touching the node (design, section 8).

The real plugin is installed in a private node and called as kubelet would have it called: ADD, CHECK, DEL, and
DEL again. `dry_run` looks at the pod and at the node before, between and after.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from genie_core.edges.private_node import PrivateNode
from genie_core.errors import GenieError
from genie_core.jsontext import encode
from genie_core.settings import STATE_DIR
from genie_core.spec.conf import parse_network
from genie_core.spec.versions import at_least

from .configuration import BIN_DIR, Configured, Samples, configure
from .netview import View, appeared, observe
from .preview import preview
from .report import DryRunReport, PlannedNetwork, Thing
from .runtime_call import Call, Sandbox, environment, read_answer, standard_input

__all__ = ["DryRunReport", "Question", "dry_run"]

Verb = Literal["cycle", "add"]

# Where plugins keep leases and locks, and Genie its state. /run/netns holds the pods of this dry run itself.
_KEPT_IN = ("/var/lib/cni", "/run/cni", "/run/genie")
# Genie's counting lock: each ADD takes any one of a fixed number of files, which stay (edges/locks.py).
_SLOTS = f"{STATE_DIR}/slots/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The pod to try: its annotations, on which configuration, with which plugins; `timeout` in seconds.

    `conf_files` are tried in addition to the directories: file name -> text.
    """

    annotations: Mapping[str, str]
    conf_dirs: Sequence[str] = ()
    conf_files: Mapping[str, str]
    bin_dirs: Sequence[str]
    samples: Samples = "auto"
    verb: Verb = "cycle"
    namespace: str = "default"
    pod: str = "dry-run"
    timeout: float = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class _Life:
    """One pod's, from the making of its namespace to the removal."""

    plan: tuple[PlannedNetwork, ...] = ()
    calls: tuple[Call, ...] = ()
    before: View
    during: View
    after: View
    pod: View
    pod_after: View


def dry_run(
    question: Question, node: PrivateNode, tell: Callable[[str], None] = lambda _: None
) -> DryRunReport:
    """Try it. `tell` hears what is being done. Raises GenieError where the node, not the pod, is at fault."""
    began = time.monotonic()
    tell("installing genie in the private node")
    configured = configure(
        node, question.annotations, question.conf_dirs, question.conf_files, question.samples
    )
    run = _Run(question, node, configured, began + question.timeout, tell)
    life = run.live()
    report = DryRunReport(
        annotations=question.annotations,
        plan=life.plan,
        calls=life.calls,
        interfaces=life.pod.interfaces,
        routes=life.pod.routes,
        appeared=tuple(appeared(life.before, life.during)),
        notes=_notes(life, configured),
        expired=run.expired,
    )
    if question.verb == "cycle" and not run.expired:
        left, stays = run.left_by(life)
        report = replace(report, released=True, left=left, stays=stays)
    return replace(report, ms=(time.monotonic() - began) * 1000)


class _Run:
    """One dry run under way: calls are made until its time is up."""

    def __init__(
        self,
        question: Question,
        node: PrivateNode,
        configured: Configured,
        deadline: float,
        tell: Callable[[str], None],
    ) -> None:
        self._question = question
        self._node = node
        self._made_up = configured.made_up
        self._network = parse_network(node.read(configured.conflist), configured.conflist)
        self._deadline = deadline
        self._tell = tell
        self.expired = False

    def live(self) -> _Life:
        """Make a pod's namespace, attach it, look, release it, look again, remove the namespace."""
        question, node = self._question, self._node
        sandbox = Sandbox(
            netns=node.add_namespace(f"cni-{secrets.token_hex(8)}"),
            name=question.pod,
            namespace=question.namespace,
            annotations=question.annotations,
        )
        node.run(
            ["ip", "link", "set", "lo", "up"], netns=sandbox.netns
        )  # the runtime's own loopback plugin does
        before = self._look()
        plan = self._plan(sandbox)
        add = self._call("ADD", sandbox)
        pod, during = observe(node, sandbox.netns), self._look()
        calls = [add]
        if question.verb == "cycle":
            calls += self._release(sandbox, add)
        life = _Life(
            plan=plan,
            calls=tuple(calls),
            before=before,
            during=during,
            after=self._look(),
            pod=pod,
            pod_after=observe(node, sandbox.netns),
        )
        node.remove_namespace(sandbox.netns)
        return life

    def _look(self) -> View:
        view = observe(self._node, directories=_KEPT_IN, firewall=True)
        return replace(view, files=tuple(path for path in view.files if not path.startswith(_SLOTS)))

    def _release(self, sandbox: Sandbox, add: Call) -> list[Call]:
        """CHECK what was attached, DEL it, and DEL it again, which has to succeed too (SPEC, "DEL")."""
        result = encode(dict(add.result)) if add.result else ""
        verbs = ["DEL", "DEL"]
        if result and at_least(self._network.version, "0.4.0"):
            verbs.insert(0, "CHECK")
        return [self._call(verb, sandbox, result) for verb in verbs if not self.expired]

    def _call(self, verb: str, sandbox: Sandbox, result: str = "") -> Call:
        self._tell(f"calling genie: {verb}")
        env, stdin = self._input(verb, sandbox, result)
        left = max(self._deadline - time.monotonic(), 0.1)
        ran = self._node.run([f"{BIN_DIR}/genie"], env=env, stdin=stdin, timeout=left)
        self.expired = self.expired or ran.expired
        return read_answer(verb, ran)

    def _input(self, verb: str, sandbox: Sandbox, result: str) -> tuple[dict[str, str], str]:
        bin_dirs = [BIN_DIR, *(path for path in self._question.bin_dirs if path != BIN_DIR)]
        env = environment(verb, sandbox, bin_dirs, os.environ.get("PATH", os.defpath))
        return env, standard_input(self._network, sandbox, result)

    def _plan(self, sandbox: Sandbox) -> tuple[PlannedNetwork, ...]:
        try:
            planned = self._node.call(preview, *self._input("ADD", sandbox, ""))
        except GenieError:
            return ()  # the ADD fails for the same reason, and says it
        return tuple(
            PlannedNetwork(
                **network | {"plugins": tuple(network["plugins"])}, made_up=network["source"] in self._made_up
            )
            for network in planned
        )

    def left_by(self, life: _Life) -> tuple[tuple[Thing, ...], tuple[Thing, ...]]:
        """What a pod leaves behind, and what stays for the next ones.

        A bridge stays, a leaked veth is left: a second pod's life tells them apart without knowing any plugin.
        What the second one adds, every pod would add.
        """
        in_pod = tuple(item for item in appeared_in_pod(life) if item[0] == "interface")
        remains = tuple(appeared(life.before, life.after))
        if not remains:
            return in_pod, ()
        self._tell("trying a second pod, to see what every pod leaves behind")
        again = self.live()
        left = (*in_pod, *appeared(again.before, again.after))
        return left, () if left else remains


def appeared_in_pod(life: _Life) -> list[Thing]:
    """What is still in the pod's namespace after DEL."""
    return [(kind, f"{name} in the pod") for kind, name in life.pod_after.items()]


def _notes(life: _Life, configured: Configured) -> tuple[str, ...]:
    notes = []
    if configured.made_up:
        notes.append(f"made up for this run, since the node has none: {', '.join(configured.made_up)}")
    if life.before.firewall is None:
        notes.append("firewall rules are not shown: nft is not installed")
    return tuple(notes)
