"""The context of a verb: settings, log, state directory, plugins, API server; and the performing of steps."""

import posix
from time import monotonic

from genie_core.edges.delegates import Delegates
from genie_core.edges.files import exists
from genie_core.edges.locks import SHORTEST_WAIT_SECONDS
from genie_core.edges.store import Store
from genie_core.errors import GenieError, InvalidNetns, IOFailure
from genie_core.jsontext import encode
from genie_core.spec.conf import DEVICE_INFO
from genie_core.steps import (
    Attached,
    Begin,
    Event,
    First,
    Forget,
    Invoke,
    Record,
    Refused,
    Released,
    Releasing,
    RemoveBridge,
    Save,
    SetDefaultRoutes,
    StopMasquerading,
)

DEFAULT_ROUTE = "default route"  # the log's event: one network's was kept, other networks' were removed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genie_core.edges.api_server import APIServer
    from genie_core.edges.cancel import Cancel
    from genie_core.edges.locks import Lock
    from genie_core.model import Plan, Request
    from genie_core.ports import Log
    from genie_core.settings import Settings
    from genie_core.steps import Step
    from genie_core.verbs.policy import Leaving


class Context:
    """Everything that a verb or a task works with.

    `env` is the environment that plugins get, `path` the directories of CNI_PATH, `own` Genie's binary, "" for none.
    `api` is an API server to use instead of the configured one; `reaps` is for the plugins (edges/delegates.py).
    """

    def __init__(
        self,
        settings: "Settings",
        log: "Log",
        cancel: "Cancel",
        env: "Mapping[str, str]",
        path: "Sequence[str]" = (),
        own: str = "",
        api: "APIServer | None" = None,
        reaps: bool = True,
    ) -> None:
        self.settings = settings
        self.log = log
        self.cancel = cancel
        self.path = path
        self.store = Store(settings.state_dir, cancel.check)
        self.delegates = Delegates(
            env,
            settings.bin_dirs,
            settings.delegate_timeout,
            log,
            cancel,
            own,
            ready=self.store.sync,
            reaps=reaps,
        )
        self._env = env
        self._api = api
        self._leaving: dict[tuple[str, str, int], Leaving] = {}  # by container, interface and index

    @property
    def api(self) -> "APIServer":
        """The API server, connected to on first use."""
        if self._api is None:
            from genie_core.edges.api_server import APIServer

            self._api = APIServer(self.settings, self.log)
        return self._api

    def holding(self, lock: "Lock", timeout: "float | None" = None) -> "Context":
        """A copy whose plugins inherit the container's lock, and may take at most `timeout` seconds each."""
        held = object.__new__(Context)
        held.__dict__.update(self.__dict__)
        held.delegates = self.delegates.holding(lock, timeout)
        return held

    def deadline(self) -> float:
        """Until when to wait for another call's lock (time.monotonic())."""
        return monotonic() + max(self.settings.delegate_timeout, SHORTEST_WAIT_SECONDS)

    def perform(self, step: "Step") -> str:
        """Carry a step of `attach` out; its answer. Raises GenieError."""
        if not isinstance(step, Record):
            return self.act(step)
        try:
            self._record(step)
        except OSError as error:
            raise _cannot_go_on(error) from None
        return ""

    def act(self, step: "Step") -> str:
        """The same without the state directory: nothing is recorded."""
        try:
            if isinstance(step, Invoke):
                return self.delegates.invoke(step)
            if isinstance(step, SetDefaultRoutes):
                return self._set_default_routes(step)
            if isinstance(step, First):
                from genie_core.edges.parallel import first_ended

                return str(first_ended(self.delegates, step.calls, start=step.start))
            if isinstance(step, StopMasquerading):
                self._stop_masquerading(step)
            elif isinstance(step, RemoveBridge):
                self._remove_bridge(step.name)
        except OSError as error:
            raise _cannot_go_on(error) from None
        return ""

    def _set_default_routes(self, step: "SetDefaultRoutes") -> str:
        from genie_core.edges.default_routes import set_default_routes

        settled = set_default_routes(step.netns, step.changes)
        for change, made in zip(step.changes, settled, strict=True):
            if made.losers:
                family = "IPv4" if change.v4 else "IPv6"
                self.log.info(DEFAULT_ROUTE, family=family, kept=made.owner, removed=made.losers)
        return encode([made.owner for made in settled])

    def _stop_masquerading(self, step: "StopMasquerading") -> None:
        call = step.step
        if step.again or not call.netns or not exists(call.netns):
            from genie_core.edges.masquerade import stop_masquerading

            stop_masquerading(call.network, call.container_id, call.ifname, self._env.get("PATH", ""))

    def _remove_bridge(self, name: str) -> None:
        from genie_core.edges.bridges import remove_unused

        try:
            if remove_unused(self.store.lock_file, name):
                self.log.debug("bridge without pods removed", bridge=name)
        except GenieError as error:  # it stays until the network's next pod goes, or `genie gc`
            self.log.warning("bridge not removed", bridge=name, problem=error.msg)

    def _record(self, step: "Record") -> None:
        if isinstance(step, Save):
            if isinstance(step, Begin):
                self.store.begin(step.plan)
            else:
                self.store.save(step.plan)
            self._describe_devices(step.plan)
        elif isinstance(step, Releasing | Released | Refused | Forget):
            self._record_release(step)
        elif isinstance(step, Event):
            self.store.record(step)
            if self.settings.policy_engine and isinstance(step, Attached) and step.yielded is None:
                from genie_core.verbs.policy import guard

                guard(step, self.settings.policy_fail, self.log)

    def _describe_devices(self, plan: "Plan") -> None:
        """Pass what device plugins describe on to the networks' plugins; a failure is a warning."""
        for attachment in plan.attachments:
            if attachment.device:
                from genie_core.edges.device_info import copy_device_info

                try:
                    copy_device_info(attachment)
                except GenieError as error:
                    self.log.warning("device not described", device=attachment.device[1], problem=error.msg)

    def _record_release(self, step: "Releasing | Released | Refused | Forget") -> None:
        """A release stands where the disk refuses the record: a later DEL finds nothing to do."""
        try:
            if isinstance(step, Forget):
                self.store.forget(*step.plan.key)
            elif isinstance(step, Refused):
                from genie_core.verbs.refused import record_refusal

                record_refusal(step, self.store)
            else:
                self.store.record(step)
                attachment = step.plan.attachments[step.index]
                if isinstance(step, Released) and DEVICE_INFO in attachment.capabilities:
                    from genie_core.edges.device_info import remove_device_info

                    remove_device_info(attachment)
        except GenieError as error:
            self.log.warning("state not updated", problem=error.msg)
        if self.settings.policy_engine and isinstance(step, Releasing | Released):
            self._release_policies(step)

    def _release_policies(self, step: "Releasing | Released") -> None:
        """What goes has its policies until it is gone."""
        from genie_core.verbs.policy import Leaving

        key = (*step.plan.key, step.index)
        if isinstance(step, Releasing):
            leaving = self._leaving[key] = Leaving(step.plan, step.index, self.log)
            leaving.close()
        elif key in self._leaving:
            self._leaving.pop(key).forget()


def _cannot_go_on(error: OSError) -> IOFailure:
    """Without descriptors, memory or processes a verb releases what it has attached."""
    return IOFailure(f"cannot carry on: {posix.strerror(error.errno or 0)}")


def refuse_own_netns(request: "Request") -> None:
    """Raise InvalidNetns where CNI_NETNS is the host's namespace (conformance A16)."""
    if request.env.get("CNI_NETNS_OVERRIDE", "").upper() in ("1", "TRUE"):
        return
    try:
        own, given = posix.stat("/proc/self/ns/net"), posix.stat(request.netns)
    except OSError:
        return
    if (own.st_dev, own.st_ino) == (given.st_dev, given.st_ino):
        raise InvalidNetns(
            "plugin's netns and netns from CNI_NETNS should not be the same",
            details=f"CNI_NETNS is {request.netns}",
            hint="the runtime must give the container a network namespace of its own",
        )
