"""What the rules need of the world, named by the domain. `edges/` implements them; imported for types only."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Protocol

    from .model import NetConf

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

    class Delegates(Protocol):
        """The plugin binaries."""

        def find(self, type_: str, path: Sequence[str]) -> str:
            """The file of a plugin. Raises InvalidConfig naming the directories searched."""

        def run(self, binary: str, env: Mapping[str, str], stdin: str, where: str) -> str:
            """What the plugin printed. Raises DelegateFailed with the plugin's own code, or TryAgain on timeout."""

    class Pods(Protocol):
        """The API server, as far as an ADD needs it."""

        def annotations(self, namespace: str, name: str, uid: str) -> Mapping[str, str]: ...
        def annotate(self, namespace: str, name: str, uid: str, annotations: Mapping[str, str]) -> None: ...
