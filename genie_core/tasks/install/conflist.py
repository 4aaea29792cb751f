"""Genie's own configuration list `00-genie.conflist`, and the kubeconfig beside it: their texts, from the options."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genie_core.catalog.genie import CAPABILITIES
from genie_core.edges.confdir import read_text
from genie_core.errors import GenieError, InvalidConfig, WrongUsage
from genie_core.fields import get_object, get_strings, holds_secret
from genie_core.server import DIRECTORY
from genie_core.settings import DELEGATE_CONF_DIR, Settings
from genie_core.spec.versions import CURRENT
from genie_core.tasks.install.placement import Placement
from genie_core.tasks.install.predecessor import configurations, with_its_keys
from genie_core.tasks.node_state import entry_of, read_document

CONFLIST = "00-genie.conflist"
BROKEN = f"{CONFLIST}.broken"  # the name of the copy of a conflist that cannot be loaded
KUBECONFIG = "genie.kubeconfig"
# The DaemonSet keeps them here; `genie uninstall` removes them.
TOKEN_FILE = Path("/etc/cni/genie/token")
CA_FILE = Path("/etc/cni/genie/ca.crt")
TYPE = "genie"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallOptions:
    """What to install and where. `extra` are further keys of Genie's configuration.

    `placement` says why there; None: it is looked up for these two directories. `move` allows the networks' files to
    be moved where CRI-O's GC does not find them. `serve` installs the native launcher, which hands calls over to
    `genie serve`, whose socket is in `run_dir`; None: as it is installed now. `from_daemonset`: in its container, which
    does not see the state directory, and perhaps on a node that has no network yet.
    """

    bin_dir: Path
    conf_dir: Path
    placement: Placement | None = None
    state_dir: Path | None = None
    kubeconfig: Path | None = None
    api_server: str = ""
    token_file: Path | None = None
    ca_file: Path | None = None
    python: Path | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    move: bool = False
    serve: bool | None = None
    run_dir: Path = Path(DIRECTORY)
    from_daemonset: bool = False

    @property
    def record_dir(self) -> Path | None:
        """Where the record of the installation is, in place of a state directory that is not seen."""
        return self.token_file.parent if self.token_file and self.from_daemonset else None

    @property
    def for_crio(self) -> bool:
        """Whether CRI-O reads the directory."""
        return any(one.kind == "crio" for one in (self.placement.runtimes if self.placement else ()))


def existing_document(conflist: Path) -> dict[str, Any]:
    """The existing conflist, {} without one: an operator's keys in it are kept. Raises InvalidConfig."""
    try:
        return read_document(conflist) or {}
    except InvalidConfig:
        raise InvalidConfig(
            f"{conflist} exists and cannot be read",
            hint="correct it; `genie install` keeps a copy of it and replaces it",
        ) from None


def is_broken(conflist: Path) -> bool:
    """Whether it exists and no runtime can load it: the runtime then loads no network or another one."""
    try:
        text = read_text(str(conflist)) if os.path.lexists(conflist) else ""
    except GenieError:
        return False  # no file, or not readable: writing it reports the reason
    if not text and not conflist.exists():
        return False
    from genie_core.survey.conf_files import parse_conf  # with all facts; a new node does without

    return parse_conf(str(conflist), text).network is None


def kept_document(conflist: Path, remembered: Mapping[str, Any] | None) -> dict[str, Any]:
    """The content to keep: that of the conflist; of one that is broken or gone the record of the last installation.

    With it the keys of a configuration of CNI-Genie's beside it.
    """
    is_lost = is_broken(conflist) or not os.path.lexists(conflist)
    own = dict(remembered or {}) if is_lost else existing_document(conflist)
    return with_its_keys(conflist.parent, own)


def existing_entry(conflist: Path) -> dict[str, Any]:
    """Genie's entry in the existing conflist; {} without one. Raises InvalidConfig."""
    document = existing_document(conflist)
    return (entry_of(document) if document else None) or {}


def conflist_notes(options: InstallOptions, remembered: Mapping[str, Any] | None) -> list[str]:
    """Changes of the conflist that no option asked for."""
    conflist = options.conf_dir / CONFLIST
    notes = []
    if is_broken(conflist):
        source = (
            "with the options of this run: there is no record of it"
            if remembered is None
            else "with its last recorded content"
        )
        notes.append(f"{conflist} cannot be loaded: it is replaced, {source}; a copy is kept in {BROKEN}")
    elif remembered and not os.path.lexists(conflist):
        notes.append(f"{conflist} is gone: it is written with its last recorded content")
    notes += [
        f"the keys of {path}, CNI-Genie's configuration, are kept in {CONFLIST}"
        for path in configurations(options.conf_dir)
    ]
    kept = kept_document(conflist, remembered)
    entry = (entry_of(kept) if kept else None) or {}
    if options.for_crio and "result" not in (*options.extra, *entry):
        notes.append(
            'result is set to "primary": CRI-O gives kubelet every address of a merged result as one of the pod\'s own'
        )
    return notes


