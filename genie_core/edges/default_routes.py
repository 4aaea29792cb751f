"""Setting a pod's default routes, in its network namespace, by value (conformance C26-C31)."""

from ..routes import RouteChange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def set_default_routes(netns: str, changes: "Iterable[RouteChange]") -> None:
    """Make each family's default routes lead where the change says, and nowhere else; all other routes stay.

    Idempotent. Raises InvalidNetns, Denied, and KernelRefused naming interface and gateway.
    """
    raise NotImplementedError
