"""DEL of a container of which there is no state. Cold.

This is the usual second DEL, or another dispatcher (CNI-Genie, Multus) attached the pod. What it may hold is known from

1. the caches of libcni, through which both call their plugins;
2. the annotations that the runtime passed: CNI-Genie gave `cni: a,b@eth3` the interfaces eth0 and eth3. Where they
   name no network these are the default ones;
3. the interfaces in the namespace: one that neither explains can be any network's, so all are tried on it.

The API server is not asked, and what fails is only logged: the pod must not stay (conformance A68).
"""

import posix

from genie_core.dialects import BY_ATTACHMENT, BY_DEFAULT, BY_NAME, CNI, NPWG_NETWORKS, dialect_of
from genie_core.edges.confdir import ConfDirs
from genie_core.edges.libcni_cache import Entry, entries_of
from genie_core.errors import GenieError, InvalidConfig, IOFailure
from genie_core.model import Attachment, Choice, Selection
from genie_core.plan import FIRST_INTERFACE, attachment_of, runtime_capabilities
from genie_core.select.files import Finder, is_self
from genie_core.select.names import parse_names
from genie_core.verbs.networks import passed_annotations
from genie_core.verbs.salvage import any_network_on, default_attachments, links_in, networks_of, release

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from genie_core.model import NetConf, Request
    from genie_core.verbs.context import Context


def release_unrecorded(request: "Request", context: "Context") -> None:
    """Release what the container may hold, as far as that is possible.

    Where Genie has another record of the container, or the call is about another interface than the first, the pod may
    go on living: only the networks of the annotations, or the default ones, are released then.
    """
    recorded = any(name.startswith(f"{request.container_id}@") for name in context.store.names())
    whole = request.ifname == FIRST_INTERFACE and not recorded
    entries = _cached(request) if whole else {}
    attachments = list(_remembered(entries, request, context))
    annotations = _passed(request, context)
    dialect = dialect_of(annotations)
    explained = {attachment.ifname for attachment in attachments}
    if dialect is BY_NAME:
        found = list(_named(annotations[CNI], request, context))
        attachments += [attachment for _, attachment in found if attachment]
        explained |= {ifname for ifname, _ in found}
    elif dialect in (BY_DEFAULT, BY_ATTACHMENT):
        attachments += default_attachments(request, context)
    elif request.ifname not in explained:  # chosen by load, or by an object: any network
        attachments += any_network_on([request.ifname], request, context)
    explained |= {attachment.ifname for attachment in attachments}
    rest = _made_by_dispatcher(request, annotations) - explained if whole else set()
    attachments += any_network_on(sorted(rest), request, context)
    release([_with_result(one, entries) for one in _once(attachments)], request, context)
    for entry in entries.values():
        _remove(entry)


def _cached(request: "Request") -> dict[tuple[str, str], Entry]:
    """The entries of the container but for those of the runtime itself: of this very call, and of its loopback."""
    own = (str(request.config.get("name")), request.ifname)
    found = {(entry.network, entry.ifname): entry for entry in entries_of(request.container_id)}
    return {key: entry for key, entry in found.items() if key != own and entry.ifname != "lo"}


def _remembered(
    entries: "Mapping[tuple[str, str], Entry]", request: "Request", context: "Context"
) -> "Iterator[Attachment]":
    known = {network.name: network for network in networks_of(context)} if entries else {}
    for entry in entries.values():
        network = _configured(entry, context) or known.get(entry.network)
        if network is None:
            context.log.warning(
                "no state; network not released", problem=f"{entry.network} has no file any more"
            )
        elif not is_self(network):
            yield _attachment(network, entry.ifname, request)


def _configured(entry: Entry, context: "Context") -> "NetConf | None":
    from genie_core.spec.conf import parse_network

    try:
        return parse_network(entry.config, entry.path) if entry.config else None
    except GenieError as error:
        context.log.warning("no state; cached configuration not used", problem=error.msg)
        return None


def _attachment(network: "NetConf", ifname: str, request: "Request") -> Attachment:
    given = runtime_capabilities(request) if ifname == request.ifname else {}
    choice = Choice(Selection(network.name, "", "no state"), network)
    made = attachment_of(choice, ifname, request.container_id, request.args, given)
    # one network's DEL may remove another one's interface, but not its rules
    return made.replace(releasing=True)


def _passed(request: "Request", context: "Context") -> "Mapping[str, str]":
    try:
        return passed_annotations(request)
    except GenieError as error:
        context.log.warning("annotations not used", problem=error.msg)
        return {}


def _named(text: str, request: "Request", context: "Context") -> "Iterator[tuple[str, Attachment | None]]":
    """(interface, its network or None where that is not known any more) of each item of an annotation `cni`.

    CNI-Genie counted interfaces from eth0 and left out the names that the annotation asks for (conformance D34).
    """
    try:
        selections = parse_names(text, f"annotation {CNI}")
        finder = Finder(ConfDirs(context.settings.conf_dirs), context.log)
    except (InvalidConfig, IOFailure) as error:  # no ADD succeeded with it, or no file can be read
        context.log.warning("no state; networks not released", problem=error.msg)
        return
    asked = {selection.ifname for selection in selections}
    numbered = (f"eth{number}" for number in range(2 * len(selections)))
    free = (name for name in numbered if name not in asked)
    for selection in selections:
        ifname = selection.ifname or next(free)
        try:
            yield ifname, _attachment(finder.find(selection), ifname, request)
        except GenieError as error:
            context.log.warning("no state; network not released", problem=error.msg)
            yield ifname, None


def _made_by_dispatcher(request: "Request", annotations: "Mapping[str, str]") -> set[str]:
    """The interfaces in the namespace that a dispatcher made, by their names."""
    asked = _asked(annotations)
    return {name for name in links_in(request) or () if name in asked or _is_usual(name)}


def _is_usual(name: str) -> bool:
    return name[:3] in ("eth", "net") and name[3:].isdecimal()


def _asked(annotations: "Mapping[str, str]") -> set[str]:
    """The interfaces that network attachments ask for by name."""
    if NPWG_NETWORKS not in annotations:
        return set()
    from genie_core.select.npwg import parse_selections

    try:
        selections = parse_selections(annotations[NPWG_NETWORKS], "", NPWG_NETWORKS)
    except GenieError:
        return set()
    return {selection.ifname for selection in selections}


def _once(attachments: list[Attachment]) -> list[Attachment]:
    """Each network and interface once, the last of several: those are the annotations' and the default's."""
    return list({(one.network.name, one.ifname): one for one in attachments}.values())


def _with_result(attachment: Attachment, entries: "Mapping[tuple[str, str], Entry]") -> Attachment:
    """With the result that the cache has, which some plugins need in DEL: firewall finds its rules by it."""
    entry = entries.get((attachment.network.name, attachment.ifname))
    if entry is None:
        return attachment
    from genie_core.spec.result import convert

    try:
        version = attachment.network.version
        return attachment.replace(result=convert(entry.result, version, version, entry.path).text)
    except GenieError:
        return attachment


def _remove(entry: Entry) -> None:
    try:
        posix.unlink(entry.path)
    except OSError:
        return
