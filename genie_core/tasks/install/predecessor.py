"""An installation of CNI-Genie on the node: `genie install` adopts its configuration and keeps its files.

CNI-Genie wrote one plugin's configuration, `00-genie.conf`, which sorts before `00-genie.conflist`, and its binary
`genie` where Genie's launcher goes. Both are saved under names that no runtime reads. `genie uninstall` puts them back
in its last step, the binary first: until then Genie's pods need Genie's plugin. `genie-kubeconfig` stays where it is,
since the configuration names it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genie_core.edges.confdir import list_files
from genie_core.errors import GenieError
from genie_core.jsontext import JSONError, decode
from genie_core.settings import Settings
from genie_core.survey.launcher import HEAD_BYTES, read_launcher
from genie_core.survey.rootfs import Root
from genie_core.tasks.atomic import copy_file
from genie_core.tasks.node_state import entry_of

CODE = ".genie"
_TYPE = "genie"
_SAVED = ".cni-genie"
_ELF = b"\x7fELF"
# Keys that CNI-Genie's manifest sets, not its operator.
_NOT_KEPT = ("type", "name", "cniVersion", "cniVersions")


def configurations(conf_dir: Path) -> list[Path]:
    """The files of one plugin in the directory that call `genie`, as the runtime sorts them."""
    paths = [Path(path) for path in list_files(str(conf_dir)) if not path.endswith(".conflist")]
    return [path for path in paths if _read(path).get("type") == _TYPE]


def _read(path: Path) -> dict[str, Any]:
    try:
        found: Any = decode(Root().text(str(path)))
    except (OSError, JSONError):
        return {}
    return found if isinstance(found, dict) else {}


def with_its_keys(conf_dir: Path, own: dict[str, Any]) -> dict[str, Any]:
    """Genie's document with the keys of CNI-Genie's that it lacks, and with its name where the document is new.

    The name is kept because the runtime has recorded running pods' attachments under it.
    """
    for path in configurations(conf_dir):
        old = _read(path)
        keys = {key: value for key, value in old.items() if key not in _NOT_KEPT}
        _require_valid(keys, path)
        if not own or entry_of(own) is None:
            named = {"name": old["name"]} if old.get("name") else {}
            own = {**named, "plugins": [{"type": _TYPE, **keys}]}
            continue
        plugins = [{**keys, **entry} if entry.get("type") == _TYPE else entry for entry in own["plugins"]]
        own = {**own, "plugins": plugins}
    return own


def _require_valid(keys: Mapping[str, Any], path: Path) -> None:
    try:
        Settings(keys)
    except GenieError as error:
        raise error.replace(msg=f"{path}: {error.msg}") from None


def to_be_saved(bin_dir: Path, conf_dir: Path, *, installed: bool) -> dict[str, str]:
    """The path of each file of CNI-Genie's -> that of its copy. `installed`: the launcher is known to be Genie's."""
    saved = {str(path): f"{path}{_SAVED}" for path in configurations(conf_dir)}
    binary = bin_dir / _TYPE
    if _is_anothers(binary, installed):
        saved[str(binary)] = str(bin_dir / CODE / f"{_TYPE}{_SAVED}")
    return saved


def _is_anothers(binary: Path, installed: bool) -> bool:
    """Whether it is another program's: a compiled one is, unless it is Genie's own launcher.

    Another file is only where Genie was never installed.
    """
    start = _start_of(binary)
    is_ours = read_launcher(start.decode(errors="replace")) is not None
    return not is_ours and (start.startswith(_ELF) or bool(start and not installed))


def is_program(binary: Path) -> bool:
    """Whether it is a compiled program, Genie's own launcher among them."""
    return _start_of(binary).startswith(_ELF)


def _start_of(binary: Path) -> bytes:
    try:
        with binary.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""


def save(files: Mapping[str, str]) -> None:
    """Copy each file; the copy of the configuration has mode 0600, since it may hold a token. Raises OSError."""
    for source, target in files.items():
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        is_binary = target.endswith(f"{CODE}/{_TYPE}{_SAVED}")
        copy_file(Path(source), Path(target), mode=None if is_binary else 0o600)


def put_back(files: Mapping[str, str]) -> None:
    """Move each file back to its old path, the configuration last; a file in its place is replaced."""
    for source in to_be_put_back(files):
        copy_file(Path(files[str(source)]), source)
        os.unlink(files[str(source)])


def to_be_put_back(files: Mapping[str, str]) -> list[Path]:
    """The files that `put_back` would put back."""
    kept = [source for source, target in files.items() if os.path.exists(target)]
    return [Path(source) for source in sorted(kept, key=lambda source: source.endswith((".conf", ".json")))]
