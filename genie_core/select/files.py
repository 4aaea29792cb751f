"""Which configuration file a name means (conformance D06, D07), and which file is the default (D12, C41).

The names of the files come first, since they cost no reading; a file is opened only when its name fits, or
when no file's name does. `Confs` is the port that reads. On the kubelet path.
"""

from genie_core.errors import TRY_AGAIN, GenieError, InvalidConfig, NetworkNotFound
from genie_core.gojson import strings_of
from genie_core.jsontext import JSONError
from genie_core.model import NetConf, Selection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from genie_core.ports import Confs, Log

# The type that Genie itself has in a configuration: never a delegate (conformance B15).
SELF_TYPE = "genie"
_GENERATE = "`genie generate-config TYPE {name}--write` writes one, where TYPE is its plugin, such as bridge"


def stem(path: str) -> str:
    """The file's name without its folder and extension: `10-macvlan-eth0.100.conf` -> `10-macvlan-eth0.100`."""
    name = path.rsplit("/", 1)[-1]
    return name[: name.rfind(".")]


def derived_name(path: str) -> str:
    """The name that a file's name gives its network: the stem without a numeric prefix (D07)."""
    prefix, dash, rest = stem(path).partition("-")
    return rest if dash and rest and prefix.isdecimal() and prefix.isascii() else stem(path)


def node_name(network: NetConf) -> str:
    """The one name by which `allowed_networks` knows a network of the node, by whatever name a pod asks for it.

    Its file's name gives it; a network that was made up in memory has the name of its plugin.
    """
    return derived_name(network.source) if network.source.startswith("/") else network.plugins[0].type


def genie_name(path: str) -> str:
    """The name as CNI-Genie derived it, dropping all through the first dash: `my-net.conf` -> `net` (D06)."""
    head, dash, rest = stem(path).partition("-")
    return rest if dash and head else stem(path)


def is_self(network: NetConf) -> bool:
    """Whether the configuration would call Genie again: in any position of its chain, or by one of its plugins.

    As bridge's IPAM plugin, or a delegate of flannel's or Multus's, Genie would take that configuration for its own,
    with the directories, log file and API server that are written there.
    """
    return any(plugin.type == SELF_TYPE or calls_self(plugin.text) for plugin in network.plugins)


def calls_self(text: str) -> bool:
    """Whether a key `type`, in any spelling and at any depth of the document, names Genie."""
    if SELF_TYPE not in text and "\\u" not in text:  # in JSON a letter is written as itself, or as \uXXXX
        return False
    try:
        return SELF_TYPE in strings_of(text, "type")
    except JSONError:  # nested more deeply than it can be judged
        return True


class _CallsGenie(InvalidConfig):
    """The file has Genie's own configuration."""


def _is_own(found: "NetConf | GenieError") -> bool:
    return isinstance(found, NetConf) and is_self(found)


