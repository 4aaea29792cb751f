"""API objects for tests, made from the few keys that differ."""

import json
from pathlib import Path

import yaml

SAMPLES = Path(__file__).parent / "fixtures" / "manifests"
GROUP = "alpha.network.k8s.io/v1"


def nad(name, config=None, namespace="ns"):
    """A NetworkAttachmentDefinition; `config` is text or an object, None for one without specification."""
    manifest = {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": namespace},
    }
    if config is not None:
        manifest["spec"] = {"config": config if isinstance(config, str) else json.dumps(config)}
    return manifest


def logical(name, namespace="ns", created="2026-01-01T00:00:00Z", **spec):
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": created}
    return {"apiVersion": GROUP, "kind": "Logicalnetwork", "metadata": metadata, "spec": spec}


def physical(name, namespace="ns", key="sharedStatus", nic=None, **status):
    """A Physicalnetwork; `key` is how its status is spelled, `nic` its refer_nic."""
    metadata = {"name": name, "namespace": namespace}
    spec = {key: status} | ({"refer_nic": nic} if nic is not None else {})
    return {"apiVersion": GROUP, "kind": "Physicalnetwork", "metadata": metadata, "spec": spec}


def pod(annotations=None, name="p", namespace="ns", uid="u1"):
    metadata = {"name": name, "namespace": namespace, "uid": uid, "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def samples():
    """Every manifest in fixtures/manifests."""
    return [
        manifest
        for path in sorted(SAMPLES.glob("*.yaml"))
        for manifest in yaml.safe_load_all(path.read_text())
    ]
