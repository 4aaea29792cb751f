"""The changes that writing would make in existing files: a unified diff without secrets."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genie_core.fields import may_be_secret
from genie_core.survey.redact import HIDDEN, IN_URL
from genie_core.survey.rootfs import Root
from genie_core.tasks.generate.request import OutputFile


def differences(files: Sequence[OutputFile], root: Root) -> dict[str, str]:
    """Path -> diff, for those of the files that exist with another content. Raises OSError."""
    found = {}
    for file in files:
        path = Path(root.real(file.path))
        try:
            before = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue
        if before != file.text:
            found[file.path] = _difference(file.path, before, file.text)
    return found


def _difference(path: str, before: str, after: str) -> str:
    old, new = _shown(before), _shown(after)
    lines = list(difflib.unified_diff(old, new, path, f"{path} (new)", lineterm="", n=2))
    return "\n".join(lines) or f"{path}: only its layout, or a possible secret, is different"


def _shown(text: str) -> list[str]:
    """The lines of a document in one layout, without possible secrets."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        lines = [HIDDEN if may_be_secret(line) else line for line in text.splitlines()]
    else:
        lines = json.dumps(_without_secrets(document), indent=2, ensure_ascii=False).splitlines()
    return [IN_URL.sub(rf"\1{HIDDEN}@", line) for line in lines]


def _without_secrets(value: Any, *, hide: bool = False) -> Any:
    if isinstance(value, dict):
        return {key: _without_secrets(inner, hide=hide or may_be_secret(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_secrets(inner, hide=hide) for inner in value]
    is_secret = hide and isinstance(value, str) and value and not value.startswith("/")
    return HIDDEN if is_secret else value
