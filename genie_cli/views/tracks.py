"""The conversations of a diagnosis as tracks to draw: each with the hop behind which its packets stop, and why."""

from __future__ import annotations

from collections.abc import Sequence

from genie_cli.views.layout import Track
from genie_core.findings import Finding, Severity
from genie_core.tasks.debug.report import DiagnosisReport

_BAD = (Severity.FATAL, Severity.ERROR)


def tracks_of(report: DiagnosisReport) -> list[Track]:
    """One for each target, in the report's order."""
    causes = [one for one in report.findings if one.severity in _BAD and not one.consequence_of]
    return [_track(target, hops, report, causes) for target, hops in report.ways.items()]


def _track(target: str, hops: tuple[str, ...], report: DiagnosisReport, causes: Sequence[Finding]) -> Track:
    role = target.partition(": ")[0]
    if target not in report.blocked or len(hops) < 2:
        return Track(target=target, hops=_once(hops), note=role)
    cause = _cause(target, hops, causes)
    found = _place(cause, hops) if cause else None
    last = report.stops.get(target, found if found is not None else len(hops) - 2)
    if cause and cause.object.kind == "interface" and found is not None:
        last = min(last, found)  # the model goes on behind a link that it takes for another kind
    shown = _once(hops)
    stop = min(len(_once(hops[: last + 1])) - 1, len(shown) - 2)
    code = cause.code if cause else ""
    return Track(target=target, hops=shown, stop=max(stop, 0), code=code, note=role)


def _cause(target: str, hops: Sequence[str], causes: Sequence[Finding]) -> Finding | None:
    """The finding that names the target, else one about a hop, else one that names the last hop, else the first."""
    name = target.partition(": ")[2]
    choices = (
        [one for one in causes if name in one.title],
        [one for one in causes if _place(one, hops) is not None],
        [one for one in causes if hops[-2] in one.title.split()],
        causes,
    )
    return next((found[0] for found in choices if found), None)


def _once(hops: Sequence[str]) -> tuple[str, ...]:
    """The hops without repetitions in a row: a packet that is sent back over its bridge crosses it twice."""
    return tuple(hop for number, hop in enumerate(hops) if number == 0 or hop != hops[number - 1])


def _place(finding: Finding, hops: Sequence[str]) -> int | None:
    """The number of the hop that the finding is about, the last of those; None where it is about none."""
    names = {finding.object.iface, finding.object.name} - {""}
    is_pods = finding.object.kind == "pod"
    places = [
        number
        for number, hop in enumerate(hops)
        if hop.startswith("pod ") is is_pods and names & set(hop.removeprefix("pod ").split())
    ]
    return places[-1] if places else None
