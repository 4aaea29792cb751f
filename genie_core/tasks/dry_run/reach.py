"""Reachability: one TCP connection from inside a pod to each address. A refusal is an answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from genie_core.published import Published
from genie_core.sandbox.node_process import NodeProcess

SECONDS = 1.5
_PORT = 9  # discard (RFC 863): no program listens, so the answer is a reset
# IPv6 addresses are tentative for a second: an address that cannot be used yet is tried again.
_PROGRAM = """\
import errno, json, select, socket, sys, time
addresses, port, seconds = json.loads(sys.argv[1])
until, reached, waiting = time.monotonic() + seconds, {}, {}
def ask(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.setblocking(False)
    settle(connection, address, connection.connect_ex((address, port)))
def settle(connection, address, problem):
    if problem in (0, errno.ECONNREFUSED):
        reached[address] = True
    elif problem == errno.EINPROGRESS:
        waiting[connection] = address
    else:
        again.append(address)
again = list(addresses)
while time.monotonic() < until and len(reached) < len(addresses):
    todo, again = again, []
    for address in todo:
        ask(address)
    for connection in select.select([], list(waiting), [], 0.05)[1]:
        settle(connection, waiting.pop(connection), connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
print(json.dumps(reached))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach(Published):
    """Whether pod number `pod` got an answer from `address`; `what` describes its owner."""

    pod: int
    address: str
    what: str
    reached: bool


def probe(node: NodeProcess, netns: str, pod: int, targets: Sequence[tuple[str, str]]) -> list[Reach]:
    """Connect to each (address, description) from inside the namespace, all at once; none where that fails."""
    if not targets:
        return []
    addresses = [address for address, _ in targets]
    argv = [sys.executable, "-I", "-S", "-c", _PROGRAM, json.dumps([addresses, _PORT, SECONDS])]
    ran = node.run(argv, netns=netns, timeout=SECONDS + 10)
    if ran.returncode:
        return []
    reached = json.loads(ran.stdout)
    return [Reach(pod=pod, address=a, what=what, reached=a in reached) for a, what in targets]
