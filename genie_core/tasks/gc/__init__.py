"""`genie gc`: what no sandbox of the runtime owns any more, found by two looks that agree, then removed.

One look is not enough for a removal: a sandbox that is being created is in no list yet (calicoctl#2431). The second
look waits until no ADD or DEL of Genie's is under way. Where the first finds nothing, however young, there is none.

look, nft_rules   what is there; judge: what of it has no owner; remove: one function for each kind; report
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from genie_core.errors import Denied, IOFailure
from genie_core.fields import counted
from genie_core.tasks.gc.judge import leftovers
from genie_core.tasks.gc.look import GCOptions, Scene, look, open_genie
from genie_core.tasks.gc.remove import remove
from genie_core.tasks.gc.report import KINDS, GCReport, Kind, Leftover
from genie_core.verbs.context import Context

__all__ = ["KINDS", "GCOptions", "GCReport", "Kind", "Leftover", "collect", "confirm", "find"]

Announce = Callable[[str], None]


def find(
    options: GCOptions,
    *,
    interval: float,
    announce: Announce = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> GCReport:
    """What two looks, `interval` seconds apart, both find, or that the first finds nothing. Nothing is changed.

    Raises GenieError where Genie's own configuration cannot be read, or a runtime that was named does not answer.
    """
    began = time.monotonic()
    context = open_genie(options)
    announce("looking at the node")
    scene = look(options, context)
    first = _judged(scene, options)
    if first:
        announce(f"{counted(len(first), 'candidate')}; looking again in {interval:g} s")
        sleep(interval)
    if leftovers(scene, 0):
        scene = _look_in_peace(options, context)
    second = _judged(scene, options)
    agreed = [leftover for key, leftover in second.items() if key in first]
    young = [leftover for leftover in leftovers(scene, 0) if leftover.key not in second]
    return GCReport(
        dry_run=True,
        source=scene.source,
        by_namespaces=scene.facts.sandboxes is None,
        problem=scene.problem,
        seconds=interval,
        leftovers=tuple(agreed),
        young=tuple(young),
        min_age=options.min_age,
        unconfirmed=len(first.keys() ^ second.keys()),
        skipped=dict(scene.skipped),
        ms=(time.monotonic() - began) * 1000,
    )


def _judged(scene: Scene, options: GCOptions) -> dict[tuple[str, str, str], Leftover]:
    return {leftover.key: leftover for leftover in leftovers(scene, options.min_age)}


def _look_in_peace(options: GCOptions, context: Context) -> Scene:
    """Look while no call of Genie's is under way; without that where the state cannot be locked."""
    with ExitStack() as peace:
        try:
            peace.enter_context(context.store.lock_node(exclusive=True, deadline=context.deadline()))
        except (Denied, IOFailure):
            pass  # no state, or another user's: there is no call to wait for
        return look(options, context)


def confirm(report: GCReport, options: GCOptions) -> GCReport:
    """The report with what a further look still finds: time has passed since."""
    still = _judged(_look_in_peace(options, open_genie(options)), options)
    return replace(report, leftovers=tuple(still[item.key] for item in report.leftovers if item.key in still))


def collect(report: GCReport, options: GCOptions, announce: Announce = lambda _: None) -> GCReport:
    """Remove what was found; the report has the outcome for each."""
    context = open_genie(options)
    done = []
    for leftover in report.leftovers:
        announce(f"removing {leftover.kind} {leftover.name}")
        done.append(remove(leftover, context, give_up=options.forget))
    return replace(report, dry_run=False, leftovers=tuple(done))
