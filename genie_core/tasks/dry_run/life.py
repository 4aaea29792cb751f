"""The life of one or more pods in a node: attached, examined, released; each call as a container runtime makes it."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from genie_core.errors import GenieError
from genie_core.jsontext import encode
from genie_core.sandbox.loopback_api import PATCHES, serve, written
from genie_core.select.files import SELF_TYPE
from genie_core.spec.addresses import host
from genie_core.spec.conf import parse_network
from genie_core.spec.versions import at_least
from genie_core.tasks.dry_run.configuration import AnyNode, Configured
from genie_core.tasks.dry_run.netview import View, observe
from genie_core.tasks.dry_run.options import DryRunOptions
from genie_core.tasks.dry_run.policies import Tried, TriedPod, try_policies
from genie_core.tasks.dry_run.preview import preview
from genie_core.tasks.dry_run.reach import Reach, probe
from genie_core.tasks.dry_run.recorder import Note, cover, notes, read_notes, stand_before
from genie_core.tasks.dry_run.report import PlannedNetwork, Thing
from genie_core.tasks.dry_run.runtime_call import (
    Call,
    Sandbox,
    Step,
    environment,
    gc_environment,
    gc_input,
    read_answer,
    standard_input,
)

# Where plugins keep leases and locks, and Genie its state. /run/netns holds the pods of this dry run itself.
_KEPT_IN = ("/var/lib/cni", "/run/cni", "/run/genie")
# Genie's counting lock: each ADD takes any one of a fixed number of files, which stay (edges/locks.py).
# And its copies of API objects, for when the API server does not answer.
_OF_ALL_PODS = ("slots/", "objects/")

Hold = Callable[[AnyNode, Sequence[str]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The calls and what was observed, from the creation of the pods' namespaces to their removal.

    `pods` are the pods while they were attached, `after_pods` the content of their namespaces after DEL.
    """

    plan: tuple[PlannedNetwork, ...]
    calls: tuple[Call, ...]
    before: View
    during: View
    after: View
    pods: tuple[View, ...]
    after_pods: tuple[View, ...]
    reach: tuple[Reach, ...]
    policies: tuple[Tried, ...] = ()

    @property
    def left_in_pods(self) -> tuple[Thing, ...]:
        """Interfaces that are still in a pod's namespace after DEL."""
        left = [item for view in self.after_pods for item in view.items()]
        return tuple((kind, f"{name} in the pod") for kind, name in left if kind == "interface")


