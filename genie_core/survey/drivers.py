"""Kernel modules that the plugins' interfaces need: whether the node's kernel has them. Files say it; none is loaded.

Sources: modules.dep(5), modprobe.d(5), /proc/config.gz (proc(5)). What no source says is not reported.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator

from genie_core.catalog import of_type
from genie_core.survey.facts import ConfFile
from genie_core.survey.obstacles import Driver
from genie_core.survey.rootfs import Root

# Module -> the option of the kernel's configuration that builds it.
OPTIONS = {
    "8021q": "VLAN_8021Q", "bridge": "BRIDGE", "dummy": "DUMMY", "ipvlan": "IPVLAN", "macvlan": "MACVLAN",
    "sch_tbf": "NET_SCH_TBF", "tun": "TUN", "veth": "VETH", "vrf": "NET_VRF",
}  # fmt: skip
MODULES = "/lib/modules"
_RULES = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")
_NOTHING = ("/bin/true", "/bin/false", "/usr/bin/true", "/usr/bin/false", ":")
_MOST = 1 << 24  # bytes; modules.dep of a distribution's kernel has about one million


def needed_module(type_: str) -> str:
    """The module without which a plugin cannot make its interface, "" for none that is known."""
    plugin = of_type(type_)
    return plugin.needs if plugin and plugin.needs in OPTIONS else ""


def lacking(files: Iterable[ConfFile], root: Root, release: str) -> tuple[Driver, ...]:
    """Those that plugins of these files need and the running kernel cannot load."""
    entries = (entry for file in files if file.network and not file.ignored for entry in file.chain)
    modules = dict.fromkeys(needed_module(str(entry.get("type", ""))) for entry in entries)
    found = ((module, _problem(module, root, release)) for module in modules if module)
    return tuple(Driver(module=module, problem=problem) for module, problem in found if problem)


def _problem(module: str, root: Root, release: str) -> str:
    if os.path.isdir(root.real(f"/sys/module/{module}")):
        return ""
    here = f"{MODULES}/{release}"
    builtin, loadable = (_listed(module, f"{here}/modules.{kind}", root) for kind in ("builtin", "dep"))
    if builtin or loadable:
        return "" if builtin else _barred(module, root)
    if builtin is False and loadable is False:
        return f"{here} has no such module"
    return _configured(OPTIONS[module], root, release)


def _listed(module: str, path: str, root: Root) -> bool | None:
    """Whether a list of modules has it; None where there is no such list."""
    try:
        lines = root.text(path, _MOST).splitlines()
    except OSError:
        return None
    names = (os.path.basename(line.split(":")[0]).partition(".ko")[0] for line in lines)
    return module in (name.replace("-", "_") for name in names)


def _barred(module: str, root: Root) -> str:
    """The line that keeps modprobe from loading it, which the kernel calls for a kind of interface."""
    for path, line in _lines(root):
        words = line.replace("-", "_", 1).split() if line.startswith(("blacklist", "install")) else []
        if words[:2] == ["blacklist", module] or (
            words[:2] == ["install", module] and words[2:3] and words[2] in _NOTHING
        ):
            return f"{path} keeps it from being loaded ({line})"
    return ""


def _lines(root: Root) -> Iterator[tuple[str, str]]:
    """Every line of modprobe's configuration, with its file."""
    for directory in _RULES:
        try:
            names = root.names(directory)
        except OSError:
            continue
        for name in names:
            try:
                text = root.text(f"{directory}/{name}") if name.endswith(".conf") else ""
            except OSError:
                continue
            yield from ((f"{directory}/{name}", line.strip()) for line in text.splitlines())


def _configured(option: str, root: Root, release: str) -> str:
    """What the kernel's own configuration says, where there are no lists of its modules."""
    config = _config(root, release)
    if f"# CONFIG_{option} is not set" in config:
        return f"kernel {release} is built without it (CONFIG_{option} is not set)"
    others = _others(root, release)
    if f"CONFIG_{option}=m" in config and others:
        return (
            f"{MODULES} has modules of {', '.join(others[:2])}, not of the running kernel {release}: it was replaced "
            "and the node not restarted"
        )
    return ""


def _config(root: Root, release: str) -> list[str]:
    try:
        return gzip.decompress(root.read("/proc/config.gz")).decode().splitlines()
    except (OSError, EOFError, ValueError):
        pass
    try:
        return root.text(f"/boot/config-{release}").splitlines()
    except OSError:
        return []


def _others(root: Root, release: str) -> list[str]:
    try:
        return [name for name in root.names(MODULES) if name != release]
    except OSError:
        return []
