"""The node's CNI files: configurations, cached results, leases. Only what checks need is kept, secrets never."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

from genie_core.diagnose.collect.netns import plain
from genie_core.diagnose.facts import JSON, Cached, ConfFile, Files, Lease
from genie_core.errors import GenieError
from genie_core.spec.conf import parse_file

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


def _plugin(text: str) -> JSON:
    data = json.loads(text)
    kept = {name: data[name] for name in PLAIN if name in data}
    if isinstance(data.get("ipam"), dict):
        kept["ipam"] = {name: data["ipam"][name] for name in IPAM if name in data["ipam"]}
    if isinstance(data.get("delegate"), dict):
        kept["delegate"] = {name: data["delegate"][name] for name in PLAIN if name in data["delegate"]}
    return kept


def confs(directory: Path) -> tuple[ConfFile, ...]:
    """The files that a runtime would look at, in its order."""
    found = []
    for path in sorted(p for p in directory.iterdir() if p.suffix in EXTENSIONS and p.is_file()):
        try:
            network = parse_file(path.read_text(), str(path))
            plugins = tuple(_plugin(plugin.text) for plugin in network.plugins)
            found.append(
                ConfFile(path=str(path), name=network.name, version=network.version, plugins=plugins)
            )
        except (GenieError, OSError, UnicodeDecodeError) as error:
            found.append(ConfFile(path=str(path), problem=getattr(error, "msg", str(error))))
    return tuple(found)


def _pod_of(arguments: Any) -> str:
    """NS/NAME out of libcni's `cniArgs`, a list of pairs; nothing else of it is kept."""
    pairs = dict(pair for pair in arguments or () if isinstance(pair, list) and len(pair) == 2)
    namespace, name = pairs.get("K8S_POD_NAMESPACE", ""), pairs.get("K8S_POD_NAME", "")
    return f"{namespace}/{name}" if name else ""


def cached(directory: Path) -> tuple[Cached, ...]:
    """libcni's cached results; the base64 configuration in them is not read."""
    found = []
    for path in sorted(p for p in directory.iterdir() if p.is_file()):
        try:
            data = json.loads(path.read_text())
            found.append(
                Cached(
                    file=str(path),
                    container=str(data.get("containerId", "")),
                    network=str(data.get("networkName", "")),
                    ifname=str(data.get("ifName", "")),
                    netns=plain(str(data.get("netns", "")) or _sandbox(data.get("result") or {})),
                    pod=_pod_of(data.get("cniArgs")),
                    result=_result(data.get("result") or {}),
                )
            )
        except (ValueError, OSError, AttributeError, TypeError):
            found.append(Cached(file=str(path)))
    return tuple(found)


def _sandbox(result: JSON) -> str:
    return next((i["sandbox"] for i in result.get("interfaces") or () if i.get("sandbox")), "")


def _result(result: JSON) -> JSON:
    return {name: result[name] for name in ("interfaces", "ips", "routes", "dns") if name in result}


def leases(directory: Path) -> tuple[Lease, ...]:
    """host-local's leases of every network below its data directory."""
    found = []
    for network in sorted(p for p in directory.iterdir() if p.is_dir()):
        for path in sorted(network.iterdir()):
            # host-local writes IPv6 colons as they are; on other file systems as underscores.
            name = path.name.replace("_", ":") if path.name.count("_") > 1 else path.name
            try:
                ipaddress.ip_address(name)
                lines = path.read_text().split()
            except (ValueError, OSError):
                continue
            owner = [*lines, "", ""]
            found.append(Lease(network=network.name, ip=name, container=owner[0], ifname=owner[1]))
    return tuple(found)


def state(directory: Path) -> tuple[Cached, ...]:
    """Genie's own plans as cached results: one per attachment."""
    from genie_core.edges.store import Store

    found = []
    for plan in Store(str(directory)).plans():
        if isinstance(plan, GenieError):
            continue
        for attachment in plan.attachments:
            result = json.loads(attachment.result) if attachment.result else {}
            found.append(
                Cached(
                    file=f"{directory} {plan.container_id}",
                    container=plan.container_id,
                    network=attachment.network.name,
                    ifname=attachment.ifname,
                    netns=plain(plan.netns),
                    pod=str(plan.pod) if plan.pod else "",
                    result=_result(result),
                )
            )
    return tuple(found)


def collect(
    conf_dir: str, bin_dir: str, ipam_dir: str, cache_dir: str, state_dir: str
) -> tuple[Files, dict[str, str]]:
    """All of them, and for each directory that could not be read the reason."""
    missing: dict[str, str] = {}

    def attempt(name: str, directory: str, read: Any) -> Any:
        try:
            return read(Path(directory))
        except FileNotFoundError:
            missing[name] = f"{directory} does not exist"
        except PermissionError:
            missing[name] = f"{directory} may not be read: run as root"
        except (OSError, GenieError, ImportError, AttributeError) as error:
            missing[name] = f"{directory}: {error}"
        return ()

    results = attempt("cache", cache_dir, cached) if cache_dir else ()
    own = attempt("state", state_dir, state) if state_dir else ()
    files = Files(
        conf_dir=conf_dir,
        bin_dir=bin_dir,
        confs=attempt("configurations", conf_dir, confs) if conf_dir else (),
        cached=(*results, *own),
        leases=attempt("leases", ipam_dir, leases) if ipam_dir else (),
    )
    return files, missing
