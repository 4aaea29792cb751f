"""The environment in which a delegate is called (SPEC, section 2 "Parameters"; conformance B20-B22, B51). Pure."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


# Set for every delegate and what it calls. Genie called with it was called by a network of its own (conformance B15).
DELEGATE_MARK = "CNI_GENIE_DELEGATE"


def delegate_env(
    env: "Mapping[str, str]",
    verb: str,
    *,
    path: "Sequence[str]",
    container_id: str = "",
    netns: str = "",
    ifname: str = "",
    args: str = "",
) -> dict[str, str]:
    """The caller's whole environment with the CNI variables replaced.

    GC and STATUS get the container's variables present but empty, as from libcni (conformance B21). CNI_PATH
    stays as the runtime gave it; `path` stands in where it gave none, since IPAM plugins are found by it.
    DELEGATE_MARK is the one addition.
    """
    changes = {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": container_id,
        "CNI_NETNS": netns,
        "CNI_IFNAME": ifname,
        "CNI_ARGS": args,
        "CNI_PATH": env.get("CNI_PATH") or ":".join(path),
        DELEGATE_MARK: "1",
    }
    return {**env, **changes}
