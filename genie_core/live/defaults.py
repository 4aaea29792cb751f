"""Give default routes back to a network when the network that had taken them over is released."""

from genie_core.default_routes import by_interface
from genie_core.model import Printed
from genie_core.plan import primary_first
from genie_core.routes import RouteChange, default_routes, gateway_of, route_changes, with_routes
from genie_core.spec.addresses import is_v4
from genie_core.steps import Attached, SetDefaultRoutes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from genie_core.model import Attachment, Plan
    from genie_core.steps import Steps


def give_back(plan: "Plan", results: "list[Printed]") -> "Steps[None]":
    """Give each family's default routes back to the first network that gave them up, unless one asks for the family.

    The primary network comes first. The `results`, which are in the plan's order, are changed and recorded.
    """
    parsed = by_interface(plan, results)
    asked = route_changes({item.ifname: item.default_route for item in plan.attachments}, parsed)
    for v4 in (True, False):
        if any(change.v4 is v4 for change in asked):
            continue
        if plan.previous is not None and (own := default_routes(plan.previous, v4)):
            gateway = gateway_of(own[0], plan.previous) or ""
            yield SetDefaultRoutes(plan.netns, [RouteChange(plan.ifname, v4, gateway, direct=not gateway)])
            continue
        for item in primary_first(plan):
            if default_routes(parsed[item.ifname], v4):
                break
            if routes := _yielded(item, v4):
                index = plan.attachments.index(item)
                gateway = routes[0].get("gw", "")
                change = RouteChange(item.ifname, v4, gateway, direct=not gateway)
                yield SetDefaultRoutes(plan.netns, [change])
                result = parsed[item.ifname]
                parsed[item.ifname] = result = result.replace(routes=[*result.routes, *routes])
                item.yielded = [route for route in item.yielded if route not in routes]
                text = with_routes(results[index].text, item.network.version, result)
                results[index] = Printed(text, result)
                yield Attached(plan, index, text, item.yielded)
                break


def _yielded(attachment: "Attachment", v4: bool) -> "list[dict[str, Any]]":
    return [route for route in attachment.yielded if is_v4(route["dst"]) is v4]
