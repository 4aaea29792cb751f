"""The survey of a node: every source is read once, side by side, each with a deadline and each allowed to be missing.

A command says what it wants (`DISCOVER`, `DEBUG`, ...) and gets `Facts`. A source that was not read is named in
`Facts.missing`. Nothing is changed; nothing is run but nft, iptables-save, crictl, the runtimes for their
version, `containerd config dump`, and plugins' VERSION and STATUS.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from enum import Flag, auto
from functools import cached_property, partial
from typing import Any, TypeVar

from genie_core.errors import Denied, IOFailure
from genie_core.settings import CONF_DIR
from genie_core.survey import drivers, held, netlink, pod_netns, rulesets
from genie_core.survey.collection import SECONDS, Collection, Pending
from genie_core.survey.conf_files import read_directory
from genie_core.survey.conntrack import tracked
from genie_core.survey.cri import every
from genie_core.survey.facts import Cached, ConfFile, Facts, Files, GenieState, Lease
from genie_core.survey.genie import ask_api, own_file, own_settings, read_state
from genie_core.survey.kernel import Firewall, Namespace, Netns
from genie_core.survey.namespaces import read_namespaces, read_tenants
from genie_core.survey.obstacles import Store
from genie_core.survey.places import Places, conf_dirs_of, runtimes_of
from genie_core.survey.plugins import read_plugins
from genie_core.survey.records import read_cache, read_leases
from genie_core.survey.rootfs import Root
from genie_core.survey.runtimes import Runtime
from genie_core.survey.sandboxes import SECONDS as RUNTIME_SECONDS
from genie_core.survey.sandboxes import Sandboxes, find_sandboxes, known_containers
from genie_core.survey.stores import CACHE, LEASES, LOCK, STATE, lease_directories, read_stores

T = TypeVar("T")
U = TypeVar("U")
API_SECONDS = 2.0
_PATIENCE = 30.0  # seconds for thousands of files on a busy node


class Part(Flag):
    """What can be read of a node."""

    LINKS = auto()  # the node's interfaces, addresses and routes
    KERNEL = auto()  # everything of the node's network namespace, and the namespaces that its links lead to
    TRACKED = auto()  # the connections that the kernel tracks: as many as a million lines
    FIREWALL = auto()  # the node's rules
    FILES = auto()  # the runtimes' configuration and the CNI configurations
    PLUGINS = auto()  # plugin binaries, Genie's installation, credentials; with FILES
    SUMS = auto()  # the SHA-256 of plugin binaries, which takes 50 ms of processor time; with PLUGINS
    ANSWERS = auto()  # what plugins answer to VERSION and STATUS, and the runtimes' versions; with PLUGINS
    RECORDS = auto()  # Genie's state, leases, cached results, sandboxes, named network namespaces
    API = auto()  # Genie's own API server; with FILES


GENERATE = Part.LINKS | Part.FILES | Part.PLUGINS | Part.ANSWERS
DISCOVER = GENERATE | Part.SUMS | Part.RECORDS | Part.API
PACKET_PATH = Part.KERNEL | Part.FIREWALL | Part.FILES | Part.RECORDS
NETWORK = PACKET_PATH | Part.TRACKED
DEBUG = NETWORK | Part.PLUGINS | Part.ANSWERS
GC = Part.LINKS | Part.FIREWALL | Part.RECORDS

# The sources that are missing, by the names that checks need, where a reader gave nothing at all.
_READ_BY = {
    "files": ("conf", "runtimes", "state", "leases", "cache", "bin", "probe"),
    "plugins": ("bin", "probe"),
    "namespaces": ("processes",),
}


def survey(places: Places, wanted: Part, todo: Collection, api_seconds: float = API_SECONDS) -> Facts:
    """The facts of a node, without a look into any pod. Raises NotFound where the root does not exist."""
    return Survey(places, wanted, todo, pod="", api_seconds=api_seconds).facts()


class Survey:
    """One reading of a node under way: it begins when this is made, and `facts` waits for it.

    The runtime gives the namespace and the addresses of every sandbox, which takes one request each; where `pod` is not
    None, of the sandboxes of that pod alone: NAMESPACE/NAME, "" for none.
    Readers of many files are given up after `patience` seconds, plugins after twice as many: a disk may hang.
    """

    def __init__(
        self,
        places: Places,
        wanted: Part,
        todo: Collection,
        *,
        pod: str | None = None,
        runtime_seconds: float = RUNTIME_SECONDS,
        api_seconds: float = API_SECONDS,
        patience: float = _PATIENCE,
    ) -> None:
        self.places, self.wanted, self.todo = places, wanted, todo
        self.root = Root(places.root).require()
        with suppress(ImportError):  # then the readers report it
            import pyroute2  # noqa: F401 (150 ms, once, before the threads that need it)
        sandboxes = partial(
            find_sandboxes,
            self.root,
            places.cri_socket,
            timeout=runtime_seconds,
            detailed=every if pod is None else lambda one: one.pod == pod,
            directories=places.sandbox_dirs,
        )
        namespaces = partial(read_namespaces, self.root, places.netns_dirs)
        interfaces = partial(netlink.read_netns, "") if Part.KERNEL in wanted else netlink.read_links
        self._files = self._begin(Part.FILES | Part.RECORDS, "files", self._read_files, patience)
        self._sandboxes = self._begin(Part.RECORDS, "runtime", sandboxes, patience)
        self._namespaces = self._begin(Part.RECORDS | Part.KERNEL, "namespaces", namespaces, patience)
        self._node = self._begin(Part.LINKS | Part.KERNEL, "node", interfaces)
        self._firewall = self._begin(Part.FIREWALL, "node firewall", rulesets.firewall)
        self._tracked = self._begin(Part.TRACKED, "tracked", tracked)
        self._plugins = self._begin(Part.PLUGINS, "plugins", self._read_plugins, 2 * patience)
        self._api = self._begin(Part.API, "api", partial(self._ask_api, api_seconds), patience)

    def _begin(
        self, parts: Part, name: str, work: Callable[[], T], seconds: float = SECONDS
    ) -> Pending[T] | None:
        return self.todo.start(name, work, seconds) if parts & self.wanted else None

    def _take(self, pending: Pending[T] | None, otherwise: U) -> T | U:
        """What a reader gave; `otherwise` where it was not wanted, or gave nothing."""
        return self.todo.result(pending, otherwise) if pending else otherwise

    # --- the readers; each runs in a thread of its own

    def _read_files(self) -> Facts:
        """Configurations, then the records in the directories that Genie's configuration names."""
        places, read = self.places, self.todo.read
        runtimes, directories = self._configurations() if Part.FILES in self.wanted else ([], {})
        files = [file for found in directories.values() for file in found]
        state_dir = places.state_dir or own_settings(own_file(files)).state_dir
        state: dict[str, Any] = {}
        planned: tuple[Cached, ...] = ()
        leases: tuple[Lease, ...] = ()
        cache: list[Cached] = []
        if Part.RECORDS in self.wanted:
            reader = partial(read_state, state_dir, self.root)
            state, planned = read("state", state_dir, reader, (state, planned))
            cache = read("cache", places.cache_dir, partial(read_cache, places.cache_dir, self.root), cache)
            leases = self._leases(list(dict.fromkeys([places.ipam_dir, *_named_lease_dirs(files)])))
        return Facts(
            machine=platform.machine(),
            runtimes=runtimes,
            directories=directories,
            files=Files(
                conf_dir=(*places.conf_dirs, CONF_DIR)[0],
                bin_dir=places.bin_dirs[0] if places.bin_dirs else "",
                state_dir=state_dir,
                confs=tuple(file for file in files if not file.ignored),
                cached=(*cache, *planned),
                leases=leases,
                stores=self._stores(files, state_dir),
                **self._of_next_add(files),
            ),
            genie=replace(GenieState(state_dir=state_dir), **state),
        )

    def _stores(self, files: list[ConfFile], state_dir: str) -> tuple[Store, ...]:
        """The directories that the next ADD cannot write to."""
        places = [(path, LEASES) for path in lease_directories(files, self.places.ipam_dir)]
        places += [(state_dir, STATE)] if own_file(files) else []
        places += [(self.places.cache_dir, CACHE)] if files else []
        return read_stores(places, self.root) if Part.RECORDS in self.wanted else ()

    def _of_next_add(self, files: list[ConfFile]) -> dict[str, Any]:
        """What else would stop the next ADD: locks that a process keeps, modules that the kernel lacks."""
        if Part.RECORDS not in self.wanted:
            return {}
        locks = [f"{path}/{LOCK}" for path in lease_directories(files, self.places.ipam_dir)]
        return {
            "locks": held.held_locks([*locks, held.XTABLES], self.root),
            "drivers": drivers.lacking(files, self.root, platform.release()),
        }

    def _leases(self, directories: list[str]) -> tuple[Lease, ...]:
        """The leases of all directories; they are absent where none of the directories exists."""
        nothing: tuple[Lease, ...] | None = None
        read = [
            self.todo.read("leases", path, partial(read_leases, path, self.root), nothing)
            for path in directories
        ]
        if "leases" in self.todo.absent and any(found is not None for found in read):
            self.todo.absent.discard("leases")
            del self.todo.missing["leases"]
        return tuple(lease for found in read for lease in found or ())

    def _configurations(self) -> tuple[list[Runtime], dict[str, list[ConfFile]]]:
        """The runtimes, and the files of each configuration directory: the runtimes', then Genie's own."""
        runtimes = runtimes_of(self.places, self.root, ask=Part.ANSWERS in self.wanted)
        found: dict[str, list[ConfFile]] = {}
        for directory in conf_dirs_of(self.places, runtimes, self.root):
            found[directory] = self._directory(directory)
        own = own_file([file for files in found.values() for file in files])
        for directory in own_settings(own).conf_dirs:
            if directory not in found and self.root.exists(directory):
                found[directory] = self._directory(directory)
        return runtimes, found

    def _directory(self, directory: str) -> list[ConfFile]:
        return self.todo.read("conf", directory, partial(read_directory, directory, self.root), [])

    def _read_plugins(self) -> Facts:
        """The facts of the files, with the plugins that they name."""
        facts = self._files.future.result() if self._files else Facts()
        ask, sums = Part.ANSWERS in self.wanted, Part.SUMS in self.wanted
        return read_plugins(facts, self.places, self.root, self.todo, ask=ask, sums=sums)

    def _ask_api(self, seconds: float) -> dict[str, Any]:
        own = own_file(self._files.future.result().conf_files) if self._files else None
        return ask_api(own_settings(own), self.root, seconds) if own else {}

    def _numbers(self, paths: tuple[str, ...]) -> dict[str, int]:
        return netlink.namespace_numbers({path: self.root.real(path) for path in paths})

    # --- the results

    @cached_property
    def sandboxes(self) -> Sandboxes:
        """The node's sandboxes, and how they are known."""
        found = self._take(self._sandboxes, Sandboxes())
        if found.problem is not None:
            self.todo.fail("runtime", found.problem)
        return found

    @cached_property
    def node(self) -> Netns:
        """The node's interfaces and addresses, and with KERNEL the rest of its network namespace but the firewall."""
        return self._take(self._node, Netns())

    @cached_property
    def recorded(self) -> Facts:
        """What files and the runtime hold: by it a pod's namespace is found."""
        found = self._take(self._files, Facts())
        return replace(found, sandboxes=self.sandboxes.found)

    def facts(self, netns: str = "") -> Facts:
        """All facts of the node, and of a pod's namespace at `netns`. Raises InvalidNetns."""
        todo, take = self.todo, self._take
        pod = pod_netns.begin(netns, self.root, todo) if netns else None
        spaces = take(self._namespaces, list[Namespace]())
        # The pod's own path comes first: a namespace may be known by several.
        paths = tuple(dict.fromkeys((*((netns,) if netns else ()), *(space.path for space in spaces))))
        numbers = self._begin(Part.KERNEL | Part.RECORDS, "namespace numbers", partial(self._numbers, paths))
        numbered = take(numbers, dict[str, int]())
        tenants = self._begin(Part.KERNEL, "tenants", partial(read_tenants, numbered, self.root))
        nsids = {str(number): path for path, number in reversed([*numbered.items()])}
        late = Firewall(reason="it could not be read in time")
        firewall = take(self._firewall, late) if self._firewall else Firewall()
        if firewall.reason and "node firewall" not in todo.missing:
            todo.fail("node firewall", rulesets.refusal(firewall.reason))
        flows, taken = take(self._tracked, ((), ()))
        found = self.recorded
        if "files" not in todo.missing:  # plugins are read by what files name
            found = take(self._plugins, found)
        facts = replace(
            found,
            node_name=self.places.node or os.environ.get("NODE_NAME") or platform.node(),
            netns_path=netns,
            time=time.time(),
            node=replace(self.node, nsids=nsids, firewall=firewall, tracked=flows, taken=taken),
            sandboxes=self.sandboxes.found,
            namespaces=spaces,
            namespace_numbers=numbered,
            tenants=take(tenants, ()),
            genie=replace(found.genie, **take(self._api, dict[str, Any]())),
            **pod_netns.take(pod, todo) if pod else {},
        )
        self._note_gaps(facts)
        return replace(
            facts,
            missing=dict(todo.missing),
            denied=frozenset(todo.denied),
            absent=frozenset(todo.absent),
        )

    def _note_gaps(self, facts: Facts) -> None:
        """Name the sources that were wanted and of which nothing was found."""
        todo, missing = self.todo, self.todo.missing
        for reader, sources in _READ_BY.items():
            for source in sources if reader in missing else ():
                missing.setdefault(source, missing[reader])
        if Part.FILES in self.wanted and not facts.runtimes:
            missing.setdefault(
                "runtimes", "no container runtime found: name its configuration with --runtime-config"
            )
        if not facts.genie.api:
            missing.setdefault("api", "Genie's configuration names no API server")
        if facts.genie.networks is None:
            unread = "Genie's account may not list logical networks, or was not answered"
            missing.setdefault("networks", missing.get("api", unread))
        if Part.RECORDS in self.wanted and known_containers(facts) is None:
            denied = isinstance(self.sandboxes.problem, Denied)
            problem = "asking the container runtime needs root" if denied else "no container runtime answered"
            todo.fail("sandboxes", (Denied if denied else IOFailure)(problem))
        if any(space.processes is None for space in facts.namespaces):
            todo.fail("processes", Denied("seeing other users' processes needs root"))
        for source, named in (("conf", self.places.conf_dirs), ("bin", self.places.bin_dirs)):
            gone = [directory for directory in named if not self.root.exists(directory)]
            if gone:
                todo.fail(source, IOFailure(f"there is no directory {' '.join(gone)}"))


def _named_lease_dirs(files: list[ConfFile]) -> list[str]:
    """host-local's data directories that configurations name."""
    ipams = [entry.get("ipam") for file in files for entry in file.chain]
    return [str(ipam["dataDir"]) for ipam in ipams if isinstance(ipam, dict) and ipam.get("dataDir")]
