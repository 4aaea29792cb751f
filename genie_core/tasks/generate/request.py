"""The options of a generation, and its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from genie_core.catalog.plugin import Wanted
from genie_core.fields import may_be_secret
from genie_core.findings import Finding
from genie_core.published import JSON
from genie_core.settings import CONF_DIR
from genie_core.survey.places import Places


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateOptions(Places):
    """What to generate and from what, for which node.

    `type` is a catalogue type; `chain` are the plugins behind it (None: the usual ones that are installed);
    `base` is the text of a configuration to start from, and `base_source` where it was read; `changes` are
    (path, value) pairs that are set last. `force` lets findings pass that would refuse the result.
    """

    type: str = ""
    wanted: Wanted = field(default_factory=Wanted)
    ipam: str = ""
    chain: tuple[str, ...] | None = None
    version: str = ""
    base: str = ""
    base_source: str = ""
    changes: Sequence[tuple[str, Any]] = ()
    force: bool = False

    @property
    def conf_dir(self) -> str:
        """The directory that runtimes read."""
        return self.conf_dirs[0] if self.conf_dirs else CONF_DIR


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """A file to be written: its path on the node, its text, its mode."""

    path: str
    text: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """A result: the document that is printed, the files that --write writes, and notes on it.

    `several` marks a set-up, which is shown file by file even where it is a single one.
    """

    kind: ClassVar[str] = "GeneratedFiles"
    document: JSON
    files: Sequence[OutputFile] = ()
    several: bool = False
    notes: Sequence[str] = ()
    findings: Sequence[Finding] = ()

    def as_json(self) -> JSON:
        """files (path, mode, content), notes, findings: for results of several files."""
        return {
            "files": [
                {"path": file.path, "mode": f"{file.mode:04o}", "content": file.text} for file in self.files
            ],
            "notes": list(self.notes),
            "findings": [finding.as_json() for finding in self.findings],
        }


def set_path(document: JSON, path: str, value: Any) -> None:
    """Set `plugins[0].ipam.ranges[0][0].gateway` in a document, making the objects on the way. Raises ValueError."""
    *way, last = _keys(path)
    here: Any = document
    for position, key in enumerate(way):
        following = way[position + 1] if position + 1 < len(way) else last
        here = _step(here, key, [] if isinstance(following, int) else {}, path)
    if isinstance(last, int) and isinstance(here, list) and last <= len(here):
        here[last : last + 1] = [value]
    elif isinstance(last, str) and isinstance(here, dict):
        here[last] = value
    else:
        raise ValueError(f"{path}: there is no such place")


def _keys(path: str) -> list[str | int]:
    keys: list[str | int] = []
    for part in path.split("."):
        name, *indexes = part.replace("]", "").split("[")
        if not name or not all(index.isdecimal() for index in indexes):
            raise ValueError(f'{path}: write it as in "plugins[0].ipam.gateway"')
        keys += [name, *map(int, indexes)]
    return keys


def _step(here: Any, key: str | int, empty: Any, path: str) -> Any:
    if isinstance(key, int):
        if not isinstance(here, list) or key > len(here):
            raise ValueError(f"{path}: there is no place {key}")
        if key == len(here):
            here.append(empty)
        return here[key]
    if not isinstance(here, dict):
        raise ValueError(f"{path}: {key} is not inside an object")  # noqa: TRY004 (the path is what is wrong)
    return here.setdefault(key, empty)


def secret_mode(text: str) -> int:
    """The mode for a text: 0600 where it can hold a credential."""
    return 0o600 if may_be_secret(text) else 0o644
