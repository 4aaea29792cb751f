"""STATUS: could an ADD work now? Asked every five seconds: no API server, no waiting (conformance A76-A78, C40)."""

from genie_core.attach import drive
from genie_core.errors import GenieError, NotAvailable
from genie_core.node_verbs import status
from genie_core.verbs.networks import on_every_pod, require_ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from genie_core.model import Request
    from genie_core.verbs.context import Context


def run(request: "Request", context: "Context") -> str:
    """Nothing is printed. Raises NotAvailable, or a network's own answer unchanged."""
    try:
        require_ready(context)
        networks = [choice.network for choice in on_every_pod(context)]
        for network in networks:
            for plugin in network.plugins:
                context.delegates.find(plugin.type, request.path)
    except GenieError as error:
        raise NotAvailable(error.msg, details=error.details, hint=error.hint) from None
    drive(status(request.path, networks), context.act)
    return ""
