"""Watch the kernel for changes in pods, and of pods' interfaces on the node.

One netlink socket receives the messages of all network namespaces that have a number in this one (netlink(7),
NETLINK_LISTEN_ALL_NSID); those of pods are given one. It keeps no pod's namespace alive. Only messages of removals
start a look at the journal and the kernel, as in a repair, without a lock and without another process. So a node
without changes costs nothing, and each pod that starts or ends a few milliseconds.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from errno import EMFILE, ENFILE, ENOMEM
from typing import TYPE_CHECKING, Self

from genie_core.edges.netlink import attributes, integer
from genie_core.errors import GenieError, IOFailure
from genie_core.gojson import view
from genie_core.live.repair import parent_of
from genie_core.model import Attachment, Plan
from genie_core.spec.result import recorded_result
from genie_core.tasks.node_state import is_whole
from genie_core.tasks.repair import look_at
from genie_core.tasks.repair.look import look_here
from genie_core.tasks.written_journals import WrittenJournals
from genie_core.verbs.context import Context

if TYPE_CHECKING:
    from pyroute2 import IPRoute

# linux/netlink.h, linux/rtnetlink.h, linux/socket.h
_SOL_NETLINK, _LISTEN_ALL_NSID, _SO_RCVBUFFORCE = 270, 8, 33
_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400  # links, and addresses and routes of both families
_NEWLINK, _DELLINK, _DELADDR, _DELROUTE = 16, 17, 21, 25
_IFLA_IFNAME, _IFLA_MASTER, _RTA_OIF = 3, 10, 4
_IFF_UP, _AF_BRIDGE = 1, 7
_ANY_NUMBER = 0xFFFFFFFF  # -1: the kernel chooses
_BUFFER_BYTES = 4 << 20
REFRESH_SECONDS = 0.25  # not more often, however much happens on the node
SETTLE_SECONDS = 0.2  # what belongs together comes together: a deleted interface takes its routes along
# A container in which something was missing so often in that time is left to the timer: a look costs a process.
NOISY, NOISY_SECONDS = 3, 60.0
_HERE = -1


class Watcher:
    """A watcher of losses in the pods of this node. `close` it, or use it as a context."""

    def __init__(self, context: Context) -> None:
        """Raises IOFailure where the kernel does not let it listen."""
        self.context = context
        self._written = WrittenJournals(context.store)
        self._numbers: dict[int, str] = {}  # a namespace's number -> the journal's name
        self._names: dict[
            str, set[str]
        ] = {}  # an interface of the node -> the journals that have to do with it
        self._found: list[
            tuple[float, str]
        ] = []  # when something was missing, and in which journal's container
        self._refreshed = 0.0
        self._ports: set[str] = set()  # those of them that are ports of a bridge
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
            self._socket.setsockopt(_SOL_NETLINK, _LISTEN_ALL_NSID, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
            self._socket.bind((0, _GROUPS))
        except OSError as error:
            raise IOFailure(
                f"cannot listen to changes of the network: {error.strerror}", hint="run as root"
            ) from None
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()

    def wait(self, seconds: float) -> set[str]:
        """The IDs of the containers in which something is missing, once something went; none after so long."""
        give_up = time.monotonic() + seconds
        while (left := give_up - time.monotonic()) > 0:
            if time.monotonic() >= self._refreshed + REFRESH_SECONDS:
                self.refresh()
            suspects = self._hear(left)
            if suspects:
                time.sleep(SETTLE_SECONDS)
                suspects |= self._hear(0)
                if found := self._look(suspects):
                    return found
        return set()

    # --- what there is to watch --------------------------------------------------------------------------

    def refresh(self) -> None:
        """Take up the journals that are new or changed, and drop those that are gone.

        What was known of one that cannot be read stays; the next refresh reads it again. Raises IOFailure and OSError.
        """
        self._refreshed = time.monotonic()
        written, gone = self._written.look()
        for name in gone:
            self._let_go(name)
        fresh = {name: plan for name in written if (plan := self._load(name))}
        if fresh:
            self._number({name: plan.netns for name, plan in fresh.items()})
        for name, plan in fresh.items():
            self._let_go(name)
            self._take_up(name, plan)
            self._written.note(name, written[name], is_whole=is_whole(plan))

    def _load(self, name: str) -> Plan | None:
        try:
            return self.context.store.load_file(name)
        except GenieError:
            return None

    def _number(self, paths: dict[str, str]) -> None:
        """Note the namespaces' numbers here; one that has none is given one."""
        from pyroute2 import IPRoute

        with IPRoute() as kernel:
            for name, path in paths.items():
                number = _number_of(kernel, path)
                if number is not None:
                    self._numbers[number] = name  # the kernel gives a number again once its namespace is gone

    def _take_up(self, name: str, plan: Plan) -> None:
        for item in plan.attachments:
            for link, is_port in _on_node(item):
                self._names.setdefault(link, set()).add(name)
                if is_port:
                    self._ports.add(link)

    def _let_go(self, name: str) -> None:
        for link in [link for link, held in self._names.items() if name in held]:
            self._names[link].discard(name)
            if not self._names[link]:
                del self._names[link]
                self._ports.discard(link)

    # --- messages -----------------------------------------------------------------------------------

    def _hear(self, seconds: float) -> set[str]:
        """The journals that messages within that time may concern; returns with the first message that does."""
        suspects: set[str] = set()
        if not self._poll.poll(seconds * 1000):
            return suspects
        while True:
            try:
                data, more, _, _ = self._socket.recvmsg(1 << 16, 64, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return suspects
            except OSError:  # ENOBUFS: messages were lost
                return set(self._written.stamps)
            number = next((struct.unpack("=i", value)[0] for _, _, value in more), _HERE)
            for kind, body in _messages(data):
                suspects |= self._concerned(kind, body, number)

    def _concerned(self, kind: int, body: bytes, number: int) -> set[str]:
        """The journals that the message is about, where it reports a loss."""
        if number != _HERE:
            went = kind in (_DELLINK, _DELADDR, _DELROUTE) or (kind == _NEWLINK and _is_down(body))
            name = self._numbers.get(number, "")
            return {name} if went and name in self._written.stamps else set()
        if kind in (_NEWLINK, _DELLINK):
            found = attributes(body[16:])
            name = found.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode("utf-8", "surrogateescape")
            left = name in self._ports and _IFLA_MASTER not in found and body[0] != _AF_BRIDGE
            went = kind == _DELLINK or _is_down(body) or left
            return self._names.get(name, set()) if went else set()
        if kind == _DELADDR:
            return self._names.get(_name_of(integer(body[4:8])), set())
        if kind == _DELROUTE:
            return self._names.get(_name_of(integer(attributes(body[12:]).get(_RTA_OIF, b""))), set())
        return set()

    def _look(self, suspects: set[str]) -> set[str]:
        """The containers among these in which something is missing, without the noisy ones."""
        now = time.monotonic()
        self._found = [one for one in self._found if one[0] > now - NOISY_SECONDS]
        often = Counter(name for _, name in self._found)
        found = set()
        around = look_here()
        for name in suspects:
            plan = self._load(name) if often[name] < NOISY else None
            if plan and look_at(plan, around, self.context):
                found.add(plan.container_id)
                self._found.append((now, name))
        return found


def _on_node(item: Attachment) -> Iterator[tuple[str, bool]]:
    """The node's interfaces that an attachment depends on, each with whether it is a port of a bridge."""
    kind = item.network.plugins[0].type
    bridge = str(view(item.network.plugins[0].text).get("bridge") or "cni0") if kind == "bridge" else ""
    if bridge:
        yield bridge, False
    if parent := parent_of(item):
        yield parent, False
    if item.result:
        for link in recorded_result(item).result.interfaces:
            if not link.get("sandbox") and link["name"] != bridge:
                yield link["name"], kind == "bridge"


def _number_of(kernel: IPRoute, path: str) -> int | None:
    """None where there is no such namespace any more. Raises OSError where it cannot be opened now."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with open(path, "rb") as file:
            number = int(kernel.get_netnsid(fd=file.fileno())["nsid"])
            if number in (-1, _ANY_NUMBER):
                kernel.set_netnsid(fd=file.fileno(), nsid=_ANY_NUMBER)
                number = int(kernel.get_netnsid(fd=file.fileno())["nsid"])
    except (KeyError, NetlinkError):
        return None
    except OSError as error:
        if error.errno in (EMFILE, ENFILE, ENOMEM):
            raise
        return None
    return number


def _messages(data: bytes) -> Iterable[tuple[int, bytes]]:
    """(type, body) of each message."""
    while len(data) >= 16:
        length = max(integer(data[:4]), 16)
        yield integer(data[4:6]), data[16:length]
        data = data[length + 3 & ~3 :]


def _is_down(body: bytes) -> bool:
    return body[0] != _AF_BRIDGE and not integer(body[8:12]) & _IFF_UP


def _name_of(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except (OSError, OverflowError):
        return ""
