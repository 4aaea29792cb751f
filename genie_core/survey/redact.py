"""Removing secrets from texts of plugins, servers and files before they are shown."""

from __future__ import annotations

import re
from typing import Any

from genie_core.fields import may_be_secret

HIDDEN = "(hidden)"
IN_URL = re.compile(r"(://)[^/\s\"'<>]+@")  # user and password (RFC 3986, userinfo)
# Pods' authors write such texts, in annotations of 256 KiB: each pattern takes time in proportion to their length.
_IN_TEXT = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    # a JWT, anywhere in a word that a dot and another word follow
    (
        re.compile(r"(?<![\w-])(?=[\w-]++\.[\w-])([\w-]*?)\beyJ[\w-]{5,}\.[\w-]+\.?[\w-]*"),
        rf"\1{HIDDEN}",
    ),
    (IN_URL, rf"\1{HIDDEN}@"),
    (
        re.compile(r"""(?i)((?:token|passw(?:or)?d|secret|api-?key)["']?\s*[:=]\s*["']?)[^\s"',;&}]+"""),
        rf"\1{HIDDEN}",
    ),
)


def in_text(text: str) -> str:
    """The text, with HIDDEN in the place of what looks like a secret."""
    for pattern, instead in _IN_TEXT:
        text = pattern.sub(instead, text)
    return text


def in_value(value: Any, hidden: str = HIDDEN) -> Any:
    """A JSON value, with `hidden` in the place of members named like secrets; its strings as by `in_text`."""
    if isinstance(value, dict):
        return {
            key: hidden
            if may_be_secret(key) and isinstance(inner, str | list | dict)
            else in_value(inner, hidden)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [in_value(item, hidden) for item in value]
    return in_text(value) if isinstance(value, str) else value
