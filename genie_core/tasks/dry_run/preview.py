"""The plan of an ADD, without the ADD: the same rules on the same input.

It runs where the plugin would run, since the configuration files are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genie_core.edges.cancel import Cancel
from genie_core.edges.log import JSONLog
from genie_core.fields import get_str
from genie_core.jsontext import decode
from genie_core.plan import make_plan
from genie_core.settings import Settings
from genie_core.spec.request import parse_request
from genie_core.verbs.context import Context
from genie_core.verbs.networks import decide


def preview(env: Mapping[str, str], stdin: str) -> list[dict[str, Any]]:
    """The planned networks in order: network, interface, primary, why, source, plugins, ipam. Raises as ADD does."""
    request = parse_request(env, stdin)
    context = Context(Settings(request.config), JSONLog("error"), Cancel(), request.env, request.path)
    try:
        decision = decide(request, context)
    finally:
        context.api.close()
    plan = make_plan(request, decision.pod, "", decision.choices, prefix=context.settings.interface_prefix)
    return [
        {
            "network": attachment.network.name,
            "interface": attachment.ifname,
            "primary": attachment.ifname == plan.ifname,
            "why": choice.selection.origin,
            "source": attachment.network.source,
            "plugins": [plugin.type for plugin in attachment.network.plugins],
            "ipam": [type_ for plugin in attachment.network.plugins if (type_ := _ipam_of(plugin.text))],
        }
        for choice, attachment in zip(decision.choices, plan.attachments, strict=True)
    ]


def _ipam_of(text: str) -> str:
    """The address plugin that a plugin's configuration names, "" for none."""
    ipam = decode(text).get("ipam")
    return get_str(ipam, "type") if isinstance(ipam, dict) else ""
