"""The agent's options: flags, and Genie's own configuration, which is read again while it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from genie_core.errors import GenieError, IOFailure
from genie_core.settings import CONF_DIR, Settings
from genie_core.survey.contact import Contact
from genie_core.survey.user_cluster import Access, no_server
from genie_core.survey.watching import WatchingAPI, follow_cluster
from genie_core.tasks.node_state import own_configuration

SYNC_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """`node` is this node's name. `repair` "" means what the configuration says.

    `host_pid` is the process in whose namespaces changes are made, 0 for this one's own. `parallel` is how many syncs
    run at a time. `contact` is for the watches: what `connect` returns reports to it. `policy` switches policies
    between networks on, whatever the configuration says. The directories are where the other commands find them; ""
    means that they find them themselves.
    """

    node: str
    access: Access = field(default_factory=Access)
    conf_dir: str = CONF_DIR
    state_dir: str = ""
    ipam_dir: str = ""
    cache_dir: str = ""
    cri_socket: str = ""
    repair: str = ""
    host_pid: int = 0
    policy: bool = False
    contact: Contact = field(default_factory=Contact, compare=False)
    parallel: int = field(default_factory=lambda: max(1, min(4, (os.cpu_count() or 2) // 2)))

    def place(self, path: str) -> str:
        """Where the agent itself finds a file of the node's.

        In a container that is below the root of the node's first process: a state directory, or a metrics file, that
        Genie's configuration names need not be mounted.
        """
        return f"/proc/{self.host_pid}/root{path}" if self.host_pid and path else path

    def configuration(self) -> tuple[dict[str, Any], Settings]:
        """The configuration to read the node by, with its settings. Raises as `read`."""
        _, config = self.read()
        return config, Settings(config, forgiving=True)

    def switches_policies_off(self) -> bool:
        """Whether Genie's configuration is there, can be read, and does not switch policies on."""
        try:
            own, config = self.read()
        except GenieError:
            return False
        settings = Settings(config, forgiving=True)
        return bool(own) and not settings.policy_engine and not settings.problems

    def read(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Genie's own entry, and the configuration. Raises InvalidConfig, and IOFailure where no file can be opened."""
        try:
            return own_configuration(self.conf_dir, self.state_dir)
        except OSError as error:
            raise IOFailure(f"{error.filename} cannot be read: {error.strerror}") from None

    def connect(self, *, metadata_only: bool = False) -> WatchingAPI:
        """The API server, with the credentials as they are now.

        Raises GenieError: IOFailure where no file can be opened, WrongUsage where no server is named.
        """
        own, _ = self.read()
        try:
            known = follow_cluster(self.access, own)
            if known is not None:
                return WatchingAPI(known, metadata_only=metadata_only, answered=self.contact.answered)
        except OSError as error:
            raise IOFailure(f"the credentials cannot be read: {error.strerror or error}") from None
        raise no_server(instead="in Genie's configuration")

    def sync_words(self, namespace: str, name: str, settings: Settings) -> list[str]:
        """The command line of one change, of the module genie_core.tasks.sync."""
        primary = ["--primary"] if settings.live_primary else []
        words = [f"{namespace}/{name}", "--seconds", f"{SYNC_SECONDS:g}", *primary]
        return [*words, *self._cluster(), *_flags(self._places(), ("conf-dir", "state-dir", "cri-socket"))]

    def gc_words(self) -> list[str]:
        """That of a collection, of the command line."""
        places = _flags(self._places(), ("conf-dir", "state-dir", "ipam-dir", "cache-dir", "cri-socket"))
        return ["gc", "--yes", "-o", "json", *places]

    def debug_words(self) -> list[str]:
        """That of the node checks. They are asked of the node alone: a cluster's objects would be a heavy list."""
        places = _flags(self._places(), ("conf-dir", "state-dir", "ipam-dir", "cache-dir", "cri-socket"))
        return [
            "debug", "node", "-o", "json", "--fail-on", "never", "--here", "--node", self.node,
            "--objects-file", "/proc/self/fd/0", *places,
        ]  # fmt: skip

    def policy_words(self) -> list[str]:
        """That of the policy engine, of the module genie_core.tasks.policy."""
        return ["--node", self.node, *self._cluster(), *_flags(self._places(), ("conf-dir", "state-dir"))]

    def repair_words(self, mode: str, container: str) -> list[str]:
        """That of a look at the attachments, of the module genie_core.tasks.repair."""
        places = _flags(self._places(), ("conf-dir", "state-dir", "cri-socket"))
        one = _flags({"container": container}, ("container",))
        return ["--mode", mode, *one, *self._cluster(), *places]

    def _cluster(self) -> list[str]:
        asked = {"kubeconfig": self.access.kubeconfig, "context": self.access.context}
        return _flags(asked, tuple(asked))

    def _places(self) -> dict[str, str]:
        return {
            "conf-dir": self.conf_dir,
            "state-dir": self.state_dir,
            "ipam-dir": self.ipam_dir,
            "cache-dir": self.cache_dir,
            "cri-socket": self.cri_socket,
        }


def _flags(values: Mapping[str, str], names: tuple[str, ...]) -> list[str]:
    return [word for name in names if values[name] for word in (f"--{name}", values[name])]
