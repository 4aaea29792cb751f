"""The JSON Schemas (draft 2020-12) of what `-o json` and `-o yaml` print, one for each kind."""

from __future__ import annotations

from importlib.resources import files

from genie_core.errors import NotFound


def kinds() -> list[str]:
    """The kinds that have a schema, sorted."""
    names = (entry.name for entry in files(__name__).iterdir())
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))


def text(kind: str) -> str:
    """A kind's schema. Raises NotFound, with what is near; the case of letters does not matter."""
    found = next((name for name in kinds() if name.lower() == kind.lower()), None)
    if found is None:
        from difflib import get_close_matches

        near = get_close_matches(kind.lower(), [name.lower() for name in kinds()], cutoff=0.4)
        hint = [name for name in kinds() if name.lower() in near]
        raise NotFound(
            f"there is no kind {kind!r}",
            hint=f"did you mean {' or '.join(hint)}?" if hint else "genie schema lists them",
        )
    return (files(__name__) / f"{found}.json").read_text(encoding="utf-8")


def title(kind: str) -> str:
    """The title of a kind, in one line."""
    import json

    return str(json.loads(text(kind))["title"])
