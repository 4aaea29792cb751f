"""The API server that Genie's configuration names: one GET for a pod's annotations, one PATCH for what it got.

What talks to the server is imported when it is needed: it costs 20 ms and more.
"""

from genie_core.errors import GenieError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from genie_core.edges.kube import KubeAPI
    from genie_core.model import PodRef
    from genie_core.ports import Log
    from genie_core.settings import Settings

_STATIC_UID_LENGTH = 32  # kubelet gives a static pod the MD5 of its manifest, where others have a dashed UUID


class APIServer:
    """Connects on first use."""

    def __init__(self, settings: "Settings", log: "Log", api: "KubeAPI | None" = None) -> None:
        """`api` is a connection to use instead of the configured one."""
        self._settings = settings
        self._log = log
        self._api = api

    def connect(self) -> "KubeAPI | None":
        """The API server; None where none is configured. Raises InvalidConfig for a kubeconfig that cannot work."""
        if self._api is None:
            settings = self._settings
            if not settings.kubernetes and not settings.policy:
                return None
            from genie_core.edges.kubeconfig import load_cluster

            cluster = load_cluster(settings.kubernetes, settings.policy, self._log)
            if cluster is None:
                return None
            from genie_core.edges.kube import KubeAPI

            self._api = KubeAPI(cluster, settings.api_timeout, self._log)
        return self._api

    def close(self) -> None:
        """Close the connection, in a process that goes on."""
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
        self._log.info("static pod without mirror: default network", pod=str(pod))
        return {}

    def annotate(self, pod: "PodRef", annotations: "Mapping[str, str]") -> None:
        """Write annotations; a failure is a warning, since the pod has its networks (conformance C56)."""
        try:
            api = self.connect()
            if api is None:
                self._log.debug("pod not annotated: no API server is configured", pod=str(pod))
                return
            api.annotate(pod.namespace, pod.name, "" if _is_static(pod.uid) else pod.uid, annotations)
        except GenieError as error:
            self._log.warning(
                "pod not annotated",
                pod=str(pod),
                keys=list(annotations),
                problem=error.msg,
                details=error.details,
            )


def _is_static(uid: str) -> bool:
    return len(uid) == _STATIC_UID_LENGTH and "-" not in uid
