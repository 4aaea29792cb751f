"""genie: this project. Its keys are those of CNI-Genie's genie.conf and the newer ones (docs/configuration.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from genie_core.catalog.codes import GN1502, GN1602
from genie_core.catalog.plugin import JSON, Field, Ipam, NodeView, Plugin, Problem, Role, Severity, Wanted
from genie_core.dialects import WORDS
from genie_core.settings import (
    API_TIMEOUT_SECONDS,
    BIN_DIRS,
    CONF_DIRS,
    DELEGATE_TIMEOUT_SECONDS,
    KUBELET_DIR,
    LOG_LEVELS,
    REPAIRS,
    STATE_DIR,
)

ANNOTATIONS = "io.kubernetes.cri.pod-annotations"

# The union of what delegates may need: the runtime sends only what Genie declares (conformance B48).
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
    Field(
        name="candidates",
        kind="array",
        items=Field(name="name"),
        doc="the networks to choose from; absent: all",
    ),
    Field(name="weights", kind="object", doc="how much each indicator counts, by its name"),
    Field(
        name="indicators",
        kind="array",
        items=Field(
            name="indicator",
            kind="object",
            fields=(
                Field(name="name", required=True, doc="its name in weights"),
                Field(
                    name="exec",
                    kind="any",
                    required=True,
                    doc="an absolute path of a file of root, or an array: the path and its arguments",
                ),
            ),
        ),
        doc="programs of the node that print one number for a network",
    ),
)
_KUBERNETES = (
    Field(name="kubeconfig", doc="credentials file"),
    Field(name="k8s_api_root", doc="API server; wins over the kubeconfig's"),
)
# Keys that Multus reads and that both ignore: no warning.
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
            code=GN1602,
        )
    missing = [name for name in ("portMappings", "bandwidth") if not (capabilities or {}).get(name)]
    if missing:
        yield Problem(
            path=f"{prefix}capabilities",
            text=f"does not declare {', '.join(missing)}: the runtime does not send them",
            severity=Severity.WARNING,
            code=GN1602,
        )
    policy = data.get("policy")
    if isinstance(policy, dict) and policy.get("k8s_auth_token"):
        yield Problem(
            path=f"{prefix}policy.k8s_auth_token",
            text="is a credential in a configuration file",
            severity=Severity.WARNING,
            hint="use kubernetes.kubeconfig with tokenFile, mode 0600",
            code=GN1502,
        )


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {"type": "genie", "capabilities": dict.fromkeys(CAPABILITIES, True)}


PLUGIN = Plugin(
    type="genie",
    role=Role.DISPATCHER,
    summary="calls the plugins that a pod's annotations name",
    fields=(
        Field(
            name="default_plugin",
            doc="the networks of pods that name none: a, b@eth1; absent: the first file",
        ),
        Field(
            name="default_networks",
            kind="array",
            items=Field(name="network"),
            default=[],
            doc="networks that every pod gets besides: names as in `cni`, or namespace/name of definitions",
        ),
        Field(
            name="system_namespaces",
            kind="array",
            items=Field(name="namespace"),
            default=["kube-system"],
            doc="namespaces whose pods get no default_networks",
        ),
        Field(
            name="namespace_isolation",
            kind="flag",
            default=False,
            doc="pods take definitions of their namespace and of global_namespaces, and what allowed_networks names",
        ),
        Field(
            name="global_namespaces",
            kind="array",
            items=Field(name="namespace"),
            default=["default"],
            doc="namespaces whose definitions all namespaces may use; replaces the default, does not add to it",
        ),
        Field(
            name="allowed_networks",
            kind="object",
            doc="namespaces (shop, team-*) or their labels (tier=gold) -> the networks that their pods may take: names "
            "as in `cni`, or namespace/name of definitions; * is any text",
        ),
        Field(
            name="annotation_dialects",
            kind="array",
            items=Field(name="dialect", choices=tuple(dict.fromkeys([*WORDS.values(), *WORDS]))),
            default=[*WORDS.values()],
            doc="the annotations with which pods may choose networks; another one fails the pod",
        ),
        Field(
            name="allow_cni_args",
            kind="array",
            items=Field(name="key"),
            default=["*"],
            doc="the keys of `cni-args` that pods may set; * is any text, but keys for addresses, MAC addresses, mtu, "
            "promisc and sysctls are named in full",
        ),
        Field(
            name="interface_prefix",
            doc="prefix of the names of interfaces that have none: net -> net1, net2; 11 bytes",
        ),
        Field(
            name="result",
            choices=("merged", "primary"),
            default="merged",
            doc="the result for the runtime: all networks, the primary first, or the primary alone",
        ),
        Field(
            name="smart_selection",
            kind="object",
            fields=_SMART_SELECTION,
            doc="how a blank `cni` annotation chooses by load",
        ),
        Field(
            name="generate_missing",
            kind="flag",
            default=False,
            doc="a network bridge, macvlan or sriov without a file gets CNI-Genie's configuration, in memory",
        ),
        Field(
            name="live",
            kind="flag",
            default=True,
            doc="the networks of running pods may be changed: `genie sync pod`, `genie agent`",
        ),
        Field(
            name="live_primary",
            kind="flag",
            default=False,
            doc="`genie agent` may replace a pod's first interface by one with the same address",
        ),
        Field(
            name="repair",
            choices=REPAIRS,
            default="report",
            doc="what `genie agent` does about networks of running pods that were damaged",
        ),
        Field(
            name="repair_interval_seconds",
            kind="number",
            default=60,
            minimum=1,
            doc="how often `genie agent` looks at the networks of running pods",
        ),
        Field(
            name="collect_interval_seconds",
            kind="number",
            default=600,
            minimum=10,
            doc="how often `genie agent` collects what pods that are gone have left",
        ),
        Field(
            name="conf_dirs",
            kind="array",
            items=Field(name="dir", kind="path"),
            default=list(CONF_DIRS),
            doc="where networks' configurations are, the first found wins",
        ),
        Field(
            name="bin_dirs",
            kind="array",
            items=Field(name="dir", kind="path"),
            default=list(BIN_DIRS),
            doc="where plugins are, searched after CNI_PATH",
        ),
        Field(
            name="state_dir",
            kind="path",
            default=STATE_DIR,
            doc="where plans are kept; it has to outlive a reboot",
        ),
        Field(
            name="kubelet_dir",
            kind="path",
            default=KUBELET_DIR,
            doc="kubelet's --root-dir: which devices it has allocated to a pod is read there",
        ),
        Field(
            name="api_timeout_seconds",
            kind="number",
            default=API_TIMEOUT_SECONDS,
            maximum=600,
            doc="how long a call waits for the API server in all, retries included; from 0.1",
        ),
        Field(
            name="delegate_timeout_seconds",
            kind="number",
            default=DELEGATE_TIMEOUT_SECONDS,
            maximum=3600,
            doc="after how long a plugin is killed, and its ADD undone; from 0.1",
        ),
        Field(
            name="max_parallel_adds",
            kind="number",
            default=0,
            maximum=100_000,
            doc="how many ADDs run on the node at once; 0: four per processor. DEL never waits for it",
        ),
        Field(
            name="readiness_file",
            kind="path",
            doc="STATUS and ADD say `try again` until this file exists",
        ),
        # no `choices`: CNI-Genie accepts any word, and so does Genie
        Field(
            name="log_level",
            default="info",
            doc=f"events from this level on are logged: {', '.join(LOG_LEVELS)}",
        ),
        Field(
            name="log_file", kind="path", doc="events go there too, besides stderr; renamed to .1 at 10 MiB"
        ),
        Field(
            name="metrics_file",
            kind="path",
            doc="counters of calls and plugins, for node_exporter's textfile collector; absent: nothing is counted",
        ),
        Field(
            name="policy_engine",
            kind="flag",
            default=False,
            doc="policies between networks are enforced, by `genie agent` and from a pod's first packet on",
        ),
        Field(
            name="policy_fail",
            choices=("closed", "open"),
            default="closed",
            doc="where `genie agent` is not at work: pods with more networks than the primary do not start (closed), "
            "or start without their policies (open)",
        ),
        Field(name="kubernetes", kind="object", fields=_KUBERNETES, doc="how to reach the API server"),
        Field(name="policy", kind="object", fields=_POLICY, doc="the same, as in CNI-Genie's configuration"),
        Field(
            name="cAdvisor_address",
            doc="where interfaces' rates come from: http://127.0.0.1:4194; absent: the kernel",
        ),
        *(Field(name=name, kind="any", doc="ignored") for name in _IGNORED),
    ),
    capabilities=CAPABILITIES,
    ipam=Ipam.NONE,
    checks=(_check,),
    conf_files=("00-genie.conflist", "00-genie.conf"),
    template=_template,
)
