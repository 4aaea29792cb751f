"""The node as a verb sees it: settings and wired edges, and the driver of the steps that `attach` yields."""

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
    Forget,
    Invoke,
    Passed,
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
    from collections.abc import Callable

    from genie_core.edges.cancel import Cancel
    from genie_core.model import Plan, Request
    from genie_core.ports import Log
    from genie_core.settings import Settings
    from genie_core.steps import Step, Steps, T
    from genie_core.verbs.pods import PodReader


class Node:
    """Everything that a verb needs besides its request."""

    def __init__(
        self, request: "Request", settings: "Settings", log: "Log", cancel: "Cancel", own: str
    ) -> None:
        self.settings = settings
        self.request_path = request.path
        self.log = log
        self._pods: PodReader | None = None
        self.cancel = cancel
        self.store = Store(settings.state_dir, cancel.check)
        self._path = request.env.get("PATH", "")
        self.delegates = Delegates(
            request.env, settings.bin_dirs, settings.delegate_timeout, log, cancel, own
        )

    def for_thread(self, timeout: float) -> "Node":
        """The same for a thread that works on another container; delegates get at most so many seconds."""
        twin = object.__new__(Node)
        twin.__dict__.update(self.__dict__)
        twin.delegates = self.delegates.for_thread(timeout)
        return twin

    @property
    def pods(self) -> "PodReader":
        """The API server, connected to when first asked."""
        if self._pods is None:
            from genie_core.verbs.pods import PodReader

            self._pods = PodReader(self)
        return self._pods

    def deadline(self) -> float:
        """Until when to wait for another call's lock (time.monotonic())."""
        return monotonic() + max(self.settings.delegate_timeout, SHORTEST_WAIT_SECONDS)

    def drive(
        self,
        steps: "Steps[T]",
        *,
        stateless: bool = False,
        before: "Callable[[Step], None] | None" = None,
    ) -> "T":
        """Carry out the steps; errors are thrown back in, so that the verb can undo.

        `stateless` writes nothing. `before` is called ahead of each step; what it raises ends the drive where it is.
        """
        answer: str | GenieError = ""
        started = False
        try:
            while True:
                if isinstance(answer, GenieError):
                    step = steps.throw(answer)
                else:
                    step = steps.send(answer) if started else next(steps)
                started = True
                if before:
                    before(step)
                answer = self._answer(step, stateless)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # a generator's value is Any at this place

    def _answer(self, step: "Step", stateless: bool) -> str | GenieError:
        try:
            if isinstance(step, Invoke):
                return self.delegates.invoke(step)
            if isinstance(step, SetDefaultRoutes):
                return self._set_default_routes(step)
            if isinstance(step, StopMasquerading):
                self._stop_masquerading(step)
            elif isinstance(step, RemoveBridge):
                self._remove_bridge(step.name)
            elif not stateless:
                self._write(step)
        except GenieError as error:
            return error
        except OSError as error:  # out of descriptors, memory or processes: release what is attached
            return IOFailure(f"cannot carry on: {posix.strerror(error.errno or 0)}")
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

            stop_masquerading(call.network, call.container_id, call.ifname, self._path)

    def _remove_bridge(self, name: str) -> None:
        from genie_core.edges.bridges import remove_unused

        try:
            if remove_unused(self.store.lock_file, name):
                self.log.debug("bridge without pods removed", bridge=name)
        except GenieError as error:  # it stays until the network's next pod goes, or `genie gc`
            self.log.warning("bridge not removed", bridge=name, problem=error.msg)

    def _write(self, step: "Step") -> None:
        if isinstance(step, Save):
            self.store.save(step.plan)
            self._describe_devices(step.plan)
        elif isinstance(step, Passed):
            self.store.record_partial(step.plan, step.index, step.result)
        elif isinstance(step, Attached):
            self.store.record_result(step.plan, step.index, step.result, step.yielded)
        elif isinstance(step, Releasing | Released | Refused | Forget):
            self._write_release(step)

    def _describe_devices(self, plan: "Plan") -> None:
        """What device plugins have said of the pod's devices goes on to the networks' plugins; no ADD fails for it."""
        for attachment in plan.attachments:
            if attachment.device:
                from genie_core.edges.device_info import copy_device_info

                try:
                    copy_device_info(attachment)
                except GenieError as error:
                    self.log.warning("device not described", device=attachment.device[1], problem=error.msg)

    def _write_release(self, step: "Releasing | Released | Refused | Forget") -> None:
        """What is released stays released if the disk refuses to note it: a later DEL finds nothing to do."""
        try:
            if isinstance(step, Releasing):
                self.store.record_releasing(step.plan, step.index)
            elif isinstance(step, Released):
                self.store.record_release(step.plan, step.index)
                attachment = step.plan.attachments[step.index]
                if DEVICE_INFO in attachment.capabilities:
                    from genie_core.edges.device_info import remove_device_info

                    remove_device_info(attachment)
            elif isinstance(step, Refused):
                from genie_core.verbs.refused import record_refusal

                record_refusal(step.plan, step.index, self.store)
            else:
                self.store.forget(*step.plan.key)
        except GenieError as error:
            self.log.warning("state not updated", problem=error.msg)


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
