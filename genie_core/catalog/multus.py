"""multus: the other dispatcher of CNI plugins. k8snetworkplumbingwg/multus-cni."""

from __future__ import annotations

from genie_core.catalog.plugin import JSON, Field, Ipam, NodeView, Plugin, Role, Wanted


def _template(wanted: Wanted, node: NodeView) -> JSON:
    return {
        "kubeconfig": "/etc/cni/net.d/multus.d/multus.kubeconfig",
        "clusterNetwork": wanted.name or "k8s-pod-network",
        "capabilities": {"portMappings": True, "bandwidth": True},
    }


PLUGIN = Plugin(
    type="multus",
    role=Role.DISPATCHER,
    summary="calls several plugins for a pod, as its annotations ask",
    binaries=("multus", "multus-shim", "multus-cni"),
    fields=(
        Field("kubeconfig", doc="credentials file"),
        Field("clusterNetwork", doc="the default network: a name, a NAD, a file or a directory"),
        Field("defaultNetworks", "array", "additional networks of every pod"),
        Field("delegates", "array", "the default network, inline"),
        Field("systemNamespaces", "array", "namespaces that get the default network only"),
        Field("namespaceIsolation", "boolean", "pods use NADs of their own namespace only"),
        Field("globalNamespaces", doc="namespaces whose NADs all namespaces may use"),
        Field("confDir", "path", "directory of network configurations"),
        Field("cniDir", "path", "state directory"),
        Field("binDir", "path", "directory of plugins"),
        Field("readinessindicatorfile", doc="a file to wait for"),
        Field("logFile", doc="log file"),
        Field("logLevel", doc="log level"),
        Field("logToStderr", "boolean", "log to stderr too"),
        Field("logOptions", "object", "log rotation"),
        Field("daemonSocketDir", doc="socket directory of the thick plugin's daemon"),
        Field("socketDir", doc="socket directory of the thick plugin"),
        Field("retryDeleteOnError", "boolean", "return errors of DEL"),
        Field("auxiliaryCNIChainName", doc="a chain to append"),
    ),
    capabilities=("portMappings", "bandwidth", "mac", "ips", "deviceID", "infinibandGUID"),
    ipam=Ipam.OWN,
    conf_files=("00-multus.conf", "00-multus.conflist"),
    template=_template,
    docs="https://github.com/k8snetworkplumbingwg/multus-cni",
)
