"""What plugins were given, as a Go program reads it: no key of the runtime's, nothing leads back to Genie,
and each value of an annotation is in its own place and has its own form."""

import ipaddress
import json
import re

from tests.golang.decoder import GoError, Pairs, decode, fold
from tests.golang.plugin import PLUGIN

_RESERVED = {"capabilities", "runtimeConfig", "prevResult"}
_GC = {"cni.dev/valid-attachments", "cni.dev/attachments"}
# Keys of args.cni by which plugins take what needs consent, and no capability gives it.
_GUARDED = {"mtu", "promisc", "allmulti", "txQLen", "sysctl", "gateway", "routes", "subnet", "ranges"}
_MAC = r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2})"
_FORMS = {
    "ips": lambda value: bool(value) and all(map(_is_address, value)),
    "mac": lambda value: re.fullmatch(_MAC + r"{5}", value),
    "infinibandGUID": lambda value: re.fullmatch(_MAC + r"{7}", value),
    "deviceID": lambda value: re.fullmatch(r"[a-zA-Z0-9:_.-]+", value),
    "CNIDeviceInfoFile": lambda value: re.fullmatch(
        r"/var/run/k8s\.cni\.cncf\.io/devinfo/cni/[^/\0]+", value
    ),
    "portMappings": lambda value: bool(value) and all(map(_is_mapping, value)),
    "bandwidth": lambda value: (
        set(value) <= {"ingressRate", "ingressBurst", "egressRate", "egressBurst"}
        and all(type(number) is int and number > 0 for number in value.values())
    ),
}


def judge_given(parts, calls):
    """The problems with what plugins were given: `calls` are (verb, stdin)."""
    for verb, data in calls:
        try:
            pairs = json.loads(data.decode("utf-8", "surrogateescape"), object_pairs_hook=Pairs)
        except (ValueError, RecursionError):
            yield f"a plugin was given what is not JSON: {data[:200]!r}"
            continue
        yield from _judge_keys(verb, pairs)
        if _leads_back(pairs):
            yield f"a plugin was given a configuration that leads back to Genie: {data[:200]!r}"
        try:
            yield from _judge_values(parts, dict(pairs), data)
        except RecursionError:  # thousands of brackets in what the definition's author may write
            continue


def _judge_values(parts, members, data):
    if not any(name.startswith("state/") for name in parts):  # which says what to pass
        yield from _judge_runtime_config(parts, _plain(members.get("runtimeConfig", {})))
    yield from _judge_decoded(members, data)
    yield from _judge_args(parts, _plain(members.get("args")))


def _judge_keys(verb, pairs):
    keys = [key for key, _ in pairs]
    if len({fold(key) for key in keys}) != len(keys):
        yield f"a plugin was given one key twice: {sorted(keys)}"
    allowed = {"runtimeConfig", "prevResult"} | (_GC if verb == "GC" else set())
    for key in keys:
        spoken = next((name for name in _RESERVED if fold(name) == fold(key)), "")
        if (spoken or fold(key).startswith(fold("cni.dev/"))) and key not in allowed:
            yield f"a plugin was given {key!r}, which is the runtime's"


def _judge_decoded(members, data):
    """What Go makes of the runtime's part is what is written there, under the exact keys."""
    try:
        found = decode(PLUGIN, data)
    except GoError:
        return  # the plugin ends before it does anything
    for key, shape in PLUGIN.fields["runtimeConfig"].fields.items():
        written = _plain(members.get("runtimeConfig", {})).get(key)
        if written is None and found["runtimeConfig"][key] != shape.zero:
            yield f"a plugin takes {key} from another key of runtimeConfig"


def _judge_runtime_config(parts, config):
    for key, value in config.items():
        if fold(key).encode() in fold(parts["stdin"].decode("utf-8", "replace")).encode():
            continue  # the runtime's own, which is passed on as it is
        try:
            is_right = key in _FORMS and _FORMS[key](value)
        except (TypeError, ValueError, AttributeError):
            is_right = False
        if not is_right:
            yield f"a plugin was given runtimeConfig.{key} of another form: {str(value)[:200]!r}"


def _judge_args(parts, args):
    """A definition may write what it likes into its own args; the annotation may not."""
    own = b"".join(
        data for name, data in parts.items() if name.startswith(("net.d/", "api/network-attachment"))
    )
    has_args = "ARGS" in fold(own.decode("utf-8", "replace")) or b"\\" in own.replace(b'\\"', b"")
    if not isinstance(args, dict) or has_args:
        return
    for key in args.get("cni") or {}:
        if fold(key) in map(fold, _GUARDED):
            yield f"a plugin was given args.cni.{key}, to which the definition has not consented"


def _leads_back(value):
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Pairs):
            if any(fold(key) == "TYPE" and inner == "genie" for key, inner in value):
                return True
            waiting += [inner for _, inner in value]
        elif isinstance(value, list):
            waiting += value
    return False


def _is_address(text):
    address, slash, length = text.partition("/")
    found = ipaddress.ip_address(address)
    usable = not (found.is_loopback or found.is_multicast or found.is_unspecified)
    return usable and (not slash or 0 < int(length) <= found.max_prefixlen)


def _is_mapping(value):
    return (
        set(value) - {"hostIP"} == {"hostPort", "containerPort", "protocol"}
        and all(type(value[key]) is int and 0 < value[key] < 65536 for key in ("hostPort", "containerPort"))
        and value["protocol"] in {"tcp", "udp", "sctp"}
        and bool(ipaddress.ip_address(value.get("hostIP", "10.0.0.1")))
    )


def _plain(value):
    """The value with dicts for objects: the last of several members."""
    if isinstance(value, Pairs):
        return {key: _plain(inner) for key, inner in value}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
