"""The API objects that describe networks: from the server, and from the last good copy while it is away."""

from genie_core.edges.object_cache import ObjectCache
from genie_core.errors import Cancelled, GenieError, InvalidConfig, NetworkNotFound, TryAgain
from genie_core.fields import get_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from genie_core.edges.api_server import APIServer
    from genie_core.edges.cancel import Cancel
    from genie_core.edges.kube import KubeAPI
    from genie_core.edges.kube_resources import Resource
    from genie_core.ports import Log, OverlapRule


# How long to wait for a server that is away, where there is a copy.
PATIENCE_SECONDS = 5.0
# The kind of the copies that record that a network was compared with the others of the cluster.
_JUDGEMENT = "Overlap"
_NO_SERVER = "set kubernetes.kubeconfig in Genie's configuration: `genie install --kubeconfig FILE`"


class NetworkObjects:
    """The port `Objects`. A copy is never used after a 404, nor instead of a refusal."""

    def __init__(self, api: "APIServer", state_dir: str, cancel: "Cancel", log: "Log") -> None:
        self._api = api
        self._cancel = cancel
        self._log = log
        self._cache = ObjectCache(state_dir)
        self._lists: dict[str, Sequence[Mapping[str, Any]]] = {}

    def network_attachment(self, namespace: str, name: str, origin: str) -> "Mapping[str, Any]":
        from genie_core.edges.kube_resources import NETWORK_ATTACHMENT

        return self._get(NETWORK_ATTACHMENT, namespace, name, origin)

    def logical_network(self, namespace: str, name: str, origin: str) -> "Mapping[str, Any]":
        from genie_core.edges.kube_resources import LOGICAL_NETWORK

        return self._get(LOGICAL_NETWORK, namespace, name, origin)

    def physical_network(self, namespace: str, name: str, origin: str) -> "Mapping[str, Any]":
        from genie_core.edges.kube_resources import PHYSICAL_NETWORK

        return self._get(PHYSICAL_NETWORK, namespace, name, origin)

    def judge(self, key: tuple[str, str], claim: str, origin: str, rule: "OverlapRule") -> None:
        """Ask the rule about the networks of the whole cluster. Raises what it raises.

        Raises TryAgain where they cannot be read. While the server is away a judgement of before holds, as long as
        the network makes the same claim: only an older network can contradict it, and that one existed then.
        """
        from genie_core.edges.kube_errors import APIError, Forbidden, Unreachable
        from genie_core.edges.kube_resources import LOGICAL_NETWORK, PHYSICAL_NETWORK

        memory, judged = (_JUDGEMENT, *key), {"spec": {"claim": claim}, "metadata": {}}
        kept = self._cache.find(*memory)
        known = kept is not None and kept[1].get("spec") == judged["spec"]
        patience = PATIENCE_SECONDS if known else None
        try:
            rule(
                self._list(LOGICAL_NETWORK, origin, patience),
                lambda: self._list(PHYSICAL_NETWORK, origin, patience),
            )
        except Unreachable as error:
            if not known:
                raise _asked_by(origin, error) from None
            self._log.info("API server unreachable, overlap not compared again", problem=error.msg)
        except Forbidden as error:
            raise TryAgain(
                f"{origin}: whether another network of the cluster overlaps this one cannot be read: {error.msg}",
                hint="let Genie's account list logicalnetworks and physicalnetworks of all namespaces: "
                "kubectl apply -k deploy",
            ) from None
        except APIError as error:
            raise _asked_by(origin, error) from None
        except InvalidConfig:
            self._quietly(lambda: self._cache.forget(*memory))
            raise
        else:
            self._quietly(lambda: self._cache.keep(*memory, judged))

    def _list(
        self, resource: "Resource", origin: str, patience: float | None
    ) -> "Sequence[Mapping[str, Any]]":
        """All objects of the kind, read once; none where the cluster does not have the kind."""
        from genie_core.edges.kube_errors import ObjectNotFound

        if resource.kind not in self._lists:
            try:
                found = self._ask(lambda api: api.list_objects(resource, within=patience), origin)
            except ObjectNotFound:
                found = []
            self._lists[resource.kind] = found
        return self._lists[resource.kind]

    def namespace_labels(self, namespace: str) -> "Mapping[str, str]":
        """The labels of a namespace. Raises TryAgain where they cannot be read: there is no copy, and no guess."""
        from genie_core.edges.kube_errors import Forbidden
        from genie_core.edges.kube_resources import NAMESPACE

        try:
            api = self._api.connect()
            if api is None:
                raise InvalidConfig(
                    "no API server is configured",
                    hint=_NO_SERVER,
                )
            with self._cancel:
                found = api.get(NAMESPACE.cluster_wide(namespace))
            labels = get_object(get_object(found, "metadata"), "labels", where="metadata")
            return {name: value for name, value in labels.items() if isinstance(value, str)}
        except Cancelled:
            raise
        except GenieError as error:
            grant = "grant Genie's account get on namespaces: kubectl apply -f deploy/namespace-labels.yaml"
            raise TryAgain(
                f"allowed_networks asks for labels of namespace {namespace}, which cannot be read: {error.msg}",
                details=error.details,
                hint=grant if isinstance(error, Forbidden) else error.hint,
            ) from None

    def _ask(self, question: "Callable[[KubeAPI], Any]", origin: str) -> "Any":
        api = self._api.connect()
        if api is None:
            raise InvalidConfig(
                f"{origin}: names an API object, and no API server is configured",
                hint=_NO_SERVER,
            )
        with self._cancel:
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
        self._log.warning(
            "API server away, last good copy used",
            object=f"{kind} {namespace}/{name}",
            ageSeconds=round(age),
            problem=error.msg,
        )
        return definition

    def _quietly(self, action: "Callable[[], None]") -> None:
        """A copy that cannot be written is a warning."""
        try:
            action()
        except (GenieError, OSError) as error:
            self._log.warning("copy of an API object not kept", problem=str(error))


def _asked_by(origin: str, error: GenieError) -> GenieError:
    """The same error, naming also what asks for the object."""
    return error.replace(msg=f"{origin}: {error.msg}")
