"""API objects reduced to what a diagnosis needs: without environments, arguments and other annotations."""

from __future__ import annotations

from genie_core.dialects import ASKING, NETWORK_STATUS
from genie_core.published import JSON
from genie_core.status import MULTI_IP_PREFERENCES
from genie_core.survey import cluster
from genie_core.survey.cluster import members
from genie_core.survey.events import one_line

META = ("name", "namespace", "uid", "labels", "creationTimestamp", "deletionTimestamp")
NOTES = (
    *ASKING,
    NETWORK_STATUS,
    MULTI_IP_PREFERENCES,
    "k8s.v1.cni.cncf.io/networks-status",
    *cluster.TUNNELS,
    *cluster.ENDS,
)
TOP = ("apiVersion", "kind", "addressType", "ports", "endpoints", "subsets")
STATUS = ("phase", "reason", "podIP", "podIPs", "addresses", "loadBalancer")
CONDITION = ("type", "status", "reason")
SPEC = {
    "Node": ("podCIDR", "podCIDRs"),
    "Service": ("type", "clusterIP", "clusterIPs", "ipFamilies", "ports", "selector", "externalTrafficPolicy",
                "internalTrafficPolicy", "sessionAffinity", "externalIPs", "healthCheckNodePort"),
    "NetworkPolicy": ("podSelector", "policyTypes", "ingress", "egress"),
}  # fmt: skip


def lean(item: JSON) -> JSON:
    """One object, reduced. A Pod in --pod-file may lack its `kind`."""
    meta, spec, status = item.get("metadata") or {}, item.get("spec") or {}, item.get("status") or {}
    kind = item.get("kind") or ("Pod" if "containers" in spec else "")
    kept = members(item, TOP)
    kept["metadata"] = members(meta, META) | {"annotations": members(meta.get("annotations") or {}, NOTES)}
    kept["status"] = members(status, STATUS) | _messages(item, status)
    kept["spec"] = _pod_spec(spec) if kind == "Pod" else members(spec, SPEC.get(kind, ()))
    return kept


def _messages(item: JSON, status: JSON) -> JSON:
    """Kubernetes' messages about an object: of its status, its conditions and its waiting containers."""
    found: JSON = {"message": one_line(str(status["message"]))} if status.get("message") else {}
    conditions = [
        members(entry, CONDITION) | {"message": one_line(str(entry.get("message") or ""))}
        for entry in cluster.conditions(item)
    ]
    waiting = [(one.get("state") or {}).get("waiting") or {} for one in status.get("containerStatuses") or ()]
    reasons = [{"state": {"waiting": {"reason": str(one["reason"])}}} for one in waiting if one.get("reason")]
    found |= {"conditions": conditions} if conditions else {}
    return found | ({"containerStatuses": reasons} if reasons else {})


def _pod_spec(spec: JSON) -> JSON:
    containers = spec.get("containers") or ()
    sysctls = (spec.get("securityContext") or {}).get("sysctls")
    names = members(spec, ("dnsPolicy", "dnsConfig"))
    return (
        names
        | ({"securityContext": {"sysctls": sysctls}} if sysctls else {})
        | {
            "nodeName": spec.get("nodeName", ""),
            "hostNetwork": bool(spec.get("hostNetwork")),
            "containers": [
                {"name": one.get("name", ""), "ports": one.get("ports") or []} for one in containers
            ],
        }
    )
