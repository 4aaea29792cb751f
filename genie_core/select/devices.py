"""The device of a network whose definition names a resource of device plugins or of DRA (conformance C24, C54).

The annotation `k8s.v1.cni.cncf.io/resourceName` of the definition says which resource; kubelet has allocated devices of
it to the pod before its sandbox is made. Each network takes the next one. Pure; imported for such definitions alone.
"""

from genie_core.errors import GenieError, InvalidConfig
from genie_core.jsontext import decode, encode
from genie_core.select.definitions import with_device
from genie_core.spec.conf import offered_by
from genie_core.spec.request import is_identifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from genie_core.model import Choice
    from genie_core.ports import Allocations


class Allocator:
    """Gives out a pod's devices, each once, in the order of its networks."""

    def __init__(self, allocations: "Allocations") -> None:
        self._allocations = allocations
        self._taken: set[tuple[str, str]] = set()

    def assign(self, choice: "Choice", resource: str, wanted: str, *, has_own: bool) -> "Choice":
        """The choice with its device in every plugin's configuration, and in `deviceID` where a plugin takes that.

        `wanted` is the raw JSON of the pod's own deviceID, "" for none: it must be one that kubelet gave the pod. With
        `has_own` the definition names a device, which stays where kubelet gave the pod none. Raises InvalidConfig
        naming definition, resource and pod.
        """
        device = self._take(choice, resource, decode(wanted) if wanted else "", has_own=has_own)
        if not device:
            return choice
        raw = encode(device)
        network = with_device(choice.network, raw)
        own = {"deviceID": raw} if "deviceID" in offered_by(network) else {}
        capabilities = {**choice.capabilities, **own}
        return choice.replace(network=network, capabilities=capabilities, device=(resource, device))

    def _take(self, choice: "Choice", resource: str, wanted: str, *, has_own: bool) -> str:
        selection = choice.selection
        what = (
            f"{selection.origin}: NetworkAttachmentDefinition {choice.label} takes a device of resource "
            f"{resource}, and"
        )
        try:
            known = self._allocations.devices(resource)
        except GenieError as error:
            if has_own:
                return ""
            raise InvalidConfig(f"{what} {error.msg}", hint=error.hint) from None
        if not known and has_own:
            return ""
        if not known:
            raise InvalidConfig(
                f"{what} kubelet has allocated none of it to {self._allocations.pod}",
                hint=f"request it in the pod: a container's resources.limits, {resource}: 1",
            )
        free = [device for device in known if (resource, device) not in self._taken]
        if not free or (wanted and wanted not in free):
            which = f"{wanted!r} is not among" if wanted else "there is none left of"
            raise InvalidConfig(
                f"{what} {which} the {len(known)} that kubelet has allocated to {self._allocations.pod}",
                details=f"allocated: {', '.join(known)}; for other networks of the pod: {len(known) - len(free)}",
                hint="request as many devices as there are networks, and leave deviceID out",
            )
        device = wanted or free[0]
        if not is_identifier(device.replace(":", "")):  # plugins put it into a path below /sys
            raise InvalidConfig(f"{what} {device[:80]!r} cannot be a device's name")
        self._taken.add((resource, device))
        return device
