"""Hints for known errors of plugins whose messages have none (lessons 11, ux "traps").

Words of the reference plugins 1.1 to 1.6 and of the kernel (errno.h as Go and libc print it). Imported when
something failed.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_KNOWN = (
    (
        "already has an ip address different",
        "the bridge is another network's, or an earlier one's: `genie discover` says which subnet it has (GN1024)",
    ),
    (
        "no ip addresses available",
        "the network's range is used up: `genie gc` finds what containers hold that are gone, or enlarge the range",
    ),
    (
        "link not found",
        "an interface that the configuration names ({links}) is not on this node: `genie discover`",
    ),
    (
        ": file exists",
        "the pod has that route or address from another network already: `genie dry-run` shows each step's routes",
    ),
    (
        "operation not supported",
        "this kernel cannot make what the plugin asks for: see that its module is there (modprobe)",
    ),
    ("failed to find plugin", "install that plugin's binary into one of those directories"),
    ("host bits set", "write the subnet's own address, as in 10.1.0.0/16"),
    ("too many open files", "raise the runtime's limit of open files (LimitNOFILE)"),
)


def hint_for(message: str, config: "Mapping[str, Any]") -> str:
    """The hint for a plugin's error, "" where it is not known; `config` is the plugin's configuration."""
    words = message.lower()
    hint = next((hint for known, hint in _KNOWN if known in words), "")
    return hint.replace("{links}", _links(config))


def _links(config: "Mapping[str, Any]") -> str:
    """`master eth9`: the interfaces that the configuration names."""
    named = [
        f"{key} {config[key]}" for key in ("master", "bridge", "device") if isinstance(config.get(key), str)
    ]
    return ", ".join(named) or "master, bridge or device"
