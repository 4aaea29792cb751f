"""`genie debug node`: what concerns every pod of a node: kernel, tunnels, firewall, files, leftovers."""

from __future__ import annotations

from collections.abc import Callable

from genie_core.checks.check import Check
from genie_core.checks.registry import OF_NODE
from genie_core.tasks.debug.diagnosis import Diagnosis
from genie_core.tasks.debug.options import DebugOptions
from genie_core.tasks.debug.report import DiagnosisReport


def debug_node(options: DebugOptions, announce: Callable[[str], None]) -> DiagnosisReport:
    """The diagnosis of the node that this runs on; no probe is sent. Raises InvalidConfig for an unusable file."""
    diagnosis = Diagnosis(options, checks())
    announce("reading the node")
    diagnosis.begin()
    return diagnosis.of_node(checks(), diagnosis.answers())


def checks() -> list[Check]:
    """The checks of a node without a pod. Those of events are about single pods."""
    return [check for check in OF_NODE if "events" not in check.needs]
