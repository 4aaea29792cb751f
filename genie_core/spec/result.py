"""Results of all versions of the specification <-> one canonical `model.Result` (SPEC, section 5; A32-A49).

There are three forms: one for 0.1.0 and 0.2.0, one for 0.3.0 to 0.4.0, one for 1.0.0 and 1.1.0. Reading
follows Go's decoder, because that is what the plugins' results have been tested against: field names in any
case, null as absent, zero values dropped, unknown fields ignored. What is then in a `Result` is valid:
addresses are canonical, and an interface index points into `interfaces` or is absent.

`where` names the plugin that printed the text, for messages: `network "weave" (eth1), plugin bridge`.
This module is on the kubelet path.
"""

from genie_core import jsontext
from genie_core.errors import DecodingFailure, IncompatibleVersion, InvalidConfig
from genie_core.fields import describe, place
from genie_core.model import Printed, Result
from genie_core.spec.addresses import canonical_address, canonical_prefix, is_v4
from genie_core.spec.versions import SUPPORTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from genie_core.model import Attachment, Request

    Reader = Callable[[Any, str], Any]
    Fields = Mapping[str, tuple[str, Reader]]

# The versions that share a form: between them a conversion changes cniVersion and nothing else (A36).
_LEGACY = SUPPORTED[:2]
_VERSIONED_IPS = SUPPORTED[2:5]
_CURRENT = SUPPORTED[5:]

_ZERO_COUNTS = ("interface", "table", "scope")  # pointers in Go: 0 is a value, not "unset" (A43)


def parse(text: str, default_version: str, where: str) -> tuple[str, Result]:
    """The version that a result is in, `default_version` where it has none, and the result.

    `null` and `{}` are the empty result. Raises DecodingFailure for what is no JSON or no valid result,
    IncompatibleVersion for an unknown version.
    """
    data = _decode(text, where)
    version = _stated_version(data) or default_version
    return version, _read(data, _form(version, where), where)


def recorded_result(attachment: "Attachment") -> Printed:
    """The result in an attachment's journal. Raises as `parse` does."""
    text = attachment.result
    return Printed(text, parse(text, attachment.network.version, f"network {attachment.label}")[1])


def with_member(text: str, name: str, value: "Any") -> str:
    """A result's text with another value of the member `name`, in any case of its letters; without it where empty."""
    kept = {key: raw for key, raw in jsontext.members(text).items() if key.lower() != name}
    return jsontext.join_members({**kept, name: jsontext.encode(value)} if value else kept)


def encode(result: Result, version: str) -> "dict[str, Any]":
    """`result` as a JSON object in `version`; what the form has no place for is left out (A33-A38).

    It shares values with `result`. Raises InvalidConfig where nothing would be left of it (A39).
    """
    form = _form(version, "")
    if form is _LEGACY:
        body = _legacy_form(result)
    elif form is _VERSIONED_IPS:
        body = _versioned_ips_form(result)
    else:
        body = _without_empty(
            {"interfaces": result.interfaces, "ips": result.ips, "routes": result.routes, "dns": result.dns}
        )
    return {"cniVersion": version, **body}


def convert(text: str, to_version: str, default_version: str, where: str) -> Printed:
    """A plugin's result as the next plugin of a list in `to_version` must see it (B42, B66).

    The text itself where it is in that version already: nothing is lost on the way. Raises as `parse` and
    `encode` do; a malformed result is found here, where the plugin at fault can still be named.
    """
    data = _decode(text, where)
    stated = _stated_version(data)
    form = _form(stated or default_version, where)
    result = _read(data, form, where)
    if form is not _form(to_version, where):
        converted = encode(result, to_version)
        return Printed(jsontext.encode(converted), _read(converted, _form(to_version, where), where))
    if stated == to_version:
        return Printed(text, result)
    members = jsontext.members(text) if data else {}
    kept = {name: raw for name, raw in members.items() if name.lower() != "cniversion"}
    return Printed(jsontext.join_members({"cniVersion": jsontext.encode(to_version), **kept}), result)