class Run:
    """A dry run in progress: calls are made until its deadline."""

    def __init__(
        self,
        options: DryRunOptions,
        node: AnyNode,
        configured: Configured,
        deadline: float,
        announce: Callable[[str], None],
    ) -> None:
        self._options = options
        self._node = node
        self._made_up = configured.made_up
        network = parse_network(node.read(configured.conflist), configured.conflist)
        # Genie alone: plugins that the node chains to it run before or after it, and change none of its networks
        self._network = network.replace(
            plugins=[plugin for plugin in network.plugins if plugin.type == SELF_TYPE]
        )
        self._deadline = deadline
        self._announce = announce
        self._records = node.places.records
        objects = options.objects
        self._api = node.call(serve, objects, self._records) if objects is not None else ""
        self._bin_dirs = [
            node.places.bin_dir,
            *(path for path in options.bin_dirs if path != node.places.bin_dir),
        ]
        self._recorded = options.record and self._record()
        self.expired = False

    def _record(self) -> bool:
        """Put a script in front of each plugin; whether that could be done."""
        if self._node.is_private:
            return bool(self._node.call(cover, self._bin_dirs, self._records))
        own, *others = self._bin_dirs
        scripts = self._node.call(stand_before, others, self._records)
        self._bin_dirs = [own, *([scripts] if scripts else []), *others]
        return bool(scripts)

    def sandbox(self) -> Sandbox:
        """A new pod's namespace, with lo up, as the runtime's loopback plugin leaves it."""
        options = self._options
        sandbox = Sandbox(
            netns=self._node.add_namespace(f"cni-{secrets.token_hex(8)}"),
            name=options.pod,
            namespace=options.namespace,
            annotations=options.annotations,
        )
        self._node.run(["ip", "link", "set", "lo", "up"], netns=sandbox.netns)
        return sandbox

    def plan(self, sandbox: Sandbox) -> tuple[PlannedNetwork, ...]:
        """What an ADD would do. Raises the GenieError that it would fail with."""
        planned = self._node.call(preview, *self._input("ADD", sandbox, ""))
        return tuple(
            PlannedNetwork(
                **network | {key: tuple(network[key]) for key in ("plugins", "ipam")},
                made_up=network["source"] in self._made_up,
            )
            for network in planned
        )

    def live(self, count: int, hold: Hold | None = None) -> Life:
        """Attach `count` pods side by side, observe them, release them, observe again, remove their namespaces.

        Pods that are not released (`verb`, or the deadline) are removed with the node.
        """
        sandboxes = [self.sandbox() for _ in range(count)]
        before = self._look()
        plan = self._planned(sandboxes[0])
        adds = [self._call("ADD", box, number) for number, box in enumerate(sandboxes, 1) if not self.expired]
        pods = tuple(observe(self._node, sandbox.netns) for sandbox in sandboxes)
        during = self._look()
        reach = tuple(self._probes(sandboxes, adds)) if all(add.result for add in adds) else ()
        policies = self._try_policies(sandboxes) if all(add.result for add in adds) else ()
        if hold is not None:
            began = time.monotonic()
            hold(self._node, [sandbox.netns for sandbox in sandboxes])
            self._deadline += time.monotonic() - began  # the time that the person takes does not count
        calls = [*adds, *self._released(sandboxes, adds)]
        life = Life(
            plan=plan,
            calls=tuple(calls),
            before=before,
            during=during,
            after=self._look(),
            pods=pods,
            after_pods=tuple(observe(self._node, sandbox.netns) for sandbox in sandboxes),
            reach=reach,
            policies=policies,
        )
        if self.releases:
            for sandbox in sandboxes:
                self._node.remove_namespace(sandbox.netns)
        return life

    def _try_policies(self, sandboxes: Sequence[Sandbox]) -> tuple[Tried, ...]:
        options = self._options
        if not options.policies or len(sandboxes) < 2:
            return ()
        self._announce("trying the policies between two pods")
        pods = [TriedPod(container=one.container_id, netns=one.netns) for one in sandboxes[:2]]
        documents = [dict(one) for one in options.policies]
        return tuple(try_policies(self._node, documents, pods, options.namespace))

    @property
    def releases(self) -> bool:
        """Whether the pods have been released."""
        return self._options.verb in ("del", "cycle") and not self.expired

    def annotations_written(self) -> dict[str, str]:
        """The annotations that Genie wrote on the pod, on the node's own API server."""
        try:
            return written(self._node.read(f"{self._records}/{PATCHES}")) if self._api else {}
        except OSError:
            return {}

    def with_notes(self, calls: Sequence[Call]) -> tuple[Call, ...]:
        """The calls; each step with its record, and with its own time, without that of the recording."""
        if not self._recorded:
            return tuple(calls)
        recorded = read_notes(self._node.call(notes, self._records))
        return tuple(
            replace(call, steps=tuple(_noted(step, recorded) for step in call.steps)) for call in calls
        )

    def _planned(self, sandbox: Sandbox) -> tuple[PlannedNetwork, ...]:
        try:
            return self.plan(sandbox)
        except GenieError:
            return ()  # the ADD fails for the same reason, and reports it

    def _look(self) -> View:
        view = observe(self._node, directories=_KEPT_IN, firewall=True)
        common = tuple(f"{self._node.places.state_dir}/{folder}" for folder in _OF_ALL_PODS)
        return replace(view, files=tuple(path for path in view.files if not path.startswith(common)))

    def _probes(self, sandboxes: Sequence[Sandbox], adds: Sequence[Call]) -> Iterator[Reach]:
        """Each pod connects to its gateways and to the other pods."""
        self._announce("testing what the pod reaches")
        for number, sandbox in enumerate(sandboxes, 1):
            targets = [(address, "gateway") for address in _gateways(adds[number - 1])]
            for other, add in enumerate(adds, 1):
                targets += (
                    [(address, f"pod {other}") for address in _addresses(add)] if other != number else []
                )
            yield from probe(self._node, sandbox.netns, number, list(dict(targets).items()))

    def _released(self, sandboxes: Sequence[Sandbox], adds: Sequence[Call]) -> Iterator[Call]:
        """CHECK what was attached, DEL it, DEL it again, which has to succeed too (SPEC, "DEL"), and GC."""
        for number, (sandbox, add) in enumerate(zip(sandboxes, adds, strict=False), 1):
            result = encode(dict(add.result)) if add.result else ""
            for verb in self._verbs(checked=bool(result)):
                if not self._is_over():
                    yield self._call(verb, sandbox, number, result)
        if self._collects and not self._is_over():
            yield self._collect()

    def _is_over(self) -> bool:
        """Whether no more call is made: one was cut off at the deadline, or it has passed between two."""
        self.expired = self.expired or time.monotonic() >= self._deadline
        return self.expired

    @property
    def _collects(self) -> bool:
        """Not on a real node: this state does not know the real pods, whose addresses the plugins would free."""
        does_gc = at_least(self._network.version, "1.1.0")
        return self._options.verb == "cycle" and does_gc and self._node.is_private

    def _verbs(self, *, checked: bool) -> list[str]:
        does_check = checked and at_least(self._network.version, "0.4.0")
        verbs = {"add": [], "check": ["CHECK"], "del": ["DEL"], "cycle": ["CHECK", "DEL", "DEL"]}[
            self._options.verb
        ]
        return [verb for verb in verbs if verb != "CHECK" or does_check]

    def _call(self, verb: str, sandbox: Sandbox, number: int, result: str = "") -> Call:
        self._announce(f"calling genie: {verb}")
        return replace(self._run(verb, *self._input(verb, sandbox, result)), pod=number)

    def _collect(self) -> Call:
        self._announce("calling genie: GC")
        return replace(
            self._run("GC", gc_environment(self._bin_dirs, _path()), gc_input(self._network)), pod=0
        )

    def _run(self, verb: str, env: dict[str, str], stdin: str) -> Call:
        left = max(self._deadline - time.monotonic(), 0.1)
        ran = self._node.run([f"{self._node.places.bin_dir}/genie"], env=env, stdin=stdin, timeout=left)
        self.expired = self.expired or ran.expired
        return read_answer(verb, ran)

    def _input(self, verb: str, sandbox: Sandbox, result: str) -> tuple[dict[str, str], str]:
        env = environment(verb, sandbox, self._bin_dirs, _path())
        return env, standard_input(self._network, sandbox, result, self._api)


def _noted(step: Step, recorded: list[Note]) -> Step:
    """The step with the first record of its plugin's call for the interface, which is taken from the list.

    The records of one interface are in the order in which Genie reports its calls; those of several may be mixed.
    """
    wanted = (step.plugin, step.verb, step.interface)
    note = next((note for note in recorded if note.call == wanted), None)
    if note is None:
        return step
    recorded.remove(note)
    return replace(step, note=note, ms=step.ms if note.ms is None else note.ms)


def _path() -> str:
    return os.environ.get("PATH", os.defpath)


def _gateways(add: Call) -> list[str]:
    return [str(ip["gateway"]) for ip in add.result.get("ips", ()) if ip.get("gateway")]


def _addresses(add: Call) -> list[str]:
    return [host(ip["address"]) for ip in add.result.get("ips", ())]
