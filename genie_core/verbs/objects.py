"""The API objects that describe networks: from the server, and from the last good copy while it is away."""

from genie_core.edges.object_cache import ObjectCache
from genie_core.errors import GenieError, InvalidConfig, NetworkNotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from genie_core.edges.kube import KubeAPI
    from genie_core.edges.kube_resources import Resource
    from genie_core.verbs.node import Node
    from genie_core.verbs.pods import PodReader


# How long to wait for a server that is away, where there is a copy.
PATIENCE_SECONDS = 5.0


class NetworkObjects:
    """The port `Objects` of select.choose. A copy is never used after a 404, nor instead of a refusal."""

    def __init__(self, reader: "PodReader", node: "Node") -> None:
        self._reader = reader
        self._node = node
        self._cache = ObjectCache(node.settings.state_dir)

    def network_attachment(self, namespace: str, name: str, origin: str) -> "Mapping[str, Any]":
        from genie_core.edges.kube_resources import NETWORK_ATTACHMENT

        return self._get(NETWORK_ATTACHMENT, namespace, name, origin)

    def logical_network(self, namespace: str, name: str, origin: str) -> "Mapping[str, Any]":
        from genie_core.edges.kube_resources import LOGICAL_NETWORK

        return self._get(LOGICAL_NETWORK, namespace, name, origin)

    def physical_network(self, namespace: str, name: str, origin: str) -> "Mapping[str, Any]":
        from genie_core.edges.kube_resources import PHYSICAL_NETWORK

        return self._get(PHYSICAL_NETWORK, namespace, name, origin)

    def logical_networks(self, namespace: str) -> "list[Mapping[str, Any]]":
        """All of a namespace, to be compared; [] while nobody can tell.

        That is a rule of the admission webhook checked once more: without the right to list them, or while the
        server is away, a pod starts all the same.
        """
        from genie_core.edges.kube_errors import Forbidden, Unreachable
        from genie_core.edges.kube_resources import LOGICAL_NETWORK

        try:
            found: list[Mapping[str, Any]] = self._ask(
                lambda api: api.list_objects(LOGICAL_NETWORK, namespace), "annotation networks"
            )
        except (Forbidden, Unreachable) as error:
            self._node.log.warning("other logical networks not compared", problem=error.msg)
            return []
        return found

    def _ask(self, question: "Callable[[KubeAPI], Any]", origin: str) -> "Any":
        api = self._reader.connect()
        if api is None:
            raise InvalidConfig(
                f"{origin}: names an API object, and no API server is configured",
                hint="set kubernetes.kubeconfig in Genie's configuration: `genie install --kubeconfig FILE`",
            )
        with self._node.cancel:
            return question(api)

    def _get(self, resource: "Resource", namespace: str, name: str, origin: str) -> "Mapping[str, Any]":
        from genie_core.edges.kube_errors import APIError, ObjectNotFound, Unreachable

        key = (resource.kind, namespace, name)
        patience = PATIENCE_SECONDS if self._cache.find(*key) else None
        try:
            definition: Mapping[str, Any] = self._ask(
                lambda api: api.get_object(resource, namespace, name, within=patience), origin
            )
        except ObjectNotFound:
            self._quietly(lambda: self._cache.forget(*key))
            raise NetworkNotFound(
                f"{origin}: {resource.kind} {namespace}/{name} does not exist",
                hint="create it, or correct the annotation",
            ) from None
        except Unreachable as error:
            return self._last_good(key, error, origin)
        except APIError as error:
            raise _asked_by(origin, error) from None
        self._quietly(lambda: self._cache.keep(*key, definition))
        return definition

    def _last_good(self, key: tuple[str, str, str], error: GenieError, origin: str) -> "Mapping[str, Any]":
        found = self._cache.find(*key)
        if found is None:
            raise _asked_by(origin, error)
        age, definition = found
        kind, namespace, name = key
        self._node.log.warning(
            "API server away, last good copy used",
            object=f"{kind} {namespace}/{name}",
            ageSeconds=round(age),
            problem=error.msg,
        )
        return definition

    def _quietly(self, action: "Callable[[], None]") -> None:
        """A copy that cannot be written is a worse tomorrow, not a failure now."""
        try:
            action()
        except (GenieError, OSError) as error:
            self._node.log.warning("copy of an API object not kept", problem=str(error))


def _asked_by(origin: str, error: GenieError) -> GenieError:
    """The same error, saying also who named the object."""
    return type(error)(
        f"{origin}: {error.msg}",
        details=error.details,
        hint=error.hint,
        code=error.code,
        exit_code=error.exit_code,
    )