def previous_of(request: "Request") -> Result | None:
    """The result that the runtime passed in the configuration; None where it passed none. Raises as `prev_result`."""
    if request.config.get("prevResult") is None:
        return None
    return prev_result(jsontext.members(request.text)["prevResult"], request.version)


def prev_result(text: str, config_version: str) -> Result:
    """The `prevResult` of a configuration: in the configuration's form, or without a version (A71).

    Raises DecodingFailure.
    """
    data = _decode(text, "prevResult")
    form = _form(config_version, "")
    version = _stated_version(data) or config_version
    if version not in form:
        raise DecodingFailure(
            f"could not parse prevResult: result type supports [{' '.join(form)}]"
            f" but unmarshalled CNIVersion is {jsontext.encode(version)}",
            details=f"config is {jsontext.encode(config_version)}",
            hint="the caller of this plugin must convert the result to the configuration's cniVersion",
        )
    return _read(data, form, "prevResult")


# --- text -> Result


def _decode(text: str, where: str) -> "dict[str, Any]":
    try:
        data = jsontext.decode(text)
    except jsontext.JSONError as error:
        raise DecodingFailure(f"{_at(where)}the result is not JSON: {error}") from None
    if data is not None and not isinstance(data, dict):
        raise DecodingFailure(f"{_at(where)}the result must be an object, not {describe(data)}")
    if text.count("{") + text.count("[") > jsontext.MOST_LEVELS and jsontext.is_deep(data):
        raise DecodingFailure(
            f"{_at(where)}the result is nested more than {jsontext.MOST_LEVELS} levels deep"
        )
    return data or {}


def _at(where: str) -> str:
    return f"{where}: " if where else ""


def _stated_version(data: "dict[str, Any]") -> str:
    """What `cniVersion` says, in any case of its letters; "" for nothing or no string (B34, B35)."""
    stated = ""
    for name, value in data.items():
        if name.lower() == "cniversion":
            stated = value if isinstance(value, str) else ""
    return stated


def _form(version: str, where: str) -> tuple[str, ...]:
    for form in (_CURRENT, _VERSIONED_IPS, _LEGACY):
        if version in form:
            return form
    raise IncompatibleVersion(
        f"{_at(where)}unsupported CNI result version {jsontext.encode(version)}",
        details=f"known versions are {' '.join(SUPPORTED)}",
    )


def _read(data: "dict[str, Any]", form: tuple[str, ...], where: str) -> Result:
    try:
        if form is _LEGACY:
            return _read_legacy(data)
        found = _object(data, "", _RESULT)
    except ValueError as problem:
        raise DecodingFailure(f"{_at(where)}{problem}") from None
    result = Result(**found)
    for ip in result.ips:
        if not 0 <= ip.get("interface", 0) < len(result.interfaces):
            ip.pop("interface", None)  # -1 means "none" in some plugins, and crashes containerd (A47)
    return result


def _read_legacy(data: "dict[str, Any]") -> Result:
    found = _object(data, "", _LEGACY_RESULT)
    ips, routes = [], []
    for config in (found.get("ip4"), found.get("ip6")):
        if config:
            routes += config.pop("routes", [])
            ips.append({"address": config.pop("ip"), **config})
    return Result(ips=ips, routes=routes, dns=found.get("dns"))


def _object(value: "Any", where: str, fields: "Fields", required: str = "") -> "dict[str, Any]":
    """The known fields of a JSON object, read and checked, without those that are null or zero."""
    if not isinstance(value, dict):
        raise _refusal(where, "an object", value)
    found = {}
    for key, raw in value.items():
        name, read = fields.get(key.lower(), ("", None))
        if read is None or raw is None:
            continue
        got = read(raw, place(where, name))
        if got or (got == 0 and name in _ZERO_COUNTS):
            found[name] = got
    if required and required not in found:
        raise ValueError(f"{place(where, required)} is missing")
    return found


def _refusal(where: str, wanted: str, value: object) -> ValueError:
    return ValueError(f"{where} must be {wanted}, not {describe(value)}")


def _string(value: "Any", where: str) -> str:
    if not isinstance(value, str):
        raise _refusal(where, "a string", value)
    return value


