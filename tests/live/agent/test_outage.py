"""The API server is away, and comes back: when the watches of a process ask it again."""

import socket
import threading
import time
from typing import Any

import pytest

from genie_core.edges.kube_resources import NAMESPACE, NODE, POD
from genie_core.survey.contact import LONGEST_SECONDS, Contact
from genie_core.survey.user_cluster import Access
from genie_core.survey.watch import Watch
from genie_core.tasks.agent.options import AgentOptions
from tests.apiserver.server import APIServer
from tests.patience import wait_until

KINDS = (POD, NAMESPACE, NODE)


class Clock:
    """Real time, and what is added to it; `looks` is how often it was read."""

    def __init__(self):
        self.added = 0.0
        self.looks = 0

    def __call__(self):
        self.looks += 1
        return time.monotonic() + self.added


class Sink:
    """The receiver of a watch: what it learns of the server."""

    def __init__(self):
        self.seen: list[str] = []

    def listed(self, views):
        """What there is, does not matter."""

    changed: Any = listed

    def contact(self, problem):
        self.seen.append(problem)

    def restarted(self):
        """It is seen by what follows."""


@pytest.fixture
def outage(tmp_path):
    """(options, clock, sinks of three watches, port) of a server that has been away for an hour."""
    server, clock = APIServer(), Clock()
    kubeconfig = str(server.write_kubeconfig(tmp_path / "kubeconfig"))
    options = AgentOptions(
        node="n1", access=Access(kubeconfig=kubeconfig), conf_dir=str(tmp_path), contact=Contact(clock)
    )
    sinks = [Sink() for _ in KINDS]
    watches = [
        Watch(kind.everywhere, {}, options.connect, dict, sink, contact=options.contact)
        for kind, sink in zip(KINDS, sinks, strict=True)
    ]
    threads = [threading.Thread(target=watch.run) for watch in watches]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(sink.seen == [""] for sink in sinks))
    server.close()
    wait_until(lambda: all(any(sink.seen) for sink in sinks))
    wait_until(lambda: tries(sinks) > len(KINDS))  # it has been seen that the server is away
    clock.added = 3600.0
    before = tries(sinks)
    wait_until(lambda: tries(sinks) > before)  # the next pause is that of a long outage
    yield options, sinks, server.port
    for watch in watches:
        watch.stop.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def tries(sinks):
    """How often the server was asked in vain."""
    return sum(1 for sink in sinks for problem in sink.seen if problem)


def test_one_watch_asks_for_all_of_them():
    clock = Clock()
    contact = Contact(clock)
    contact.wait(threading.Event())  # of the first request without an answer
    clock.added = 3600.0
    asked: list[str] = []

    def ask():
        contact.wait(threading.Event())
        asked.append("a request")

    threads = [threading.Thread(target=ask) for _ in KINDS]
    for thread in threads:
        thread.start()
    for number in range(1, len(KINDS) + 1):
        wait_until(lambda number=number: len(asked) >= number)
        before, others = clock.looks, len(KINDS) - number
        wait_until(lambda before=before, others=others: clock.looks >= before + 2 * others)  # all, and again
        assert len(asked) == number
        clock.added += LONGEST_SECONDS
    for thread in threads:
        thread.join()


def test_all_follow_when_any_request_is_answered(outage):
    """A change came up to 30 s late after an outage of half a minute."""
    options, sinks, port = outage
    server = APIServer(port=port)
    try:
        began = time.monotonic()
        with options.connect() as api:
            api.get(("api",))
        wait_until(lambda: all(sink.seen[-1] == "" for sink in sinks))
        assert time.monotonic() - began < LONGEST_SECONDS / 4
    finally:
        server.close()


def test_a_server_that_refuses_at_first_is_asked_again_soon(tmp_path):
    """As one that does not have its roles yet. The tries during the outage make no pause longer."""
    server = APIServer()
    kubeconfig = str(server.write_kubeconfig(tmp_path / "kubeconfig"))
    options = AgentOptions(node="n1", access=Access(kubeconfig=kubeconfig), conf_dir=str(tmp_path))
    sink = Sink()
    watch = Watch(POD.everywhere, {}, options.connect, dict, sink, contact=options.contact)
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        wait_until(lambda: sink.seen == [""])
        server.close()
        wait_until(lambda: tries([sink]) > 9)
        refusal = b'{"kind": "Status", "status": "Failure", "message": "no roles", "code": 403}'
        head = f"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: {len(refusal)}\r\n\r\n"
        with socket.create_server(("127.0.0.1", server.port)) as early, early.accept()[0] as one:
            one.recv(1 << 16)
            one.sendall(head.encode() + refusal)
        server = APIServer(port=server.port)
        wait_until(
            lambda: any("does not allow" in problem for problem in sink.seen), 6, lambda: str(sink.seen[-4:])
        )
        began = time.monotonic()
        wait_until(lambda: sink.seen[-1] == "")
        assert time.monotonic() - began < LONGEST_SECONDS / 4
    finally:
        watch.stop.set()
        server.close()
        thread.join(10)


def test_a_pause_is_a_share_of_the_outage():
    """Half a minute after its begin it is some seconds, and never more than half a minute."""
    clock = Clock()
    stop = threading.Event()
    contact = Contact(clock)
    contact.wait(stop)
    for away, least, most in ((30.0, 1.5, 4.0), (3600.0, LONGEST_SECONDS / 2, LONGEST_SECONDS)):
        clock.added = away
        assert least < contact._pause() <= most
