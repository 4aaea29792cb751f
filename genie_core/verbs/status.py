"""STATUS: could an ADD work now? Asked every five seconds: no API server, no waiting (conformance A76-A78, C40)."""

from genie_core.attach import drive
from genie_core.errors import GenieError, NotAvailable
from genie_core.node_verbs import status
from genie_core.plan import name_interfaces, require_versions
from genie_core.verbs.networks import on_every_pod, require_ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from genie_core.model import Request
    from genie_core.verbs.context import Context

_PRIMARY = "eth0"  # what runtimes call a pod's interface; STATUS is asked without a name


def run(request: "Request", context: "Context") -> str:
    """Nothing is printed. Raises NotAvailable, or a network's own answer unchanged."""
    try:
        require_ready(context)
        choices = on_every_pod(context)
        name_interfaces(choices, _PRIMARY, context.settings.interface_prefix)
        require_versions(choices)
        for choice in choices:
            for plugin in choice.network.plugins:
                context.delegates.find(plugin.type, request.path)
    except GenieError as error:
        raise NotAvailable(error.msg, details=error.details, hint=error.hint) from None
    drive(status(request.path, [choice.network for choice in choices]), context.act)
    return ""
