"""`genie sync pod`: bring a running pod's networks in line with what its annotations ask for now.

The same selection, plan, journal, locks and plugins as at the pod's start. Everything is found and checked before
anything is changed; the change itself is live/exchange.py. The runtime has priority: where one of its calls waits for
the container's lock, the change stops as if killed between two steps, and starts again after that call.

target, observed   which pod, and which journal is its; what it asks for, as a text to compare
change             up to the report; report; publish: the pod's annotations, condition and events (unreported: those
                   that are not written yet)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from genie_core.dialects import BY_LOAD, CNI, dialect_of
from genie_core.edges.bridges import Held
from genie_core.edges.locks import Lock
from genie_core.edges.store import netns_of
from genie_core.errors import TRY_AGAIN, GenieError, IOFailure, NotFound
from genie_core.jsontext import decode, encode
from genie_core.live.ask import can_ask_for_addresses, without_mac
from genie_core.live.compare import ATTACH, DETACH, KEEP, REPLACE, Move, compare, has_device
from genie_core.live.exchange import ChangeOutcome, addresses_of, exchange
from genie_core.live.restore import finish_interrupted
from genie_core.model import Attachment, Choice, NetConf, Plan, PodRef
from genie_core.plan import attachment_of
from genie_core.routes import refuse_conflicts
from genie_core.select.files import node_name
from genie_core.spec.conf import DEVICE_INFO, offered_by
from genie_core.spec.result import recorded_result
from genie_core.tasks.giving_way import GiveWay, drive_giving_way
from genie_core.tasks.pods import API_SECONDS
from genie_core.tasks.repair.look import faults_of, look_here
from genie_core.tasks.sync.observed import observed
from genie_core.tasks.sync.report import Change, SyncReport, Target, labels, state_of
from genie_core.tasks.sync.target import LivePod, Refused, are_running, fetch, journal_of, refuse_untouchable
from genie_core.tasks.sync.unreported import left_in, noted
from genie_core.verbs.add import (
    bridges_of,
    enter,
    find_plugins,
    note_absent,
    refuse_addresses_of_node,
    refuse_taken_names,
)
from genie_core.verbs.context import Context
from genie_core.verbs.networks import choices_of

Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOptions:
    """`primary` allows another network on the pod's first interface, with the same address."""

    primary: bool = False
    cri_socket: str = ""
    deadline: float = float("inf")


def sync(
    pod: LivePod,
    context: Context,
    options: SyncOptions,
    *,
    dry_run: bool = False,
    announce: Announce = lambda _: None,
) -> SyncReport:
    """Change the pod's networks, or say what would change. Raises NotFound where Genie has not attached it here."""
    started = time.perf_counter()
    work = _Sync(pod, context, options, announce)
    while True:
        try:
            report = work.look() if dry_run else work.run()
        except GiveWay:
            announce("waiting for a call of the runtime")
            continue
        return replace(
            report,
            warnings=(*report.warnings, *pod.warnings),
            milliseconds=(time.perf_counter() - started) * 1000,
        )


