"""YAML text <-> values. PyYAML costs 13 ms, so it is imported where it is used."""

from __future__ import annotations

from typing import Any

from ..errors import DecodingFailure


def load_documents(text: str, source: str) -> list[Any]:
    """Every document of a YAML (or JSON) text. Raises DecodingFailure with line and column, never with content."""
    import yaml

    try:
        return [document for document in yaml.safe_load_all(text) if document is not None]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise DecodingFailure(f"{source}{place}: not YAML: {problem}") from None


def dump(value: object) -> str:
    """One document, members in order; texts of several lines stay readable."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def literal(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    Dumper.add_representer(str, literal)
    return str(yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False))
