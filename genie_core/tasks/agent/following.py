"""The watches of one agent: this node's pods, the namespaces that opt out, definitions that pods wait for.

They pass each change to the agent's loop; their threads decide nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from genie_core.edges.kube_resources import NAMESPACE, NETWORK_ATTACHMENT, POD
from genie_core.edges.log import JSONLog
from genie_core.survey.contact import Contact
from genie_core.survey.watch import Watch, key_of
from genie_core.survey.watching import WatchingAPI
from genie_core.tasks.agent.metrics import Metrics
from genie_core.tasks.agent.pods import Key, PodView, view_of
from genie_core.tasks.agent.work import Work
from genie_core.tasks.sync.target import is_out

PODS, NAMESPACES, DEFINITIONS = "pods", "namespaces", "definitions"
# Each is a thread and a connection; more wait for the resync.
MOST_NAMESPACES = 16

View = TypeVar("View")
Post = Callable[[Callable[[], None]], None]
Connect = Callable[..., WatchingAPI]


class _Sink(Generic[View]):
    """Hands what a watch sees to the loop."""

    def __init__(
        self,
        name: str,
        owner: Following,
        listed: Callable[[Sequence[View]], None],
        changed: Callable[[str, View], None],
    ) -> None:
        self._name = name
        self._owner = owner
        self._listed = listed
        self._changed = changed

    def listed(self, views: Sequence[View]) -> None:
        """The whole list."""
        self._owner.post(partial(self._listed, views))

    def changed(self, kind: str, view: View) -> None:
        """ADDED, MODIFIED or DELETED."""
        self._owner.post(partial(self._changed, kind, view))

    def contact(self, problem: str) -> None:
        """The server has answered, or why it has not."""
        self._owner.post(partial(self._owner.contact, self._name, problem))

    def restarted(self) -> None:
        """A watch starts again."""
        self._owner.metrics.watch_restarts.inc()


class Following:
    """Starts the watches, and knows whether the server answers. `back` is called when it does again."""

    def __init__(
        self, node: str, connect: Connect, post: Post, work: Work, metrics: Metrics, log: JSONLog,
        back: Callable[[], None], contact: Contact | None = None,
    ) -> None:  # fmt: skip
        self.post = post
        self.metrics = metrics
        self.away: dict[str, str] = {}
        self.has_listed = self._knows_opt_outs = False
        self._node = node
        self._connect = connect
        self._work = work
        self._log = log
        self._back = back
        self._contact = contact or Contact()
        self._opted_out: set[str] = set()
        self._definitions: dict[str, Watch[Key]] = {}

    def start(self) -> None:
        """Follow this node's pods, and which namespaces opt out."""
        query = {"fieldSelector": f"spec.nodeName={self._node}"}
        pods = _Sink[PodView](PODS, self, self._pods_listed, self._pod_changed)
        Watch(POD.everywhere, query, self._connect, view_of, pods, contact=self._contact).start()
        namespaces = _Sink[tuple[str, bool]](
            NAMESPACES, self, self._namespaces_listed, self._namespace_changed
        )
        connect = partial(self._connect, metadata_only=True)
        Watch(NAMESPACE.everywhere, {}, connect, opt_out_of, namespaces, contact=self._contact).start()

    @property
    def is_ready(self) -> bool:
        """Whether it is known what there is to do: the server answers, and which namespaces opt out was asked."""
        return PODS not in self.away and (self._knows_opt_outs or NAMESPACES in self.away)

    def contact(self, name: str, problem: str) -> None:
        """A watch has reached the server, or not. Each is logged once."""
        before = self.away.get(name, "")
        if problem:
            self.away[name] = problem
            if not before:
                self._log.warning("the API server cannot be followed", watch=name, problem=problem)
        elif before:
            del self.away[name]
            self._log.info("the API server is followed again", watch=name)
            if name == PODS:
                self._back()

    def follow_definitions(self) -> None:
        """Watch the definitions of the namespaces in which something is waited for.

        A change that succeeds at once needs none: each is a thread, a connection and a list.
        """
        wanted = self._work.named_namespaces(held_up=True)
        for namespace in sorted(wanted - set(self._definitions))[: MOST_NAMESPACES - len(self._definitions)]:
            sink = _Sink[Key](DEFINITIONS, self, self._definitions_listed, self._definition_changed)
            connect = partial(self._connect, metadata_only=True)
            parts = NETWORK_ATTACHMENT.collection(namespace)
            watch = Watch(parts, {}, connect, key_of, sink, contact=self._contact)
            try:
                watch.start()
            except OSError as error:
                sink.contact(f"no thread can be started: {error.strerror}")
                return  # it is tried again at the next look
            self._definitions[namespace] = watch

    def end_idle(self) -> None:
        """End the watches of definitions that no pod waits for. One whose pods are not in line yet stays.

        Not at once: an annotation that flaps would begin one, with its list, each time.
        """
        for namespace in set(self._definitions) - self._work.named_namespaces(held_up=False):
            self._definitions.pop(namespace).stop.set()

    # --- in the loop -------------------------------------------------------------------------------------

    def _pods_listed(self, views: Sequence[PodView]) -> None:
        if not self.has_listed:
            self._log.info("following this node's pods", node=self._node, pods=len(views))
        self.has_listed = True
        self._work.listed(views)

    def _pod_changed(self, kind: str, view: PodView) -> None:
        if kind == "DELETED":
            self._work.forget(view.key)
        else:
            self._work.update(view)

    def _namespaces_listed(self, views: Sequence[tuple[str, bool]]) -> None:
        self._knows_opt_outs = True
        self._opted_out = {name for name, out in views if out}
        self._work.opt_outs(set(self._opted_out))

    def _namespace_changed(self, kind: str, view: tuple[str, bool]) -> None:
        name, out = view
        if out and kind != "DELETED":
            self._opted_out.add(name)
        else:
            self._opted_out.discard(name)
        self._work.opt_outs(set(self._opted_out))

    def _definitions_listed(self, keys: Sequence[Key]) -> None:
        self._work.existing(set(keys))

    def _definition_changed(self, kind: str, key: Key) -> None:
        if kind != "DELETED":
            self._work.appeared(key)


def opt_out_of(document: Mapping[str, Any]) -> tuple[str, bool]:
    """A namespace's name, and whether its running pods are to be left alone."""
    metadata = document.get("metadata") or {}
    return str(metadata.get("name") or ""), is_out(metadata.get("annotations") or {})
