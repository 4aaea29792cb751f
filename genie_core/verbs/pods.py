"""The pod's object on the API server: one GET for its annotations, one PATCH to tell it what it got.

Everything that talks to the server is imported here, when it is needed: it costs 20 ms and more.
"""

from genie_core.errors import GenieError
from genie_core.select.annotations import BY_ATTACHMENT, dialect_of
from genie_core.spec.conf import DEVICE_INFO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from genie_core.edges.kube import KubeAPI
    from genie_core.model import Attachment, Choice, Plan, PodRef, Result
    from genie_core.verbs.node import Node

_STATIC_UID_LENGTH = 32  # kubelet gives a static pod the MD5 of its manifest, where others have a dashed UUID


class PodReader:
    """Reads and annotates pods; connects when first asked."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._api: KubeAPI | None = None

    def connect(self) -> "KubeAPI | None":
        """The API server; None where none is configured. Raises InvalidConfig for a kubeconfig that cannot work."""
        if self._api is None:
            settings = self._node.settings
            if not settings.kubernetes and not settings.policy:
                return None
            from genie_core.edges.kubeconfig import load_cluster

            cluster = load_cluster(settings.kubernetes, settings.policy, self._node.log)
            if cluster is None:
                return None
            from genie_core.edges.kube import KubeAPI

            self._api = KubeAPI(cluster, settings.api_timeout, self._node.log)
        return self._api

    def close(self) -> None:
        """For a process that goes on: the connection, if there is one."""
        if self._api is not None:
            self._api.close()

    def annotations(self, pod: "PodRef") -> "Mapping[str, str] | None":
        """The pod's annotations; None where no API server is configured (conformance C57, lessons 16, 20)."""
        api = self.connect()
        if api is None:
            return None
        from genie_core.edges.kube_errors import ObjectNotFound

        try:
            return api.annotations(pod.namespace, pod.name, pod.uid)
        except ObjectNotFound:
            if not _is_static(pod.uid):
                raise
        self._node.log.info("static pod without mirror: default network", pod=str(pod))
        return {}

    def annotate(self, pod: "PodRef", annotations: "Mapping[str, str]") -> None:
        """Write annotations; whatever fails is a warning, since the pod has its networks (conformance C56)."""
        try:
            api = self.connect()
            if api is None:
                self._node.log.debug("pod not annotated: no API server is configured", pod=str(pod))
                return
            api.annotate(pod.namespace, pod.name, "" if _is_static(pod.uid) else pod.uid, annotations)
        except GenieError as error:
            self._node.log.warning(
                "pod not annotated",
                pod=str(pod),
                keys=list(annotations),
                problem=error.msg,
                details=error.details,
            )


def tell_pod(
    pod: "PodRef",
    annotations: "Mapping[str, str]",
    choices: "Sequence[Choice]",
    plan: "Plan",
    parts: "Sequence[tuple[str, Result]]",
    reader: PodReader,
) -> None:
    """Write what the pod got into its annotations, once, in the terms in which it asked (C46-C56, D17, D26, D27).

    `annotations` are what it asked with; `parts` the networks' own results in the plan's order. The choice by load has
    a request of its own: a cluster's admission policy may refuse it, and the status must not be lost for that.
    """
    by_attachment = dialect_of(annotations) == BY_ATTACHMENT
    status = {} if by_attachment else _preferences(parts)
    if by_attachment or any(choice.is_additional for choice in choices):
        status |= _network_status(plan, parts)
    for written in (status, {key: value for choice in choices for key, value in choice.told.items()}):
        if written:
            reader.annotate(pod, written)


def _network_status(plan: "Plan", parts: "Sequence[tuple[str, Result]]") -> dict[str, str]:
    from genie_core.status import NETWORK_STATUS, NetworkEntry, network_status

    entries = [
        NetworkEntry(
            attachment.label, ifname, result, default=ifname == plan.ifname, device_info=_device(attachment)
        )
        for attachment, (ifname, result) in zip(plan.attachments, parts, strict=True)
    ]
    return {NETWORK_STATUS: network_status(entries)}


def _device(attachment: "Attachment") -> "Mapping[str, Any] | None":
    """What the network's plugin told of its device (conformance C54)."""
    if DEVICE_INFO not in attachment.capabilities:
        return None
    from genie_core.edges.device_info import read_device_info

    return read_device_info(attachment)


def _preferences(parts: "Sequence[tuple[str, Result]]") -> dict[str, str]:
    if len(parts) < 2:
        return {}
    from genie_core.status import MULTI_IP_PREFERENCES, multi_ip_preferences

    value = multi_ip_preferences(parts)
    return {} if value is None else {MULTI_IP_PREFERENCES: value}


def _is_static(uid: str) -> bool:
    return len(uid) == _STATIC_UID_LENGTH and "-" not in uid