def _integer(value: "Any", where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _refusal(where, "a whole number", value)
    return value


def _address(value: "Any", where: str) -> str:
    return _canonical(value, where, canonical_address, "an IP address") if value != "" else ""


def _prefix(value: "Any", where: str) -> str:
    return _canonical(value, where, canonical_prefix, "an IP address with prefix length, such as 10.1.0.5/24")


def _canonical(value: "Any", where: str, canonical: "Callable[[str], str]", wanted: str) -> str:
    try:
        return canonical(_string(value, where))
    except ValueError:
        got = jsontext.encode(value[:50]) if isinstance(value, str) else describe(value)
        raise ValueError(f"{where} must be {wanted}, not {got}") from None


def _array(value: "Any", where: str, read: "Reader") -> "list[Any]":
    if not isinstance(value, list):
        raise _refusal(where, "an array", value)
    return [read(item, place(where, index)) for index, item in enumerate(value)]


def _strings(value: "Any", where: str) -> list[str]:
    return _array(value, where, _string)


def _interfaces(value: "Any", where: str) -> "list[dict[str, Any]]":
    return _array(value, where, lambda item, at: {"name": "", **_object(item, at, _INTERFACE)})


def _ips(value: "Any", where: str) -> "list[dict[str, Any]]":
    return _array(value, where, lambda item, at: _object(item, at, _IP, required="address"))


def _routes(value: "Any", where: str) -> "list[dict[str, Any]]":
    return _array(value, where, lambda item, at: _object(item, at, _ROUTE, required="dst"))


def _dns(value: "Any", where: str) -> "dict[str, Any]":
    return _object(value, where, _DNS)


def _legacy_ip(value: "Any", where: str) -> "dict[str, Any]":
    return _object(value, where, _LEGACY_IP, required="ip")


def _fields(**readers: "Reader") -> "Fields":
    return {name.lower(): (name, read) for name, read in readers.items()}


_INTERFACE = _fields(
    name=_string, mac=_string, sandbox=_string, mtu=_integer, socketPath=_string, pciID=_string
)
_IP = _fields(address=_prefix, gateway=_address, interface=_integer)
_ROUTE = _fields(
    dst=_prefix, gw=_address, mtu=_integer, advmss=_integer, priority=_integer, table=_integer, scope=_integer
)
_DNS = _fields(nameservers=_strings, domain=_string, search=_strings, options=_strings)
_RESULT = _fields(interfaces=_interfaces, ips=_ips, routes=_routes, dns=_dns)
_LEGACY_IP = _fields(ip=_prefix, gateway=_address, routes=_routes)
_LEGACY_RESULT = _fields(ip4=_legacy_ip, ip6=_legacy_ip, dns=_dns)


# --- Result -> the older forms


def _without_empty(body: "dict[str, Any]") -> "dict[str, Any]":
    return {name: value for name, value in body.items() if value}


def _only(value: "dict[str, Any]", *names: str) -> "dict[str, Any]":
    return {name: value[name] for name in names if name in value}


def _versioned_ips_form(result: Result) -> "dict[str, Any]":
    body = {
        "interfaces": [_only(interface, "name", "mac", "sandbox") for interface in result.interfaces],
        "ips": [{"version": "4" if is_v4(ip["address"]) else "6", **ip} for ip in result.ips],
        "routes": result.routes,
    }
    return {**_without_empty(body), "dns": result.dns}


def _legacy_form(result: Result) -> "dict[str, Any]":
    body: dict[str, Any] = {}
    for name, v4 in (("ip4", True), ("ip6", False)):
        first = next((ip for ip in result.ips if is_v4(ip["address"]) is v4), None)
        if first:
            routes = [_only(route, "dst", "gw") for route in result.routes if is_v4(route["dst"]) is v4]
            body[name] = _without_empty(
                {"ip": first["address"], "gateway": first.get("gateway"), "routes": routes}
            )
    if not body:
        raise InvalidConfig(
            "cannot convert: no valid IP addresses",
            details="results of versions 0.1.0 and 0.2.0 hold addresses and nothing else",
            hint="set cniVersion to 0.3.1 or later for networks without addresses",
        )
    return {**body, "dns": result.dns}
