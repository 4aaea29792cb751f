"""The meaning of CNI error codes in a pod's events, from Genie or from a plugin behind it."""

from __future__ import annotations

from genie_core import errors
from genie_core.findings import Code

_EVENTS = (
    "kubectl describe pod POD shows the message; Genie's log has the same with the delegate's own message"
)
_ROWS: tuple[tuple[int, str, str, str], ...] = (
    (errors.INCOMPATIBLE_VERSION, "a cniVersion that the plugin does not support", "the configuration's cniVersion is newer than Genie or the named plugin supports", "write a version that `genie discover` lists for every plugin of the chain"),
    (errors.UNSUPPORTED_FIELD, "a field that cannot be honoured", "the configuration asks for something that this plugin knows and cannot do", "remove the field that the message names"),
    (errors.UNKNOWN_CONTAINER, "the container is not known", "CHECK for a container that Genie did not attach, or whose state is gone", "recreate the pod"),
    (errors.INVALID_ENVIRONMENT, "a CNI variable is missing or malformed", "the caller of the plugin is no container runtime, or CNI_ARGS is damaged", "compare with `genie dry-run -o wide`, which shows a right call"),
    (errors.IO_FAILURE, "reading or writing failed", "a full or read-only disk, or a directory with wrong modes", "df, mount, ls -ld on the path in the message"),
    (errors.DECODING_FAILURE, "something is not the JSON it should be", "a configuration, a plugin's result, or an API object that cannot be decoded", "correct it at the place in the message"),
    (errors.INVALID_CONFIG, "a configuration or an annotation cannot be carried out", "an unknown network, a malformed annotation, a network of another namespace under isolation", "correct the annotation or the file at the place in the message; `genie dry-run` tries it without a cluster"),
    (errors.INVALID_NETNS, "CNI_NETNS is not the container's network namespace", "the container has ended, or the path is the node's own", "the runtime retries; nothing to do if the pod has gone"),
    (errors.TRY_AGAIN, "try again later", "the API server does not answer, a lock is held, or the default network is not ready yet; kubelet starts the sandbox again", "wait; if it lasts, see why the server or the network's agent is down"),
    (errors.NOT_AVAILABLE, "STATUS: no ADD can work now", "the default network or its plugin is missing, or the plugin reports it; the node becomes NotReady", "genie discover"),
    (errors.LIMITED_CONNECTIVITY, "STATUS: existing pods may be cut off too", "the default network's plugin reports it", "see that network's own agent"),
    (errors.ALREADY_ATTACHED, "the container has this interface already", "a second ADD without a DEL in between", "the runtime has to call DEL; `genie gc --dry-run` shows what is left over"),
    (errors.DELEGATE_FAILED, "a plugin behind Genie failed without a code of its own", "it crashed, was killed, or printed no error document", "the message has its exit status and the end of its stderr"),
    (errors.NETWORK_NOT_FOUND, "a network that is named exists nowhere", "neither a file, nor an API object has the name", "genie discover lists the node's networks"),
    (errors.CHECK_FAILED, "CHECK: something that ADD made is gone", "an interface, an address or a route was changed by another program than the plugins", "genie debug pod"),
    (errors.KERNEL_REFUSED, "the kernel refused", "an interface, an address or a route that cannot be made or read", "the message has the kernel's error"),
    (errors.INTERNAL, "a bug in Genie", "an unexpected error", "report it with Genie's log around it"),
)  # fmt: skip

CODES = tuple(
    Code(f"CNI{code}", title, cause=cause, confirm=_EVENTS, fix=fix) for code, title, cause, fix in _ROWS
)
