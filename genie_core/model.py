"""The values that flow from the runtime's call to the answer: text -> values -> plan -> steps -> results -> text.

Plain classes with slots: a dataclass costs 9 ms of imports, a NamedTuple 5, and this module is on the
kubelet path. They are immutable, which mypy checks (`Final`); `Value.replace` gives a changed copy. The one exception
is the progress of an `Attachment`, which is noted as its steps are performed.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Final, Self


class Value:
    """Equality, a readable repr, and changed copies, from the slots."""

    __slots__: "tuple[str, ...]" = ()

    @classmethod
    def fields(cls) -> list[str]:
        """The names of all fields, those of the base classes first."""
        return [slot for base in reversed(cls.__mro__) for slot in getattr(base, "__slots__", ())]

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(
            getattr(self, field) == getattr(other, field) for field in self.fields()
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        inside = ", ".join(f"{field}={getattr(self, field)!r}" for field in self.fields())
        return f"{type(self).__name__}({inside})"

    def replace(self, **changes: "Any") -> "Self":
        """A copy with some fields changed."""
        return type(self)(**({field: getattr(self, field) for field in self.fields()} | changes))


class PodRef(Value):
    """The pod that CNI_ARGS names. `uid` and `sandbox` may be "" (conformance A14)."""

    __slots__ = ("name", "namespace", "sandbox", "uid")

    def __init__(self, namespace: str, name: str, uid: str = "", sandbox: str = "") -> None:
        self.namespace: Final = namespace
        self.name: Final = name
        self.uid: Final = uid
        self.sandbox: Final = sandbox

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Request(Value):
    """One call of the plugin: the CNI_* variables and the configuration on stdin (SPEC, section 2).

    `args` is CNI_ARGS verbatim, `path` the directories of CNI_PATH, `env` the caller's whole environment.
    `config` is the decoded configuration; `text` the same as text.
    """

    __slots__ = ("args", "config", "container_id", "env", "ifname", "netns", "path", "text", "verb")

    def __init__(
        self,
        verb: str,
        container_id: str,
        netns: str,
        ifname: str,
        args: str,
        path: "Sequence[str]",
        env: "Mapping[str, str]",
        config: "Mapping[str, Any]",
        text: str,
    ) -> None:
        self.verb: Final = verb
        self.container_id: Final = container_id
        self.netns: Final = netns
        self.ifname: Final = ifname
        self.args: Final = args
        self.path: Final = path
        self.env: Final = env
        self.config: Final = config
        self.text: Final = text

    @property
    def version(self) -> str:
        """The cniVersion to answer in: absent, null or empty means 0.1.0 (conformance A27)."""
        return self.config.get("cniVersion") or "0.1.0"


class PluginConf(Value):
    """One entry of a chain: its type, and its object as the raw text that was read (conformance B39)."""

    __slots__ = ("text", "type")

    def __init__(self, type: str, text: str) -> None:
        self.type: Final = type
        self.text: Final = text


class NetConf(Value):
    """A network configuration list (SPEC, section 1); a single `.conf` is a list of one.

    `source` says where it was read: a file's path, or an API object, for messages.
    """

    __slots__ = ("disable_check", "disable_gc", "name", "plugins", "source", "version")

    def __init__(
        self,
        name: str,
        version: str,
        plugins: "Sequence[PluginConf]",
        source: str,
        disable_check: bool = False,
        disable_gc: bool = False,
    ) -> None:
        self.name: Final = name
        self.version: Final = version
        self.plugins: Final = plugins
        self.source: Final = source
        self.disable_check: Final = disable_check
        self.disable_gc: Final = disable_gc

    @property
    def identity(self) -> tuple[str, str]:
        """Name and source: definitions of two namespaces may have one name, and leases in different places."""
        return self.name, self.source


class Selection(Value):
    """One network that an annotation or a setting names, before it is looked up (NPWG: network selection element).

    `name` is as written; `ifname` is "" where it names no interface; `origin` says where it is written, for
    messages: `annotation cni, item 2 ("b@eth3")`.
    """

    __slots__ = ("ifname", "name", "origin")

    def __init__(self, name: str, ifname: str, origin: str) -> None:
        self.name: Final = name
        self.ifname: Final = ifname
        self.origin: Final = origin


class Choice(Value):
    """A selection with the network that it names.

    `label` is the network's name in status annotations. `capabilities` are the capability arguments of the selection
    itself: name -> raw JSON. `default_route` is None where the selection has no such key; [] keeps the network's own
    (NPWG 4.1.2.1.9). `annotations` are written to the pod once it is attached. `subnet` is the subnet that all
    addresses of its family must be in, "" for any. `device` is the resource and its device that kubelet allocated.
    `additional`: it comes beside the pod's default network, as attachments and `default_networks` do.
    """

    __slots__ = (
        "additional", "annotations", "capabilities", "default_route", "device", "label", "network", "selection",
        "subnet",
    )  # fmt: skip

    def __init__(
        self,
        selection: Selection,
        network: NetConf,
        label: str = "",
        capabilities: "Mapping[str, str] | None" = None,
        additional: bool = False,
        default_route: "Sequence[str] | None" = None,
        annotations: "Mapping[str, str] | None" = None,
        subnet: str = "",
        device: "tuple[str, str] | None" = None,
    ) -> None:
        self.annotations: Final = annotations or {}
        self.device: Final = device
        self.subnet: Final = subnet
        self.selection: Final = selection
        self.network: Final = network
        self.label: Final = label or network.name
        self.capabilities: Final = capabilities or {}
        self.additional: Final = additional
        self.default_route: Final = default_route

    @property
    def prefix(self) -> str:
        """The beginning of the interface's name where the selection names none."""
        return "net" if self.additional else "eth"


