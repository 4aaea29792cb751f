"""What an API server knows of two nodes and a few pods, and a server that says it."""

import json

from tests.apiserver import API, Objects
from tests.manifests import nad

TOKEN = "s3cret-t0ken"
SANDBOX = (
    'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "8c1f": '
    'plugin type="genie" failed (add): annotation cni, item 2 ("nowhere"): Configuration file is missing from '
    "cni directory (/etc/cni/net.d) for user requested plugin: nowhere"
)


def pod(name, node, ip, namespace="shop", phase="Running", **annotations):
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "annotations": annotations},
        "spec": {"nodeName": node, "containers": [{"name": "main", "env": [{"name": "TOKEN", "value": TOKEN}]}]},
        "status": {"phase": phase, "podIP": ip, "podIPs": [{"ip": ip}] if ip else []},
    }  # fmt: skip


def node(name, address, cidr, *conditions):
    return {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "spec": {"podCIDR": cidr, "podCIDRs": [cidr]},
        "status": {"addresses": [{"type": "InternalIP", "address": address}], "conditions": list(conditions)},
    }  # fmt: skip


def event(
    number, name, reason, message="", kind="Pod", namespace="shop", last="2026-11-24T10:00:00Z", **more
):
    return {
        "apiVersion": "v1", "kind": "Event", "metadata": {"namespace": namespace, "name": f"{name}.{number}"},
        "involvedObject": {"kind": kind, "namespace": namespace, "name": name},
        "reason": reason, "message": message, "type": "Warning", "lastTimestamp": last, "count": 1, **more,
    }  # fmt: skip


def objects():
    """Pods web-0 here and api-0 on node2, a service, a policy, a network with a secret in it, events."""
    networks = {"k8s.v1.cni.cncf.io/networks": "far, gone, other/hidden"}
    secret = {"cniVersion": "1.0.0", "name": "far", "type": "macvlan", "master": "eth1", "token": TOKEN}
    labels = {"kubernetes.io/service-name": "web"}
    return Objects(
        pod("web-0", "node1", "10.244.1.10", **networks),
        pod("web-1", "node1", "10.244.1.11"),
        pod("done", "node1", "10.244.1.12", phase="Succeeded"),
        pod("api-0", "node2", "10.244.2.10"),
        pod("twin", "node2", "10.244.1.10"),
        node("node1", "192.0.2.1", "10.244.1.0/24"),
        node("node2", "192.0.2.2", "10.244.2.0/24"),
        {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": "web"},
         "spec": {"clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"], "ports": [{"name": "http", "port": 80}]}},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
         "metadata": {"namespace": "shop", "name": "web-x", "labels": labels}, "addressType": "IPv4",
         "ports": [{"name": "http", "port": 8080}], "endpoints": [{"addresses": ["10.244.1.10"]}]},
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
         "metadata": {"namespace": "shop", "name": "deny"}, "spec": {"podSelector": {}}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "shop"}}},
        nad("far", secret, "shop"),
        event(1, "web-0", "Scheduled", "assigned", last="2026-11-24T09:00:00Z", type="Normal"),
        event(2, "web-0", "FailedCreatePodSandBox", SANDBOX, last="2026-11-24T10:00:05Z", count=7),
        event(3, "web-1", "BackOff", "of another pod"),
        event(4, "node1", "NodeNotReady", "not this pod's", kind="Node", namespace="default"),
        event(5, "node2", "NodeNotReady", "of another node", kind="Node", namespace="default"),
    )  # fmt: skip


def api():
    """An API that wants a token."""
    return API(objects(), {TOKEN: "operator"})


def kubeconfig(path, servers, current="", namespace=""):
    """A file with one context for each (name, URL)."""
    document = {
        "apiVersion": "v1", "kind": "Config", "current-context": current,
        "clusters": [{"name": name, "cluster": {"server": url}} for name, url in servers.items()],
        "users": [{"name": name, "user": {}} for name in servers],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": name} | ({"namespace": namespace} if namespace else {})}
            for name in servers
        ],
    }  # fmt: skip
    path.write_text(json.dumps(document))
    path.chmod(0o600)
    return path
