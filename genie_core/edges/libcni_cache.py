"""What the runtime's own library remembers of its attachments: libcni's cache (libcni/api.go, conformance B57, B58).

    /var/lib/cni/results/<network>-<container>-<interface>   one attachment as JSON, kind cniCacheV1

Read by GC alone: a network that Genie delegates to may be used by a runtime directly as well, by another
handler or by a tool beside it, and those attachments are in no list of Genie's (lessons 5).
"""

import posix

from genie_core.edges.confdir import read_text
from genie_core.errors import GenieError
from genie_core.jsontext import JSONError, decode

DIRECTORY = "/var/lib/cni/results"


class UnknownAttachment(GenieError):
    """An entry that cannot be read: whose attachment it is, nobody knows."""


def direct_attachments(network: str, directory: str = DIRECTORY) -> set[tuple[str, str]]:
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
