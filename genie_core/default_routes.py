"""The last steps of an ADD of several networks: each family's default routes are left with one of them.

`routes` has the rules, `edges.default_routes` carries them out. Pure; on the kubelet path, and imported there for
these pods alone.
"""

from genie_core.errors import InvalidNetns
from genie_core.jsontext import decode
from genie_core.model import Printed
from genie_core.plan import primary_first
from genie_core.routes import (
    changed_results,
    changes_made,
    default_routes,
    gateway_of,
    owners_by_results,
    route_changes,
    unasked_changes,
    with_routes,
)
from genie_core.steps import Attached, SetDefaultRoutes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from genie_core.model import Plan, Result
    from genie_core.routes import RouteChange
    from genie_core.steps import Steps


def settle(plan: "Plan", results: "list[Printed]") -> "Steps[None]":
    """Change the namespace and the `results`, which are in the plan's order; record those that changed (C26-C31)."""
    parsed = by_interface(plan, results)
    order = [item.ifname for item in primary_first(plan)]
    if plan.previous is not None:  # made before Genie in the chain: it is the primary one
        parsed[plan.ifname] = plan.previous
        order.insert(0, plan.ifname)
    changes = route_changes({item.ifname: item.default_route for item in plan.attachments}, parsed)
    changes += unasked_changes(changes, order, parsed)
    if not changes:
        return
    owners = yield from _owners(plan, changes, parsed)
    changed = changed_results(changes_made(changes, owners), parsed)
    for index, attachment in enumerate(plan.attachments):
        if attachment.ifname in changed:
            after = changed[attachment.ifname]
            text = with_routes(results[index].text, attachment.network.version, after)
            results[index] = Printed(text, after)
            attachment.yielded = [*attachment.yielded, *_lost(parsed[attachment.ifname], after)]
            yield Attached(plan, index, text, attachment.yielded)


def by_interface(plan: "Plan", results: "Iterable[Printed]") -> "dict[str, Result]":
    """The results, which are in the plan's order, by interface name."""
    return {item.ifname: one.result for item, one in zip(plan.attachments, results, strict=True)}


def _lost(before: "Result", after: "Result") -> "list[dict[str, Any]]":
    """The default routes that a network had and has no longer: they come back when the other network goes."""
    return [
        {**route, "gw": gateway} if gateway else route
        for v4 in (True, False)
        if not default_routes(after, v4)
        for route in default_routes(before, v4)
        for gateway in [gateway_of(route, before)]
    ]


def _owners(
    plan: "Plan", changes: "Sequence[RouteChange]", results: "Mapping[str, Result]"
) -> "Steps[list[str]]":
    """The interface that has each change's routes now, "" for none.

    What is not a network namespace has no routes to change. The results alone decide there, unless a network asks for
    more than that.
    """
    try:
        owners: list[str] = decode((yield SetDefaultRoutes(plan.netns, changes)))
    except InvalidNetns:
        if not all(change.successors for change in changes):
            raise
        owners = owners_by_results(changes, results)
    return owners
