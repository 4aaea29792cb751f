"""genie: this project. Its keys are those of CNI-Genie's genie.conf and the newer ones (docs/configuration.md)."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.catalog.codes import GN1502, GN1602
from genie_core.catalog.plugin import JSON, Field, Ipam, NodeView, Plugin, Problem, Role, Severity
from genie_core.dialects import WORDS
from genie_core.fields import place
from genie_core.plan import POD_ANNOTATIONS
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

# The union of what delegates may need: the runtime sends only what Genie declares (conformance B48).
CAPABILITIES = (
    POD_ANNOTATIONS,
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
    Field("type", doc="kind of network policy"),
    Field("k8s_api_root", doc="API server"),
    Field("k8s_auth_token", doc="a token; prefer a kubeconfig with tokenFile", secret=True),
    Field("k8s_client_certificate", doc="client certificate file"),
    Field("k8s_client_key", doc="client key file"),
    Field("k8s_certificate_authority", doc="CA file"),
)
_SMART_SELECTION = (
    Field("candidates", "array", "the networks to choose from; absent: all", items=Field("name")),
    Field("weights", "object", "how much each indicator counts, by its name"),
    Field(
        "indicators",
        "array",
        "programs of the node that print one number for a network",
        items=Field(
            "indicator",
            "object",
            fields=(
                Field("name", required=True, doc="its name in weights"),
                Field(
                    "exec",
                    "any",
                    "an absolute path of a file of root, or an array: the path and its arguments",
                    required=True,
                ),
            ),
        ),
    ),
)
_KUBERNETES = (
    Field("kubeconfig", doc="credentials file"),
    Field("k8s_api_root", doc="API server; wins over the kubeconfig's"),
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
    capabilities = data.get("capabilities")
    if not isinstance(capabilities, dict) or capabilities.get(POD_ANNOTATIONS) is not True:
        yield Problem(
            place(where, "capabilities"),
            f"does not declare {POD_ANNOTATIONS}: every ADD then asks the API server for the annotations",
            severity=Severity.WARNING,
            hint="`genie install` declares it",
            code=GN1602,
        )
    missing = [name for name in ("portMappings", "bandwidth") if not (capabilities or {}).get(name)]
    if missing:
        yield Problem(
            place(where, "capabilities"),
            f"does not declare {', '.join(missing)}: the runtime does not send them",
            severity=Severity.WARNING,
            code=GN1602,
        )
    policy = data.get("policy")
    if isinstance(policy, dict) and policy.get("k8s_auth_token"):
        yield Problem(
            place(where, "policy.k8s_auth_token"),
            "is a credential in a configuration file",
            severity=Severity.WARNING,
            hint="use kubernetes.kubeconfig with tokenFile, mode 0600",
            code=GN1502,
        )


PLUGIN = Plugin(
    type="genie",
    role=Role.DISPATCHER,
    summary="calls the plugins that a pod's annotations name",
    fields=(
        Field("default_plugin", doc="the networks of pods that name none: a, b@eth1; absent: the first file"),
        Field(
            "default_networks",
            "array",
            "additional networks of every pod: names as in `cni`, or namespace/name of definitions",
            items=Field("network"),
            default=[],
        ),
        Field(
            "system_namespaces",
            "array",
            "namespaces whose pods get no default_networks",
            items=Field("namespace"),
            default=["kube-system"],
        ),
        Field(
            "namespace_isolation",
            "flag",
            "pods take definitions of their namespace and of global_namespaces, and what allowed_networks names",
            default=False,
        ),
        Field(
            "global_namespaces",
            "array",
            "namespaces whose definitions all namespaces may use; replaces the default, does not add to it",
            items=Field("namespace"),
            default=["default"],
        ),
        Field(
            "allowed_networks",
            "object",
            "namespaces (shop, team-*) or their labels (tier=gold) -> the networks that their pods may take: names "
            "as in `cni`, or namespace/name of definitions; * is any text",
        ),
        Field(
            "annotation_dialects",
            "array",
            "the annotations with which pods may choose networks; another one fails the pod",
            items=Field("dialect", choices=tuple(dict.fromkeys([*WORDS.values(), *WORDS]))),
            default=[*WORDS.values()],
        ),
        Field(
            "allow_cni_args",
            "array",
            "the keys of `cni-args` that pods may set; * is any text, but keys for addresses, MAC addresses, mtu, "
            "promisc and sysctls are named in full",
            items=Field("key"),
            default=["*"],
        ),
        Field(
            "interface_prefix",
            doc="prefix of the names of interfaces that have none: net -> net1, net2; 11 bytes",
        ),
        Field(
            "result",
            choices=("merged", "primary"),
            default="merged",
            doc="the result for the runtime: all networks, the primary first, or the primary alone",
        ),
        Field(
            "smart_selection",
            "object",
            "how a blank `cni` annotation chooses by load",
            fields=_SMART_SELECTION,
        ),
        Field(
            "generate_missing",
            "flag",
            "a network bridge, macvlan or sriov without a file gets CNI-Genie's configuration, in memory",
            default=False,
        ),
        Field(
            "live",
            "flag",
            "the networks of running pods may be changed: `genie sync pod`, `genie agent`",
            default=True,
        ),
        Field(
            "live_primary",
            "flag",
            "`genie agent` may replace a pod's first interface by one with the same address",
            default=False,
        ),
        Field(
            "repair",
            choices=REPAIRS,
            default="report",
            doc="what `genie agent` does about networks of running pods that were damaged",
        ),
        Field(
            "repair_interval_seconds",
            "number",
            "how often `genie agent` looks at the networks of running pods",
            default=60,
            minimum=1,
        ),
        Field(
            "collect_interval_seconds",
            "number",
            "how often `genie agent` collects what pods that are gone have left",
            default=600,
            minimum=10,
        ),
        Field(
            "conf_dirs",
            "array",
            "where networks' configurations are, the first found wins",
            items=Field("dir", "path"),
            default=list(CONF_DIRS),
        ),
        Field(
            "bin_dirs",
            "array",
            "where plugins are, searched after CNI_PATH",
            items=Field("dir", "path"),
            default=list(BIN_DIRS),
        ),
        Field(
            "state_dir",
            "path",
            "where plans are kept: a directory of Genie's own that outlives a reboot",
            default=STATE_DIR,
        ),
        Field(
            "kubelet_dir",
            "path",
            "kubelet's --root-dir: which devices it has allocated to a pod is read there",
            default=KUBELET_DIR,
        ),
        Field(
            "api_timeout_seconds",
            "number",
            "how long a call waits for the API server in all, retries included; from 0.1",
            default=API_TIMEOUT_SECONDS,
            maximum=600,
        ),
        Field(
            "delegate_timeout_seconds",
            "number",
            "after how long a plugin is killed, and its ADD undone; from 0.1",
            default=DELEGATE_TIMEOUT_SECONDS,
            maximum=3600,
        ),
        Field(
            "max_parallel_adds",
            "number",
            "how many ADDs run on the node at once; 0: four per processor. DEL never waits for it",
            default=0,
            maximum=100_000,
        ),
        Field(
            "parallel_attachments",
            "flag",
            "networks of one pod that have no order between them are attached side by side",
            default=False,
        ),
        Field("readiness_file", "path", "STATUS and ADD say `try again` until this file exists"),
        # no `choices`: CNI-Genie accepts any word, and so does Genie
        Field(
            "log_level", default="info", doc=f"events from this level on are logged: {', '.join(LOG_LEVELS)}"
        ),
        Field("log_file", "path", "events go there too, besides stderr; renamed to .1 at 10 MiB"),
        Field(
            "metrics_file",
            "path",
            "counters of calls and plugins, for node_exporter's textfile collector; absent: nothing is counted",
        ),
        Field(
            "policy_engine",
            "flag",
            "policies between networks are enforced, by `genie agent` and from a pod's first packet on",
            default=False,
        ),
        Field(
            "policy_fail",
            choices=("closed", "open"),
            default="closed",
            doc="where `genie agent` is not running: pods with more networks than the primary do not start (closed), "
            "or start without their policies (open)",
        ),
        Field("kubernetes", "object", "how to reach the API server", fields=_KUBERNETES),
        Field("policy", "object", "the same, as in CNI-Genie's configuration", fields=_POLICY),
        Field(
            "cAdvisor_address",
            doc="where interfaces' rates come from: http://127.0.0.1:4194; absent: the kernel",
        ),
        *(Field(name, "any", "ignored") for name in _IGNORED),
    ),
    capabilities=CAPABILITIES,
    ipam=Ipam.NONE,
    checks=(_check,),
    conf_files=("00-genie.conflist", "00-genie.conf"),
    template={"capabilities": dict.fromkeys(CAPABILITIES, True)},
)
