"""calico: routed pods with network policy. Its installer (calico/node) writes the configuration."""

from __future__ import annotations

import platform
from typing import Any

from genie_core.catalog.plugin import MTU, Field, Ipam, NodeView, Plugin, Role, Wanted

KUBECONFIG = "/etc/cni/net.d/calico-kubeconfig"

FIELDS = (
    Field(
        name="datastore_type",
        choices=("kubernetes", "etcdv3"),
        default="etcdv3",
        doc="where Calico keeps state",
    ),
    Field(name="nodename", doc="this node's name in Calico"),
    Field(name="nodename_file_optional", kind="boolean", doc="go on without /var/lib/calico/nodename"),
    MTU,
    Field(
        name="kubernetes",
        kind="object",
        fields=(
            Field(name="kubeconfig", doc="credentials file"),
            Field(name="k8s_api_root", doc="API server"),
        ),
        doc="how to reach the API server",
    ),
    Field(name="policy", kind="object", doc="network policy: type k8s"),
    Field(name="etcd_endpoints", doc="etcd servers"),
    Field(name="etcd_key_file", doc="etcd client key file"),
    Field(name="etcd_cert_file", doc="etcd client certificate file"),
    Field(name="etcd_ca_cert_file", doc="etcd CA file"),
    Field(name="etcd_discovery_srv", doc="domain of etcd SRV records"),
    Field(name="log_level", doc="log level"),
    Field(name="log_file_path", doc="log file"),
    Field(name="log_file_max_size", kind="integer", minimum=0, doc="MB"),
    Field(name="log_file_max_age", kind="integer", minimum=0, doc="days"),
    Field(name="log_file_max_count", kind="integer", minimum=0, doc="files"),
    Field(name="container_settings", kind="object", doc="allow_ip_forwarding"),
    Field(name="feature_control", kind="object", doc="ip_addrs_no_ipam, floating_ips"),
    Field(name="allow_ip_forwarding", kind="boolean", doc="ip_forward in the pod"),
    Field(name="include_default_routes", kind="boolean", doc="routes in the result"),
    Field(name="readiness_gates", kind="array", doc="URLs to wait for"),
    Field(name="ready_check_timeout_seconds", kind="integer", minimum=0, doc="seconds"),
    Field(name="endpoint_status_dir", doc="directory of endpoint states"),
    Field(name="windows_use_single_network", kind="boolean", doc="Windows only"),
)


def entry(ipam: dict[str, Any], wanted: Wanted) -> dict[str, Any]:
    """Calico's entry of a chain, with the given `ipam` object."""
    return {
        "type": "calico",
        "log_level": "info",
        "log_file_path": "/var/log/calico/cni/cni.log",
        "datastore_type": "kubernetes",
        "nodename": platform.node(),
        "mtu": wanted.mtu,
        "ipam": ipam,
        "policy": {"type": "k8s"},
        "kubernetes": {"kubeconfig": KUBECONFIG},
    }


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return entry({"type": "calico-ipam"}, wanted)


PLUGIN = Plugin(
    type="calico",
    role=Role.CLUSTER,
    summary="routed pods with network policy",
    fields=FIELDS,
    capabilities=("io.kubernetes.cri.pod-annotations",),
    ipam=Ipam.REQUIRED,
    conf_files=("10-calico.conflist", "10-calico.conf"),
    template=_template,
    docs="https://docs.tigera.io/calico/latest/reference/configure-cni-plugins",
)
