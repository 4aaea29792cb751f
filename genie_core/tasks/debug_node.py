"""`genie debug node`: what concerns every pod of a node: kernel, tunnels, firewall, files, leftovers."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from genie_core.diagnose import rank, registry
from genie_core.diagnose.model import Model
from genie_core.diagnose.report import DiagnosisReport
from genie_core.tasks.debug_pod import Question, collect, node_files, once, read_objects, since


def debug_node(question: Question, announce: Callable[[str], None]) -> DiagnosisReport:
    """The diagnosis of the node that this runs on; no probe is sent. Raises InvalidConfig for an unusable file."""
    started = time.perf_counter()
    _, objects, missing = read_objects(replace(question, name=""))
    announce("reading the node")
    with ThreadPoolExecutor(max_workers=1) as pool:
        files = pool.submit(node_files, question)
        facts = collect(question, {}, objects, missing)
        model = Model(facts)
        checks = [
            c for c in registry.ALL if not {"pod", "pod firewall", "probes", "resolv.conf"} & set(c.needs)
        ]
        findings, outcomes = registry.run(model, registry.select(checks, question.only, question.skip))
        more, others = files.result()
    return DiagnosisReport(
        facts=facts,
        findings=tuple(rank.ranked(once(findings, more))),
        checks=(*outcomes, *others),
        milliseconds=since(started),
        state="node",
    )
