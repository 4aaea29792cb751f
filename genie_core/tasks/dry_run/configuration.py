"""The configuration of a private node: the real one, the files of --conf, and samples where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from genie_core.dialects import CNI
from genie_core.edges.confdir import ConfDirs, list_files
from genie_core.edges.log import JSONLog
from genie_core.errors import GenieError, NetworkNotFound
from genie_core.model import Selection
from genie_core.sandbox.host_node import HostNode
from genie_core.sandbox.private_node import PrivateNode
from genie_core.select.files import Finder, is_self
from genie_core.select.names import parse_names
from genie_core.settings import BIN_DIRS, CONF_DIR, DELEGATE_CONF_DIR
from genie_core.tasks.dry_run import samples

AnyNode = PrivateNode | HostNode

Samples = Literal["auto", "always", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """The path of Genie's own configuration list in the node, and the names of the sample files."""

    conflist: str
    made_up: tuple[str, ...]


def configure(
    node: AnyNode,
    annotations: Mapping[str, str],
    conf_dirs: Sequence[str],
    extra: Mapping[str, str],
    use_samples: Samples,
) -> Configured:
    """Write the extra files (name -> text) and the samples into the first directory; install Genie there.

    Samples stand in for networks that are asked for and have no configuration: always, never, or only where the
    node has no configuration at all ("auto"), since on a real node the dry run should report a missing one.
    """
    places = node.places
    home = places.conf_dir or (conf_dirs[0] if conf_dirs else CONF_DIR)
    for name, text in extra.items():
        node.write(f"{home}/{name}", text)
    directories = list(dict.fromkeys([home, *conf_dirs]))
    wanted = [name for name in _names(annotations) if name in samples.NAMES]
    if use_samples == "never" or not wanted:
        missing = []
    else:
        configured, missing = node.call(look_up, directories, wanted)
        if use_samples == "auto" and configured:
            missing = []
    made_up = [f"{home}/10-{name}.conflist" for name in missing]
    for name, path in zip(missing, made_up, strict=True):
        node.write(path, samples.sample(name))
    return Configured(
        conflist=node.call(install_genie, directories, places.bin_dir, places.state_dir),
        made_up=tuple(made_up),
    )


def _names(annotations: Mapping[str, str]) -> list[str]:
    """The networks that are asked for by name; the first sample where the annotation is blank."""
    if CNI not in annotations:
        return [samples.NAMES[0]]
    try:
        return list(dict.fromkeys(selection.name for selection in parse_names(annotations[CNI], CNI)))
    except GenieError:
        return []  # the ADD reports what is wrong with them


def look_up(directories: Sequence[str], names: Sequence[str]) -> tuple[bool, list[str]]:
    """Whether any network but Genie's own is configured, and the names that fit none. Runs in the node."""
    confs = ConfDirs(directories)
    finder = Finder(confs, JSONLog("error"))
    missing = []
    for name in names:
        try:
            finder.find(Selection(name, "", name))
        except NetworkNotFound:
            missing.append(name)
        except GenieError:
            continue  # there is one, with a mistake in it, which the ADD will report
    return any(_is_other(confs, path) for directory in directories for path in list_files(directory)), missing


def _is_other(confs: ConfDirs, path: str) -> bool:
    try:
        return not is_self(confs.read(path))
    except GenieError:
        return True


def install_genie(conf_dirs: Sequence[str], bin_dir: str, state_dir: str) -> str:
    """Do what `genie install` does, with the first directory for its own configuration; that file. Runs in the node.

    Genie's settings are those of the first directory that has any.
    """
    from genie_core.tasks.install.conflist import CONFLIST, InstallOptions, existing_entry
    from genie_core.tasks.install.run import put

    files = (Path(directory) / CONFLIST for directory in conf_dirs)
    settings = next((entry for file in files if (entry := existing_entry(file))), {})
    more = {"conf_dirs": [*conf_dirs, DELEGATE_CONF_DIR]} if len(conf_dirs) > 1 else {}
    if settings and "bin_dirs" not in settings:  # the plugin searches these besides the runtime's directories
        more["bin_dirs"] = list(BIN_DIRS)
    options = InstallOptions(
        bin_dir=Path(bin_dir),
        conf_dir=Path(conf_dirs[0]),
        state_dir=Path(state_dir),
        extra={key: value for key, value in settings.items() if key != "type"} | more,
    )
    return str(put(options).conflist)
