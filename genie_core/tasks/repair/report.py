"""The report of a look at a node's attachments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Result = Literal["found", "mended", "failed", "left"]
MENDED: Result = "mended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One fault of one attachment, and its result. `news` is false for what was reported before."""

    container: str
    namespace: str
    name: str
    network: str
    interface: str
    kind: str
    result: Result
    message: str
    news: bool = True

    def as_json(self) -> dict[str, object]:
        """container, namespace, name, network, interface, kind, result, message, news."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}
