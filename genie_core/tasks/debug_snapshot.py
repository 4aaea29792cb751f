"""Saved facts: what `--save` writes and `--from` reads. Applications' own data stays out of them."""

from __future__ import annotations

import json
from dataclasses import replace

from genie_core.diagnose import codec
from genie_core.diagnose.facts import JSON, Facts
from genie_core.diagnose.report import DiagnosisReport
from genie_core.tasks.debug_checks import diagnose
from genie_core.tasks.debug_question import Question, load


def from_snapshot(path: str, question: Question) -> DiagnosisReport:
    """The diagnosis of facts that were saved elsewhere. Raises InvalidConfig, DecodingFailure."""
    document = load(path, "--from")
    facts = codec.decode(Facts, document.get("facts", {}) if isinstance(document, dict) else {})
    named = replace(question, namespace=facts.namespace, name=facts.pod_name)
    return diagnose(facts, named)


def snapshot(report: DiagnosisReport) -> str:
    """The facts of a report as a document for `--from`."""
    body = {
        "apiVersion": "genie/v1alpha1",
        "kind": "Snapshot",
        "facts": codec.encode(_without_secrets(report.facts)),
    }
    return json.dumps(body, indent=1) + "\n"


def _without_secrets(facts: Facts) -> Facts:
    """Objects hold environments, arguments and annotations of applications: keep what diagnosis reads."""
    return replace(
        facts,
        pod_object=_lean(facts.pod_object),
        objects=tuple(_lean(item) for item in facts.objects),
    )


KEPT_META = ("name", "namespace", "uid", "labels", "creationTimestamp")
KEPT_NOTES = (
    "k8s.v1.cni.cncf.io/network-status",
    "k8s.v1.cni.cncf.io/networks",
    "flannel.alpha.coreos.com/backend-data",
    "cni",
)


def _lean(item: JSON) -> JSON:
    meta = item.get("metadata") or {}
    notes = meta.get("annotations") or {}
    kept: JSON = {
        name: item[name]
        for name in ("apiVersion", "kind", "addressType", "ports", "endpoints", "subsets")
        if name in item
    }
    kept["metadata"] = {name: meta[name] for name in KEPT_META if name in meta}
    kept["metadata"]["annotations"] = {name: notes[name] for name in KEPT_NOTES if name in notes}
    kept["status"] = {
        k: v
        for k, v in (item.get("status") or {}).items()
        if k in ("phase", "reason", "podIP", "podIPs", "addresses")
    }
    spec = item.get("spec") or {}
    if item.get("kind") == "Pod" or "containers" in spec:
        containers = [
            {"name": c.get("name", ""), "ports": c.get("ports") or []} for c in spec.get("containers") or ()
        ]
        kept["spec"] = {
            "nodeName": spec.get("nodeName", ""),
            "hostNetwork": bool(spec.get("hostNetwork")),
            "containers": containers,
        }
    else:
        kept["spec"] = spec
    return kept