class Finder:
    """Looks networks up by name in the configuration files, reading each file at most once."""

    def __init__(self, confs: "Confs", log: "Log") -> None:
        self._confs = confs
        self._log = log
        self._paths = confs.paths()
        self._parsed: dict[str, NetConf | GenieError] = {}

    def _parse(self, path: str) -> NetConf | GenieError:
        if path not in self._parsed:
            try:
                self._parsed[path] = self._confs.read(path)
            except GenieError as error:
                self._parsed[path] = error
        return self._parsed[path]

    def find(self, selection: Selection) -> NetConf:
        """The network that the selection names. Raises NetworkNotFound, or InvalidConfig with reason and remedy.

        Where a file has the name and cannot be read, no other file takes its place for a worse reason: the pod would
        get a network that it did not ask for (D08). One that calls Genie is no network, and keeps no name from another.
        """
        if selection.name == SELF_TYPE:
            raise InvalidConfig(
                f"{selection.origin}: Genie cannot delegate to itself", hint="name one of the other plugins"
            )
        problems: list[GenieError] = []
        for matches in self._tiers(selection.name):
            network = self._first_valid(selection, list(matches), problems)
            if network:
                return network
            if not all(isinstance(problem, _CallsGenie) for problem in problems):
                break
        raise self._refusal(selection, problems)

    def _tiers(self, name: str) -> "Iterator[Iterator[str]]":
        """Groups of files that fit the name, the best reason first (D07)."""
        by_file_name: Sequence[Callable[[str], str]] = (derived_name, stem)
        for rule in by_file_name:
            yield (path for path in self._paths if rule(path) == name)
        yield (path for path, network in self._readable() if network.name == name)
        yield (path for path, network in self._readable() if network.plugins[0].type == name)
        yield (path for path in self._paths if genie_name(path) == name)

    def _readable(self) -> "Iterator[tuple[str, NetConf]]":
        # .conflist before .conf and .json where the JSON name decides (conformance B03)
        for path in sorted(self._paths, key=lambda path: not path.endswith(".conflist")):
            network = self._parse(path)
            if isinstance(network, NetConf) and not is_self(network):
                yield path, network

    def _first_valid(
        self, selection: Selection, paths: list[str], problems: list[GenieError]
    ) -> NetConf | None:
        for path in paths:
            network = self._parse(path)
            if isinstance(network, GenieError):
                if network not in problems:  # a file may fit for several reasons
                    problems.append(network)
                    self._log.warning("configuration skipped", file=path, problem=network.msg)
            elif is_self(network):
                problems.append(_CallsGenie(f"{path}: calls Genie itself"))
            else:
                if len(paths) > 1:
                    self._log.warning("several files fit", network=selection.name, files=paths, used=path)
                return network
        return None

    def _refusal(self, selection: Selection, problems: list[GenieError]) -> InvalidConfig:
        """The error, in CNI-Genie's words, by which its users know what to look for (conformance D08, D09)."""
        if problems:
            return InvalidConfig(
                f"{selection.origin}: No valid configuration file present for plugin {selection.name}: "
                f"{problems[0].msg}",
                hint=problems[0].hint or "correct the file; `genie discover` lists what is wrong with each",
            )
        others = (path for path in self._paths if not _is_own(self._parse(path)))
        names = sorted({derived_name(path) for path in others} - {SELF_TYPE, ""})
        near = _near(selection.name, names)
        return NetworkNotFound(
            f"{selection.origin}: Configuration file is missing from cni directory "
            f"({' '.join(self._confs.directories)}) for user requested plugin: {selection.name}",
            details=f"there is {', '.join(names) or 'none at all'}",
            hint=_hint(selection.name, near),
        )

    def valid(self) -> list[NetConf]:
        """Every valid network that is not Genie's own, in order of precedence."""
        parsed = (self._parse(path) for path in self._paths)
        return [network for network in parsed if isinstance(network, NetConf) and not is_self(network)]

    def has_before_self(self, name: str) -> bool:
        """Whether a configuration of this name calls another plugin first, and then Genie."""
        parsed = (self._parse(path) for path in self._paths)
        chains = [one.plugins for one in parsed if isinstance(one, NetConf) and one.name == name]
        return any(
            chain[0].type != SELF_TYPE and any(plugin.type == SELF_TYPE for plugin in chain[1:])
            for chain in chains
        )

    def named(self, name: str, origin: str) -> NetConf:
        """The network whose configuration says this name, lists before single plugins (conformance B03, C33)."""
        for _, network in self._readable():
            if network.name == name:
                return network
        raise NetworkNotFound(
            f'{origin}: no net configuration with name "{name}" in {" ".join(self._confs.directories)}',
            details="; ".join(item.msg for item in self._parsed.values() if isinstance(item, GenieError)),
            hint="put it there, or write the configuration into the NetworkAttachmentDefinition",
        )

    def default(self) -> NetConf:
        """The first valid configuration that is not Genie's own, by file name (D12). Raises NetworkNotFound."""
        for path in self._paths:
            network = self._parse(path)
            if isinstance(network, GenieError):
                self._log.warning("configuration skipped", file=path, problem=network.msg)
            elif not is_self(network):
                return network
        raise NetworkNotFound(
            "No cni plugin has been installed on node. Unable to select default cluster network: no net configurations "
            f"found in {' '.join(self._confs.directories)} that are valid and not Genie's own",
            hint="install a CNI plugin, or set default_plugin",
            code=TRY_AGAIN,  # at boot the file may be on its way (conformance C40)
        )


def _hint(name: str, near: str) -> str:
    """The hint where no file fits the name; CNI-Genie made a configuration for three names.

    A pod's author has written the name, and people paste the command into a shell: one that means more than a word
    there is not part of it. The name is the network's, and of its plugin nothing is known.
    """
    from genie_core.select.generated import NAMES
    from genie_core.spec.request import is_identifier

    named = f"--name {name} " if is_identifier(name) else ""
    hint = f"did you mean {near}?" if near else _GENERATE.format(name=named)
    built_in = '"generate_missing": true in Genie\'s configuration makes one up, as CNI-Genie did'
    return f"{hint}; {built_in}" if name in NAMES else hint


def _near(name: str, names: list[str]) -> str:
    """The most similar name; "" where none is similar."""
    from difflib import get_close_matches  # 10 ms, when the ADD fails anyway

    return next(iter(get_close_matches(name, names, 1, 0.7)), "")