class _Sync:
    """One attempt after the other, until none has to give way."""

    def __init__(self, pod: LivePod, context: Context, options: SyncOptions, announce: Announce) -> None:
        self.pod = pod
        self.context = context
        self.options = options
        self.announce = announce
        # the change of an attempt that gave way, which the next one finishes, and the request that it was for
        self._begun: Sequence[Move] = ()
        self._begun_for = ""

    def look(self) -> SyncReport:
        """The changes that would be made; none is made."""
        return replace(self._untouchable() or self._looked(), planned=True)

    def _looked(self) -> SyncReport:
        plan = journal_of(self.pod, self.context, self.options.cri_socket)
        torn = [item for item in plan.attachments if item.releasing or not item.result]
        whole = plan.replace(attachments=[item for item in plan.attachments if item not in torn])
        try:
            moves = self._moves(whole)
            self._arriving(whole, moves)
        except GenieError as error:
            return self._refusal(plan, error)
        return self._report(plan, moves)

    def _untouchable(self, plan: Plan | None = None) -> SyncReport | None:
        """The refusal of a pod that is never changed; None for any other."""
        try:
            refuse_untouchable(self.pod, self.context.settings)
        except GenieError as error:
            return self._refusal(plan, error)
        return None

    def run(self) -> SyncReport:
        """The change, under the container's lock. Raises NotFound, TryAgain, GiveWay."""
        while True:
            try:
                plan = journal_of(self.pod, self.context, self.options.cri_socket)
            except NotFound:
                if refusal := self._untouchable():  # one with the node's network has none
                    return refusal
                raise
            try:
                report = self._under_lock(plan)
            except IOFailure as error:  # a full disk: nothing is changed that cannot be recorded
                now = self.context.store.load(*plan.key) or plan
                return replace(self._refusal(now, error), status="failed")
            if report:
                return report

    def _under_lock(self, plan: Plan) -> SyncReport | None:
        """None where the sandbox has ended meanwhile: another one has another lock."""
        store, until = self.context.store, self.options.deadline
        store.prepare()
        with (
            store.lock_node(exclusive=False, deadline=until),
            store.lock(*plan.key, until, urgent=False) as lock,
        ):
            now = store.load(*plan.key)
            if now is None:
                store.drop_lock(*plan.key)
            if now is None or not are_running([now], self.pod, self.options.cri_socket):
                return None
            return self._locked(now, lock)

    def _locked(self, plan: Plan, lock: Lock) -> SyncReport:
        self.pod = _as_it_is_now(self.pod)
        if refusal := self._untouchable(plan):
            return refusal
        if any(item.changing or item.releasing or not item.result for item in plan.attachments):
            self.announce("finishing a change that was cut off")
            steps = finish_interrupted(plan, netns_of(plan, plan.netns))
            ended = drive_giving_way(steps, self.context, lock)
            if ended.error:
                return self._failure(ended)
            plan = ended.plan
        if self._begun_for != self._request:
            self._begun, self._begun_for = (), self._request
        try:
            moves = self._moves(plan)
            arriving = self._arriving(plan, moves)
        except GenieError as error:
            return self._refusal(plan, error)
        if all(move.action == KEEP for move in moves):
            report = self._report(self._reordered(plan, moves), self._begun or moves)
            return replace(report, status="changed") if self._begun else report
        return self._change(plan, moves, arriving, lock)

    @property
    def _request(self) -> str:
        return observed(self.pod.annotations)

    def _moves(self, plan: Plan) -> list[Move]:
        """What has to change. Raises GenieError where it cannot, or must not."""
        asked = _with_choice(self.pod.annotations, plan)
        pod, has_primary = _pod_ref(self.pod, plan), plan.previous is not None
        choices = choices_of(asked, pod, self.context, has_primary=has_primary)
        refuse_addresses_of_node(choices)
        refuse_conflicts((choice.selection.origin, choice.default_route) for choice in choices)
        moves = compare(plan, choices, self.context.settings.interface_prefix)
        for move in moves:
            self._refuse_move(move, plan)
        return moves

    def _refuse_move(self, move: Move, plan: Plan) -> None:
        if move.action == KEEP:
            return
        if (move.choice and move.choice.device) or (move.held and has_device(move.held)):
            raise Refused(
                f"network {move.label} ({move.ifname}) has a device of a device plugin: kubelet gives those at the "
                "pod's start only",
                hint="recreate the pod",
            )
        if move.ifname == plan.ifname and move.action == REPLACE and not self.options.primary:
            raise Refused(
                f"the pod's first interface {move.ifname} would change: {move.reason}",
                hint="kubelet does not read a sandbox's address again: recreate the pod, or allow it with --primary "
                "where the new network can give the same address",
            )

    def _arriving(self, plan: Plan, moves: Sequence[Move]) -> list[Attachment]:
        """What is to be attached, its plugins found. Raises GenieError before anything is touched."""
        made = [
            self._attachment(move, move.choice, plan)
            for move in moves
            if move.choice and move.action in (ATTACH, REPLACE)
        ]
        free = [move.ifname for move in moves if move.held and move.action in (DETACH, REPLACE)]
        if kernel := enter(plan.netns):
            with kernel:
                refuse_taken_names(made, kernel.links().keys() - free)
        return made

    def _attachment(self, move: Move, choice: Choice, plan: Plan) -> Attachment:
        def find(network: NetConf) -> list[str]:
            return find_plugins(network, plan.path, self.context)

        args = _runtimes_args(plan)
        if move.ifname != plan.ifname or move.held is None:
            return attachment_of(choice, move.ifname, plan.container_id, args, {}, find)
        held = move.held
        asked = {*decode(held.asked or "{}"), DEVICE_INFO}
        supplied = {name: raw for name, raw in held.capabilities.items() if name not in asked}
        had = encode(addresses_of(held))
        made = attachment_of(choice, move.ifname, plan.container_id, args, supplied, find)
        if "ips" not in offered_by(choice.network) or made.capabilities.get("ips", had) != had:
            raise Refused(
                f"network {choice.label} cannot be asked for the pod's address {', '.join(addresses_of(held))}",
                hint='its plugins need the capability "ips"; otherwise recreate the pod',
            )
        if not can_ask_for_addresses(held):
            raise Refused(
                f"network {held.label} cannot be asked for the pod's address again if the change fails",
                hint='its plugins need the capability "ips", or host-local; otherwise recreate the pod',
            )
        return made.replace(capabilities={**made.capabilities, "ips": had})

    def _reordered(self, plan: Plan, moves: Sequence[Move]) -> Plan:
        """The same attachments in the annotation's order, which the status annotations have from the journal."""
        order = [move.ifname for move in moves]
        after = plan.replace(
            attachments=sorted(plan.attachments, key=lambda item: order.index(item.ifname)),
            request=self._request,
        )
        if (after.attachments, after.request) != (plan.attachments, plan.request):
            self.context.store.save(after)
        return after

    def _change(
        self, plan: Plan, moves: Sequence[Move], arriving: Sequence[Attachment], lock: Lock
    ) -> SyncReport:
        going = [move.held for move in moves if move.held and move.action in (DETACH, REPLACE)]
        order = [move.ifname for move in moves if move.choice]
        kept = {move.ifname: move.choice for move in moves if move.action == KEEP and move.choice}
        plan = plan.replace(
            request=self._request,
            attachments=[
                item.replace(default_route=kept[item.ifname].default_route) if item.ifname in kept else item
                for item in plan.attachments
            ],
        )
        self.announce(", ".join(f"{m.action} {m.label} ({m.ifname})" for m in moves if m.action != KEEP))
        self._begun = self._begun or moves
        names = bridges_of([*arriving, *going])
        held: AbstractContextManager[None] = (
            Held(self.context.store.lock_file, names) if names else nullcontext()
        )
        with held:
            changes = [Change.of(move) for move in moves if move.action != KEEP]
            steps = exchange(plan, going, arriving, order, noted(plan, changes))
            outcome = drive_giving_way(steps, self.context, lock)
        self._note_absent(outcome.plan)
        if outcome.error is None:
            return replace(self._report(outcome.plan, self._begun), status="changed")
        report = self._failure(outcome)
        return replace(report, warnings=(*report.warnings, *_other_addresses(going, outcome.plan)))

    def _note_absent(self, plan: Plan) -> None:
        whole = [item for item in plan.attachments if item.result]
        try:
            note_absent(plan, {item.ifname: recorded_result(item).result for item in whole}, self.context)
        except IOFailure as error:  # the change itself is recorded
            self.context.log.warning("state not updated", problem=error.msg)

    # --- reports -----------------------------------------------------------------------------------------

    def _report(self, plan: Plan, moves: Sequence[Move]) -> SyncReport:
        return SyncReport(
            target=self._target(plan),
            request=self._request,
            status="unchanged",
            changes=tuple(Change.of(move) for move in moves),
            unreported=left_in(plan),
            state=state_of(plan),
            warnings=tuple(_faults(plan)),
        )

    def _refusal(self, plan: Plan | None, error: GenieError) -> SyncReport:
        """Nothing was touched. What may be otherwise a moment later is a failure, not a refusal."""
        return SyncReport(
            target=self._target(plan),
            request=self._request,
            status="failed" if error.code == TRY_AGAIN else "refused",
            state=state_of(plan) if plan else (),
            error=error,
        )

    def _failure(self, outcome: ChangeOutcome) -> SyncReport:
        """What was begun did not succeed; what of it could not be taken back either is `left`."""
        return replace(
            self._report(outcome.plan, self._begun),
            status="partial" if outcome.left else "failed",
            error=outcome.error,
            left=labels(outcome.left),
        )

    def _target(self, plan: Plan | None) -> Target:
        target = Target(namespace=self.pod.namespace, name=self.pod.name)
        if plan is None:
            return target
        return replace(target, container=plan.container_id, netns=plan.netns, interface=plan.ifname)


