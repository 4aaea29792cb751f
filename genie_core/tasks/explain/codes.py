"""What every code means: of findings (GN0402) and of CNI errors (CNI7, or just 7)."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar

from genie_core.checks.node_explanations import EXPLANATIONS as OF_NODES
from genie_core.checks.pod_explanations import EXPLANATIONS as OF_PODS
from genie_core.errors import NotFound
from genie_core.findings import Explanation
from genie_core.tasks.explain.cni_errors import EXPLANATIONS as OF_CALLS

ALL: dict[str, Explanation] = OF_PODS | OF_NODES | OF_CALLS
# What the catalogue finds in a plugin's own object: the finding names the key and what it should be.
CONFIGURATION = Explanation(
    code="GN10",
    title="a plugin's configuration",
    cause="a key that the plugin does not know, a value that it refuses, or two that contradict each other",
    confirm="genie discover names the file, the line and the key",
    fix="correct the key; genie generate-config --check tests a file before it is used",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """The explanations that were asked for."""

    kind: ClassVar[str] = "Explanation"
    items: tuple[Explanation, ...]

    def as_json(self) -> dict[str, Any]:
        """explanations: [{code, title, cause, confirm, fix}]."""
        return {
            "explanations": [
                {"code": i.code, "title": i.title, "cause": i.cause, "confirm": i.confirm, "fix": i.fix}
                for i in self.items
            ]
        }


def explain(code: str) -> Explained:
    """One code's explanation; "" lists them all. Raises NotFound, with what is near."""
    wanted = code.strip().upper().replace("CNI-", "CNI")
    wanted = f"CNI{wanted}" if wanted.isdecimal() else wanted
    if not wanted:
        return Explained(items=tuple(ALL[key] for key in sorted(ALL, key=_order)))
    if wanted in ALL:
        return Explained(items=(ALL[wanted],))
    if wanted.startswith("GN10") and wanted[4:].isdigit() and len(wanted) == 6:
        return Explained(items=(CONFIGURATION,))
    kin = [known for known in ALL if known.startswith(wanted[:2])]
    near = get_close_matches(wanted, kin, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else "genie explain lists them all"
    raise NotFound(f"there is no code {code!r}", hint=hint)


def _order(code: str) -> tuple[str, int]:
    """CNI7 before CNI11."""
    return code.rstrip("0123456789"), int(code.lstrip("CGIN"))
