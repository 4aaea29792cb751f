"""The records that IPAM and runtimes keep of pods' networks: leases and cached results. Read only.

host-local's leases  <dataDir>/<network>/<address>, holding the container ID and, on a second line, the interface
libcni's cache       <cacheDir>/results/<network>-<container>-<interface>, kind cniCacheV1 (conformance B57, B58)
"""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Mapping
from typing import Any

from genie_core.jsontext import JSONError, decode
from genie_core.published import JSON
from genie_core.survey.facts import Cached, Lease
from genie_core.survey.namespaces import canonical
from genie_core.survey.rootfs import Root, age_of

# The members of a CNI result that are kept, beside `dns`: no plugin puts a secret there.
_LISTS = ("interfaces", "ips", "routes")


def read_leases(directory: str, root: Root) -> tuple[Lease, ...]:
    """host-local's leases of every network below its data directory. Raises OSError for the directory."""
    folders = (name for name in root.names(directory) if os.path.isdir(root.real(f"{directory}/{name}")))
    found = (_leases_of(network, f"{directory}/{network}", root) for network in folders)
    return tuple(lease for leases in found for lease in leases)


def _leases_of(network: str, folder: str, root: Root) -> list[Lease]:
    leases, now = [], time.time()
    for name in root.names(folder):
        address = _address(name)
        if not address:
            continue
        try:
            lines = root.text(f"{folder}/{name}", 4096).splitlines()
            age = age_of(root.real(f"{folder}/{name}"), now)
        except OSError:  # released meanwhile
            continue
        container, ifname = [*(line.strip() for line in lines), "", ""][:2]
        leases.append(
            Lease(
                network=network,
                ip=address,
                container=container,
                ifname=ifname,
                file=f"{folder}/{name}",
                age=age,
            )
        )
    return sorted(leases, key=lambda lease: (":" in lease.ip, int(ipaddress.ip_address(lease.ip))))


def _address(name: str) -> str:
    """The address in a lease's file name, or "" for `lock` and `last_reserved_ip.0`."""
    try:
        return str(ipaddress.ip_address(name.replace("_", ":")))
    except ValueError:
        return ""


def read_cache(directory: str, root: Root) -> list[Cached]:
    """libcni's cached results. Raises OSError for the directory."""
    return [_cached(f"{directory}/{name}", root) for name in root.names(directory)]


def _cached(file: str, root: Root) -> Cached:
    try:
        data, age = decode(root.text(file)), age_of(root.real(file), time.time())
        if not isinstance(data, dict):
            raise JSONError("an object was expected", "", 0)
    except (OSError, JSONError) as error:
        return Cached(file=file, problem=str(error))
    found = data.get("result") if data.get("kind") else data
    result = found if isinstance(found, dict) else {}
    return Cached(
        file=file,
        network=_text(data, "networkName"),
        container=_text(data, "containerId"),
        ifname=_text(data, "ifName"),
        netns=canonical(_text(data, "netns") or _sandbox_of(result)),
        pod=_pod_of(data.get("cniArgs")),
        result=lean_result(result),
        age=age,
    )


def lean_result(result: Mapping[str, Any]) -> JSON:
    """A CNI result without members that are not known, and without addresses that are none: a file may be damaged."""
    lists = {name: result[name] for name in _LISTS if isinstance(result.get(name), list)}
    kept: JSON = {
        name: [entry if isinstance(entry, dict) else {} for entry in entries]
        for name, entries in lists.items()
    }
    if "ips" in kept:
        kept["ips"] = [_usable(ip) for ip in kept["ips"] if _is_address(ip.get("address"))]
    return kept | ({"dns": result["dns"]} if isinstance(result.get("dns"), dict) else {})


def _usable(ip: JSON) -> JSON:
    return {name: value for name, value in ip.items() if name != "gateway" or _is_address(value)}


def _is_address(value: object) -> bool:
    return isinstance(value, str) and bool(_address(value.partition("/")[0]))


def _sandbox_of(result: dict[str, Any]) -> str:
    """The namespace that a result puts an interface into: libcni before 1.2 (containerd 1.7) records no other."""
    interfaces = result.get("interfaces")
    entries = interfaces if isinstance(interfaces, list) else []
    named = (_text(entry, "sandbox") for entry in entries if isinstance(entry, dict))
    return next((path for path in named if path), "")


def _pod_of(arguments: object) -> str:
    """NS/NAME out of libcni's `cniArgs`, a list of pairs."""
    entries = arguments if isinstance(arguments, list) else []
    pairs = {str(entry[0]): str(entry[1]) for entry in entries if isinstance(entry, list) and len(entry) == 2}
    name = pairs.get("K8S_POD_NAME", "")
    return f"{pairs.get('K8S_POD_NAMESPACE', '')}/{name}" if name else ""


def _text(data: dict[str, object], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""
