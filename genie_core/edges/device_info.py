"""The files in which plugins describe the device that they gave a pod (device-info specification; conformance C54).

The plugin writes the file whose path it is told by a capability; the status annotation shows what is in it.
On the kubelet path, for networks whose plugins have that capability.
"""

from genie_core.edges.confdir import read_text
from genie_core.edges.files import remove
from genie_core.errors import GenieError
from genie_core.jsontext import JSONError, decode
from genie_core.plan import DEVICE_INFO_DIRECTORY
from genie_core.spec.conf import DEVICE_INFO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from genie_core.model import Attachment


def read_device_info(attachment: "Attachment") -> "Mapping[str, Any] | None":
    """The object in the attachment's file; None where the plugin wrote none that can be read."""
    try:
        found = decode(read_text(_path(attachment)))
    except (GenieError, JSONError):
        return None
    return found if isinstance(found, dict) else None


def remove_device_info(attachment: "Attachment") -> None:
    """Remove the attachment's file, if it is in the place that Genie chose. Raises IOFailure."""
    path = _path(attachment)
    if path.rpartition("/")[0] == DEVICE_INFO_DIRECTORY:
        remove(path)


def _path(attachment: "Attachment") -> str:
    path = decode(attachment.capabilities[DEVICE_INFO])
    return path if isinstance(path, str) else ""
