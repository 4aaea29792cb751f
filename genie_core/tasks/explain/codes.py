"""The explanation of every code: of findings (GN0402), of CNI errors (CNI7, or 7) and of events (NetworkFault)."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar

from genie_core.checks.registry import FILES, NETWORK, TRACE
from genie_core.errors import NotFound
from genie_core.findings import Code
from genie_core.tasks.explain.cni_errors import CODES as OF_CALLS
from genie_core.tasks.explain.event_reasons import REASONS

ALL: dict[str, Code] = {
    code: code
    for code in (*OF_CALLS, *(code for check in (*NETWORK, *FILES, *TRACE) for code in check.codes), *REASONS)
}
_CHECKS = {check.id: check for check in (*NETWORK, *FILES, *TRACE)}
_BY_CAPITALS = {code.upper(): code for code in ALL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """The codes that were asked for."""

    kind: ClassVar[str] = "Explanation"
    items: tuple[Code, ...]

    def as_json(self) -> dict[str, Any]:
        """explanations: [{code, title, cause, confirm, fix}]."""
        return {
            "explanations": [
                {"code": str(i), "title": i.fault, "cause": i.cause, "confirm": i.confirm, "fix": i.fix}
                for i in self.items
            ]
        }


def explain(code: str) -> Explained:
    """The explanation of one code, or of those that a check reports; "" lists them all.

    Raises NotFound, with what is near.
    """
    if is_check(code):
        return Explained(items=tuple(dict.fromkeys(_CHECKS[code].codes)))
    wanted = code.strip().upper().replace("CNI-", "CNI")
    wanted = _BY_CAPITALS.get(wanted, wanted)
    wanted = f"CNI{wanted}" if wanted.isdecimal() else wanted
    if not wanted:
        return Explained(items=tuple(ALL[code] for code in sorted(ALL, key=_order)))
    if wanted in ALL:
        return Explained(items=(ALL[wanted],))
    kin = [known for known in ALL if known.startswith(wanted[:2])]
    near = get_close_matches(wanted, kin, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else "genie explain lists them all"
    raise NotFound(f"there is no code {code!r}", hint=hint)


def is_code(text: str) -> bool:
    """Whether it is one that is known, in whatever case."""
    return text.upper() in _BY_CAPITALS


def is_check(text: str) -> bool:
    """Whether it is the id of a check, as --list-checks, --only and reports have it."""
    return text in _CHECKS


def similar(text: str) -> list[str]:
    """The codes and checks with names that are spelt like it."""
    return get_close_matches(text, [*ALL, *_CHECKS], 3, 0.75)


def _order(code: str) -> tuple[str, int]:
    """CNI7 before CNI11."""
    kind = code.rstrip("0123456789")
    return kind, int(code.removeprefix(kind) or 0)
