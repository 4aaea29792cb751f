"""Firewall rules of the calling thread's namespace, in the output of nft and iptables-save."""

from __future__ import annotations

import json
import time
from pathlib import Path

from genie_core.errors import Denied, GenieError, IOFailure
from genie_core.published import JSON
from genie_core.settings import PROGRAM_PATH
from genie_core.survey.commands import Command, start
from genie_core.survey.kernel import Firewall

SECONDS = 3.0
ENV = {"PATH": PROGRAM_PATH, "LC_ALL": "C", "XTABLES_LOCKFILE": "/dev/null"}


def firewall() -> Firewall:
    """All rules of this namespace; needs CAP_NET_ADMIN. The lists are read, nothing is created.

    The programs run side by side; `reason` names those that are not installed, fail, or take longer than SECONDS.
    """
    until = time.monotonic() + SECONDS
    nft_list = _run("nft", "-j", "list", "ruleset")
    saves = {family: _run(f"{family}tables-save", "-c") for family in ("ip", "ip6")}
    legacy = {f"{f}-legacy": _run(f"{f}tables-legacy-save", "-c") for f in saves if _legacy_tables(f)}
    nft, reason = _parsed(*nft_list.finish(until))
    texts, reasons = {}, [reason]
    for family, run in (*saves.items(), *legacy.items()):
        texts[family], reason = run.finish(until)
        reasons.append(reason)
    sets = ""
    if any("--match-set" in text for text in texts.values()):
        sets, reason = _run("ipset", "save").finish(until)
        reasons.append(reason)
    return Firewall(
        nft=nft,
        ipsets=sets,
        iptables={name: text for name, text in texts.items() if text},
        queues=_queues(),
        reason="; ".join(reason for reason in reasons if reason),
    )


def refusal(reason: str) -> GenieError:
    """Why rules were not read, as an error: Denied where this user may not ask the kernel."""
    refused = any(words in reason for words in ("ermission denied", "not permitted"))
    return (Denied if refused else IOFailure)(reason)


def _run(*argv: str) -> Command:
    return start(*argv, env=ENV)


def _legacy_tables(family: str) -> bool:
    """Whether the legacy back end holds tables here. Without any, its program would create them."""
    try:
        return bool(Path(f"/proc/thread-self/net/{family}_tables_names").read_text().strip())
    except OSError:
        return False


def _queues() -> tuple[int, ...] | None:
    """The queues that a program reads: the first column of a line for each (net/netfilter/nfnetlink_queue.c)."""
    try:
        lines = Path("/proc/thread-self/net/netfilter/nfnetlink_queue").read_text().splitlines()
        return tuple(int(line.split()[0]) for line in lines)
    except (OSError, ValueError, IndexError):
        return None


def _parsed(text: str, reason: str) -> tuple[tuple[JSON, ...] | None, str]:
    if reason:
        return None, reason
    try:
        return tuple(json.loads(text)["nftables"]), ""
    except (ValueError, KeyError, TypeError):
        return None, "nft -j list ruleset: no JSON"
