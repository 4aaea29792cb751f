"""What a pod's network namespace holds, beside what it must not hold yet and what was promised to be there."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model import Result


def existing_links(netns: str) -> "set[str] | None":
    """The names of the interfaces that exist; None where this process may not look (conformance C19).

    Raises InvalidNetns, KernelRefused.
    """
    raise NotImplementedError


def verify(netns: str, parts: "Iterable[tuple[str, Result]]") -> None:
    """Raise CheckFailed unless everything is there that the (label, result) pairs promise (conformance A74).

    Also InvalidNetns, Denied, KernelRefused.
    """
    raise NotImplementedError
