"""Where to look on a node: what was asked for, what the runtimes' configuration names, the usual places."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from genie_core.errors import WrongUsage
from genie_core.settings import CACHE_DIR, CONF_DIR, DELEGATE_CONF_DIR, IPAM_DIR, USUAL_BIN_DIRS
from genie_core.survey.layouts import SANDBOX_DIRS
from genie_core.survey.namespaces import NETNS_DIRS
from genie_core.survey.rootfs import Root
from genie_core.survey.runtimes import Runtime, find_runtimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The directories, files and sockets of a node; "" and () mean: find out. Paths are the node's, below `root`.

    The options of the tasks that read a node are places, with more fields. `runtime_config` is the one runtime
    configuration to read; `kubeconfig` is a file to look at besides those that configurations name. `node` is the
    node's name, "" for the machine's.
    """

    root: str = "/"
    conf_dirs: tuple[str, ...] = ()
    bin_dirs: tuple[str, ...] = ()
    state_dir: str = ""
    ipam_dir: str = IPAM_DIR
    cache_dir: str = CACHE_DIR
    netns_dirs: tuple[str, ...] = NETNS_DIRS
    sandbox_dirs: tuple[str, ...] = SANDBOX_DIRS
    cri_socket: str = ""
    runtime_config: str = ""
    kubeconfig: str = ""
    node: str = ""


def require_named(places: Places) -> None:
    """Raise WrongUsage for what `missing_of` finds: a report on a misspelt directory looks like a healthy node's."""
    for flag, path in missing_of(places):
        raise WrongUsage(f"{flag} {path}: there is no such directory")


def missing_of(places: Places) -> list[tuple[str, str]]:
    """The flag and the path of each named configuration directory that is missing.

    Plugin directories are a search path, of which some may be missing: the first one, if all are.
    """
    root = Root(places.root)
    found = [("--conf-dir", path) for path in places.conf_dirs if _is_no_directory(root.real(path))]
    searched = [("--bin-dir", path) for path in places.bin_dirs if _is_no_directory(root.real(path))]
    return found + (searched[:1] if len(searched) == len(places.bin_dirs) else [])


def _is_no_directory(path: str) -> bool:
    """Whether nothing or something else is there; False where this user may not know."""
    try:
        return not stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def runtimes_of(places: Places, root: Root, *, ask: bool) -> list[Runtime]:
    """The runtimes, with the directories that were asked for in place of theirs; `ask` as in `find_runtimes`.

    Named directories count as the runtime's own, except beside a named runtime configuration, where the difference
    between the two is the question.
    """
    ask = ask and (bool(places.runtime_config) or not (places.conf_dirs and places.bin_dirs))
    found = find_runtimes(root, socket=places.cri_socket, config=places.runtime_config, ask=ask)
    if not found and places.conf_dirs:
        found = [Runtime(kind="containerd", flavour="assumed")]
    return [_overridden(runtime, places) for runtime in found]


def _overridden(runtime: Runtime, places: Places) -> Runtime:
    sources = dict(runtime.sources)
    if places.conf_dirs and not places.runtime_config:
        runtime = replace(runtime, conf_dir=places.conf_dirs[0])
        sources["conf_dir"] = "--conf-dir"
    if places.bin_dirs and not places.runtime_config:
        runtime = replace(runtime, bin_dirs=places.bin_dirs)
        sources["bin_dirs"] = "--bin-dir"
    return replace(runtime, sources=sources)


def conf_dirs_of(places: Places, runtimes: Sequence[Runtime], root: Root) -> list[str]:
    """The configuration directories: asked for, read by runtimes, and the usual ones that exist."""
    asked = [*places.conf_dirs, *(runtime.conf_dir for runtime in runtimes)]
    asked += [directory for runtime in runtimes for directory in runtime.handlers.values()]
    usual = [] if places.conf_dirs else [path for path in (CONF_DIR, DELEGATE_CONF_DIR) if root.exists(path)]
    return _once([*asked, *usual])


def bin_dirs_of(places: Places, runtimes: Sequence[Runtime], root: Root) -> list[str]:
    """The plugin directories: asked for, or searched by runtimes, or the usual ones that exist."""
    searched = [directory for runtime in runtimes for directory in runtime.bin_dirs]
    if places.bin_dirs:
        return _once([*places.bin_dirs, *(searched if places.runtime_config else ())])
    return _once([*searched, *(path for path in USUAL_BIN_DIRS if root.exists(path))])


def _once(paths: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(path.rstrip("/") or "/" for path in paths if path))
