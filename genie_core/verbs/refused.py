"""The records of networks that cannot be released and hold nothing: one for each network, whatever its tries. Cold."""

import posix
from time import monotonic

from genie_core.edges.files import exists, open_regular
from genie_core.errors import GenieError, InvalidConfig
from genie_core.fields import get_object, get_str
from genie_core.gojson import view
from genie_core.model import Plan
from genie_core.refusals import stays_in_pod
from genie_core.settings import IPAM_DIR
from genie_core.steps import NotReleased, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from genie_core.edges.store import Store
    from genie_core.model import Attachment

# Of a lease, in bytes: a container ID and an interface. `dataDir` may name any directory, with files of any size.
_LONGEST_LEASE = 4096


def record_refusal(refused: Refused, store: "Store") -> None:
    """Record it in the container's journal, and remove the journals of earlier tries of the same network.

    A container that a call is working on at the moment is left alone: the next try finds its record.
    """
    store.record(refused)
    plan = refused.plan
    network = plan.attachments[refused.index].network.identity
    for other in store.plans():
        if isinstance(other, Plan) and other.key != plan.key and _holds_only(other, network):
            try:
                with store.lock(*other.key, monotonic()):
                    again = store.load(*other.key)
                    if again and _holds_only(again, network):
                        store.forget(*other.key)
                        store.drop_lock(*other.key)
            except GenieError:
                continue


def _holds_only(plan: Plan, network: tuple[str, str]) -> bool:
    """Whether all that is recorded for the container is refused tries of this network."""
    return all(
        item.refused and item.network.identity == network for item in plan.attachments if not item.released
    )


def is_gone(plan: Plan, failures: "Sequence[GenieError]", netns: str) -> bool:
    """Whether nothing can exist of what these failures of a DEL left: no namespace, no lease, no interface.

    `plan` is the container's as recorded after the DEL, `netns` its namespace, "" where that is not its any more.
    """
    return (
        all(isinstance(failure, NotReleased) for failure in failures)
        and not (netns and exists(netns))
        and not any(_may_hold(item, plan.container_id) for item in plan.attachments if not item.released)
    )


def _may_hold(attachment: "Attachment", container_id: str) -> bool:
    """Whether something of it may be on the node without its namespace; yes with an unknown IPAM plugin."""
    if not (attachment.refused or stays_in_pod(attachment)):
        return True
    try:
        ipams = [get_object(view(plugin.text), "ipam") for plugin in attachment.network.plugins]
        types = {get_str(ipam, "type") for ipam in ipams}
        folders = {
            get_str(ipam, "dataDir") or IPAM_DIR for ipam in ipams if get_str(ipam, "type") == "host-local"
        }
    except InvalidConfig:
        return not attachment.refused
    if not attachment.refused and types - {"", "static", "host-local"}:
        return True
    return any(_has_lease(f"{folder}/{attachment.network.name}", container_id) for folder in folders)


def _has_lease(folder: str, container_id: str) -> bool:
    """Whether host-local holds an address for the container; yes where that cannot be read."""
    try:
        for name in posix.listdir(folder):
            fd = open_regular(f"{folder}/{name}")
            try:
                if posix.read(fd, _LONGEST_LEASE).partition(b"\n")[0].strip() == container_id.encode():
                    return True
            finally:
                posix.close(fd)
    except FileNotFoundError:
        return False
    except (OSError, GenieError):
        return True
    return False
