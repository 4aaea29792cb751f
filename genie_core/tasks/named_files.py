"""The files that flags name, - for standard input. One that cannot be used is wrong usage of its flag."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from genie_core.errors import WrongUsage
from genie_core.survey.yamlio import load_documents

LARGEST = 256 << 20  # in characters


def read_text(flag: str, name: str, errors: str = "strict") -> str:
    """The text of the file, UTF-8 in every locale; `errors` as of `open`. Raises WrongUsage."""
    try:
        if name != "-":
            with Path(name).open(encoding="utf-8", errors=errors) as file:
                text = file.read(LARGEST + 1)
        else:
            if isinstance(sys.stdin, TextIOWrapper):
                sys.stdin.reconfigure(encoding="utf-8", errors=errors)
            text = sys.stdin.read(LARGEST + 1)
    except OSError as error:
        raise WrongUsage(f"{flag} {name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WrongUsage(f"{flag} {name}: it is not UTF-8 text") from None
    if len(text) > LARGEST:
        raise WrongUsage(f"{flag} {name}: it is larger than {LARGEST >> 20} MiB")
    return text


def read_document(flag: str, name: str) -> Any:
    """The first document of a JSON or YAML file; None where it is empty. Raises WrongUsage."""
    return next(iter(read_documents(flag, name)), None)


def read_documents(flag: str, name: str) -> list[Any]:
    """Every document of a JSON or YAML file. Raises WrongUsage naming the place; it never quotes the content."""
    return load_documents(read_text(flag, name), f"{flag} {name}")
