"""The steps that a verb's generator yields (attach.py) and whoever drives it carries out (verbs/node.py)."""

from genie_core.errors import DelegateFailed, GenieError
from genie_core.gojson import view
from genie_core.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from typing import Any, TypeVar

    from genie_core.model import Plan
    from genie_core.routes import RouteChange

    T = TypeVar("T")
    Steps = Generator["Step", str, T]


class Step:
    """Something for the driver to do."""

    __slots__ = ()


class Save(Step):
    """Write the plan to disk, durably."""

    __slots__ = ("plan",)

    def __init__(self, plan: "Plan") -> None:
        self.plan = plan


class Passed(Step):
    """Record what a plugin inside a chain printed: DEL gives it to the chain's plugins where no final result is."""

    __slots__ = ("index", "plan", "result")

    def __init__(self, plan: "Plan", index: int, result: str) -> None:
        self.plan = plan
        self.index = index
        self.result = result


class Attached(Step):
    """Record an attachment's final result, and the default routes of it that another network has now."""

    __slots__ = ("index", "plan", "result", "yielded")

    def __init__(
        self, plan: "Plan", index: int, result: str, yielded: "Sequence[Mapping[str, Any]]" = ()
    ) -> None:
        self.plan = plan
        self.index = index
        self.result = result
        self.yielded = yielded


class Releasing(Step):
    """Record that an attachment's DEL begins."""

    __slots__ = ("index", "plan")

    def __init__(self, plan: "Plan", index: int) -> None:
        self.plan = plan
        self.index = index


class Released(Step):
    """Record that an attachment's DEL succeeded."""

    __slots__ = ("index", "plan")

    def __init__(self, plan: "Plan", index: int) -> None:
        self.plan = plan
        self.index = index


class Refused(Step):
    """Record that an attachment cannot be released, and that nothing of it is held (refusals.py)."""

    __slots__ = ("index", "plan")

    def __init__(self, plan: "Plan", index: int) -> None:
        self.plan = plan
        self.index = index


class Forget(Step):
    """Remove the container's state: nothing of it is left."""

    __slots__ = ("plan",)

    def __init__(self, plan: "Plan") -> None:
        self.plan = plan


class StopMasquerading(Step):
    """Remove the masquerading that a plugin's DEL leaves behind when it finds no interface (edges/masquerade.py).

    `step` is that DEL. It is so where its namespace is gone, or where an earlier DEL came as far as the interface:
    `again`.
    """

    __slots__ = ("again", "step")

    def __init__(self, step: "Invoke", again: bool) -> None:
        self.step = step
        self.again = again


class RemoveBridge(Step):
    """Remove the bridge of a logical network, where no pod is on it any more (edges/bridges.py)."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class SetDefaultRoutes(Step):
    """Make the changes to the pod's default routes.

    The answer is a JSON list: for each change the interface that has the routes now, "" where no interface had any.
    """

    __slots__ = ("changes", "netns")

    def __init__(self, netns: str, changes: "Sequence[RouteChange]") -> None:
        self.netns = netns
        self.changes = changes


class Invoke(Step):
    """Run one plugin; the driver sends back its stdout, or throws its error.

    `binary` is where ADD found it, "" to search for `type` in the plan's directories and the configured ones.
    """

    __slots__ = (
        "args", "binary", "container_id", "entry", "ifname", "netns", "network", "path", "stdin", "type", "verb",
    )  # fmt: skip

    def __init__(
        self,
        verb: str,
        type_: str,
        stdin: str,
        network: str,
        *,
        binary: str = "",
        path: "Sequence[str]" = (),
        container_id: str = "",
        netns: str = "",
        ifname: str = "",
        args: str = "",
        entry: str = "{}",
    ) -> None:
        self.verb = verb
        self.type = type_
        self.stdin = stdin
        self.network = network
        self.binary = binary
        self.path = path
        self.container_id = container_id
        self.netns = netns
        self.ifname = ifname
        self.args = args
        self.entry = entry

    def of_type(self, type_: str) -> "Invoke":
        """The same call of another plugin, as a plugin calls its IPAM plugin."""
        same = {name: getattr(self, name) for name in self.__slots__ if name not in ("type", "binary")}
        return Invoke(type_=type_, **same)

    @property
    def where(self) -> str:
        """What failed: the network, then the plugin in libcni's words, with its entry's own name (A56, B71)."""
        interface = f" ({self.ifname})" if self.ifname else ""
        own = view(self.entry).get("name")
        plugin = f"type={encode(self.type)}" + (f" name={encode(own)}" if own else "")
        verb = "delete" if self.verb == "DEL" else self.verb.lower()
        return f'network "{self.network}"{interface}: plugin {plugin} failed ({verb})'


class PluginMissing(GenieError):
    """Thrown in by the driver where a plugin's binary is in none of the directories."""


class NotReleased(DelegateFailed):
    """DEL failed of a network whose ADD never succeeded. No pod has it, so no call fails for that alone.

    `holds_nothing` says that its plugins refuse the configuration as such, so that no try can have left anything.
    """

    def __init__(self, error: GenieError, *, holds_nothing: bool) -> None:
        super().__init__(error.msg, details=error.details, hint=error.hint, code=error.code)
        self.holds_nothing = holds_nothing
