"""Genie's own set-up of a node: conflist, kubeconfig with tokenFile, the default network pinned by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from genie_core.edges.kubeconfig import load_cluster
from genie_core.edges.log import SILENT
from genie_core.errors import GenieError, WrongUsage
from genie_core.jsontext import decode
from genie_core.select.files import derived_name, is_self
from genie_core.survey.facts import Facts
from genie_core.survey.layouts import CLUSTER_CAS, KUBELET_CONFIGS
from genie_core.survey.rootfs import Root
from genie_core.survey.selection import candidates
from genie_core.tasks.generate.request import Generated, OutputFile, secret_mode
from genie_core.tasks.install.check import unknown_settings
from genie_core.tasks.install.conflist import (
    CONFLIST,
    KUBECONFIG,
    InstallOptions,
    conflist_text,
    existing_document,
    kubeconfig_text,
)
from genie_core.tasks.install.placement import place


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupOptions:
    """Where Genie is installed and which API server it uses; "" means: as found on the node, or none."""

    conf_dir: str
    bin_dir: str
    state_dir: str = ""
    default_network: str = ""
    api_server: str = ""
    token_file: str = ""
    ca_file: str = ""
    kubeconfig: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)  # further keys of Genie's configuration


def node_setup(options: SetupOptions, facts: Facts, root: Root) -> Generated:
    """The files of a node's set-up. Raises GenieError for options that cannot work."""
    notes = unknown_settings(options.extra)
    named = options.default_network or str(options.extra.get("default_plugin", ""))
    default = named or _default(facts, options.conf_dir, notes)
    extra: dict[str, Any] = {**options.extra, **({"default_plugin": default} if default else {})}
    placement = place(Path(options.bin_dir) if options.bin_dir else None, Path(options.conf_dir), root)
    install = InstallOptions(
        bin_dir=Path(placement.bin_dir),
        conf_dir=Path(options.conf_dir),
        placement=placement,
        state_dir=Path(options.state_dir) if options.state_dir else None,
        kubeconfig=Path(options.kubeconfig) if options.kubeconfig else None,
        extra=extra,
    )
    install = _with_api(install, options, root, notes)
    text = conflist_text(install, existing_document(Path(root.real(f"{options.conf_dir}/{CONFLIST}"))))
    files = [OutputFile(path=f"{options.conf_dir}/{CONFLIST}", text=text, mode=secret_mode_of_conflist(text))]
    if install.api_server:
        path = f"{options.conf_dir}/{KUBECONFIG}"
        files.insert(0, OutputFile(path=path, text=kubeconfig_text(install), mode=0o600))
    if facts.find_binary("genie", (placement.bin_dir,)) is None:
        notes.append(
            f"{placement.bin_dir}/genie is not there yet: `genie install` puts it there, and writes these files too"
        )
    return Generated(document=decode(text), files=files, several=True, notes=notes)


def secret_mode_of_conflist(text: str) -> int:
    """Mode 0600 where the conflist has credentials, as CNI-Genie's has."""
    return secret_mode(text) if '"policy"' in text else 0o644


def _default(facts: Facts, conf_dir: str, notes: list[str]) -> str:
    """The network that pods get now, by the name under which Genie finds it; "" where there is none."""
    networks = [
        f for f in candidates(facts.directories.get(conf_dir, ())) if f.network and not is_self(f.network)
    ]
    if not networks:
        notes.append(f"no network is configured in {conf_dir} yet: the default network is not pinned")
        return ""
    name = derived_name(networks[0].path)
    notes.append(
        f'the default network is pinned to "{name}" ({networks[0].path}); --default-network names another'
    )
    return name


def _with_api(install: InstallOptions, options: SetupOptions, root: Root, notes: list[str]) -> InstallOptions:
    if options.kubeconfig:
        return install
    server = options.api_server or _server(root)
    if not server:
        notes.append(
            "no API server was found: Genie uses the annotations that the runtime passes (--api-server URL)"
        )
        return install
    if not options.token_file:
        if options.api_server:
            raise WrongUsage("--api-server needs --token-file", hint="a service account's token file")
        notes.append(f"the API server is {server}: --token-file FILE lets Genie use it")
        return install
    ca = options.ca_file or next((path for path in CLUSTER_CAS if root.exists(path)), "")
    return replace(
        install,
        api_server=server,
        token_file=Path(options.token_file),
        ca_file=Path(ca) if ca else None,
    )


def _server(root: Root) -> str:
    """The API server that this node's kubelet uses; "" where no file names it."""
    for path in KUBELET_CONFIGS:
        try:
            cluster = load_cluster({"kubeconfig": root.real(path)}, {}, SILENT)
        except GenieError:
            continue
        if cluster is not None:
            return str(cluster)
    return ""
