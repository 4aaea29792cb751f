"""Firewall rules of the calling thread's namespace, as nft and iptables-save print them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from genie_core.diagnose.facts import JSON, Firewall

SECONDS = 3.0
ABSENT = "is not installed"
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "XTABLES_LOCKFILE": "/dev/null"}


def firewall() -> Firewall:
    """All rules of this namespace; needs CAP_NET_ADMIN. The lists are read, nothing is created.

    The programs run side by side; what is not there, fails, or takes longer than SECONDS is named in `reason`.
    """
    until = time.monotonic() + SECONDS
    nft_list = _start("nft", "-j", "list", "ruleset")
    saves = {family: _start(f"{family}tables-save", "-c") for family in ("ip", "ip6")}
    legacy = {f"{f}-legacy": _start(f"{f}tables-legacy-save", "-c") for f in saves if _legacy_tables(f)}
    nft, reason = _parsed(*_finish(nft_list, until))
    texts, reasons = {}, [reason]
    for family, run in (*saves.items(), *legacy.items()):
        texts[family], reason = _finish(run, until)
        reasons.append(reason)
    return Firewall(
        nft=nft,
        iptables={name: text for name, text in texts.items() if text},
        reason="; ".join(reason for reason in reasons if reason),
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """A program that was started, or why it was not."""

    name: str
    process: subprocess.Popen[str] | None = None
    reason: str = ""


def _start(*argv: str) -> _Run:
    if shutil.which(argv[0], path=ENV["PATH"]) is None:
        return _Run(argv[0], reason=f"{argv[0]} {ABSENT}")
    try:
        process = subprocess.Popen(
            argv,
            env=ENV,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        return _Run(argv[0], reason=f"{argv[0]}: {error.strerror}")
    return _Run(argv[0], process)


def _finish(run: _Run, until: float) -> tuple[str, str]:
    """The program's output, and why there is none."""
    if run.process is None:
        return "", run.reason
    try:
        out, err = run.process.communicate(timeout=max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        os.killpg(run.process.pid, signal.SIGKILL)  # it, and whatever it has started
        run.process.communicate()
        return "", f"{run.name} gave no answer within {SECONDS:g} s"
    if run.process.returncode:
        return "", f"{run.name}: {err.strip().splitlines()[-1] if err.strip() else 'failed'}"
    return out, ""


def _legacy_tables(family: str) -> bool:
    """Whether the legacy back end holds tables here: asking it otherwise would create them."""
    try:
        return bool(Path(f"/proc/thread-self/net/{family}_tables_names").read_text().strip())
    except OSError:
        return False


def _parsed(text: str, reason: str) -> tuple[tuple[JSON, ...] | None, str]:
    if reason:
        return None, reason
    try:
        return tuple(json.loads(text)["nftables"]), ""
    except (ValueError, KeyError, TypeError):
        return None, "nft -j list ruleset: no JSON"
