"""Measuring how busy the node's networks are: kernel counters or cAdvisor, leases, recorded attachments.

Used for a blank `cni` annotation alone. Everything together takes at most LIMIT_SECONDS.
"""

from time import monotonic, sleep

from genie_core.edges.confdir import read_text
from genie_core.edges.delegates import find_plugin
from genie_core.errors import GenieError, InvalidConfig
from genie_core.fields import get_object, get_str
from genie_core.gojson import view
from genie_core.indicators import Measures
from genie_core.jsontext import JSONError, decode
from genie_core.model import Plan
from genie_core.plugin_types import plugin_type
from genie_core.settings import IPAM_DIR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from ipaddress import IPv4Address, IPv6Address
    from typing import Any

    from genie_core.edges.indicator_programs import Indicators
    from genie_core.edges.store import Store
    from genie_core.model import NetConf
    from genie_core.ports import Log

    # Interface name -> (received, sent) bytes
    Counters = dict[str, tuple[int, int]]

LIMIT_SECONDS = 1.0
SAMPLE_SECONDS = 0.2
_RESERVED = 0.1  # of the limit, for what comes after a program that hangs
_CADVISOR_PATH = "/api/v1.3/containers"


class LoadMeter:
    """The port `Meter`."""

    def __init__(
        self,
        store: "Store",
        path: "Sequence[str]",
        cadvisor: str,
        indicators: "Indicators" = (),
        log: "Log | None" = None,
    ) -> None:
        """`indicators` are the node's own programs; they need the `log`."""
        self._store = store
        self._path = path
        self._cadvisor = cadvisor
        self._indicators = indicators
        self._log = log

    def usable(self, network: "NetConf") -> bool:
        """Whether every plugin of the chain is installed."""
        try:
            return all(find_plugin(plugin.type, self._path) for plugin in network.plugins)
        except GenieError:
            return False

    def is_full(self, network: "NetConf") -> bool:
        """Whether a range set of the network has no free address, so that a pod would get none."""
        used, size = address_use(network)
        return 0 < size <= used

    def measure(self, networks: "Mapping[str, NetConf]") -> dict[str, Measures]:
        """The measures by candidate. Raises GenieError where they cannot be had within LIMIT_SECONDS."""
        until = monotonic() + LIMIT_SECONDS
        own = self._own_indicators(networks, until)
        plans = [plan for plan in self._store.plans() if isinstance(plan, Plan)]
        rates = self._rates(until)
        numbers = own()
        measured = {
            name: self._measure(
                name, network, plans, rates, {indicator: found[name] for indicator, found in numbers.items()}
            )
            for name, network in networks.items()
        }
        if monotonic() > until:
            raise GenieError(f"measuring took longer than {LIMIT_SECONDS:g} s")
        return measured

    def _own_indicators(
        self, networks: "Mapping[str, NetConf]", until: float
    ) -> "Callable[[], dict[str, dict[str, float]]]":
        """Start the node's programs; what gives their numbers, by indicator and candidate."""
        if not self._indicators or self._log is None:
            return dict
        from genie_core.edges.indicator_programs import Runs

        runs = Runs(self._indicators, networks, self._log)
        return lambda: runs.collect(until - _RESERVED * LIMIT_SECONDS)

    def _rates(self, until: float) -> "dict[str, tuple[float, float]]":
        """Bytes per second, received and sent, by interface."""
        if self._cadvisor:
            return cadvisor_rates(self._cadvisor, until)
        first, began = kernel_counters(), monotonic()
        sleep(SAMPLE_SECONDS)
        return rates_between(first, kernel_counters(), monotonic() - began)

    def _measure(
        self,
        name: str,
        network: "NetConf",
        plans: "Iterable[Plan]",
        rates: "Mapping[str, tuple[float, float]]",
        others: "Mapping[str, float]",
    ) -> Measures:
        results = [
            item.result
            for plan in plans
            for item in plan.attachments
            if item.network.name == network.name and item.result and not item.released
        ]
        interfaces = _interfaces(name, network, results, rates)
        used, size = address_use(network)
        return Measures(
            received=sum(rates[interface][0] for interface in interfaces),
            sent=sum(rates[interface][1] for interface in interfaces),
            attachments=len(results),
            addresses_used=used,
            addresses=size,
            others=others,
            seen=bool(interfaces) or not self._cadvisor,  # the kernel knows all that there are
        )


def _interfaces(name: str, network: "NetConf", results: list[str], known: "Iterable[str]") -> set[str]:
    """The node's interfaces that belong to the network: those in results, those it names, those named like it."""
    mine = {interface for result in results for interface in _host_side(result)}
    for plugin in network.plugins:
        body = view(plugin.text)
        mine |= {value for key in ("bridge", "master") if isinstance(value := body.get(key), str)}
    prefix = plugin_type(name).host_prefix
    return {
        interface for interface in known if interface in mine or (prefix and interface.startswith(prefix))
    }