class Attachment(Value):
    """One network of one container, all that ADD, CHECK, DEL and GC of it need.

    Decided before ADD: `label` is the network's name in status annotations and messages. `capabilities` maps each
    capability argument's name to its raw JSON text. `args` is the delegate's whole CNI_ARGS. `binaries` are the files
    of the chain's plugins, in order. `origin` is the selection's. `asked` is what the pod asked for, as text to compare
    (select/asked.py), "" in journals of version 1.0.0. `plugged`: a change of the running pod attached it, not the
    pod's start. `default_route`, and for ADD only `subnet` and `device`, are the choice's.

    Progress: `result` is the text of the chain's final result, "" until it succeeded; `partial` that of the last plugin
    that succeeded inside the chain. `releasing`: a DEL of it has begun; `released`: one has succeeded; `refused`: its
    DEL fails, and nothing of it is held. `stopped` is where its ADD failed in this process: the position in the chain
    and the plugin's message (refusals.py). `yielded` are the default routes of its result that another network has now.
    `changing`: a change of the running pod attaches or releases it (live/exchange.py); `restoring`: beside that, a
    repair makes it again (live/restore.py).
    """

    __slots__ = (
        "args", "asked", "binaries", "capabilities", "changing", "default_route", "device", "ifname", "label",
        "network", "origin", "partial", "plugged", "refused", "released", "releasing", "restoring", "result",
        "stopped", "subnet", "yielded",
    )  # fmt: skip

    def __init__(
        self,
        network: NetConf,
        ifname: str,
        label: str,
        args: str = "",
        capabilities: "Mapping[str, str] | None" = None,
        binaries: "Sequence[str]" = (),
        result: str = "",
        released: bool = False,
        releasing: bool = False,
        default_route: "Sequence[str] | None" = None,
        origin: str = "",
        partial: str = "",
        subnet: str = "",
        refused: bool = False,
        stopped: tuple[int, str] | None = None,
        device: "tuple[str, str] | None" = None,
        asked: str = "",
        yielded: "Sequence[dict[str, Any]]" = (),
        changing: bool = False,
        restoring: bool = False,
        plugged: bool = False,
    ) -> None:
        self.network: Final = network
        self.restoring = restoring
        self.plugged: Final = plugged
        self.asked: Final = asked
        self.yielded = yielded
        self.changing = changing
        self.device: Final = device
        self.partial = partial
        self.refused = refused
        self.stopped = stopped
        self.origin: Final = origin
        self.subnet: Final = subnet
        self.ifname: Final = ifname
        self.label: Final = label
        self.args: Final = args
        self.capabilities: Final = capabilities or {}
        self.binaries: Final = binaries
        self.result = result
        self.released = released
        self.releasing = releasing
        self.default_route: Final = default_route


