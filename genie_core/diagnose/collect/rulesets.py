"""Firewall rules of the calling thread's namespace, as nft and iptables-save print them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from genie_core.diagnose.facts import JSON, Firewall

SECONDS = 4
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "XTABLES_LOCKFILE": "/dev/null"}


def _run(*argv: str) -> tuple[str, str]:
    """The program's output, and why there is none."""
    if shutil.which(argv[0], path=ENV["PATH"]) is None:
        return "", f"{argv[0]} is not installed"
    try:
        done = subprocess.run(argv, env=ENV, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"{argv[0]}: {error}"
    if done.returncode:
        return "", f"{argv[0]}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'failed'}"
    return done.stdout, ""


def _legacy_tables(family: str) -> bool:
    """Whether the legacy back end holds tables here: asking it otherwise would create them."""
    try:
        return bool(Path(f"/proc/thread-self/net/{family}_tables_names").read_text().strip())
    except OSError:
        return False


def _nft() -> tuple[tuple[JSON, ...] | None, str]:
    text, reason = _run("nft", "-j", "list", "ruleset")
    if reason:
        return None, reason
    try:
        return tuple(json.loads(text)["nftables"]), ""
    except (ValueError, KeyError):
        return None, "nft -j list ruleset: no JSON"


def firewall() -> Firewall:
    """All rules of this namespace; needs CAP_NET_ADMIN. The lists are read, nothing is created."""
    nft, reason = _nft()
    texts: dict[str, str] = {}
    reasons = [reason] if reason else []
    for family in ("ip", "ip6"):
        text, reason = _run(f"{family}tables-save", "-c")
        texts[family] = text
        reasons += [reason] if reason else []
        if _legacy_tables(family):
            texts[f"{family}-legacy"] = _run(f"{family}tables-legacy-save", "-c")[0]
    return Firewall(nft=nft, iptables={k: v for k, v in texts.items() if v}, reason="; ".join(reasons))
