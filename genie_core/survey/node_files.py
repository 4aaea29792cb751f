"""The node's CNI files: configurations, cached results, leases. Only what checks need is kept, secrets never."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from genie_core.edges.store import Store
from genie_core.errors import Denied, GenieError, IOFailure
from genie_core.gojson import view
from genie_core.spec.conf import parse_file
from genie_core.survey.enter import plain
from genie_core.survey.facts import JSON, Cached, ConfFile, Files, Lease
from genie_core.survey.records import read_cache, read_leases
from genie_core.survey.rootfs import Root

T = TypeVar("T")

# A plugin's members that say how the network is built. Everything else may be a secret and stays where it is.
PLAIN = (
    "type",
    "bridge",
    "mtu",
    "ipMasq",
    "isGateway",
    "isDefaultGateway",
    "hairpinMode",
    "master",
    "mode",
    "vlan",
    "vlanId",
    "forceAddress",
    "promiscMode",
    "device",
    "backend",
    "enableIPv6",
)
IPAM = ("type", "subnet", "rangeStart", "rangeEnd", "gateway", "routes", "ranges", "addresses", "dataDir")
EXTENSIONS = (".conf", ".conflist", ".json")
RESULT = ("interfaces", "ips", "routes", "dns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Directories:
    """Where the files are, as the node calls the places; "" leaves one out."""

    conf: str = ""
    bin: str = ""
    ipam: str = ""
    cache: str = ""
    state: str = ""


def collect(places: Directories, root: Root) -> tuple[Files, dict[str, GenieError]]:
    """All of them, and for each directory that could not be read the reason."""
    missing: dict[str, GenieError] = {}

    def attempt(name: str, directory: str, read: Callable[[str, Root], tuple[T, ...]]) -> tuple[T, ...]:
        try:
            return read(directory, root) if directory else ()
        except FileNotFoundError:
            missing[name] = IOFailure(f"{directory} does not exist")
        except PermissionError:
            missing[name] = Denied(f"{directory} may not be read: run as root")
        except GenieError as error:
            missing[name] = error
        except OSError as error:
            missing[name] = IOFailure(f"{directory}: {error}")
        return ()

    files = Files(
        conf_dir=places.conf,
        bin_dir=places.bin,
        state_dir=places.state,
        confs=attempt("configurations", places.conf, confs),
        cached=(*attempt("cache", places.cache, cached), *attempt("state", places.state, state)),
        leases=attempt("leases", places.ipam, leases),
    )
    return files, missing


def confs(directory: str, root: Root) -> tuple[ConfFile, ...]:
    """The files that a runtime would look at, in its order. Raises OSError for the directory."""
    paths = [f"{directory}/{name}" for name in root.names(directory) if name.endswith(EXTENSIONS)]
    return tuple(_conf(path, root) for path in paths if os.path.isfile(root.real(path)))


def _conf(path: str, root: Root) -> ConfFile:
    try:
        return conf_of(path, root.text(path))
    except OSError as error:
        return ConfFile(path=path, problem=str(error))


def conf_of(path: str, text: str) -> ConfFile:
    """A network configuration without its secrets; `problem` says why it is none."""
    try:
        network = parse_file(text, path)
    except GenieError as error:
        return ConfFile(path=path, problem=error.msg)
    plugins = tuple(_plugin(plugin.text) for plugin in network.plugins)
    return ConfFile(path=path, name=network.name, version=network.version, plugins=plugins)


def _plugin(text: str) -> JSON:
    data = view(text)
    kept = _plain(data)
    if isinstance(data.get("ipam"), dict):
        kept["ipam"] = _members(data["ipam"], IPAM)
    if isinstance(data.get("delegate"), dict):
        kept["delegate"] = _plain(data["delegate"])
    return kept


def _plain(data: JSON) -> JSON:
    """Only words and numbers: an object in their place, such as flannel's backend with its PSK, may hold anything."""
    return {
        name: value for name, value in _members(data, PLAIN).items() if isinstance(value, str | int | float)
    }


def _members(data: JSON, names: tuple[str, ...]) -> JSON:
    return {name: data[name] for name in names if name in data}


def cached(directory: str, root: Root) -> tuple[Cached, ...]:
    """libcni's cached results. Raises OSError for the directory."""
    return tuple(
        Cached(
            file=found.file,
            container=found.container,
            network=found.network,
            ifname=found.ifname,
            netns=plain(found.netns or _sandbox(found.result)),
            pod=found.pod,
            result=_members(dict(found.result), RESULT),
        )
        for found in read_cache(directory, root)
    )


def _sandbox(result: Any) -> str:
    interfaces = result.get("interfaces")
    entries = (
        [entry for entry in interfaces if isinstance(entry, dict)] if isinstance(interfaces, list) else []
    )
    return next((str(entry["sandbox"]) for entry in entries if entry.get("sandbox")), "")


def leases(directory: str, root: Root) -> tuple[Lease, ...]:
    """host-local's leases of every network below its data directory. Raises OSError for the directory."""
    return tuple(
        Lease(network=network, ip=lease.address, container=lease.container, ifname=lease.ifname)
        for network, held in read_leases(directory, root, time.time()).items()
        for lease in held
    )


def state(directory: str, root: Root) -> tuple[Cached, ...]:
    """Genie's own plans as cached results: one per attachment. Raises OSError and GenieError for the directory."""
    plans = [plan for plan in Store(root.real(directory)).plans() if not isinstance(plan, GenieError)]
    return tuple(
        Cached(
            file=f"{directory} {plan.container_id}",
            container=plan.container_id,
            network=attachment.network.name,
            ifname=attachment.ifname,
            netns=plain(plan.netns),
            pod=str(plan.pod) if plan.pod else "",
            result=_members(json.loads(attachment.result), RESULT) if attachment.result else {},
            planned=True,
        )
        for plan in plans
        for attachment in plan.attachments
    )
