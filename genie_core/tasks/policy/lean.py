"""The members of an object that the engine keeps: 10,000 pods have to fit into little memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genie_core.dialects import NETWORK_STATUS, asked
from genie_core.policy.genie_form import SPELLINGS
from genie_core.policy.rules import MULTI, NETWORK, POLICY_FOR
from genie_core.published import JSON
from genie_core.status import STATIC_UID
from genie_core.survey.cluster import as_object

_META = ("namespace", "name", "uid", "labels", "deletionTimestamp")
_NOTES = (NETWORK_STATUS, STATIC_UID, POLICY_FOR, *SPELLINGS)
_POD_SPEC, _POD_STATUS = ("nodeName", "hostNetwork"), ("phase", "podIP", "podIPs")


def lean(item: Mapping[str, Any]) -> JSON:
    """The object with these members only."""
    meta = as_object(item.get("metadata"))
    kept = _members(meta, _META)
    annotations = as_object(meta.get("annotations"))
    asks = dict.fromkeys(asked(annotations), "")  # whether it does is enough
    notes = {**asks, **_members(annotations, _NOTES)}
    document: JSON = {"metadata": {**kept, **({"annotations": notes} if notes else {})}}
    spec, status = as_object(item.get("spec")), as_object(item.get("status"))
    if "containers" in spec:
        containers = [
            found
            for key in ("containers", "initContainers", "ephemeralContainers")
            for one in spec.get(key) or ()
            if isinstance(one, dict) and (found := _members(one, ("ports", "securityContext")))
        ]
        document["spec"] = {**_members(spec, _POD_SPEC), "containers": containers}
        document["status"] = _members(status, _POD_STATUS)
    elif "podSelector" in spec or item.get("kind") in (MULTI, NETWORK):
        document["spec"] = dict(spec)
    elif "addresses" in status:
        document["status"] = {"addresses": status["addresses"]}
    return document


def _members(data: Mapping[str, Any], names: tuple[str, ...]) -> JSON:
    return {name: data[name] for name in names if data.get(name) not in (None, {}, [])}
