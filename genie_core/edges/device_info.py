"""The files in which plugins describe the device that they gave a pod (device-info specification; conformance C54).

A plugin writes the file that a capability argument names; the status annotation shows what is in it.
On the kubelet path, for networks whose plugins have that capability.
"""

import posix

from genie_core.edges.confdir import read_text
from genie_core.edges.files import exists, failure, make_parents, remove, write_all
from genie_core.errors import GenieError
from genie_core.jsontext import JSONError, decode
from genie_core.plan import DEVICE_INFO_DIRECTORY
from genie_core.spec.conf import DEVICE_INFO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from genie_core.model import Attachment


_DEVICE_PLUGINS = DEVICE_INFO_DIRECTORY.rpartition("/")[0] + "/dp"


def read_device_info(attachment: "Attachment") -> "Mapping[str, Any] | None":
    """The object in the attachment's file; None where the plugin wrote none that can be read."""
    try:
        found = decode(read_text(_path(attachment)))
    except (GenieError, JSONError):
        return None
    return found if isinstance(found, dict) else None


def copy_device_info(attachment: "Attachment") -> None:
    """Put what the device plugin has written of the attachment's device where the network's plugins look for it.

    Nothing where it has written nothing. Raises IOFailure. The file names are the device-info specification's.
    """
    name = "-".join((*(attachment.device or ()), "device.json")).replace("/", "-")
    source, path = f"{_DEVICE_PLUGINS}/{name}", _path(attachment)
    if not exists(source):
        return
    text = read_text(source)
    make_parents(path)
    try:
        fd = posix.open(path, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_NOFOLLOW, 0o644)
        try:
            write_all(fd, text)
        finally:
            posix.close(fd)
    except OSError as error:
        raise failure("write", path, error) from None


def remove_device_info(attachment: "Attachment") -> None:
    """Remove the attachment's file, if it is in the place that Genie chose. Raises IOFailure."""
    path = _path(attachment)
    if path.rpartition("/")[0] == DEVICE_INFO_DIRECTORY:
        remove(path)


def _path(attachment: "Attachment") -> str:
    path = decode(attachment.capabilities[DEVICE_INFO])
    return path if isinstance(path, str) else ""
