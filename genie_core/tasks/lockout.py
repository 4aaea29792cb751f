"""What an uninstallation refuses to do, since no pod of the node could start any more."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from genie_core.edges.confdir import ConfDirs, list_files
from genie_core.edges.log import SILENT
from genie_core.errors import GenieError, InvalidConfig
from genie_core.select.files import Finder, is_self
from genie_core.survey.conf_files import read_conf
from genie_core.survey.launcher import header_of
from genie_core.survey.rootfs import Root
from genie_core.survey.runtimes import Runtime
from genie_core.tasks.install.conflist import TYPE
from genie_core.tasks.install.record import Installed


def next_network_in(conf_dir: Path) -> str:
    """The name of the network that new pods get now, "" where there is none."""
    try:
        return Finder(ConfDirs([str(conf_dir)]), SILENT).default().name
    except GenieError:
        return ""


def refuse_lockout(conf_dir: Path, runtimes: Sequence[Runtime]) -> None:
    """Raise InvalidConfig where the runtime would find no other network: no pod would start or stop on this node."""
    readers = [one.conf_dir for one in runtimes if one.running or one.kubelet]
    if readers and str(conf_dir) not in readers:
        return
    if not next_network_in(conf_dir):
        raise InvalidConfig(
            f"{conf_dir} would have no network configuration left, so no pod could start or stop on this node",
            hint="write the next network's configuration there first, or use --force",
        )


def refuse_without_plugin(found: Installed) -> None:
    """Raise InvalidConfig where the runtime would use another configuration that calls the plugin, as a copy does."""
    conf_dir, launcher = found.conflist.parent, found.bin_dirs[0] / TYPE
    others = [path for path in list_files(str(conf_dir)) if Path(path) != found.conflist]
    restored = [path for path in found.moved if Path(path).parent == conf_dir]
    following = min([*others, *restored], key=os.fsencode, default="")
    if following not in others or following in found.replaced or header_of(launcher) is None:
        return
    network = read_conf(following, Root()).network
    if network and is_self(network):
        raise InvalidConfig(
            f"{following} calls the plugin {launcher} too, and would be the runtime's next configuration",
            hint="remove that file first, or use --force",
        )
