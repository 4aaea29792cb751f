"""`genie debug node`: what concerns every pod of a node: kernel, tunnels, firewall, files, leftovers."""

from __future__ import annotations

from collections.abc import Callable

from genie_core.diagnose import registry
from genie_core.diagnose.model import Model
from genie_core.diagnose.report import DiagnosisReport
from genie_core.tasks.debug_checks import since
from genie_core.tasks.debug_pod import Work
from genie_core.tasks.debug_question import Question

OF_A_POD = {"pod", "pod firewall", "probes", "resolv.conf"}


def debug_node(question: Question, announce: Callable[[str], None]) -> DiagnosisReport:
    """The diagnosis of the node that this runs on; no probe is sent. Raises InvalidConfig for an unusable file."""
    work = Work(question)
    announce("reading the node")
    work.begin()
    facts = work.facts("", work.answers())
    checks = [check for check in registry.ALL if not OF_A_POD & set(check.needs)]
    chosen = registry.select(checks, question.only, question.skip)
    findings, outcomes = registry.run(Model(facts), chosen, work.todo.until)
    mine = DiagnosisReport(
        facts=facts,
        findings=tuple(findings),
        checks=tuple(outcomes),
        milliseconds=since(work.started),
        state="node",
    )
    return work.report(mine)
