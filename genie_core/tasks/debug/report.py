"""The published form of a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from genie_core import __version__
from genie_core.findings import CheckResult, Finding, summary
from genie_core.published import timestamp
from genie_core.survey import codec
from genie_core.survey.facts import Facts

_OF_PROBE = ("kind", "target", "role", "port", "result", "sent", "received")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosisReport:
    """The report of `genie debug pod`. `state` is diagnosed, not-here (another node), no-sandbox or node.

    `source` is the source of the pod's namespace: CRI, records (Genie's state, the CNI cache), "" for --netns.
    `late`: the time was up before everything was done. `chosen`: only chosen checks were to run (--only, --skip).
    `denied` are the sources that the checks needed and this user may not read, each as a sentence.
    `ways` maps a conversation to the interfaces it crosses; `blocked` names those that do not arrive, and `stops` has
    the number of the last hop that they come to, where the model knows it. `of_files` and
    `file_checks` are the results of the checks of the node's files, which are in `findings` and `checks` as well: saved
    facts do not hold what these checks need.
    """

    kind: ClassVar[str] = "DiagnosisReport"
    facts: Facts
    findings: tuple[Finding, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    milliseconds: float = 0
    state: str = "diagnosed"
    reason: str = ""
    late: bool = False
    chosen: bool = False
    denied: tuple[str, ...] = ()
    source: str = ""
    ways: dict[str, tuple[str, ...]] = field(default_factory=dict)
    blocked: tuple[str, ...] = ()
    stops: dict[str, int] = field(default_factory=dict)
    of_files: tuple[Finding, ...] = ()
    file_checks: tuple[CheckResult, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """metadata, target, summary, findings, checks, paths, probes, sources."""
        facts = self.facts
        return {
            "metadata": {
                "node": facts.node_name,
                "time": timestamp(facts.time),
                "version": __version__,
                "durationMs": round(self.milliseconds),
            },
            "timedOut": self.late,
            "target": self._target(),
            "summary": summary(self.findings, self.checks),
            "findings": [finding.as_json() for finding in self.findings],
            "checks": [check.as_json() for check in self.checks],
            "paths": [
                {"target": target, "hops": list(hops), "blocked": target in self.blocked}
                for target, hops in self.ways.items()
            ],
            "probes": [{name: getattr(probe, name) for name in _OF_PROBE} for probe in facts.probes],
            "events": [codec.encode(event) for event in facts.events],
            "missing": dict(sorted(facts.missing.items())),
        }

    def _target(self) -> dict[str, Any]:
        facts = self.facts
        pod = facts.pod
        names = {link.index: link.name for link in pod.links} if pod else {}
        addresses = pod.addresses if pod else ()
        interfaces = [
            {
                "name": name,
                "addresses": [a.cidr for a in addresses if a.index == index and a.scope != "link"],
            }
            for index, name in names.items()
        ]
        target: dict[str, Any] = {"kind": "pod" if facts.pod_name else "node", "state": self.state}
        target |= {"namespace": facts.namespace, "name": facts.pod_name} if facts.pod_name else {}
        target |= {"reason": self.reason} if self.reason else {}
        target |= {"source": self.source} if self.source else {}
        return target | {"netns": facts.netns_path, "interfaces": interfaces}
