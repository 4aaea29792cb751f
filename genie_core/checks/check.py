"""What a check is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from genie_core.findings import Finding
from genie_core.net.case import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class PodCheck:
    """One check, a pure function; `codes` are the findings that it can report.

    `needs` names the sources without which it is skipped: pod, node, pod firewall, node firewall, objects (those of
    one kind: "objects: Service"), pod object, events, state (Genie's), conntrack, probes, resolv.conf.
    """

    id: str
    codes: tuple[str, ...]
    title: str
    run: Callable[[Case], Iterable[Finding]]
    needs: tuple[str, ...] = ()
    node_wide: bool = False
