"""The published form of a trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from genie_core import __version__
from genie_core.findings import CheckResult, Finding, summary
from genie_core.net.flows import Flow
from genie_core.net.hops import Hop, Path
from genie_core.net.wording import Said
from genie_core.published import timestamp
from genie_core.survey.capture import Sighting
from genie_core.survey.facts import Facts, Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceReport:
    """The report of `genie trace`: the path of a flow; with a probe, what each hop's interface showed of it.

    `seen_at` has a member for each hop, None where it was not watched; it is empty without a probe.
    """

    kind: ClassVar[str] = "TraceReport"
    facts: Facts
    flow: Flow
    path: Path
    milliseconds: float = 0
    probe: Probe | None = None
    seen_at: tuple[Sighting | None, ...] = ()
    findings: tuple[Finding, ...] = ()
    checks: tuple[CheckResult, ...] = ()

    @property
    def source(self) -> str:
        """The pod, as NAMESPACE/NAME."""
        return f"{self.facts.namespace}/{self.facts.pod_name}"

    @property
    def target(self) -> str:
        """The target by its name, and the address and port that packets are sent to."""
        flow = self.flow
        host = f"[{flow.target}]" if flow.family == 6 and flow.port else flow.target
        where = f"{host}:{flow.port}/{flow.protocol}" if flow.port else f"{flow.target} (ping)"
        return where if flow.name in ("", flow.target) else f"{flow.name} {where}"

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        path, last = self.path, self.path.hops[-1]
        if path.verdict == "stops":
            hop = next(hop for hop in path.hops if hop.state == "stops")
            return f"stops at {hop.name}: {next(said.text for said in hop.said if said.stops)}"
        if path.verdict == "unclear":
            hop = next(hop for hop in path.hops if hop.state == "unclear")
            return f"unclear at {hop.name}: {next(said.text for said in hop.said if said.doubt)}"
        end = f"arrives at {last.name}"
        if path.verdict == "leaves":
            out = next((hop.iface for hop in reversed(path.hops) if hop.iface), "")
            end = f"leaves the node by {out}; what is beyond was not read"
        stop = next((said.text for said in path.answer if said.stops), "")
        return f"{end}, but its answer stops: {stop}" if stop else end

    def as_json(self) -> dict[str, Any]:
        """metadata, source, target, verdict, hops, answer, probe, summary, findings, missing."""
        facts, flow = self.facts, self.flow
        sightings = self.seen_at or (None,) * len(self.path.hops)
        document: dict[str, Any] = {
            "metadata": {
                "node": facts.node_name,
                "time": timestamp(facts.time),
                "version": __version__,
                "durationMs": round(self.milliseconds),
            },
            "source": {
                "kind": "pod",
                "namespace": facts.namespace,
                "name": facts.pod_name,
                "netns": facts.netns_path,
            },
            "target": {
                "role": flow.role,
                "name": flow.name,
                "address": flow.target,
                "port": flow.port,
                "protocol": flow.protocol,
            },
            "verdict": self.path.verdict,
            "reason": self.verdict,
            "hops": [_hop(hop, sighting) for hop, sighting in zip(self.path.hops, sightings, strict=True)],
            "answer": {"state": self.path.answered, "decisions": [_said(said) for said in self.path.answer]},
            "summary": summary(self.findings, self.checks),
            "findings": [finding.as_json() for finding in self.findings],
            "missing": dict(sorted(facts.missing.items())),
        }
        if self.probe is not None:
            document["probe"] = {
                "kind": self.probe.kind,
                "result": self.probe.result,
                "sent": self.probe.sent,
                "received": self.probe.received,
            }
        return document


def _hop(hop: Hop, sighting: Sighting | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": hop.name,
        "place": hop.place,
        "interface": hop.iface,
        "state": hop.state,
        "decisions": [_said(said) for said in hop.said],
    }
    if sighting is not None:
        shown["seen"] = {
            "request": sighting.request,
            "answer": sighting.answer,
            "error": sighting.error,
            "sure": sighting.sure,
        }
    return shown


def _said(said: Said) -> dict[str, Any]:
    return {
        "kind": said.kind,
        "text": said.text,
        "place": said.place,
        "command": said.command,
        "stops": said.stops,
        "byDefault": said.plain,
    }
