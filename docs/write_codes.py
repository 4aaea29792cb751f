"""Writes docs/codes: a page for each code of a finding, made from the checks (`make generated`).

Usage: docs/write_codes.py DIRECTORY. Examples are real findings, which `python -m tests.diagnose.bench --keep` and
`tests/examples.py` saved in docs/codes/examples.json.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from genie_core.checks.check import Check
from genie_core.checks.registry import FILES, NETWORK, TRACE
from genie_core.findings import Code, Effect
from genie_core.tasks.debug.node import checks as of_node

EXAMPLES = Path(__file__).resolve().parent / "codes" / "examples.json"
CHECKS: tuple[Check, ...] = (*NETWORK, *FILES, *TRACE)
CODES = sorted({code for check in CHECKS for code in check.codes})
INDEX = """# Codes of findings

A page for each code that `genie debug`, `discover` and `trace` report: its cause, how to confirm it, the fix and its
risk, the checks that report it, and a finding as it was printed. `genie explain CODE` prints the first three and names
the page. The pages are made from the checks (`make generated`).

| code | what |
|---|---|
"""


def pages() -> dict[str, str]:
    """File name -> text, for the index and every code."""
    examples = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    rows = "".join(f"| [{code}]({code}.md) | {code.fault} |\n" for code in CODES)
    named = {f"{code}.md": "\n".join(_page(code, examples.get(code))) for code in CODES}
    return {"README.md": INDEX + rows} | named


def _page(code: Code, example: dict[str, Any] | None) -> Iterator[str]:
    yield f"# {code}: {code.fault}\n"
    yield f"- **Cause**: {code.cause}"
    yield f"- **Confirm**: {code.confirm}"
    yield f"- **Fix**: {code.fix}"
    yield f"- **Risk**: {_risk(example)}"
    causes = [_link(cause) for cause in sorted(code.explained_by) if cause in CODES]
    causes += [f"anything by which {effect}" for effect in Effect if effect in code.explained_by]
    explains = [
        *(f"{effect}" for effect in code.breaks),
        *(_link(c) for c in CODES if code in c.explained_by),
    ]
    if causes:
        yield f"- **May follow from**: {'; '.join(causes)}"
    if explains:
        yield f"- **May explain**: {'; '.join(explains)}"
    yield "\n## Reported by\n\n| check | passes if | command |\n|---|---|---|"
    for check in (check for check in CHECKS if code in check.codes):
        yield f"| `{check.id}` | {check.title} | {_commands(check)} |"
    if example:
        yield "\n## Example\n\n```text"
        yield from _finding(example)
        yield "```"
    yield ""


def _risk(example: dict[str, Any] | None) -> str:
    """What the remedy of the example risks."""
    remedy = (example or {}).get("remedy") or {}
    if remedy.get("risk"):
        return str(remedy["risk"])
    return (
        "nothing is known beyond what the command changes"
        if remedy.get("commands")
        else "no command is printed; it depends on what you change"
    )


def _link(code: str) -> str:
    return f"[{code}]({code}.md)"


def _commands(check: Check) -> str:
    if check in TRACE:
        return "`genie trace --probe`"
    commands = ["discover"] if check in FILES else []
    commands += ["debug pod"]
    commands += ["debug node"] if check in (*FILES, *of_node()) else []
    commands += ["generate-config --check"] if check.alone else []
    return ", ".join(f"`genie {command}`" for command in commands)


def _finding(finding: dict[str, Any]) -> Iterator[str]:
    """A published finding, as `genie debug pod` shows it."""
    yield f"{finding['severity'].upper()} [{finding['code']}] {finding['title']}"
    yield from (f"    {fact['source']}: {fact['value']}" for fact in finding["evidence"])
    remedy = finding.get("remedy") or {}
    if remedy:
        yield f"    remedy: {remedy['text']}"
    for command in remedy.get("commands", ()):
        yield f"        {'in the pod: ' if command['netns'] == 'pod' else ''}{shlex.join(command['argv'])}"
    if remedy.get("risk"):
        yield f"    risk: {remedy['risk']}"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
