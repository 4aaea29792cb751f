"""The networks that a pod has, and those that it asks for now -> what to keep, attach, detach and replace.

1. An attachment that stays is not changed, and keeps its interface name, also where the annotation names none: nothing
   is renumbered.
2. The same interface name with another network, or with other arguments, is a replacement.
3. The runtime's interface always has a network: kubelet does not read a sandbox's address again.
"""

from genie_core.errors import InvalidConfig
from genie_core.gojson import view
from genie_core.jsontext import decode
from genie_core.model import Value
from genie_core.plan import free_name, requested_names
from genie_core.plugin_types import plugin_type
from genie_core.select.asked import asked_by, identity_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final

    from genie_core.model import Attachment, Choice, NetConf, Plan

KEEP, ATTACH, DETACH, REPLACE = "keep", "attach", "detach", "replace"


class Move(Value):
    """The change of one interface: `held` is the attachment that has it, `choice` the one that gets it, or None."""

    __slots__ = ("action", "choice", "held", "ifname", "reason")

    def __init__(
        self, action: str, ifname: str, held: "Attachment | None", choice: "Choice | None", reason: str
    ) -> None:
        self.action: Final = action
        self.ifname: Final = ifname
        self.held: Final = held
        self.choice: Final = choice
        self.reason: Final = reason

    @property
    def label(self) -> str:
        """The network's name in status annotations: the new one's, where there is one."""
        return self.choice.label if self.choice else self.held.label if self.held else ""


def compare(plan: "Plan", choices: "Sequence[Choice]", prefix: str = "") -> list[Move]:
    """One move for each requested network, in order, then one for each that is detached, in the journal's order.

    Every attachment of the plan has its result. Raises InvalidConfig where names cannot be given out, and where a
    change would end the masquerading of an interface that stays.
    """
    taken = requested_names(choices, plan.ifname, has_primary=plan.previous is not None)
    held = {item.ifname: item for item in plan.attachments}
    found = _matches(choices, held, plan.ifname)
    taken |= {item.ifname for item in plan.attachments}
    moves = []
    for place, choice in enumerate(choices):
        if place in found:
            moves.append(_move(found[place], choice))
            continue
        ifname = choice.selection.ifname or free_name(prefix or choice.prefix, place, plan.ifname, taken)
        taken.add(ifname)
        moves.append(Move(ATTACH, ifname, None, choice, choice.selection.origin))
    moves += [Move(DETACH, name, item, None, "not asked for any more") for name, item in held.items()]
    _refuse_shared_masquerading(moves)
    return moves


def _refuse_shared_masquerading(moves: "Sequence[Move]") -> None:
    """Raise InvalidConfig where a change of one interface would end the masquerading of one that stays.

    With iptables the plugins keep one chain for a network and container: the DEL of either interface empties it.
    """
    kept = {move.held.network.name for move in moves if move.action == KEEP and move.held}
    for move in moves:
        networks = (move.held and move.held.network, move.choice and move.choice.network)
        for network in networks if move.action != KEEP else ():
            if network and network.name in kept and has_one_chain(network):
                raise InvalidConfig(
                    f"network {move.label} ({move.ifname}): the pod has it on an interface that stays, too, and its "
                    "plugin masquerades both in one chain of iptables",
                    hint="recreate the pod",
                )


def has_one_chain(network: "NetConf") -> bool:
    """Whether its plugin keeps the masquerading of all of a container's interfaces in one chain of iptables."""
    bodies = [view(plugin.text) for plugin in network.plugins if plugin_type(plugin.type).masquerades]
    return any(body.get("ipMasq") is True and body.get("ipMasqBackend") != "nftables" for body in bodies)


def _matches(
    choices: "Sequence[Choice]", held: "dict[str, Attachment]", primary: str
) -> "dict[int, Attachment]":
    """Place in the list -> the attachment that it keeps or replaces; what is found is taken out of `held`."""
    found = {
        place: held.pop(choice.selection.ifname)
        for place, choice in enumerate(choices)
        if choice.selection.ifname in held
    }
    for fits in (_asks_the_same, _is_of_the_network):
        for place, choice in enumerate(choices):
            if place in found or choice.selection.ifname:
                continue
            # one that was attached without a name first: the others were asked for by theirs
            candidates = sorted(held.values(), key=lambda item: "interface" in _asked(item.asked))
            match = next((item for item in candidates if fits(item, choice)), None)
            if match:
                found[place] = held.pop(match.ifname)
    if primary in held:
        place = _new_primary(choices, found, held[primary])
        found[place] = held.pop(primary)
    return found


def _new_primary(choices: "Sequence[Choice]", found: "dict[int, Attachment]", old: "Attachment") -> int:
    """The place of the choice that takes the runtime's interface over from a network that goes."""
    for place, choice in enumerate(choices):
        if place not in found and not choice.selection.ifname and not choice.additional:
            return place
    raise InvalidConfig(
        f"network {old.label} has the pod's first interface {old.ifname}, and nothing would take it over",
        hint=f"keep {old.label} in the annotation, or recreate the pod",
    )


def _move(held: "Attachment", choice: "Choice") -> Move:
    if _asks_the_same(held, choice):
        return Move(KEEP, held.ifname, held, choice, "as asked for")
    return Move(REPLACE, held.ifname, held, choice, _difference(held, choice))


def _asks_the_same(held: "Attachment", choice: "Choice") -> bool:
    """Whether the attachment is what the choice wants, but for the interface's name."""
    if held.asked:
        return _arguments(held.asked) == _arguments(asked_by(choice))
    wanted = choice.capabilities  # attached by version 1.0.0, which did not record what was asked
    return held.label == choice.label and all(
        name in held.capabilities and decode(held.capabilities[name]) == decode(raw)
        for name, raw in wanted.items()
    )


def _is_of_the_network(held: "Attachment", choice: "Choice") -> bool:
    if not held.asked:
        return held.label == choice.label
    return bool(_asked(held.asked)["network"] == identity_of(choice))


def _difference(held: "Attachment", choice: "Choice") -> str:
    if not _is_of_the_network(held, choice):
        return f"{choice.label} instead of {held.label}"
    before, now = _arguments(held.asked), _arguments(asked_by(choice))
    return "other " + ", ".join(sorted(key for key in {*before, *now} if before.get(key) != now.get(key)))


def _arguments(asked: str) -> "dict[str, Any]":
    return {key: value for key, value in _asked(asked).items() if key != "interface"}


def _asked(text: str) -> "dict[str, Any]":
    return decode(text) if text else {}


def default_route_asked(held: "Attachment") -> "list[str] | None":
    """The `default-route` of the attachment's selection, as `Choice.default_route`."""
    return _asked(held.asked).get("default-route")


def has_device(held: "Attachment") -> bool:
    """Whether the attachment was given a device of a device plugin."""
    return "device" in _asked(held.asked)