def new_text(options: InstallOptions, remembered: Mapping[str, Any] | None) -> str:
    """Genie's conflist, with what is kept of the present one.

    Raises InvalidConfig for what the plugin would refuse; it names the file where that is in the file.
    """
    conflist = options.conf_dir / CONFLIST
    kept = kept_document(conflist, remembered)
    try:
        return conflist_text(options, kept)
    except GenieError as error:
        if kept and error.msg == _problem_in(kept):
            raise error.replace(msg=f"{conflist}: {error.msg}") from None
        raise


def _problem_in(document: dict[str, Any]) -> str:
    """What the plugin would refuse of a configuration list, "" for nothing."""
    try:
        Settings(entry_of(document) or {})
    except GenieError as error:
        return error.msg
    return ""


def conflist_text(options: InstallOptions, existing: dict[str, Any]) -> str:
    """Genie's conflist; keys, versions and other plugins of the `existing` one are kept.

    Raises InvalidConfig for what the plugin would refuse.
    """
    if not existing or entry_of(existing) is None:
        existing = {"plugins": [{"type": TYPE}]}
    # Runtimes built on libcni before 1.2 do not support 1.1.0 and read cniVersion; newer ones choose from the list.
    versions = {"cniVersion": "1.0.0", "cniVersions": ["1.0.0", CURRENT]}
    pinned = bool(versions.keys() & existing.keys())  # a single key is a version that an operator has chosen
    document = {
        **({} if pinned else versions),
        **({} if existing.get("name") else {"name": TYPE}),
        **existing,
    }
    document["plugins"] = [
        _entry(options, entry) if entry.get("type") == TYPE else entry for entry in existing["plugins"]
    ]
    return json.dumps(document, indent=2) + "\n"


def _entry(options: InstallOptions, existing: Mapping[str, Any]) -> dict[str, Any]:
    """Genie's own entry among the plugins."""
    kept = {key: value for key, value in existing.items() if key != "type"}
    plugin: dict[str, Any] = {**kept, **options.extra}
    plugin["capabilities"] = {**dict.fromkeys(CAPABILITIES, True), **get_object(plugin, "capabilities")}
    others = get_strings(plugin, "conf_dirs") or [DELEGATE_CONF_DIR]
    if options.for_crio:
        others = [*others, DELEGATE_CONF_DIR]
        plugin.setdefault("result", "primary")  # kubelet takes all addresses of the result as the pod's
    plugin["conf_dirs"] = list(dict.fromkeys([str(options.conf_dir), *others]))
    searched = options.placement.bin_dirs if options.placement else ()
    plugin["bin_dirs"] = list(
        dict.fromkeys([str(options.bin_dir), *searched, *get_strings(plugin, "bin_dirs")])
    )
    if options.state_dir:
        plugin["state_dir"] = str(options.state_dir)
    kubeconfig = options.conf_dir / KUBECONFIG if options.api_server else options.kubeconfig
    if kubeconfig:
        plugin["kubernetes"] = {**get_object(plugin, "kubernetes"), "kubeconfig": str(kubeconfig)}
    Settings(plugin)  # raises for what the plugin would refuse
    return {"type": TYPE, **plugin}


def conflist_mode(conflist: Path, text: str) -> int:
    """0600 for CNI-Genie's `policy` and other credentials (conformance X14), and where an operator closed the file."""
    closed = conflist.exists() and not conflist.stat().st_mode & 0o044
    plugins = json.loads(text)["plugins"]
    private = closed or holds_secret(plugins) or any(plugin.get("policy") for plugin in plugins)
    return 0o600 if private else 0o644


def kubeconfig_text(options: InstallOptions) -> str:
    """A kubeconfig that names the token's file. Raises WrongUsage without one."""
    if not options.token_file:
        raise WrongUsage("--api-server needs --token-file", hint="name the service account's token file")
    cluster: dict[str, Any] = {"server": options.api_server}
    if options.ca_file:
        cluster["certificate-authority"] = str(options.ca_file)
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": "genie", "user": {"tokenFile": str(options.token_file)}}],
        "contexts": [{"name": "genie", "context": {"cluster": "cluster", "user": "genie"}}],
        "current-context": "genie",
    }
    return json.dumps(document, indent=2) + "\n"
