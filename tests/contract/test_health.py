"""Health over HTTP: both families, what is wrong and what is well, and a port that is taken."""

import json
import socket
import struct
import threading
import urllib.error
import urllib.request
from threading import Event

import pytest

from genie_core.errors import IOFailure
from genie_core.tasks.health import serve
from tests.patience import wait_until

CHECKS = {"/readyz": lambda: (["no plugin"], {"version": "1"}), "/livez": lambda: ([], {})}


def ask(url):
    try:
        with urllib.request.urlopen(url, timeout=100) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.status, json.load(refusal) if refusal.status == 503 else None


@pytest.mark.parametrize("host, shown", [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_problems_are_reported(host, shown):
    with serve(host, 0, CHECKS) as port:
        assert ask(f"http://{shown}:{port}/readyz") == (503, {"problems": ["no plugin"], "version": "1"})
        assert ask(f"http://{shown}:{port}/livez") == (200, {"problems": []})
        assert ask(f"http://{shown}:{port}/metrics") == (404, None)


def test_a_port_that_is_taken_is_said_so():
    with serve("127.0.0.1", 0, CHECKS) as port, pytest.raises(IOFailure, match=f"127.0.0.1:{port}"):
        serve("127.0.0.1", port, CHECKS).__enter__()


def test_a_client_that_goes_before_its_answer_leaves_no_traceback(capfd):
    """kubelet's probe has a deadline."""
    gone, answered = Event(), Event()

    def slow():
        gone.wait(100)
        answered.set()
        return ["late" * 1_000_000], {}

    with serve("127.0.0.1", 0, {"/readyz": slow}) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )  # reset, not closed
            client.sendall(b"GET /readyz HTTP/1.1\r\n\r\n")
        gone.set()
        assert answered.wait(100)
        wait_until(lambda: not [t for t in threading.enumerate() if "process_request" in t.name])
        assert ask(f"http://127.0.0.1:{port}/nothing") == (404, None)
    assert capfd.readouterr().err == ""
