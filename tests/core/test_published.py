"""The published form of a report: names, forms, and members that stay in this process."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from genie_core.published import UNPUBLISHED, Published, formed, named, rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease(Published):
    also: ClassVar[tuple[str, ...]] = ("is_held",)
    source: Path = field(metadata=named("from"))
    file_mode: int = field(metadata=formed("{:04o}".format))
    wait_ms: float = field(metadata=formed(rounded))
    inner: "tuple[Lease, ...]" = ()
    handle: object = field(default=None, metadata=UNPUBLISHED)

    @property
    def is_held(self) -> bool:
        return self.handle is not None


def test_members_have_their_published_names_and_forms():
    inner = Lease(source=Path("/b"), file_mode=0o755, wait_ms=2, handle="x")
    assert Lease(source=Path("/a"), file_mode=0o600, wait_ms=1.26, inner=(inner,)).as_json() == {
        "from": "/a",
        "fileMode": "0600",
        "waitMs": 1.3,
        "inner": [{"from": "/b", "fileMode": "0755", "waitMs": 2, "inner": [], "isHeld": True}],
        "isHeld": False,
    }