def _as_it_is_now(pod: LivePod) -> LivePod:
    """The pod read again: another sync may have been at work until now, for a later request than the one that was read.

    Raises NotFound where it is another pod by now, and APIError.
    """
    if pod.api is None:
        return pod
    pod.api.renew(API_SECONDS)  # the container's lock is held meanwhile
    found = fetch(pod.api, pod.namespace, pod.name)
    if found.metadata.get("uid") != pod.metadata.get("uid"):
        raise NotFound(f"pod {pod} is another one by now, with another UID")
    return replace(found, warnings=pod.warnings)


def _with_choice(annotations: Mapping[str, str], plan: Plan) -> Mapping[str, str]:
    """The annotations, with the network that was chosen by load at the pod's start: it is chosen once."""
    first = next((item for item in plan.attachments if item.ifname == plan.ifname), None)
    if first is None or dialect_of(annotations) is not BY_LOAD:
        return annotations
    return {**annotations, CNI: node_name(first.network)}


def _runtimes_args(plan: Plan) -> str:
    """CNI_ARGS as the runtime gave them, as far as the journal has them."""
    if plan.attachments or plan.pod is None:
        return "".join(without_mac(item.args) for item in plan.attachments[:1])
    pod = plan.pod
    return (
        f"IgnoreUnknown=1;K8S_POD_NAMESPACE={pod.namespace};K8S_POD_NAME={pod.name};"
        f"K8S_POD_INFRA_CONTAINER_ID={pod.sandbox};K8S_POD_UID={pod.uid}"
    )


def _pod_ref(pod: LivePod, plan: Plan) -> PodRef:
    if plan.pod is None:
        raise NotFound(f"pod {pod}: its journal names no pod")
    return plan.pod


def _faults(plan: Plan) -> Iterator[str]:
    """What the kernel does not have of the attachments: a repair puts it back, not a change."""
    try:
        faults = faults_of(plan, look_here())
    except GenieError as error:
        yield f"whether the pod still has its interfaces is not known: {error.msg}"
        return
    yield from (f"network {fault.label} ({fault.ifname}): {fault.message}" for fault in faults)


def _other_addresses(before: Sequence[Attachment], plan: Plan) -> list[str]:
    """The attachments that have another address than before."""
    now = {item.ifname: addresses_of(item) for item in plan.attachments if item.result}
    pairs = [(item, addresses_of(item), now[item.ifname]) for item in before if item.ifname in now]
    return [
        f"{item.label} ({item.ifname}) came back with {', '.join(got)}, not {', '.join(had)}"
        for item, had, got in pairs
        if had != got
    ]
