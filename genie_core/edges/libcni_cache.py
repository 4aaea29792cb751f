"""The attachments that the runtime's own library has recorded: libcni's cache (libcni/api.go, conformance B57, B58).

    /var/lib/cni/results/<network>-<container>-<interface>   one attachment as JSON, kind cniCacheV1

GC reads it: a network that Genie delegates to may be used by a runtime directly as well, by another handler or by a
tool beside it, and those attachments are in no list of Genie's (lessons 5). DEL without state reads it, too: CNI-Genie
and Multus call their plugins through libcni.
"""

import posix

from genie_core.edges.confdir import read_text
from genie_core.errors import GenieError
from genie_core.jsontext import JSONError, decode, encode
from genie_core.model import Value
from genie_core.settings import CACHE_DIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# CNI-Genie's, which is libcni's own, and that of Multus.
DISPATCHERS = (CACHE_DIR, "/var/lib/cni/multus/results")


class UnknownAttachment(GenieError):
    """An entry that cannot be read: its container is not known."""


def direct_attachments(network: str, directory: str = CACHE_DIR) -> set[tuple[str, str]]:
    """The (container ID, interface) pairs that the runtime attached to the network by itself.

    Raises UnknownAttachment where an entry that may be of this network cannot be read.
    """
    try:
        names = posix.listdir(directory)
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise UnknownAttachment(f"cannot read {directory}: {posix.strerror(error.errno or 0)}") from None
    pairs = set()
    for name in names:
        if name.startswith(f"{network}-"):  # names hold dashes too, so the entry itself decides
            pairs |= _pairs(network, f"{directory}/{name}")
    return pairs


def _pairs(network: str, path: str) -> set[tuple[str, str]]:
    try:
        entry = decode(read_text(path))
        if entry["networkName"] != network:
            return set()
        pair = (entry["containerId"], entry["ifName"])
    except (GenieError, JSONError, KeyError, TypeError) as error:
        raise UnknownAttachment(f"{path} cannot be read: {error}") from None
    if not all(isinstance(part, str) for part in pair):
        raise UnknownAttachment(f"{path} names no container and interface")
    return {pair}


class Entry(Value):
    """One attachment in a cache: its network's name, its result as JSON text, and its configuration's text.

    `config` is "" in a cache of libcni before 0.8, which has only the result.
    """

    __slots__ = ("config", "ifname", "network", "path", "result")

    def __init__(self, path: str, network: str, ifname: str, result: str, config: str = "") -> None:
        self.path = path
        self.network = network
        self.ifname = ifname
        self.result = result
        self.config = config


def entries_of(container_id: str, directories: "Sequence[str]" = DISPATCHERS) -> list[Entry]:
    """The entries of one container in the caches of CNI-Genie and Multus; unreadable ones are left out."""
    found = []
    for directory in directories:
        try:
            names = sorted(posix.listdir(directory))
        except OSError:
            continue
        for name in names:
            network, _, ifname = name.partition(f"-{container_id}-")
            if network and ifname:
                found += _entry(f"{directory}/{name}", container_id, network, ifname)
    return found


def _entry(path: str, container_id: str, network: str, ifname: str) -> list[Entry]:
    from binascii import a2b_base64

    try:
        data = decode(read_text(path))
        if "kind" not in data:
            return [Entry(path, network, ifname, encode(data))]
        if (
            data.get("containerId", container_id) != container_id
        ):  # names, IDs and interfaces have dashes, too
            return []
        config = a2b_base64(data["config"]).decode()
        return [Entry(path, data["networkName"], data["ifName"], encode(data["result"]), config)]
    except (GenieError, JSONError, KeyError, TypeError, ValueError):
        return []
