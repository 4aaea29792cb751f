"""The input and output of each plugin: a script with the plugin's name runs it and records them.

In a private node the scripts are mounted over the plugins (`cover`), so that neither Genie nor a plugin that calls
another (bridge calls host-local) sees a difference. The directories of a real node are not changed: there the
scripts are in a directory of their own, which comes first in CNI_PATH (`stand_before`). These and `notes` run in
the node.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genie_core.published import Published
from genie_core.sandbox import syscalls
from genie_core.select.files import SELF_TYPE
from genie_core.survey import redact

_STEPS = "steps"  # in the records, a directory for each run
_SCRIPTS = "plugins"
_REAL = "/run/genie-real"
_NEEDED = ("/bin/sh", "/bin/cat", "/bin/cp", "/bin/date", "/bin/mkdir")
_SCRIPT = """\
#!/bin/sh
step={steps}/$(/bin/date +%s%N)-$$-{name}
/bin/mkdir -p "$step"
/bin/cat >"$step/stdin"
/bin/cp /proc/$$/environ "$step/environment"
/bin/date +%s%N >"$step/start"
{real} <"$step/stdin" >"$step/stdout" 2>"$step/stderr"
status=$?
/bin/date +%s%N >"$step/end"
[ ! -s "$step/stdout" ] || /bin/cat "$step/stdout"
[ ! -s "$step/stderr" ] || /bin/cat "$step/stderr" >&2
[ $status -le 128 ] || kill -$((status - 128)) $$
exit $status
"""
_PARTS = ("environment", "stdin", "stdout", "stderr", "start", "end")
_HIDDEN = "(not shown)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Published):
    """One run of a plugin. `input` and `output` are decoded JSON, or text where they are none; secrets are removed.

    `inner` are the runs that it started itself. `ms` is None where it was killed.
    """

    plugin: str
    environment: Mapping[str, str]
    input: Any
    output: Any
    stderr: str
    ms: float | None
    inner: tuple[Note, ...] = ()

    @property
    def call(self) -> tuple[str, str, str]:
        """The plugin, the verb and the interface."""
        return self.plugin, self.environment.get("CNI_COMMAND", ""), self.environment.get("CNI_IFNAME", "")


def cover(bin_dirs: Sequence[str], records: str) -> bool:
    """Put a script over each plugin but Genie; whether that could be done."""
    if not _can_record():
        return False
    for number, directory in enumerate(dict.fromkeys(os.path.realpath(path) for path in bin_dirs)):
        real = f"{_REAL}/{number}"
        os.makedirs(real, exist_ok=True)
        syscalls.mount(directory, real, flags=syscalls.MS_BIND | syscalls.MS_REC)
        syscalls.mount("tmpfs", directory, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV)
        for name in os.listdir(real):
            _put(f"{real}/{name}", f"{directory}/{name}", records)
    return True


def stand_before(bin_dirs: Sequence[str], records: str) -> str:
    """A directory with a script for each plugin but Genie, to be searched first; "" where that cannot be done."""
    if not _can_record():
        return ""
    scripts = f"{records}/{_SCRIPTS}"
    os.makedirs(scripts)
    for directory in bin_dirs:
        for name in os.listdir(directory) if os.path.isdir(directory) else ():
            if name != SELF_TYPE and not os.path.lexists(f"{scripts}/{name}"):
                _put(f"{directory}/{name}", f"{scripts}/{name}", records)
    return scripts


def _can_record() -> bool:
    return all(os.access(path, os.X_OK) for path in _NEEDED)


def _put(real: str, path: str, records: str) -> None:
    name = os.path.basename(path)
    if not os.path.isfile(real) or not os.access(real, os.X_OK) or name == SELF_TYPE:
        os.symlink(real, path)
        return
    words = {"steps": f"{records}/{_STEPS}", "real": real, "name": name}
    with open(path, "w", encoding="utf-8") as file:
        file.write(_SCRIPT.format(**{key: shlex.quote(text) for key, text in words.items()}))
        os.fchmod(file.fileno(), 0o755)


def notes(records: str) -> list[dict[str, str]]:
    """The records so far, in the order in which the runs began: JSON values for `read_notes`."""
    steps = f"{records}/{_STEPS}"
    try:
        names = sorted(os.listdir(steps))
    except FileNotFoundError:
        return []
    return [
        {part: _text(f"{steps}/{name}/{part}") for part in _PARTS} | {"plugin": name.split("-", 2)[2]}
        for name in names
    ]


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def read_notes(raw: Sequence[Mapping[str, str]]) -> list[Note]:
    """The outermost runs, each with those that it started: for the same interface, before it ended."""
    outer: list[tuple[Mapping[str, str], list[Note]]] = []
    for run in raw:
        around = next((inner for other, inner in reversed(outer) if _is_inside(run, other)), None)
        if around is None:
            outer.append((run, []))
        else:
            around.append(_note(run))
    return [_note(run, inner) for run, inner in outer]


def _is_inside(run: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Networks of one pod may be attached side by side, so the time alone does not say it."""
    mine, its = _environment(run), _environment(other)
    same = all(mine.get(key) == its.get(key) for key in ("CNI_CONTAINERID", "CNI_IFNAME"))
    return same and _number(run["start"]) < _number(other["end"])


def _environment(run: Mapping[str, str]) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in run["environment"].split("\0") if line)


def _note(run: Mapping[str, str], inner: Sequence[Note] = ()) -> Note:
    ended = _number(run["end"])
    return Note(
        plugin=run["plugin"],
        environment={
            key: redact.in_text(value)
            for key, value in _environment(run).items()
            if key.startswith("CNI_") or key == "PATH"
        },
        input=redact.in_value(_decoded(run["stdin"]), _HIDDEN),
        output=redact.in_value(_decoded(run["stdout"]), _HIDDEN),
        stderr=redact.in_text(run["stderr"])[-2000:],
        ms=round((ended - _number(run["start"])) / 1e6, 1) if ended else None,
        inner=tuple(inner),
    )


def _number(text: str) -> int:
    return int(text) if text.strip().isdecimal() else 0


def _decoded(text: str) -> Any:
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        return text[:2000]
