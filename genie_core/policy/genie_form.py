"""CNI-Genie's form: an annotation on a NetworkPolicy that says which logical networks may talk to each other.

    genieNetworkPolicy: '[{"networkSelector": "net1", "peerNetworks": "net2,net3"}]'

Between selected networks only the listed pairs talk, both ways; inside a network all talk; networks that no entry
selects are free among themselves; several entries add up. CNI-Genie's code reads one spelling of the key, its
documents use another; both are accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from genie_core.errors import InvalidConfig
from genie_core.fields import get_str, place
from genie_core.jsontext import JSONError, decode
from genie_core.policy.networks import LOGICAL
from genie_core.policy.rules import UNREADABLE, Finding, PolicyName, annotations_of, name_of
from genie_core.policy.selectors import object_at
from genie_core.published import JSON
from genie_core.spec.names import is_subdomain

SPELLINGS = ("genieNetworkPolicy", "genieNetworkpolicy")


@dataclass(frozen=True, slots=True, order=True)
class Pairs:
    """One entry: the selected network, and those that may talk to it."""

    policy: PolicyName
    network: str
    peers: tuple[str, ...]
    where: str


def is_genie_form(document: JSON) -> bool:
    """Whether the object has the annotation."""
    return any(key in annotations_of(document) for key in SPELLINGS)


def read_pairs(document: JSON) -> tuple[list[Pairs], list[Finding]]:
    """The annotation's entries, and what is wrong in it."""
    name, notes = name_of(document), annotations_of(document)
    pairs: list[Pairs] = []
    findings: list[Finding] = []
    for key in SPELLINGS:
        if key not in notes:
            continue
        where = f"annotation {key}"
        try:
            items = decode(notes[key]) if isinstance(notes[key], str) else None
            if not isinstance(items, list):
                raise InvalidConfig(f"{where} must be an array of objects, as JSON text")
        except (JSONError, InvalidConfig) as error:
            text = f"{where}: {error}" if isinstance(error, JSONError) else error.msg
            findings.append(Finding(name, UNREADABLE, text))
            continue
        for index, item in enumerate(items):
            found, problems = _entry(item, name, place(where, index))
            pairs += found
            findings += [Finding(name, UNREADABLE, problem) for problem in problems]
    return pairs, findings


def _entry(item: object, name: PolicyName, where: str) -> tuple[list[Pairs], list[str]]:
    """An entry whose peers cannot be read still selects its network: no other network may send to it."""
    try:
        data = object_at(item, where)
        network = get_str(data, "networkSelector", where=where).strip()
        if not is_subdomain(network):
            raise InvalidConfig(
                f"{where}.networkSelector must be a logical network's name, not {network[:60]!r}"
            )
    except InvalidConfig as error:
        return [], [error.msg]
    problems: list[str] = []
    peers: set[str] = set()
    try:
        words = [word.strip() for word in get_str(data, "peerNetworks", where=where).split(",")]
    except InvalidConfig as error:
        words, problems = [], [error.msg]
    for word in filter(None, words):
        if is_subdomain(word):
            peers.add(_identity(name, word))
        else:
            problems.append(f"{where}.peerNetworks: {word[:60]!r} is no logical network's name")
    return [Pairs(name, _identity(name, network), tuple(sorted(peers)), where)], problems


def _identity(name: PolicyName, network: str) -> str:
    return f"{LOGICAL}/{name.namespace}/{network}"


class Pairing:
    """All entries of all policies, added up."""

    def __init__(self, entries: Iterable[Pairs]) -> None:
        self.entries = sorted(entries)
        self.selected: dict[str, set[PolicyName]] = {}
        self.listed: set[tuple[str, str]] = set()
        for entry in self.entries:
            self.selected.setdefault(entry.network, set()).add(entry.policy)
            for peer in entry.peers:
                self.listed |= {(entry.network, peer), (peer, entry.network)}

    def allows(self, one: str, other: str) -> bool:
        """Whether pods on two logical networks may talk."""
        if one == other or (one, other) in self.listed:
            return True
        return one not in self.selected and other not in self.selected

    def deniers(self, one: str, other: str) -> list[PolicyName]:
        """The policies that keep two networks apart."""
        return sorted(self.selected.get(one, set()) | self.selected.get(other, set()))
