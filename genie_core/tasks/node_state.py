"""What is recorded on this node, for tasks: read, and released by the same DEL, from the same state.

A look for repair imports this each minute: what it does not need is imported in the functions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from genie_core.edges.cancel import Cancel
from genie_core.edges.confdir import ConfDirs
from genie_core.edges.log import JSONLog
from genie_core.edges.store import boot_id, is_taken
from genie_core.errors import GenieError, InvalidConfig
from genie_core.gojson import view
from genie_core.jsontext import decode
from genie_core.model import Plan
from genie_core.select.files import SELF_TYPE
from genie_core.settings import CONF_DIR, Settings
from genie_core.survey.rootfs import Root
from genie_core.verbs.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def read_document(path: Path) -> dict[str, Any] | None:
    """The whole of Genie's conflist; None where there is no file. Raises InvalidConfig where it cannot be read."""
    try:
        document: dict[str, Any] = decode(Root().text(str(path)))
        entry_of(document)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidConfig(f"{path} cannot be read", hint="correct it or move it away") from None
    return document


def entry_of(document: dict[str, Any]) -> dict[str, Any] | None:
    """Genie's entry among a conflist's plugins; None where it has none."""
    return next((plugin for plugin in document["plugins"] if plugin.get("type") == "genie"), None)


def read_conflist(path: Path) -> dict[str, Any] | None:
    """Genie's entry in its conflist; None where there is none. Raises InvalidConfig where it cannot be read."""
    document = read_document(path)
    return entry_of(document) if document else None


def own_entry(conf_dirs: Sequence[str]) -> dict[str, Any]:
    """Genie's entry in the first configuration by name that calls it, whatever the file is called.

    {} where there is none that this user may read.
    """
    confs = ConfDirs(conf_dirs)
    with suppress(GenieError):  # a directory that this user may not list
        for path in confs.paths():
            with suppress(GenieError):
                own = (plugin for plugin in confs.read(path).plugins if plugin.type == SELF_TYPE)
                for plugin in own:
                    return dict(view(plugin.text))
    return {}


def own_configuration(conf_dir: str, state_dir: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Genie's own entry, {} where the node has none, and the configuration to read the node by.

    It is in `conf_dir`; where the usual directory has none, in the one that it was installed into, as on k3s.
    `state_dir` replaces the configuration's, where it is given. Raises InvalidConfig for a file that cannot be read.
    """
    own = read_conflist(Path(conf_dir) / "00-genie.conflist") or own_entry([conf_dir])
    if not own and conf_dir == CONF_DIR:
        own = _installed_entry(state_dir)
    config: dict[str, Any] = own or {"conf_dirs": [conf_dir]}
    return own, {**config, "state_dir": state_dir} if state_dir else config


def _installed_entry(state_dir: str) -> dict[str, Any]:
    """Genie's entry in the file that `genie install` wrote, by the record in the state directory; {} without one."""
    from genie_core.tasks.install.record import recall_all

    known = recall_all([], Path(state_dir) if state_dir else None)
    return next(filter(None, (read_conflist(one.conflist) for one in known)), {})


def is_whole(plan: Plan) -> bool:
    """Whether no change of the container is under way, or was cut off."""
    return all(item.result and not item.releasing and not item.changing for item in plan.attachments)


def open_context(config: dict[str, Any]) -> Context:
    """The context of a DEL with this configuration; warnings go to stderr."""
    settings = Settings(config, forgiving=True)
    log = JSONLog("warning", settings.log_file)
    return Context(settings, log, Cancel(), {**os.environ}, [])


def plans(context: Context) -> Iterator[Plan]:
    """The recorded containers; damaged files are left out."""
    return (plan for plan in context.store.plans() if isinstance(plan, Plan))


def calls(launcher: Path) -> list[int]:
    """The processes that run the plugin now, as far as they can be seen from here.

    One in another mount namespace, as a dry run's, may run another file of the same path.
    """
    from genie_core.tasks.install.record import CODE, START

    found = []
    names = {os.fsencode(path) for path in (launcher, launcher.parent / CODE / START)}
    for folder in Path("/proc").iterdir():
        try:
            argv = (folder / "cmdline").read_bytes().split(b"\0") if folder.name.isdecimal() else []
            if not names & {*argv[:3]}:
                continue
            theirs = folder / "root" / launcher.parent.relative_to("/")
            if theirs.samefile(launcher.parent) and b"CNI_COMMAND=" in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended meanwhile, or is another user's
            continue
    return found


def is_gone(plan: Plan) -> bool:
    """Whether the container's namespace does not exist any more: no such path, another namespace there, or a reboot."""
    if plan.boot_id != boot_id() or is_taken(plan, plan.netns):
        return True
    try:
        Path(plan.netns).stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # it cannot be read, as /proc/1/ns/net without the right to trace that process
    return False


def release(plan: Plan, context: Context, *, thorough: bool = False) -> list[GenieError]:
    """DEL one container's networks, under its lock; the errors of those that stay.

    `thorough`: after a plugin that fails, the rest of its chain is still called.
    """
    from genie_core.verbs.delete import collect_container

    with (
        context.store.lock_node(exclusive=False, deadline=context.deadline()),
        context.store.lock(*plan.key, context.deadline()) as lock,
    ):
        current = context.store.load(*plan.key)
        if current is None:
            return []
        return collect_container(current, context.holding(lock), thorough=thorough)


def forget(plan: Plan, context: Context) -> None:
    """Remove the record of one container, under its lock, also if its plugins hold something. Raises GenieError."""
    with (
        context.store.lock_node(exclusive=False, deadline=context.deadline()),
        context.store.lock(*plan.key, context.deadline()),
    ):
        context.store.forget(*plan.key)
        context.store.drop_lock(*plan.key)
