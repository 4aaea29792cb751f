"""What the rules need of the world, named by the domain. `edges/` implements them; imported for types only."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Protocol

    from genie_core.indicators import Measures
    from genie_core.model import NetConf

    # Objects of a kind, as the API server has them
    Definitions = Iterable[Mapping[str, Any]]
    # Given all logical networks and what reads all physical ones; raises InvalidConfig
    OverlapRule = Callable[[Definitions, Callable[[], Definitions]], None]

    class Log(Protocol):
        """One JSON line per event; fields are chosen by the caller and never hold configuration as a whole."""

        def debug(self, event: str, **fields: Any) -> None: ...
        def info(self, event: str, **fields: Any) -> None: ...
        def warning(self, event: str, **fields: Any) -> None: ...
        def error(self, event: str, **fields: Any) -> None: ...

    class Confs(Protocol):
        """The configuration directories, in order of precedence."""

        directories: Sequence[str]

        def paths(self) -> Sequence[str]:
            """The configuration files: directory by directory, in each sorted by name, bytewise."""

        def read(self, path: str) -> NetConf:
            """The network in a file. Raises InvalidConfig, or IOFailure where it cannot be read."""

    class Objects(Protocol):
        """The API objects that describe networks. Each raises NetworkNotFound naming `origin`, or TryAgain."""

        def network_attachment(self, namespace: str, name: str, origin: str) -> Mapping[str, Any]: ...
        def logical_network(self, namespace: str, name: str, origin: str) -> Mapping[str, Any]: ...
        def physical_network(self, namespace: str, name: str, origin: str) -> Mapping[str, Any]: ...
        def namespace_labels(self, namespace: str) -> Mapping[str, str]: ...
        def judge(self, key: tuple[str, str], claim: str, origin: str, rule: OverlapRule) -> None:
            """Ask the rule about all networks of the cluster. Raises what it raises, or TryAgain."""

    class Meter(Protocol):
        """How busy the node's networks are."""

        def usable(self, network: NetConf) -> bool:
            """Whether the network's plugins are installed."""

        def is_full(self, network: NetConf) -> bool:
            """Whether the network has no address left for a pod."""

        def measure(self, networks: Mapping[str, NetConf]) -> Mapping[str, Measures]:
            """The measures by candidate. Raises GenieError where they cannot be had in time."""

    class Allocations(Protocol):
        """What kubelet gave the pod. Raises InvalidConfig or IOFailure where that is not known."""

        @property
        def pod(self) -> str:
            """The pod, for messages: namespace, name and UID."""
            ...

        def devices(self, resource: str) -> Sequence[str]:
            """The pod's devices of a resource, each once, in kubelet's order."""
            ...

    class World(Protocol):
        """All that choosing networks needs. What costs milliseconds is made when it is asked for."""

        def confs(self) -> Confs: ...
        def objects(self) -> Objects: ...
        def meter(self) -> Meter: ...
        def allocations(self) -> Allocations: ...

        def generate(self, name: str) -> NetConf | None:
            """CNI-Genie's built-in configuration of that name; None where there is none (conformance D10)."""

        def has_interface(self, name: str) -> bool:
            """Whether the node has the interface."""

        def routes(self) -> Iterable[tuple[str, str]]:
            """(interface, subnet) of the node's routes to what is on its links."""
