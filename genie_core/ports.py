"""What the rules need of the world, named by the domain. `edges/` implements them; imported for types only."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    from genie_core.model import NetConf

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
