"""The state file's text: a plan and what happened since <-> JSON lines. Pure; on the kubelet path.

The first line is the plan. Each later line says one thing:

    {"passed": 0, "result": "..."}     a plugin inside attachment 0's chain succeeded
    {"attached": 0, "result": "..."}   its ADD succeeded; "yielded" are default routes that another network took
    {"absent": ["net1 link net1"]}     what the results promise and ADD did not make (edges/podnet.py)
    {"releasing": 0}                   a DEL of it began
    {"released": 0}                    a DEL of it succeeded
    {"refused": 0}                     its DEL fails, and nothing of it is held (refusals.py)
    {"failed": true}                   a DEL of the container failed

A line that is torn or says nothing known is passed over: a write cut short by a kill or a full disk costs that line and
nothing else, and an earlier version can read a later one's journal. Texts of plugins and results are kept verbatim.

What is read back is a plan that can be carried out, or none: a DEL that meets its damage half-way would meet it
again at every repetition, and never give the rest back.
"""

from genie_core.errors import DecodingFailure, InvalidConfig
from genie_core.fields import can_be_passed
from genie_core.jsontext import JSONError, decode, encode
from genie_core.model import Attachment, NetConf, Plan, PluginConf, PodRef
from genie_core.spec import versions
from genie_core.spec.conf import capabilities_of, check_plugin_type
from genie_core.spec.request import is_identifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

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
            "attachments": [_encode_attachment(attachment) for attachment in plan.attachments],
        }
    )


def encode_partial(index: int, result: str) -> str:
    """The line that says what a plugin inside an attachment's chain printed; "" takes an earlier one back."""
    return encode({"passed": index, "result": result})


def encode_result(index: int, result: str, yielded: "Sequence[Mapping[str, Any]]" = ()) -> str:
    """The line that says an attachment succeeded with this final result, and which default routes it gave up."""
    line = {"attached": index, "result": result}
    return encode({**line, "yielded": list(yielded)} if yielded else line)


def encode_absent(absent: "Sequence[str]") -> str:
    """The line that says what the results promise and ADD did not make."""
    return encode({"absent": list(absent)})


def encode_releasing(index: int) -> str:
    """The line that says an attachment's DEL began."""
    return encode({"releasing": index})


def encode_release(index: int) -> str:
    """The line that says an attachment's DEL succeeded."""
    return encode({"released": index})


def encode_refusal(index: int) -> str:
    """The line that says an attachment cannot be released, and that nothing of it is held."""
    return encode({"refused": index})


def encode_failure() -> str:
    """The line that says a DEL of the container failed."""
    return encode({"failed": True})


def encode_history(plan: Plan) -> list[str]:
    """The lines that say what has happened to a plan's attachments: none for a plan that nothing was done of."""
    lines = []
    for index, attachment in enumerate(plan.attachments):
        if attachment.partial:
            lines.append(encode_partial(index, attachment.partial))
        if attachment.result:
            lines.append(encode_result(index, attachment.result, attachment.yielded))
        if attachment.releasing:
            lines.append(encode_releasing(index))
        if attachment.released:
            lines.append(encode_release(index))
        if attachment.refused:
            lines.append(encode_refusal(index))
    return [*lines, *([encode_absent(plan.absent)] if plan.absent else [])]


def _encode_attachment(attachment: Attachment) -> "dict[str, Any]":
    network = attachment.network
    later = {
        "asked": attachment.asked,
        "changing": attachment.changing,
        "restoring": attachment.restoring,
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
    for line in rest.split("\n"):
        if line:  # records are written with a newline on both sides
            _replay(plan, line)
    return plan


def _replay(plan: Plan, line: str) -> None:
    try:
        record = decode(line)
        if "attached" in record:
            attachment = _at(plan, record["attached"])
            attachment.result = _json(record["result"], dict)
            attachment.yielded = _routes(record.get("yielded", []))
        elif "passed" in record:
            _at(plan, record["passed"]).partial = (
                _json(record["result"], dict) if record["result"] != "" else ""
            )
        elif "absent" in record:
            plan.absent = [_text(item) for item in record["absent"]]
        elif "releasing" in record:
            _at(plan, record["releasing"]).releasing = True
        elif "released" in record:
            _at(plan, record["released"]).released = True
        elif "refused" in record:
            _at(plan, record["refused"]).refused = True
        elif "failed" in record:
            plan.failed_releases += 1
    except (JSONError, KeyError, IndexError, TypeError, ValueError):
        return


def _at(plan: Plan, index: object) -> Attachment:
    if not isinstance(index, int) or index < 0:
        raise TypeError("an index was expected")
    return plan.attachments[index]


def _decode_plan(data: "dict[str, Any]") -> Plan:
    # a number, whichever: no field ever changes its meaning, so another version's plan is read as ours
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
    )


def _decode_attachment(data: "dict[str, Any]") -> Attachment:
    network = data["network"]
    return Attachment(
        network=NetConf(
            name=_name(network["name"]),
            version=_version(network["version"]),
            plugins=[_decode_plugin(type_, raw) for type_, raw in network["plugins"]],
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
    )


def _decode_plugin(type_: object, raw: object) -> PluginConf:
    plugin = PluginConf(_text(type_), _json(raw, dict))
    check_plugin_type(plugin.type)
    capabilities_of(plugin)
    return plugin


def _routes(value: object) -> "list[dict[str, Any]]":
    """Default routes, as a result has them."""
    if not isinstance(value, list) or not all(
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
