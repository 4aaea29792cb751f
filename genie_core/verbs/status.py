"""STATUS: could an ADD work now? Asked every five seconds: no API server, no waiting (conformance A76-A78, C40)."""

from ..attach import status
from ..errors import GenieError, NotAvailable
from .networks import default_of, require_ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..model import Request
    from .node import Node


def run(request: "Request", node: "Node") -> str:
    """Nothing is printed. Raises NotAvailable, or the default network's own answer unchanged."""
    try:
        require_ready(node)
        networks = [choice.network for choice in default_of(node)]
        for network in networks:
            for plugin in network.plugins:
                node.delegates.find(plugin.type, request.path)
    except GenieError as error:
        raise NotAvailable(error.msg, details=error.details, hint=error.hint) from None
    node.drive(status(request.path, networks), stateless=True)
    return ""
