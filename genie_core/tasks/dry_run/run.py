"""The dry run from its start to its report.

The real plugin is installed in a private node and called as the container runtime calls it: ADD, CHECK, DEL, DEL
again, and GC. `dry_run` reads the state of the pods and of the node before, between and after the calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from genie_core.tasks.dry_run.configuration import AnyNode, Configured, configure
from genie_core.tasks.dry_run.life import Hold, Life, Run
from genie_core.tasks.dry_run.netview import appeared
from genie_core.tasks.dry_run.options import DryRunOptions
from genie_core.tasks.dry_run.report import DryRunReport, PlannedNetwork, PodSeen, Thing
from genie_core.tasks.dry_run.searched import differences

Announce = Callable[[str], None]


def dry_run(
    options: DryRunOptions, node: AnyNode, announce: Announce = lambda _: None, hold: Hold | None = None
) -> DryRunReport:
    """Run it. `announce` is called with each step; `hold` is called while the pods are attached.

    Raises GenieError where the node, not the pod, is at fault.
    """
    began = time.monotonic()
    run, configured = _start(options, node, announce)
    life = run.live(options.pods, hold)
    report = DryRunReport(
        annotations=options.annotations,
        plan=life.plan,
        calls=run.with_notes(life.calls),
        pods=tuple(PodSeen(interfaces=p.interfaces, routes=p.routes, rules=p.rules) for p in life.pods),
        reach=life.reach,
        policies=life.policies,
        before=life.before,
        appeared=tuple(appeared(life.before, life.during)),
        written=run.annotations_written(),
        notes=(*_searched(options, life.plan), *_notes(life, configured, node)),
        on_host=not node.is_private,
        expired=run.expired,
    )
    if run.releases:
        left, stays = _left_by(life, run, announce)
        seen = replace(report, released=True, left=left, stays=stays)
        report = (
            replace(report, expired=True) if run.expired else seen
        )  # a second pod that was cut off proves nothing
    return replace(report, ms=(time.monotonic() - began) * 1000)


def plan_only(options: DryRunOptions, node: AnyNode, announce: Announce = lambda _: None) -> DryRunReport:
    """The plan alone. Raises the GenieError that an ADD would fail with."""
    began = time.monotonic()
    run, configured = _start(options, node, announce)
    plan = run.plan(run.sandbox())
    notes = (*_searched(options, plan), *_made_up(configured))
    ms = (time.monotonic() - began) * 1000
    on_host = not node.is_private
    return DryRunReport(
        annotations=options.annotations, plan=plan, calls=(), notes=notes, on_host=on_host, ms=ms
    )


def _start(options: DryRunOptions, node: AnyNode, announce: Announce) -> tuple[Run, Configured]:
    deadline = time.monotonic() + options.timeout
    announce("installing genie for this run")
    configured = configure(node, options.annotations, options.conf_dirs, options.conf_files, options.samples)
    return Run(options, node, configured, deadline, announce), configured


def _left_by(life: Life, run: Run, announce: Announce) -> tuple[tuple[Thing, ...], tuple[Thing, ...]]:
    """What a pod leaves behind, and what stays for the next ones.

    A bridge stays, a leaked veth is left: a second pod distinguishes them without knowledge of any plugin.
    What the second pod adds, every pod would add. After a failed ADD there is no second pod: it would fail too.
    """
    remains = tuple(appeared(life.before, life.after))
    if not remains or any(call.verb == "ADD" and call.problem for call in life.calls):
        return life.left_in_pods, remains
    announce("running a second pod, to see what every pod leaves behind")
    again = run.live(1)
    left = (*life.left_in_pods, *appeared(again.before, again.after))
    return left, () if left else remains


def _searched(options: DryRunOptions, plan: Iterable[PlannedNetwork]) -> tuple[str, ...]:
    types = [type_ for network in plan for type_ in (*network.plugins, *network.ipam)]
    return differences(options.bin_dirs, options.runtime, types)


def _notes(life: Life, configured: Configured, node: AnyNode) -> tuple[str, ...]:
    found = [*_made_up(configured)]
    if life.before.firewall is None:
        found.append("firewall rules are not shown: nft is not installed")
    if not node.is_private:
        found.append("changes by other pods of this node in the meantime are shown too")
        found.append("GC was not run: it covers all pods of a network, and this run knows only its own")
    return tuple(found)


def _made_up(configured: Configured) -> tuple[str, ...]:
    if not configured.made_up:
        return ()
    return (f"sample configurations, since the node has none: {', '.join(configured.made_up)}",)
