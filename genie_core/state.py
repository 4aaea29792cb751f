"""The journal of a container: a plan and what happened since <-> JSON lines. Pure; on the kubelet path.

The first line is the plan. Each later line is one event (steps.py):

    {"passed": 0, "result": "..."}     a plugin inside attachment 0's chain succeeded
    {"attached": 0, "result": "..."}   its ADD succeeded; "yielded" are default routes that another network took
    {"absent": ["net1 link net1"]}     what the results promise and ADD did not make (edges/podnet.py)
    {"releasing": 0}                   a DEL of it began
    {"released": 0}                    a DEL of it succeeded
    {"refused": 0}                     its DEL fails, and nothing of it is held (refusals.py)
    {"failed": true}                   a DEL of the container failed
    {"reported": "57@1203"}            the events of the changes that this process has made are written

A line that is torn or has no known key is skipped: a write cut short by a kill or a full disk costs that line and
nothing else, and an earlier version can read a later one's journal. Texts of plugins and results are kept verbatim.

What is read back is a plan that can be carried out, or none: a DEL that meets its damage half-way would meet it
again at every repetition, and never give the rest back.
"""

from genie_core.errors import DecodingFailure, GenieError, InvalidConfig
from genie_core.fields import can_be_passed
from genie_core.jsontext import JSONError, decode, encode
from genie_core.model import Attachment, NetConf, Plan, PluginConf, PodRef
from genie_core.spec import versions
from genie_core.spec.conf import capabilities_of, check_plugin_type
from genie_core.spec.request import is_identifier
from genie_core.steps import Absent, Attached, Event, Failed, Passed, Refused, Released, Releasing, Reported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from genie_core.model import Result

FORMAT = 1


def encode_plan(plan: Plan) -> str:
    """The first line."""
    pod = plan.pod
    return encode(
        {
            "format": FORMAT,
            "containerId": plan.container_id,
            "ifname": plan.ifname,
            "netns": plan.netns,
            "netnsId": plan.netns_id,
            "path": list(plan.path),
            "bootId": plan.boot_id,
            "pod": pod
            and {"namespace": pod.namespace, "name": pod.name, "uid": pod.uid, "sandbox": pod.sandbox},
            **({"request": plan.request} if plan.request else {}),
            **({"unreported": plan.unreported} if plan.unreported else {}),
            **({} if plan.previous is None else {"previous": _encode_previous(plan.previous, plan)}),
            "attachments": [_encode_attachment(attachment) for attachment in plan.attachments],
        }
    )


def _encode_previous(previous: "Result", plan: Plan) -> "dict[str, Any]":
    from genie_core.spec.result import encode as encode_result

    return {
        "network": plan.previous_network,
        "result": encode(encode_result(previous, versions.SUPPORTED[-1])),
    }


def encode_event(event: Event) -> str:
    """The line of an event."""
    return encode(_LINES[type(event)](event))


_LINES: "dict[type[Event], Callable[[Any], dict[str, Any]]]" = {
    Passed: lambda event: {"passed": event.index, "result": event.result},
    Attached: lambda event: {
        "attached": event.index,
        "result": event.result,
        **({"yielded": list(event.yielded)} if event.yielded else {}),
    },
    Absent: lambda event: {"absent": list(event.absent)},
    Releasing: lambda event: {"releasing": event.index},
    Released: lambda event: {"released": event.index},
    Refused: lambda event: {"refused": event.index},
    Failed: lambda _: {"failed": True},
    Reported: lambda event: {"reported": event.plan.changed_by},
}


def encode_journal(plan: Plan) -> str:
    """A whole journal: the plan, and the events that lead to what its attachments are now."""
    return "\n".join([encode_plan(plan), *map(encode_event, _events(plan)), ""])


def _events(plan: Plan) -> "Iterator[Event]":
    for index, attachment in enumerate(plan.attachments):
        if attachment.partial:
            yield Passed(plan, index, attachment.partial)
        if attachment.result:
            yield Attached(plan, index, attachment.result, attachment.yielded)
        if attachment.releasing:
            yield Releasing(plan, index)
        if attachment.released:
            yield Released(plan, index)
        if attachment.refused:
            yield Refused(plan, index)
    if plan.absent:
        yield Absent(plan, plan.absent)


def _encode_attachment(attachment: Attachment) -> "dict[str, Any]":
    network = attachment.network
    later = {
        "asked": attachment.asked,
        "changing": attachment.changing,
        "restoring": attachment.restoring,
        "plugged": attachment.plugged,
    }
    return {
        **{key: value for key, value in later.items() if value},
        "ifname": attachment.ifname,
        "label": attachment.label,
        "origin": attachment.origin,
        "args": attachment.args,
        "capabilities": dict(attachment.capabilities),
        "binaries": list(attachment.binaries),
        "network": {
            "name": network.name,
            "version": network.version,
            "source": network.source,
            "disableCheck": network.disable_check,
            "disableGC": network.disable_gc,
            "plugins": [[plugin.type, plugin.text] for plugin in network.plugins],
        },
    }


