"""Keep findings of test runs as the examples of docs/codes.

    GENIE_EXAMPLES=/tmp/found .venv/bin/pytest -p tests.examples -n 0 tests/discover tests/diagnose
    .venv/bin/python -m tests.examples /tmp/found

The first command writes down each finding that a check makes, in the tests' processes and in those that `tests.warm`
forks. The second takes one for each code that has no example yet; delete a code's example to have a new one.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from genie_core.findings import Finding
from tests.diagnose.bench import EXAMPLES, USUAL

# Directories of temporary nodes, and where real nodes have them.
PLACES = USUAL | {
    "net.d": "/etc/cni/net.d",
    "conf": "/etc/cni/net.d",
    "ipam": "/var/lib/cni/networks",
    "leases": "/var/lib/cni/networks",
    "cache": "/var/lib/cni",
}
NODE = re.compile(
    r"/tmp/(?:(?:pytest-of-\w+/pytest-\d+|gw\d+)/[^/\s\"']+|genie-lab-\w+)(?:/(?:lab|files|node))?"
)
LAB = re.compile(r"gd\d+[a-z]*-|-gd\d+[a-z]*|-gt\d+\b")
_NO_CHECKS = ("rank.py", "runner.py", "check.py")
_monitoring: Any = getattr(sys, "monitoring", None)  # Python 3.12 and newer


def watch(path: str) -> None:
    """From here on append the findings that this process, and those that it forks, make by checks."""
    events = _monitoring.events.PY_RETURN
    _monitoring.use_tool_id(_monitoring.PROFILER_ID, __name__)
    _monitoring.register_callback(_monitoring.PROFILER_ID, events, lambda *_: _made(path))
    _monitoring.set_local_events(_monitoring.PROFILER_ID, Finding.__post_init__.__code__, events)


def _made(path: str) -> None:
    """`Finding.__post_init__` returns, two frames above this one."""
    made = sys._getframe(2)
    finding, frame, files = made.f_locals["self"], made.f_back, []
    while frame:
        files.append(frame.f_code.co_filename)
        frame = frame.f_back
    if any("genie_core/checks/" in file and not file.endswith(_NO_CHECKS) for file in files):
        with open(path, "a", encoding="utf-8") as out:
            out.write(json.dumps(finding.as_json()) + "\n")


def usual(text: str) -> str:
    """A finding's text with a node's usual places instead of those of a test."""
    text = NODE.sub("\0", LAB.sub("", text))
    for name, place in PLACES.items():
        text = re.sub(rf"\0/{re.escape(name)}(?![\w.-])", place, text)
    return text.replace("\0", "")


def take(path: Path) -> list[str]:
    """Add an example for each code without one: with a remedy if there is one, and short. The codes that were added."""
    kept = json.loads(EXAMPLES.read_text())
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        text = usual(line)
        found.setdefault(json.loads(text)["code"], []).append(text)
    added = {code: json.loads(min(texts, key=_rank)) for code, texts in found.items() if code not in kept}
    EXAMPLES.write_text(json.dumps(dict(sorted((kept | added).items())), indent=1, ensure_ascii=False) + "\n")
    return sorted(added)


def _rank(text: str) -> tuple[bool, bool, int, str]:
    finding: dict[str, Any] = json.loads(text)
    remedy = finding.get("remedy") or {}
    return not finding["evidence"], not remedy.get("commands"), len(text), text


def pytest_configure() -> None:
    watch(os.environ["GENIE_EXAMPLES"])


if __name__ == "__main__":
    print("\n".join(take(Path(sys.argv[1]))))
