"""Connection tracking: entries that translate, as `conntrack -L` prints them, and the source ports that they take."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

from genie_core.errors import IOFailure
from genie_core.survey.commands import start
from genie_core.survey.kernel import Taken, Tracked
from genie_core.survey.rulesets import ENV, refusal

SECONDS = 3.0
MOST = (
    60_000  # entries of a table that is read; a larger one takes seconds, and is what another check reports
)
KEPT = 2_000
PAIR = re.compile(r"\b(src|dst|sport|dport)=(\S+)")
COUNT = Path("/proc/sys/net/netfilter/nf_conntrack_count")


def tracked() -> tuple[tuple[Tracked, ...], tuple[Taken, ...]]:
    """(entries of UDP flows that are sent elsewhere, the source ports that translations take, by their target).

    Those of the calling thread's namespace. Raises IOFailure for a very large table and without the program, Denied
    where this user may not ask the kernel.
    """
    try:
        count = int(COUNT.read_text())
    except (OSError, ValueError):
        return (), ()
    if not count:
        return (), ()
    if count > MOST:
        raise IOFailure(f"connection tracking has {count} entries: more than {MOST} are not read")
    until = time.monotonic() + SECONDS
    runs = [start("conntrack", "-L", "-f", family, env=ENV) for family in ("ipv4", "ipv6")]
    answers = [run.finish(until) for run in runs]
    if answers[0][1]:
        raise refusal(answers[0][1])
    lines = [line for text, _ in answers for line in text.splitlines()]
    found = [entry for line in lines if (entry := _entry(line)) is not None]
    moved = [e for e in found if e.protocol == "udp" and e.assured and e.target != e.reply_source]
    return tuple(moved[:KEPT]), _taken(found)


def _entry(line: str) -> Tracked | None:
    values: dict[str, list[str]] = {}
    for name, value in PAIR.findall(line):
        values.setdefault(name, []).append(value)
    try:
        return Tracked(
            protocol=line.split(maxsplit=1)[0],
            source=values["src"][0],
            target=values["dst"][0],
            reply_source=values["src"][1],
            reply_target=values["dst"][1],
            port=int(values["dport"][0]),
            reply_port=int(values["sport"][1]),
            source_port=int(values["dport"][1]),
            assured="[ASSURED]" in line,
        )
    except (IndexError, KeyError, ValueError):
        return None  # ICMP has no ports


def _taken(entries: list[Tracked]) -> tuple[Taken, ...]:
    ports: dict[tuple[str, str, int, str], set[int]] = {}
    for e in entries:
        if e.source != e.reply_target:
            ports.setdefault((e.protocol, e.reply_source, e.reply_port, e.reply_target), set()).add(
                e.source_port
            )
    most = Counter({key: len(used) for key, used in ports.items()}).most_common(8)
    return tuple(
        Taken(
            protocol=p,
            target=f"{ip}:{port}",
            source=source,
            count=count,
            ports=tuple(sorted(ports[key]))[:KEPT],
        )
        for key, count in most
        for p, ip, port, source in (key,)
    )
