"""A plugin's configuration as the plugin itself reads it: with the key rules of Go's encoding/json.

Nearly every CNI plugin is a Go program that decodes its configuration into a struct. A key belongs to a field of that
struct if it is equal to the field's name under Unicode simple case folding: `Type`, `TYPE` and `type` are one key, and
the letters U+017F and U+212A count as s and k. Of several such keys the last one is taken, or the objects under them
are merged (encoding/json: decode.go, `object`; fold.go). A check that compares keys exactly sees one value while the
plugin uses another.

So this is the only module that looks keys up in the text of a plugin's configuration (tests/test_lint.py). `view` is
for reading, `Members` is for editing; both find a key in every spelling. `Members` keeps one member per folded key, so
what reaches a plugin is the one value that was judged. On the kubelet path.
"""

from genie_core.errors import InvalidConfig
from genie_core.jsontext import decoder, encode, join_members, pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

# Keys that only a runtime may set; a stored configuration that has them would pass for its call (SPEC 1, B44).
RESERVED = ("capabilities", "runtimeConfig", "prevResult")
RESERVED_PREFIX = "cni.dev/"
# Those of them that no delegate of a plugin may have either, folded.
_RUNTIMES = ("runtimeconfig", "prevresult")


def fold(key: str) -> str:
    """The form in which two keys are equal if Go takes them for one field. Exact for names of ASCII characters."""
    return key.lower().replace("\u017f", "s")  # lower() makes U+212A a k


class GoObject(dict[str, "Any"]):
    """An object: its keys as written, but a look-up finds a key in every spelling, the last member first."""

    __slots__ = ("_folded",)

    def __init__(self, members: "Collection[tuple[str, Any]]") -> None:
        super().__init__(members)
        self._folded = {fold(key): value for key, value in members}

    def get(self, key: str, default: "Any" = None) -> "Any":
        """The value of the last member that Go takes for `key`."""
        return self._folded.get(fold(key), default)

    def __getitem__(self, key: str) -> "Any":
        return self._folded[fold(key)]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and fold(key) in self._folded


view = decoder(GoObject)
view.__doc__ = """The value of a document, every object in it a GoObject. Raises JSONError."""


class Members:
    """The members of an object as raw text, for editing: one for each folded key, the last of several."""

    __slots__ = ("_kept",)

    def __init__(self, text: str) -> None:
        """Raises JSONError where the text is no object."""
        self._kept = {fold(key): (key, raw) for key, raw in pairs(text)}

    def get(self, key: str, default: str = "null") -> str:
        """The raw value of a key in any spelling."""
        return self._kept.get(fold(key), ("", default))[1]

    def __contains__(self, key: str) -> bool:
        return fold(key) in self._kept

    def set(self, key: str, raw: str) -> None:
        """Put a member in the place of what is there under any spelling of its key."""
        self._kept[fold(key)] = (key, raw)

    def update(self, parts: "Mapping[str, str]") -> None:
        """Set several."""
        for key, raw in parts.items():
            self.set(key, raw)

    def drop(self, key: str) -> None:
        """Remove a key in any spelling."""
        self._kept.pop(fold(key), None)

    def drop_reserved(self) -> None:
        """Remove what only a runtime may set."""
        for key in RESERVED:
            self.drop(key)
        self._kept = {
            folded: kept for folded, kept in self._kept.items() if not folded.startswith(RESERVED_PREFIX)
        }

    def text(self) -> str:
        """The object."""
        return join_members(dict(self._kept.values()))


def strings_of(text: str, name: str) -> set[str]:
    """Every string under a key in any object of the document, in any spelling, the shadowed ones included.

    Under `type` these are the plugins that a configuration can call: its own, its IPAM plugin, its delegates. Raises
    JSONError.
    """
    found: set[str] = set()
    length = len(name)

    def note(members: "list[tuple[str, Any]]") -> None:
        for key, value in members:
            if len(key) == length and isinstance(value, str) and fold(key) == name:
                found.add(value)

    decoder(note)(text)
    return found


def refuse_ambiguous(text: str, source: str) -> None:
    """Raise InvalidConfig, naming `source`, where an object has two keys that Go takes for one field."""

    def check(members: "list[tuple[str, Any]]") -> None:
        seen: dict[str, str] = {}
        for key, _ in members:
            other = seen.get(fold(key))
            if other is not None:
                raise InvalidConfig(
                    f"{source}: {_shown(other)} and {_shown(key)} in one object are one key to a plugin",
                    hint="keep one of the two: plugins compare keys without regard to case",
                )
            seen[fold(key)] = key

    decoder(check)(text)


def refuse_speaking_for_runtime(text: str, source: str) -> None:
    """Raise InvalidConfig where an object inside a plugin's object has a key that only a runtime may set.

    Plugins with delegates of their own pass that object on as it is, and its reader would take it for the runtime's. In
    the plugin's own object such keys are dropped (`Members.drop_reserved`). `capabilities` is the delegates' to have.
    """
    found: list[str] = []  # for each object, the outermost last

    def note(members: "list[tuple[str, Any]]") -> None:
        found.append(next((key for key, _ in members if _is_runtimes(fold(key))), ""))

    decoder(note)(text)
    if key := next(filter(None, found[:-1]), ""):
        raise InvalidConfig(
            f"{source}: {_shown(key)} inside a plugin's configuration is the runtime's to set",
            hint="remove it; what a pod may set is switched on in capabilities",
        )


def speaking_for_runtime(text: str) -> list[str]:
    """The keys of a plugin's own object that only a runtime may set, as they are written; no plugin gets them."""
    words = text.lower()  # spares reading it: an escaped letter costs a warning and no more
    if not any(key in words for key in (*_RUNTIMES, RESERVED_PREFIX)):
        return []
    return [key for key, _ in pairs(text) if _is_runtimes(fold(key))]


def _is_runtimes(folded: str) -> bool:
    return folded in _RUNTIMES or folded.startswith(RESERVED_PREFIX)


def _shown(key: str) -> str:
    """The key for a message: ASCII, on one line, not too long."""
    text = encode(key)
    return text if len(text) <= 60 else f'{text[:56]}..."'
