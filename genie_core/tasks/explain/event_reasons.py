"""The meaning of the reasons of Genie's events of running pods (docs/change-a-running-pod.md, docs/let-genie-repair.md)."""

from __future__ import annotations

from genie_core.findings import Code

_EVENT = "kubectl describe pod POD shows the message: the network, the interface, and the plugin's own words"
_STATUS = "the annotation k8s.v1.cni.cncf.io/network-status says what the pod has now"
_NOTHING = "nothing to do"

# Not upper case, as the codes are: Kubernetes' reasons are words.
REASONS = (
    Code("NetworkAttached", "a network was attached to the running pod", cause="the pod's annotation asks for it", confirm=_STATUS, fix=_NOTHING),
    Code("NetworkDetached", "a network was released from the running pod", cause="the pod's annotation does not ask for it any more", confirm=_STATUS, fix=_NOTHING),
    Code("NetworkReplaced", "an interface of the running pod has another network, or other addresses", cause="the pod's annotation asks for something else under the same interface name", confirm=_STATUS, fix=_NOTHING),
    Code("NetworkFailed", "networks of the running pod could not be changed or repaired", cause="a plugin failed; a change was rolled back, and the agent tries again, 1 s to 5 min later", confirm=_EVENT, fix="correct what the plugin's message names; genie sync pod NAMESPACE/NAME on the node tries at once"),
    Code("NetworkRefused", "the annotation asks for something that is not possible", cause="an unknown network, a malformed annotation, another network on the pod's first interface; nothing was changed", confirm="genie sync pod NAMESPACE/NAME --dry-run", fix="correct the annotation, or make the network that it names"),
    Code("NetworkRepaired", "a fault of an attached network was mended", cause="an interface, address, route or bridge port that the journal has was gone; what removed it is not known", confirm=_EVENT, fix="nothing, unless it recurs: a fault that recurs a third time within ten minutes is not repaired"),
    Code("NetworkFault", "a fault of an attached network was found and not mended", cause="repair is not switched on (repair: report); the fault came back twice; or the message says what is in the way", confirm=_EVENT, fix='genie debug pod NAMESPACE/NAME on the node; "repair": "fix" in Genie\'s configuration has such faults mended'),
)  # fmt: skip
