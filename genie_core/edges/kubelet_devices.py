"""The devices that kubelet has allocated to a pod, from its own checkpoints. Kubelet path, for pods that take devices.

    device-plugins/kubelet_internal_checkpoint   device plugins: pod UID, resource, device IDs by NUMA node, in kubelets
                                                 before 1.20 in one array (pkg/kubelet/cm/devicemanager/checkpoint)
    dra_manager_state                            claims: pod UIDs, and for each driver pool, device, request and CDI
                                                 names (pkg/kubelet/cm/dra/state)

Kubelet writes them before the runtime makes the sandbox, each by a rename. The second has no PCI addresses and no
resource names: there a resource is the name of a claim, or CLAIM/REQUEST, and the device what its CDI name ends with,
else its name. Checksums are of Go's memory and cannot be checked.
"""

from genie_core.edges.confdir import read_text
from genie_core.edges.files import exists
from genie_core.errors import InvalidConfig
from genie_core.fields import get_list, get_object, get_str, get_strings
from genie_core.jsontext import JSONError, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from genie_core.model import PodRef

_CHECKPOINT = "device-plugins/kubelet_internal_checkpoint"
_CLAIMS = "dra_manager_state"


class KubeletDevices:
    """The allocations to one pod; the files are read when first asked, and once."""

    def __init__(self, directory: str, pod: "PodRef | None") -> None:
        self._directory = directory
        self._uid = pod.uid if pod else ""
        self.pod = f"pod {pod} (UID {self._uid or 'unknown'})" if pod else "this container, which is no pod"
        self._found: list[tuple[str, str]] | None = None

    def devices(self, resource: str) -> list[str]:
        """Those of a resource, each once: init containers and containers may share one.

        Raises InvalidConfig where the pod has no UID or a checkpoint is not understood, IOFailure where it cannot be
        read.
        """
        if self._found is None:
            self._found = list(self._read())
        return list(dict.fromkeys(device for name, device in self._found if name == resource))

    def _read(self) -> "Iterator[tuple[str, str]]":
        if not self._uid:
            raise InvalidConfig(
                f"the devices of {self.pod} cannot be looked up: the runtime does not say its UID",
                hint="containerd and CRI-O pass K8S_POD_UID in CNI_ARGS",
            )
        checkpoint, claims = f"{self._directory}/{_CHECKPOINT}", f"{self._directory}/{_CLAIMS}"
        if not exists(checkpoint) and not exists(claims):
            raise InvalidConfig(
                f"the devices of {self.pod} are not known: {checkpoint} does not exist",
                hint="set kubelet_dir in Genie's configuration to kubelet's --root-dir",
            )
        for path, read in ((checkpoint, self._allocated), (claims, self._claimed)):
            if exists(path):
                try:
                    yield from read(_object(read_text(path)))
                except (JSONError, InvalidConfig, ValueError) as error:
                    raise InvalidConfig(
                        f"{path} is not what kubelet writes: {getattr(error, 'msg', error)}"
                    ) from None

    def _allocated(self, document: "dict[str, Any]") -> "Iterator[tuple[str, str]]":
        for entry in get_list(get_object(document, "Data"), "PodDeviceEntries", where="Data"):
            if isinstance(entry, dict) and entry.get("PodUID") == self._uid:
                for device in _by_node(entry.get("DeviceIDs")):
                    yield get_str(entry, "ResourceName"), device

    def _claimed(self, document: "dict[str, Any]") -> "Iterator[tuple[str, str]]":
        data = _object(get_str(document, "Data", "{}"))
        for claim in get_list(data, "ClaimInfoStateList") or get_list(data, "Entries"):
            if not isinstance(claim, dict) or self._uid not in (claim.get("PodUIDs") or ()):
                continue
            name = get_str(claim, "ClaimName")
            drivers = get_object(claim, "DriverState")
            for driver in drivers:
                for device in get_list(get_object(drivers, driver), "Devices"):
                    shown = _claimed_device(device)
                    yield name, shown
                    for request in get_list(device, "RequestNames"):
                        yield f"{name}/{request}", shown


def _object(text: str) -> "dict[str, Any]":
    document = decode(text)
    if not isinstance(document, dict):
        raise InvalidConfig("an object was expected")
    return document


def _by_node(devices: "Any") -> list[str]:
    """Device IDs: an object of arrays by NUMA node, -1 for none, or the array of older kubelets."""
    if isinstance(devices, dict):
        return [device for node in sorted(devices, key=int) for device in get_strings(devices, node)]
    return get_strings({"DeviceIDs": devices}, "DeviceIDs")


def _claimed_device(device: "dict[str, Any]") -> str:
    for name in get_list(device, "CDIDeviceIDs"):
        return str(name).rpartition("=")[2]
    return get_str(device, "DeviceName")
