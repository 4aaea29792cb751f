"""calico: routed pods with network policy. Its installer (calico/node) writes the configuration."""

from __future__ import annotations

import platform

from genie_core.catalog.plugin import JSON, MTU, Field, Ipam, NodeView, Plugin, Role, Wanted

KUBECONFIG = "/etc/cni/net.d/calico-kubeconfig"

FIELDS = (
    Field(
        "datastore_type", choices=("kubernetes", "etcdv3"), default="etcdv3", doc="where Calico keeps state"
    ),
    Field("nodename", doc="this node's name in Calico"),
    Field("nodename_file_optional", "boolean", "go on without /var/lib/calico/nodename"),
    MTU,
    Field(
        "kubernetes",
        "object",
        "how to reach the API server",
        fields=(Field("kubeconfig", doc="credentials file"), Field("k8s_api_root", doc="API server")),
    ),
    Field("policy", "object", "network policy: type k8s"),
    Field("etcd_endpoints", doc="etcd servers"),
    Field("etcd_key_file", doc="etcd client key file"),
    Field("etcd_cert_file", doc="etcd client certificate file"),
    Field("etcd_ca_cert_file", doc="etcd CA file"),
    Field("etcd_discovery_srv", doc="domain of etcd SRV records"),
    Field("log_level", doc="log level"),
    Field("log_file_path", doc="log file"),
    Field("log_file_max_size", "integer", "MB", minimum=0),
    Field("log_file_max_age", "integer", "days", minimum=0),
    Field("log_file_max_count", "integer", "files", minimum=0),
    Field("container_settings", "object", "allow_ip_forwarding"),
    Field("feature_control", "object", "ip_addrs_no_ipam, floating_ips"),
    Field("allow_ip_forwarding", "boolean", "ip_forward in the pod"),
    Field("include_default_routes", "boolean", "routes in the result"),
    Field("readiness_gates", "array", "URLs to wait for"),
    Field("ready_check_timeout_seconds", "integer", "seconds", minimum=0),
    Field("endpoint_status_dir", doc="directory of endpoint states"),
    Field("windows_use_single_network", "boolean", "Windows only"),
)


def members(ipam: JSON, wanted: Wanted) -> JSON:
    """The members of Calico's entry of a chain, with the given `ipam` object."""
    return {
        "log_level": "info",
        "log_file_path": "/var/log/calico/cni/cni.log",
        "datastore_type": "kubernetes",
        "nodename": platform.node(),
        "mtu": wanted.mtu,
        "ipam": ipam,
        "policy": {"type": "k8s"},
        "kubernetes": {"kubeconfig": KUBECONFIG},
    }


def _template(wanted: Wanted, node: NodeView) -> JSON:
    return members({"type": "calico-ipam"}, wanted)


PLUGIN = Plugin(
    type="calico",
    role=Role.CLUSTER,
    summary="routed pods with network policy",
    host_ports=True,
    fields=FIELDS,
    capabilities=("io.kubernetes.cri.pod-annotations",),
    ipam=Ipam.REQUIRED,
    conf_files=("10-calico.conflist", "10-calico.conf"),
    template=_template,
    docs="https://docs.tigera.io/calico/latest/reference/configure-cni-plugins",
)
