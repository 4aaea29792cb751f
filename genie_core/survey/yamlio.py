"""YAML text <-> values. Importing PyYAML takes 13 ms, so it is imported inside functions."""

from __future__ import annotations

import json
from typing import Any

from genie_core.errors import WrongUsage

MOST_ALIASED = 1_000_000  # values beyond those that are written out


def load_documents(text: str, source: str) -> list[Any]:
    """Every document of a JSON or YAML text. Raises WrongUsage with line and column, never with content.

    JSON is tried first: its parser takes a hundredth of the time. A document that its aliases make larger than any
    manifest is refused: it would fill the memory ("billion laughs").
    """
    try:
        found = [json.loads(text)]
    except RecursionError:
        raise WrongUsage(f"{source}: it is nested too deep") from None
    except ValueError:
        found = _yaml_documents(text, source)
    return [document for document in found if document is not None]


def _yaml_documents(text: str, source: str) -> list[Any]:
    import yaml

    found = []
    try:
        loader = yaml.SafeLoader(text)
        while loader.check_node():
            node = loader.get_node()
            sizes: dict[int, float] = {}
            if _size(node, sizes) > len(sizes) + MOST_ALIASED:
                raise WrongUsage(f"{source}: its aliases make it too large, or it contains itself")
            found.append(loader.construct_document(node))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", "it cannot be read")
        raise WrongUsage(f"{source}{place}: neither JSON nor YAML: {problem}") from None
    return found


def _size(node: Any, sizes: dict[int, float]) -> float:
    """How many values a node stands for, its aliases followed; infinite where it contains itself."""
    if id(node) not in sizes:
        sizes[id(node)] = float("inf")  # until all that is in it is counted
        inner = node.value if isinstance(node.value, list) else ()
        parts = (part for item in inner for part in (item if isinstance(item, tuple) else (item,)))
        sizes[id(node)] = 1 + sum(_size(part, sizes) for part in parts)
    return sizes[id(node)]


def dump(value: object) -> str:
    """One document, members in order; texts of several lines stay readable."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def literal(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    Dumper.add_representer(str, literal)
    options: dict[str, Any] = {"Dumper": Dumper, "sort_keys": False, "default_flow_style": False}
    shown = str(yaml.dump(value, allow_unicode=True, **options))
    # Control characters for terminals are escaped, and with them all but ASCII.
    return shown if shown.replace("\n", "").isprintable() else str(yaml.dump(value, **options))