def _host_side(result: str) -> "Iterable[str]":
    interfaces = decode(result).get("interfaces") or []
    return [
        item["name"] for item in interfaces if not item.get("sandbox") and isinstance(item.get("name"), str)
    ]


def address_use(network: "NetConf") -> tuple[int, int]:
    """(leased, size) of the range set of a host-local network with the fewest free addresses.

    A pod gets one address of each set. (0, 0) for other IPAM plugins, which keep their leases elsewhere.
    """
    from genie_core.spec.ranges import spans, use_of

    try:
        ipam = get_object(view(network.plugins[0].text), "ipam")
        if get_str(ipam, "type") != "host-local":
            return 0, 0
        directory = f"{get_str(ipam, 'dataDir') or IPAM_DIR}/{network.name}"
    except InvalidConfig:  # host-local refuses it
        return 0, 0
    known = list(spans(ipam))
    uses = use_of(known, list(_leases(directory))) if known else {}
    return min(uses.values(), key=lambda use: use[1] - use[0], default=(0, 0))


def _leases(directory: str) -> "Iterable[IPv4Address | IPv6Address]":
    """host-local's leases: files named by address, beside its own."""
    import posix
    from ipaddress import ip_address

    try:
        names = posix.listdir(directory)
    except (OSError, ValueError):  # the second for what is no path, which host-local refuses
        return
    for name in names:
        try:
            yield ip_address(name)
        except ValueError:
            continue


# --- counters -------------------------------------------------------------------------------------------


def kernel_counters() -> "Counters":
    """The kernel's counters by interface (proc_net(5), /proc/net/dev)."""
    counters = {}
    for line in read_text("/proc/net/dev").splitlines()[2:]:
        name, _, numbers = line.partition(":")
        fields = numbers.split()
        counters[name.strip()] = (int(fields[0]), int(fields[8]))
    return counters


def rates_between(first: "Counters", second: "Counters", seconds: float) -> dict[str, tuple[float, float]]:
    """Bytes per second; 0 for an interface that appeared, or whose counters were reset."""
    rates = {}
    for name, (received, sent) in second.items():
        before = first.get(name, (received, sent))
        rates[name] = (max(received - before[0], 0) / seconds, max(sent - before[1], 0) / seconds)
    return rates


def cadvisor_rates(address: str, until: float) -> dict[str, tuple[float, float]]:
    """The rates between cAdvisor's last two samples. Raises GenieError (conformance D16, D18)."""
    url = address.rstrip("/") + _CADVISOR_PATH
    stats = _cadvisor_stats(address, url, until)
    if len(stats) < 2:
        raise GenieError(f'request "{url}" gave fewer than two samples')
    try:
        (first, began), (second, ended) = ((_counters(sample), _seconds(sample)) for sample in stats[-2:])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise GenieError(f'request "{url}" gave samples that cannot be read') from None
    if ended <= began:
        raise GenieError(f'request "{url}" gave two samples of the same time')
    return rates_between(first, second, ended - began)


def _cadvisor_stats(address: str, url: str, until: float) -> "list[Any]":
    from genie_core.edges.kube_cluster import Cluster, parse_server, shown_address
    from genie_core.edges.kube_errors import APIError
    from genie_core.edges.kube_http import Connection  # its deadline holds for an answer that drips, too

    try:
        cluster = Cluster(*parse_server(address, secured=False))
    except InvalidConfig:
        raise GenieError(
            f"cAdvisor_address{shown_address(address)} is not http(s)://host[:port][/path]"
        ) from None
    connection = Connection(cluster)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    try:
        answer = connection.exchange("POST", cluster.base + _CADVISOR_PATH, headers, b"null", until)
    except (OSError, APIError) as error:
        reason = getattr(error, "strerror", "") or str(error) or type(error).__name__
        raise GenieError(f'request "{url}" failed with error: {reason}') from None
    finally:
        connection.close()
    if answer.status != 200:
        raise GenieError(f'request "{url}" failed with error: status {answer.status}')
    try:
        stats = decode(answer.body.decode("utf-8", "replace"))["stats"]
    except (JSONError, KeyError, TypeError):
        raise GenieError(f'request "{url}" gave no container statistics') from None
    return stats if isinstance(stats, list) else []


def _counters(sample: "Any") -> "Counters":
    interfaces = sample["network"]["interfaces"]
    return {item["name"]: (int(item["rx_bytes"]), int(item.get("tx_bytes", 0))) for item in interfaces}


def _seconds(sample: "Any") -> float:
    from datetime import datetime

    stamp = str(sample["timestamp"])
    head, _, fraction = stamp.rstrip("Z").partition(".")
    digits = "".join(char for char in fraction if char.isdigit())[:6]  # Go prints nanoseconds
    return datetime.fromisoformat(f"{head}+00:00").timestamp() + float(f"0.{digits or 0}")
