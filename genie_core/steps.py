"""The steps that a verb's generator yields (attach.py); its driver performs them (verbs/context.py)."""

from genie_core.errors import DelegateFailed, GenieError
from genie_core.gojson import view
from genie_core.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from typing import Any, Final, TypeVar

    from genie_core.model import Plan
    from genie_core.routes import RouteChange

    T = TypeVar("T")
    Steps = Generator["Step", str, T]


class Step:
    """Something for the driver to perform."""

    __slots__ = ()


class Record(Step):
    """Something to record about a container."""

    __slots__ = ("plan",)

    def __init__(self, plan: "Plan") -> None:
        self.plan: Final = plan


class Save(Record):
    """Write the plan, and what has happened to it, durably."""

    __slots__ = ()


class Begin(Save):
    """Write the plan of a container that has none, or one that holds nothing any more (verbs/add.py).

    It is durable before the next plugin gets its configuration.
    """

    __slots__ = ()


class Forget(Record):
    """Remove the container's state: nothing of it is left."""

    __slots__ = ()


class Event(Record):
    """One line of the container's journal (state.py)."""

    __slots__ = ()


class Absent(Event):
    """What the results promise and ADD did not make (edges/podnet.py, never_there)."""

    __slots__ = ("absent",)

    def __init__(self, plan: "Plan", absent: "Sequence[str]") -> None:
        super().__init__(plan)
        self.absent: Final = absent


class Failed(Event):
    """A DEL of the container failed."""

    __slots__ = ()


class Reported(Event):
    """The events of the plan's `unreported` changes are written."""

    __slots__ = ()


class AttachmentEvent(Event):
    """Something that happened to one attachment of the plan."""

    __slots__ = ("index",)

    def __init__(self, plan: "Plan", index: int) -> None:
        super().__init__(plan)
        self.index: Final = index


class Passed(AttachmentEvent):
    """A plugin inside the chain printed this result, which DEL uses where there is no final one; "" takes it back."""

    __slots__ = ("result",)

    def __init__(self, plan: "Plan", index: int, result: str) -> None:
        super().__init__(plan, index)
        self.result: Final = result


class Attached(AttachmentEvent):
    """The attachment's final result. `yielded` are the default routes of it that another network has now.

    None says that the network was attached just now; a list, that only its default routes changed.
    """

    __slots__ = ("result", "yielded")

    def __init__(
        self, plan: "Plan", index: int, result: str, yielded: "Sequence[Mapping[str, Any]] | None" = None
    ) -> None:
        super().__init__(plan, index)
        self.result: Final = result
        self.yielded: Final = yielded


class Attaching(Step):
    """A running pod is about to get the attachment: its processes could use it before its ADD has ended."""

    __slots__ = ("index", "plan")

    def __init__(self, plan: "Plan", index: int) -> None:
        self.plan: Final = plan
        self.index: Final = index


class Releasing(AttachmentEvent):
    """The attachment's DEL begins."""

    __slots__ = ()


class Released(AttachmentEvent):
    """The attachment's DEL succeeded."""

    __slots__ = ()


class Refused(AttachmentEvent):
    """The attachment's DEL fails, and nothing of it is held (refusals.py)."""

    __slots__ = ()


class StopMasquerading(Step):
    """Remove the masquerading that a plugin's DEL leaves behind when it finds no interface (edges/masquerade.py).

    `step` is that DEL. It finds none where its namespace is gone, or where an earlier DEL has removed it (`again`).
    """

    __slots__ = ("again", "step")

    def __init__(self, step: "Invoke", again: bool) -> None:
        self.step: Final = step
        self.again: Final = again


class RemoveBridge(Step):
    """Remove the bridge of a logical network, where no pod is on it any more (edges/bridges.py)."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name: Final = name


class SetDefaultRoutes(Step):
    """Make the changes to the pod's default routes.

    The answer is a JSON list: for each change the interface that has the routes now, "" where no interface had any.
    """

    __slots__ = ("changes", "netns")

    def __init__(self, netns: str, changes: "Sequence[RouteChange]") -> None:
        self.netns: Final = netns
        self.changes: Final = changes


class Invoke(Step):
    """Run one plugin; the answer is its stdout.

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
        self.verb: Final = verb
        self.type: Final = type_
        self.stdin: Final = stdin
        self.network: Final = network
        self.binary: Final = binary
        self.path: Final = path
        self.container_id: Final = container_id
        self.netns: Final = netns
        self.ifname: Final = ifname
        self.args: Final = args
        self.entry: Final = entry

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


class First(Step):
    """Wait until one of these plugins has ended. Those that do not run yet are started before, where `start` is set.

    They are started in order, up to one that cannot be: that one has ended. The answer is the place of the one that has
    ended, -1 where none of them runs. What it printed, or its failure, is the answer to its `Invoke`, which follows.
    """

    __slots__ = ("calls", "start")

    def __init__(self, calls: "Sequence[Invoke]", *, start: bool) -> None:
        self.calls: Final = calls
        self.start: Final = start


class PluginMissing(GenieError):
    """A plugin's binary is in none of the directories."""


class NotReleased(DelegateFailed):
    """DEL failed of a network whose ADD never succeeded. No pod has it, so no call fails for that alone.

    `holds_nothing` says that its plugins refuse the configuration as such, so that no try can have left anything.
    """

    def __init__(self, error: GenieError, *, holds_nothing: bool) -> None:
        super().__init__(error.msg, details=error.details, hint=error.hint, code=error.code)
        self.holds_nothing = holds_nothing
