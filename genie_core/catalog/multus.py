"""multus: the other dispatcher of CNI plugins. k8snetworkplumbingwg/multus-cni."""

from __future__ import annotations

from typing import Any

from genie_core.catalog.plugin import Field, Ipam, NodeView, Plugin, Role, Wanted


def _template(wanted: Wanted, node: NodeView) -> dict[str, Any]:
    return {
        "type": "multus",
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
        Field(name="kubeconfig", doc="credentials file"),
        Field(name="clusterNetwork", doc="the default network: a name, a NAD, a file or a directory"),
        Field(name="defaultNetworks", kind="array", doc="networks that every pod gets besides"),
        Field(name="delegates", kind="array", doc="the default network, inline"),
        Field(name="systemNamespaces", kind="array", doc="namespaces that get the default network only"),
        Field(name="namespaceIsolation", kind="boolean", doc="pods use NADs of their own namespace only"),
        Field(name="globalNamespaces", doc="namespaces whose NADs all namespaces may use"),
        Field(name="confDir", kind="path", doc="directory of network configurations"),
        Field(name="cniDir", kind="path", doc="state directory"),
        Field(name="binDir", kind="path", doc="directory of plugins"),
        Field(name="readinessindicatorfile", doc="a file to wait for"),
        Field(name="logFile", doc="log file"),
        Field(name="logLevel", doc="log level"),
        Field(name="logToStderr", kind="boolean", doc="log to stderr too"),
        Field(name="logOptions", kind="object", doc="log rotation"),
        Field(name="daemonSocketDir", doc="socket directory of the thick plugin's daemon"),
        Field(name="socketDir", doc="socket directory of the thick plugin"),
        Field(name="retryDeleteOnError", kind="boolean", doc="return errors of DEL"),
        Field(name="auxiliaryCNIChainName", doc="a chain to append"),
    ),
    capabilities=("portMappings", "bandwidth", "mac", "ips", "deviceID", "infinibandGUID"),
    ipam=Ipam.OWN,
    conf_files=("00-multus.conf", "00-multus.conflist"),
    template=_template,
    docs="https://github.com/k8snetworkplumbingwg/multus-cni",
)
