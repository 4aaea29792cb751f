"""The status annotations that an ADD writes (C46-C56, D17, D26, D27)."""

from genie_core.dialects import NETWORK_STATUS
from genie_core.routes import as_it_is_now
from genie_core.spec.conf import DEVICE_INFO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from genie_core.model import Attachment, Plan, Result
    from genie_core.status import NetworkEntry
    from genie_core.verbs.networks import Decision


def annotations_of(
    decision: "Decision", plan: "Plan", results: "Mapping[str, Result]", *, every: bool = False
) -> "Iterator[Mapping[str, str]]":
    """The annotations to write, each group with a request of its own. `results` are the networks', by interface.

    With `every` (policy_engine) each pod that asks for networks, or has several, gets the status, with the networks'
    whole names: other nodes know them from there alone.
    The choice by load is a group: a cluster's admission policy may refuse it, and the status must not be lost for that.
    """
    status = {} if decision.by_attachment else _preferences(results)
    is_named = every and (decision.asks or len(results) > 1)
    if is_named or decision.needs_status:
        status |= _network_status(plan, results, named=every)
    chosen = {key: value for choice in decision.choices for key, value in choice.annotations.items()}
    yield from (group for group in (status, chosen) if group)


def _network_status(plan: "Plan", results: "Mapping[str, Result]", *, named: bool) -> dict[str, str]:
    from genie_core.status import network_status

    return {NETWORK_STATUS: network_status(entries_of(plan, results, named=named))}


def with_previous(plan: "Plan", results: "Mapping[str, Result]") -> "tuple[Plan, Mapping[str, Result]]":
    """The same, with the network that the plugins before Genie made, if any, as the first: the runtime's own."""
    if plan.previous is None:
        return plan, results
    from genie_core.model import Attachment, NetConf

    name = plan.previous_network
    own = Attachment(NetConf(name, "", [], ""), plan.ifname, name)
    return plan.replace(attachments=[own, *plan.attachments]), {
        plan.ifname: as_it_is_now(plan.previous, plan, results),
        **results,
    }


def entries_of(plan: "Plan", results: "Mapping[str, Result]", *, named: bool) -> "list[NetworkEntry]":
    """The plan's attachments for `network_status`; `named` gives each the network's whole name."""
    from genie_core.select.asked import network_of
    from genie_core.status import NetworkEntry

    return [
        NetworkEntry(
            item.label,
            item.ifname,
            results[item.ifname],
            default=item.ifname == plan.ifname,
            device_info=_device(item),
            plugged=item.plugged,
            network=network_of(item) if named else "",
        )
        for item in plan.attachments
    ]


def _device(attachment: "Attachment") -> "Mapping[str, Any] | None":
    """The device that the network's plugin has described (conformance C54)."""
    if DEVICE_INFO not in attachment.capabilities:
        return None
    from genie_core.edges.device_info import read_device_info

    return read_device_info(attachment)


def _preferences(results: "Mapping[str, Result]") -> dict[str, str]:
    if len(results) < 2:
        return {}
    from genie_core.status import MULTI_IP_PREFERENCES, multi_ip_preferences

    value = multi_ip_preferences(list(results.items()))
    return {} if value is None else {MULTI_IP_PREFERENCES: value}
