"""STATUS: could an ADD work now? Asked every five seconds: no API server, no waiting (conformance A76-A78, C40)."""

from genie_core.attach import drive
from genie_core.errors import GenieError, NotAvailable
from genie_core.node_verbs import status
from genie_core.plan import FIRST_INTERFACE, name_interfaces, require_versions
from genie_core.verbs.networks import is_behind_another, on_every_pod, require_ready

TYPE_CHECKING = False
if TYPE_CHECKING:
    from genie_core.model import NetConf, Request
    from genie_core.verbs.context import Context


def run(request: "Request", context: "Context") -> str:
    """Nothing is printed. Raises NotAvailable, or a network's own answer unchanged."""
    try:
        require_ready(context)
        networks = _networks(request, context)
    except GenieError as error:
        raise NotAvailable(error.msg, details=error.details, hint=error.hint) from None
    drive(status(request.path, networks), context.act)
    return ""


def _networks(request: "Request", context: "Context") -> "list[NetConf]":
    """The networks of every pod, which can be attached. Raises GenieError as an ADD would.

    Behind another plugin of its chain Genie attaches no default network, so none is asked.
    """
    has_primary = is_behind_another(request, context)
    choices = on_every_pod(context, has_primary=has_primary)
    name_interfaces(choices, FIRST_INTERFACE, context.settings.interface_prefix, has_primary=has_primary)
    require_versions(choices)
    networks = [choice.network for choice in choices]
    for network in networks:
        for plugin in network.plugins:
            context.delegates.find(plugin.type, request.path)
    return networks