def decode_plan(text: str) -> Plan:
    """The plan with everything that happened since. Raises DecodingFailure where the first line is no plan."""
    first, _, rest = text.partition("\n")
    try:
        plan = _decode_plan(decode(first))
    except JSONError as error:
        raise DecodingFailure(str(error)) from None
    except (KeyError, TypeError, ValueError, AttributeError, InvalidConfig):
        raise DecodingFailure("it does not hold a plan that this version of Genie can read") from None
    own: dict[str, Any] = {"failed_releases": 0}
    changes: list[dict[str, Any]] = [{} for _ in plan.attachments]
    for line in rest.split("\n"):
        if line:  # events are written with a newline on both sides
            _replay(line, own, changes)
    if plan.changed_by == own.pop("reported", None):
        own["unreported"] = ""
    changed = [item.replace(**fields) for item, fields in zip(plan.attachments, changes, strict=True)]
    return plan.replace(attachments=changed, **own)


def _replay(line: str, own: "dict[str, Any]", changes: "list[dict[str, Any]]") -> None:
    """Note what an event changes: fields of the plan, and of each attachment."""
    try:
        event = decode(line)
        if "attached" in event:
            result, yielded = _json(event["result"], dict), _routes(event.get("yielded", ()))
            _at(changes, event["attached"]).update(result=result, yielded=yielded)
        elif "passed" in event:
            result = _json(event["result"], dict) if event["result"] != "" else ""
            _at(changes, event["passed"])["partial"] = result
        elif "absent" in event:
            own["absent"] = [_text(item) for item in event["absent"]]
        elif "reported" in event:
            own["reported"] = event["reported"]
        elif "failed" in event:
            own["failed_releases"] += 1
        else:
            key = next(key for key in ("releasing", "released", "refused") if key in event)
            _at(changes, event[key])[key] = True
    except (JSONError, KeyError, IndexError, StopIteration, TypeError, ValueError):
        return


def _at(changes: "list[dict[str, Any]]", index: object) -> "dict[str, Any]":
    if not isinstance(index, int) or index < 0:
        raise TypeError("an index was expected")
    return changes[index]


def _decode_plan(data: "dict[str, Any]") -> Plan:
    # any number: no field ever changes its meaning, so another version's plan is read as ours
    int(data["format"])
    pod = data["pod"]
    return Plan(
        container_id=_text(data["containerId"]),
        ifname=_text(data["ifname"]),
        netns=_text(data["netns"]),
        path=[_text(part) for part in data["path"]],
        pod=pod
        and PodRef(_text(pod["namespace"]), _text(pod["name"]), _text(pod["uid"]), _text(pod["sandbox"])),
        boot_id=_text(data["bootId"]),
        attachments=[_decode_attachment(item) for item in data["attachments"]],
        netns_id=_text(data.get("netnsId", "")),  # earlier versions did not write it
        request=_text(data.get("request", "")),
        unreported=_text(data.get("unreported", "")),
        **_decode_previous(data.get("previous")),
    )


def _decode_previous(data: "dict[str, Any] | None") -> "dict[str, Any]":
    """The plan's fields of what the plugins before Genie made; {} where they are damaged: DEL does not need them."""
    if not data:
        return {}
    from genie_core.spec.result import parse

    try:
        result = parse(_text(data["result"]), versions.SUPPORTED[-1], "previous")[1]
        return {"previous": result, "previous_network": _text(data["network"])}
    except (GenieError, KeyError, TypeError, ValueError):
        return {}


def _decode_attachment(data: "dict[str, Any]") -> Attachment:
    network = data["network"]
    return Attachment(
        network=NetConf(
            name=_name(network["name"]),
            version=_version(network["version"]),
            plugins=_chain(network["plugins"]),
            source=_text(network["source"]),
            disable_check=bool(network["disableCheck"]),
            disable_gc=bool(network["disableGC"]),
        ),
        ifname=_text(data["ifname"]),
        label=_text(data["label"]),
        origin=_text(data.get("origin", "")),
        args=_text(data["args"]),
        capabilities={_text(key): _json(raw) for key, raw in data["capabilities"].items()},
        binaries=[_text(binary) for binary in data["binaries"]],
        asked=_text(data.get("asked", "")),  # earlier versions did not write it
        changing=bool(data.get("changing", False)),
        restoring=bool(data.get("restoring", False)),
        plugged=bool(data.get("plugged", False)),
    )


def _chain(items: "Any") -> list[PluginConf]:
    """The plugins of a network, which has at least one."""
    plugins = [_decode_plugin(type_, raw) for type_, raw in items]
    if not plugins:
        raise ValueError("a plugin was expected")
    return plugins


def _decode_plugin(type_: object, raw: object) -> PluginConf:
    plugin = PluginConf(_text(type_), _json(raw, dict))
    check_plugin_type(plugin.type)
    capabilities_of(plugin)
    return plugin


def _routes(value: "Any") -> "Sequence[dict[str, Any]]":
    """Default routes, as a result has them."""
    if not isinstance(value, list | tuple) or not all(
        isinstance(route, dict) and isinstance(route.get("dst"), str) for route in value
    ):
        raise TypeError("routes were expected")
    return value


def _name(value: object) -> str:
    name = _text(value)
    if not is_identifier(name):
        raise ValueError("a network's name was expected")
    return name


def _version(value: object) -> str:
    version = _text(value)
    versions.parse(version)
    return version


def _json(value: object, kind: type = object) -> str:
    """The text, if it is JSON of this kind."""
    text = _text(value)
    if not isinstance(decode(text), kind):
        raise TypeError("another kind of JSON value was expected")
    return text


def _text(value: object) -> str:
    """A string that can be part of a path, a variable and a plugin's stdin."""
    if not isinstance(value, str) or not can_be_passed(value):
        raise TypeError("a string was expected")
    return value
