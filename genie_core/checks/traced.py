"""Where a probe went another way than the trace says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from genie_core.checks.check import check
from genie_core.checks.parts import fix, seen, the_pod
from genie_core.findings import Code, Evidence, Finding
from genie_core.net.case import Case
from genie_core.net.flows import Flow
from genie_core.net.hops import ARRIVES, STOPS, UNCLEAR, Hop, Path
from genie_core.survey.capture import Sighting
from genie_core.survey.facts import Facts, Probe

GN0809 = Code("GN0809", "a probe went another way than the trace says",
    cause="something on the path is not in the facts that the trace is made of: a program (BPF), hardware, a rule that"
    " matches by what is not modelled, a change between reading and probing",
    confirm="genie trace SRC DST --probe -o wide; tcpdump -ni IFACE on the hop that differs",
    fix="look on that hop for what the trace does not show: tc filter show, bpftool net, ethtool -k")  # fmt: skip


class Traced(Case):
    """A case with one conversation: its path, and what the hops' interfaces showed of a probe (None: not watched)."""

    def __init__(self, facts: Facts, flow: Flow, path: Path, seen_at: Sequence[Sighting | None]) -> None:
        super().__init__(facts, [flow])
        self.path, self.seen_at = path, seen_at


@check("trace-probe", GN0809, title="the probe went as the trace says", needs=("pod", "probes"))
def as_traced(case: Traced) -> Iterator[Finding]:
    path, probe = case.path, case.facts.probes[-1]
    if path.verdict == UNCLEAR:
        return
    title, about = _difference(path, case.seen_at, probe)
    if not title:
        return
    evidence = [
        _shown(hop, sighting) for hop, sighting in zip(path.hops, case.seen_at, strict=True) if sighting
    ]
    yield GN0809.error(
        title,
        the_pod(case, about),
        *evidence,
        seen("probe", f"{probe.kind} {probe.target}: {probe.result}"),
        remedy=fix(
            "look on this hop for what the trace does not know: BPF programs, hardware offloads, other rules"
        ),
    )


def _difference(path: Path, seen_at: Sequence[Sighting | None], probe: Probe) -> tuple[str, str]:
    """(what differs first, the interface); ("", "") where the probe went as the trace says."""
    # Where the link is cut, no neighbour answers, and the packet waits in its sender.
    cut = any(said.stops and said.kind in ("link", "bridge") for hop in path.hops for said in hop.said)
    for hop, sighting in zip(path.hops, seen_at, strict=True):
        if sighting is None or not sighting.sure:
            continue
        if hop.state == "passes" and not sighting.request and not cut:
            return (
                f"the trace says that the packet reaches {hop.name}, and the probe was not seen there",
                hop.iface,
            )
        if hop.state == "unreached" and sighting.request:
            return (
                f"the trace says that the packet stops before {hop.name}, and the probe was seen there",
                hop.iface,
            )
    answered = probe.result in ("ok", "refused")
    if answered and (path.verdict == STOPS or path.answered == "stops"):
        return f"the trace says that {_what_stops(path)} stops, and the probe was answered", ""
    if (
        path.verdict == ARRIVES
        and path.answered == "passes"
        and probe.result in ("timeout", "loss", "unreachable")
    ):
        return (
            f"the trace says that the packet and its answer arrive, and the probe had none ({probe.result})",
            "",
        )
    return "", ""


def _what_stops(path: Path) -> str:
    return "the packet" if path.verdict == STOPS else "the answer"


def _shown(hop: Hop, sighting: Sighting) -> Evidence:
    answer = f"; answer {sighting.answer}" if sighting.answer else ""
    error = f"; {sighting.error}" if sighting.error else ""
    return seen(
        f"capture {hop.iface}", f"{sighting.request or 'not seen'}{answer}{error}", f"tcpdump -ni {hop.iface}"
    )
