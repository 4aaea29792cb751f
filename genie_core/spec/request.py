"""The runtime's call: CNI_* variables and stdin -> Request, checked as libcni's skeleton checks them; a delegate's env.

Sources: SPEC "Section 2: Execution Protocol"; containernetworking/cni pkg/skel/skel.go. Pure: the caller
reads the environment and stdin. Kubelet path: no imports beyond this package.
"""

from genie_core.errors import DecodingFailure, InvalidConfig, InvalidEnvironment
from genie_core.fields import describe
from genie_core.jsontext import JSONError, decode
from genie_core.model import PodRef, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


class Verb:
    """A verb of the specification. `module` of genie_core.verbs runs it.

    `needs` are the variables that it requires, in the order in which libcni names those that are missing. CNI_PATH is
    not among them: `bin_dirs` in the configuration can replace it (conformance A04). `since` is the first version of a
    configuration for which a runtime may call the verb, "" for any (A30, A31).
    """

    __slots__ = ("module", "needs", "since")

    def __init__(self, module: str, needs: "Sequence[str]" = (), since: str = "") -> None:
        self.module = module
        self.needs = needs
        self.since = since


VERBS = {
    "ADD": Verb("add", ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME")),
    "CHECK": Verb("check", ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"), since="0.4.0"),
    "DEL": Verb("delete", ("CNI_CONTAINERID", "CNI_IFNAME")),
    "GC": Verb("gc", since="1.1.0"),
    "STATUS": Verb("status", since="1.1.0"),
}

_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_WORD_INSIDE = _WORD | frozenset("_.-")
# Set for every delegate and what it calls. Genie called with it was called by a network of its own (conformance B15).
DELEGATE_MARK = "CNI_GENIE_DELEGATE"
MAX_IFNAME_BYTES = 15  # linux/if.h IFNAMSIZ less the NUL


def is_identifier(text: str) -> bool:
    """Whether a container ID or network name matches `[a-zA-Z0-9][a-zA-Z0-9_.-]*` as a whole (SPEC)."""
    return bool(text) and text[0] in _WORD and _WORD_INSIDE.issuperset(text)


def ifname_problem(name: str) -> str:
    """Why the kernel would not take an interface name; "" where it would (net/core/dev.c dev_valid_name).

    Stricter than the kernel, which takes control characters: they, and lone surrogates, cannot be put
    into an environment or a message.
    """
    if not name:
        return "interface name is empty"
    if len(name.encode("utf-8", "surrogatepass")) > MAX_IFNAME_BYTES:
        return "interface name is too long"
    if name in (".", ".."):
        return "interface name is . or .."
    if any(char in "/:" or char.isspace() for char in name):
        return "interface name contains / or : or whitespace characters"
    if not name.isprintable():
        return "interface name contains characters that cannot be printed"
    return ""


def _check_ifname(name: str) -> None:
    problem = ifname_problem(name)
    if problem == "interface name is too long":
        raise InvalidEnvironment(problem, details="interface name should be less than 16 characters")
    if problem:
        raise InvalidEnvironment(problem, details=f"CNI_IFNAME is {name!r}")


def _check_container_id(text: str) -> None:
    if not is_identifier(text):
        raise InvalidEnvironment("invalid characters in containerID", details=text)


_CHECKS = {"CNI_CONTAINERID": _check_container_id, "CNI_IFNAME": _check_ifname}


def missing_variables(env: "Mapping[str, str]") -> list[str]:
    """The required variables that are unset or empty; raises InvalidEnvironment for a malformed one (A02-A10)."""
    verb = VERBS.get(env.get("CNI_COMMAND", ""))
    missing = []
    for name in verb.needs if verb else ():
        if not env.get(name):
            missing.append(name)
        elif name in _CHECKS:
            _CHECKS[name](env[name])
    if verb and not env.get("CNI_PATH"):
        missing.append("CNI_PATH")
    return missing


def refuse_missing(missing: list[str]) -> None:
    """Raise InvalidEnvironment naming all of them at once, if there are any."""
    if missing:
        raise InvalidEnvironment(f"required env variables [{','.join(missing)}] missing")


def parse_config(text: str) -> "dict[str, Any]":
    """The network configuration from stdin. Raises DecodingFailure (6) or InvalidConfig (7)."""
    try:
        config = decode(text)
    except JSONError as error:
        raise DecodingFailure("error unmarshall network config", details=str(error)) from None
    if config is None:
        config = {}
    if not isinstance(config, dict):
        raise DecodingFailure(
            "error unmarshall network config", details=f"an object was expected, not {describe(config)}"
        )
    for key in ("name", "cniVersion"):
        if not isinstance(config.get(key, ""), str | None):
            raise DecodingFailure(
                "error unmarshall network config",
                details=f"{key} must be a string, not {describe(config[key])}",
            )
    name = config.get("name")
    if not name:
        raise InvalidConfig("missing network name")
    if not is_identifier(name):
        raise InvalidConfig("invalid characters found in network name", details=name)
    return config


def parse_request(env: "Mapping[str, str]", text: str) -> Request:
    """The whole call. Raises GenieError with code 4, 6 or 7 (conformance A02-A23)."""
    return read_request(env, lambda: text)


def read_request(env: "Mapping[str, str]", read: "Callable[[], str]") -> Request:
    """The same, where stdin is to be read only if the variables are right, as libcni's skeleton does it."""
    missing = missing_variables(env)
    if missing != ["CNI_PATH"]:
        refuse_missing(missing)
    text = read()
    config = parse_config(text)
    if not config.get("bin_dirs"):
        refuse_missing(missing)
    verb = env["CNI_COMMAND"]
    if verb not in VERBS:
        raise InvalidEnvironment(
            f"unknown CNI_COMMAND: {verb}", details=f"CNI_COMMAND takes {', '.join(VERBS)}, VERSION"
        )
    return Request(
        verb=verb,
        container_id=env.get("CNI_CONTAINERID", ""),
        netns=env.get("CNI_NETNS", ""),
        ifname=env.get("CNI_IFNAME", ""),
        args=env.get("CNI_ARGS", ""),
        path=[part for part in env.get("CNI_PATH", "").split(":") if part],
        env=env,
        config=config,
        text=text,
    )


def parse_args(args: str) -> dict[str, str]:
    """CNI_ARGS as a mapping, split at the first `=` of each pair (conformance A11). Raises InvalidEnvironment.

    Unknown keys are the delegates' business, so IgnoreUnknown is not needed; its value is checked all the
    same, since a runtime that misspells it should learn of it (A12, A13).
    """
    pairs = {}
    for pair in args.split(";"):
        if not pair:
            continue
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidEnvironment(
                f"CNI_ARGS: invalid pair {pair!r}", details="pairs look like KEY=VALUE;KEY=VALUE"
            )
        pairs[key] = value
    word = pairs.get("IgnoreUnknown", "1").lower()
    if word not in ("1", "true", "0", "false"):
        raise InvalidEnvironment(
            f"CNI_ARGS: IgnoreUnknown is {word!r}", details="it takes 1, true, 0 or false"
        )
    return pairs


def pod_of(args: "Mapping[str, str]") -> PodRef | None:
    """The pod that the runtime names, None where it names none (conformance A14, A15)."""
    namespace, name = args.get("K8S_POD_NAMESPACE", ""), args.get("K8S_POD_NAME", "")
    if not namespace or not name:
        return None
    return PodRef(namespace, name, args.get("K8S_POD_UID", ""), args.get("K8S_POD_INFRA_CONTAINER_ID", ""))


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
    """A delegate's environment: the caller's with the CNI variables replaced (conformance B20-B22, B51).

    GC and STATUS get the container's variables present but empty, as from libcni (conformance B21). CNI_PATH
    stays as the runtime gave it, and is `path` where it gave none: IPAM plugins are found by it.
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