class Plan(Value):
    """Everything that an ADD will do, decided before anything is done; DEL undoes what is stored of it.

    `ifname` is the runtime's CNI_IFNAME: the attachment that has it is the primary one. With another `boot_id` than the
    current one `netns` may be another container's by now; so with another `netns_id` than the path has (edges/store.py,
    namespace_id; "" where it is not known). `failed_releases` counts the DELs that failed. `absent` is what the
    results promise and ADD did not make (edges/podnet.py, never_there). `previous` is the result of the plugins before
    Genie in its chain, where they have made the primary interface; `previous_network` is that chain's name. `batches`,
    for ADD only, are the indexes of the attachments that are made side by side, in the plan's order; () for one after
    the other. `request` is the hash of what the pod asked for when a sync last brought it in line, or began to; ""
    before the first one. `unreported` are changes whose events are not written yet (tasks/sync/unreported.py), "" for
    none.
    """

    __slots__ = (
        "absent", "attachments", "batches", "boot_id", "container_id", "failed_releases", "ifname", "netns", "netns_id",
        "path", "pod", "previous", "previous_network", "request", "unreported",
    )  # fmt: skip

    def __init__(
        self,
        container_id: str,
        ifname: str,
        netns: str,
        path: "Sequence[str]",
        pod: PodRef | None,
        boot_id: str,
        attachments: "Sequence[Attachment]",
        failed_releases: int = 0,
        netns_id: str = "",
        absent: "Sequence[str]" = (),
        previous: "Result | None" = None,
        previous_network: str = "",
        request: str = "",
        batches: "Sequence[Sequence[int]]" = (),
        unreported: str = "",
    ) -> None:
        self.unreported: Final = unreported
        self.batches: Final = batches
        self.request: Final = request
        self.failed_releases: Final = failed_releases
        self.absent: Final = absent
        self.previous: Final = previous
        self.previous_network: Final = previous_network
        self.netns_id: Final = netns_id
        self.container_id: Final = container_id
        self.ifname: Final = ifname
        self.netns: Final = netns
        self.path: Final = path
        self.pod: Final = pod
        self.boot_id: Final = boot_id
        self.attachments: Final = attachments

    @property
    def key(self) -> tuple[str, str]:
        """Container and interface: one container may be attached under several interface names (conformance B68)."""
        return (self.container_id, self.ifname)

    @property
    def changed_by(self) -> str:
        """The process that has made the `unreported` changes; "" where there are none."""
        return self.unreported.partition(" ")[0]


class Result(Value):
    """A result in the shape of specification 1.1.0, whatever version it was printed in.

    interfaces: [{"name", "mac"?, "sandbox"?, "mtu"?, "socketPath"?, "pciID"?}]
    ips: [{"address": CIDR, "gateway"?, "interface"?: index}]
    routes: [{"dst": CIDR, "gw"?, "mtu"?, "advmss"?, "priority"?, "table"?, "scope"?}]
    dns: {"nameservers"?, "domain"?, "search"?, "options"?}
    """

    __slots__ = ("dns", "interfaces", "ips", "routes")

    def __init__(
        self,
        interfaces: "Sequence[dict[str, Any]]" = (),
        ips: "Sequence[dict[str, Any]]" = (),
        routes: "Sequence[dict[str, Any]]" = (),
        dns: "Mapping[str, Any] | None" = None,
    ) -> None:
        self.interfaces: Final = list(interfaces)
        self.ips: Final = list(ips)
        self.routes: Final = list(routes)
        self.dns: Final = dict(dns or {})


class Printed(Value):
    """A result as text, as a plugin printed it, and as a value."""

    __slots__ = ("result", "text")

    def __init__(self, text: str, result: Result) -> None:
        self.text: Final = text
        self.result: Final = result


NO_RESULT = Printed("", Result())
