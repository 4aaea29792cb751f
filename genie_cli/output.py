"""The forms of output. A new one is a member here; `emit` writes every report with it, `genie help output` lists it."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from functools import partial

from genie_core.published import API_VERSION


def to_json(document: object) -> str:
    """JSON that is safe to show on a terminal: control characters are escaped, all other characters stay."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text) + "\n"


def to_yaml(document: object) -> str:
    """YAML that is safe to show on a terminal: with a control character in it, everything but ASCII is escaped."""
    import yaml

    dump = partial(yaml.safe_dump, document, sort_keys=False, default_flow_style=False)
    text = str(dump(allow_unicode=True))
    return text if text.replace("\n", "").isprintable() else str(dump())


class OutputFormat(StrEnum):
    """The word after -o, what it gives, and the writer of documents, where it gives one."""

    meaning: str
    write: Callable[[object], str] | None

    def __new__(cls, word: str, meaning: str, write: Callable[[object], str] | None = None) -> OutputFormat:
        """The member that -o WORD chooses."""
        member = str.__new__(cls, word)
        member._value_, member.meaning, member.write = word, meaning, write
        return member

    TABLE = "table", "for people: plain text where it is piped or NO_COLOR is set"
    WIDE = "wide", "the same with more in it"
    JSON = (
        "json",
        f"one document, also on failure: apiVersion {API_VERSION}, kind, camelCase keys",
        to_json,
    )
    YAML = "yaml", "the same document", to_yaml
    NAME = "name", "one name per line, where a command lists things"
    JUNIT = "junit", "XML for CI systems, of genie debug pod and genie debug node"
    HTML = (
        "html",
        "one file with the picture and all findings, to mail or print; of genie debug pod, debug node, trace, discover",
    )
    SVG = "svg", "the picture alone, of genie debug pod, trace and discover"
    MERMAID = "mermaid", "the picture as text for a ticket, of genie debug pod and trace"

    @property
    def for_machines(self) -> bool:
        """Whether it is one document without colour, also on failure."""
        return self.write is not None


USUAL = (OutputFormat.TABLE, OutputFormat.WIDE, OutputFormat.JSON, OutputFormat.YAML, OutputFormat.NAME)
OF_A_NODE = (*USUAL, OutputFormat.JUNIT, OutputFormat.HTML)
OF_A_POD = (*OF_A_NODE, OutputFormat.SVG, OutputFormat.MERMAID)
OF_DISCOVER = (*USUAL, OutputFormat.HTML, OutputFormat.SVG)
OF_A_TRACE = (*USUAL, OutputFormat.HTML, OutputFormat.SVG, OutputFormat.MERMAID)
