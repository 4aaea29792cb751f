"""genie: this project. Its keys are those of CNI-Genie's genie.conf and the newer ones (docs/configuration)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .plugin import JSON, Field, Ipam, NodeView, Plugin, Problem, Role, Severity, Wanted

ANNOTATIONS = "io.kubernetes.cri.pod-annotations"

# The union of what delegates may need: what Genie does not declare, the runtime does not send (conformance B48).
CAPABILITIES = (
    ANNOTATIONS,
    "portMappings",
    "bandwidth",
    "ipRanges",
    "dns",
    "ips",
    "mac",
    "infinibandGUID",
    "deviceID",
    "aliases",
    "cgroupPath",
)
_POLICY = (
    Field(name="type", doc="kind of network policy"),
    Field(name="k8s_api_root", doc="API server"),
    Field(name="k8s_auth_token", doc="a token; prefer a kubeconfig with tokenFile", secret=True),
    Field(name="k8s_client_certificate", doc="client certificate file"),
    Field(name="k8s_client_key", doc="client key file"),
    Field(name="k8s_certificate_authority", doc="CA file"),
)
_SMART_SELECTION = (
    Field(name="candidates", kind="array", items=Field(name="name"), doc="among whom; absent: all networks"),
    Field(name="weights", kind="object", doc="how much each indicator counts, by its name"),
)
_KUBERNETES = (
    Field(name="kubeconfig", doc="credentials file"),
    Field(name="k8s_api_root", doc="API server; wins over the kubeconfig's"),
)
# Read by CNI-Genie's relatives and ignored by both: no slips.
_IGNORED = (
    "etcd_endpoints",
    "datastore_type",
    "hostname",
    "romana_root",
    "segment_label_name",
    "disableCheck",
)


def _check(data: JSON, where: str, node: NodeView) -> Iterator[Problem]:
    prefix = f"{where}." if where else ""
    capabilities = data.get("capabilities")
    if not isinstance(capabilities, dict) or capabilities.get(ANNOTATIONS) is not True:
        yield Problem(
            path=f"{prefix}capabilities",
            text=f"does not declare {ANNOTATIONS}: every ADD then asks the API server for the annotations",
            severity=Severity.WARNING,
            hint="`genie install` declares it",
            code="GN1602",
        )
    missing = [name for name in ("portMappings", "bandwidth") if not (capabilities or {}).get(name)]
    if missing:
        yield Problem(
            path=f"{prefix}capabilities",
            text=f"does not declare {', '.join(missing)}: the runtime sends them to nobody",
            severity=Severity.WARNING,
            code="GN1602",
        )
    policy = data.get("policy")
    if isinstance(policy, dict) and policy.get("k8s_auth_token"):
        yield Problem(
            path=f"{prefix}policy.k8s_auth_token",
            text="is a credential in a configuration file",
            severity=Severity.WARNING,
            hint="use kubernetes.kubeconfig with tokenFile, mode 0600",
            code="GN1502",
        )


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {"type": "genie", "capabilities": dict.fromkeys(CAPABILITIES, True)}


PLUGIN = Plugin(
    type="genie",
    role=Role.DISPATCHER,
    summary="calls the plugins that a pod's annotations name",
    fields=(
        Field(name="default_plugin", doc="the network of pods that name none: a comma list, name@interface"),
        Field(name="cAdvisor_address", doc="where the load of networks is asked for"),
        Field(name="log_level", doc="debug, info, warning or error"),
        Field(name="log_file", doc="log file; absent: stderr"),
        Field(name="kubernetes", kind="object", fields=_KUBERNETES, doc="how to reach the API server"),
        Field(name="policy", kind="object", fields=_POLICY, doc="the same, as CNI-Genie had it"),
        Field(
            name="conf_dirs",
            kind="array",
            items=Field(name="dir", kind="path"),
            doc="where configurations are",
        ),
        Field(name="bin_dirs", kind="array", items=Field(name="dir", kind="path"), doc="where plugins are"),
        Field(name="state_dir", kind="path", default="/var/lib/cni/genie", doc="where plans are kept"),
        Field(name="api_timeout_seconds", kind="any", doc="deadline of one API call"),
        Field(name="delegate_timeout_seconds", kind="any", doc="deadline of one plugin"),
        Field(name="default_networks", kind="any", doc="networks that every pod gets besides its own"),
        Field(name="system_namespaces", kind="any", doc="namespaces that get the default network only"),
        Field(name="namespace_isolation", kind="any", doc="pods use definitions of their own namespace only"),
        Field(name="global_namespaces", kind="any", doc="namespaces whose definitions everybody may use"),
        Field(name="interface_prefix", doc="how interfaces are named: net -> net1, net2"),
        Field(name="result", choices=("merged", "primary"), default="merged", doc="what the runtime is told"),
        Field(name="readiness_file", doc="STATUS fails until it exists"),
        Field(name="max_parallel_adds", kind="any", doc="how many ADDs run at once"),
        Field(
            name="smart_selection",
            kind="object",
            fields=_SMART_SELECTION,
            doc="how a blank `cni` annotation chooses by load",
        ),
        Field(name="generate_missing", kind="any", doc="CNI-Genie's defaults for bridge, macvlan, sriov"),
        *(Field(name=name, kind="any", doc="ignored") for name in _IGNORED),
    ),
    capabilities=CAPABILITIES,
    ipam=Ipam.NONE,
    checks=(_check,),
    conf_files=("00-genie.conflist", "00-genie.conf"),
    template=_template,
)
