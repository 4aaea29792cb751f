"""The explanation of a configuration key: Genie's own by its name, another plugin's by TYPE.KEY."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar

from genie_core.catalog import PLUGINS
from genie_core.catalog.schema import Field
from genie_core.errors import NotFound

OWN = "genie"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReport:
    """One key: its plugin, its type, and its effect."""

    kind: ClassVar[str] = "ConfigurationKey"
    plugin: str
    path: str
    field: Field

    def as_json(self) -> dict[str, Any]:
        """plugin, key, type, description, default, choices, required, members."""
        return {
            "plugin": self.plugin,
            "key": self.path,
            "type": self.field.kind,
            "description": self.field.doc,
            "default": self.field.default,
            "choices": list(self.field.choices),
            "required": self.field.required,
            "members": [field.name for field in self.field.fields],
        }


def key_names() -> list[str]:
    """All keys of Genie's configuration, those inside objects as `kubernetes.kubeconfig`."""
    return [path for path, _ in _walk(PLUGINS[OWN].fields)]


def explain_key(text: str) -> KeyReport:
    """The key that `text` names. Raises NotFound with what is near."""
    own = dict(_walk(PLUGINS[OWN].fields))
    if text in own:
        return KeyReport(plugin=OWN, path=text, field=own[text])
    plugin, _, path = text.partition(".")
    if plugin in PLUGINS:
        fields = dict(_walk(PLUGINS[plugin].fields))
        if path in fields:
            return KeyReport(plugin=plugin, path=path, field=fields[path])
        known = [f"{plugin}.{name}" for name in fields]
    else:
        known = list(own)
    near = get_close_matches(text, known, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"keys: {', '.join(known)}"
    raise NotFound(f"there is no configuration key {text!r}", hint=hint)


def _walk(fields: Sequence[Field], prefix: str = "") -> Iterator[tuple[str, Field]]:
    for field in fields:
        yield prefix + field.name, field
        yield from _walk(field.fields, f"{prefix}{field.name}.")
