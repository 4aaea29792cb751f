"""Commands in containers, over the API server: real processes behind the WebSocket of the tests' server.

A real cluster is asked too when GENIE_TEST_KUBECONFIG names its kubeconfig, and GENIE_TEST_EXEC a running container
with a shell and coreutils as NAMESPACE/POD/CONTAINER.
"""

import json
import os
import sys
from functools import partial
from threading import Event

import pytest

from genie_core.edges.kube_errors import BadAnswer, Forbidden, ObjectNotFound, Untrusted
from genie_core.errors import GenieError, IOFailure
from genie_core.survey.user_cluster import Access, find_cluster
from genie_core.survey.user_exec import ExecAPI, ExecCommand, exit_code
from tests import own_node
from tests.apiserver import API, Authority, Objects
from tests.apiserver.execs import frame
from tests.apiserver.proxy import Proxy
from tests.patience import wait_until

REAL, PLACE = os.environ.get("GENIE_TEST_KUBECONFIG", ""), os.environ.get("GENIE_TEST_EXEC", "")
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "agent", "namespace": "kube-system"},
    "spec": {"containers": [{"name": "agent", "image": "genie"}]},
    "status": {"phase": "Running"},
}


@pytest.fixture(params=["http", "https"])
def server(request, serve, authority):
    api = API(Objects(POD), {"good": "genie"} if request.param == "https" else None)
    return serve(api, authority=authority if request.param == "https" else None)


@pytest.fixture
def api(tmp_path):
    """`api(server)`: an ExecAPI, as a kubeconfig leads to it."""
    opened = []

    def connect(server, **cluster):
        path = server.write_kubeconfig(tmp_path / "kubeconfig", user={"token": "good"}, **cluster)
        found = find_cluster(Access(kubeconfig=str(path)))
        assert found is not None
        opened.append(ExecAPI(found.login(), 30.0))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


def run(api, *argv, stop=None, write=b"", pod="agent", place=("kube-system", "", "agent")):
    """(exit code, stdout, stderr) of a command."""
    out, err = bytearray(), bytearray()
    command = ExecCommand(namespace=place[0], pod=place[1] or pod, container=place[2], argv=argv)
    running = api.start(command)
    if write:
        running.write(write)
    return running.wait(out.extend, err.extend, stop), bytes(out), bytes(err)


@pytest.fixture(params=["tests", *(["real"] if REAL and PLACE else [])])
def command(request, serve, authority, api):
    """`command("echo", ...)`: what `run` gives, of the tests' server over TLS or of a real cluster."""
    if request.param == "tests":
        server = serve(API(Objects(POD), {"good": "genie"}), authority=authority)
        yield partial(run, api(server))
        return
    with own_node.on_the_machine():
        found = find_cluster(Access(kubeconfig=REAL))
        assert found is not None
        client = ExecAPI(found.login(), 60.0)
        yield partial(run, client, place=tuple(PLACE.split("/")))
        client.close()


def test_the_contract_of_exec(command):
    """Separate streams, exit codes, unchanged words, a long output, stdin, a program that does not exist."""
    assert command("printf", "%s|", "a b", "$(x)", "'", "ü&=%") == (0, "a b|$(x)|'|ü&=%|".encode(), b"")
    assert command("sh", "-c", "echo out; echo err >&2; exit 3") == (3, b"out\n", b"err\n")
    code, out, _ = command("head", "-c", "3000000", "/dev/zero")
    assert (code, len(out), set(out)) == (0, 3_000_000, {0})
    assert command("head", "-n", "1", write=b"yes\n") == (0, b"yes\n", b"")
    with pytest.raises(GenieError):
        command("/nonexistent/genie")


def test_output_exit_code_and_words_arrive_as_they_are(server, api):
    """Bytes, not text; words with spaces and quotes, which no shell reads."""
    script = (
        "import os, sys; os.write(1, bytes(range(256))); print(sys.argv[1:], file=sys.stderr); sys.exit(3)"
    )
    words = ["a b", "$(touch /tmp/never)", "'", "ü&=%", ""]
    assert run(api(server), sys.executable, "-c", script, *words) == (
        3,
        bytes(range(256)),
        f"{words}\n".encode(),
    )
    (asked,) = server.api.requests
    assert "good" not in asked.target
    assert "v5.channel.k8s.io" in asked.headers["sec-websocket-protocol"]


def test_a_long_output_is_whole(server, api):
    size = 3_000_000
    code, out, _ = run(api(server), sys.executable, "-c", f"print('x' * {size}, end='')")
    assert (code, len(out), set(out)) == (0, size, {ord("x")})


def test_what_is_written_is_its_stdin(server, api):
    code, out, _ = run(api(server), "head", "-n", "1", write=b"yes\n")
    assert (code, out) == (0, b"yes\n")


def test_the_end_of_the_connection_is_the_end_of_its_stdin(server, api, tmp_path):
    """What a person's ^C becomes there: the process can clean up."""
    stop = Event()
    argv = ("sh", "-c", f"echo begun; cat; echo cleaned >{tmp_path}/end")
    running = api(server).start(
        ExecCommand(namespace="kube-system", pod="agent", container="agent", argv=argv)
    )
    with pytest.raises(KeyboardInterrupt):
        running.wait(lambda data: stop.set() if data else None, bytearray().extend, stop)
    wait_until((tmp_path / "end").exists)


@pytest.mark.parametrize("verb", ["get", "create"])
def test_without_the_right(server, api, verb):
    server.api.forbidden.add((verb, "pods/exec"))
    with pytest.raises(Forbidden, match="a command in pod kube-system/agent") as raised:
        run(api(server), "true")
    assert raised.value.exit_code == 4
    assert "pods/exec" in raised.value.details


def test_a_pod_that_is_not_there(server, api):
    with pytest.raises(ObjectNotFound):
        run(api(server), "true", pod="nobody")


def test_a_program_that_is_not_there(server, api):
    with pytest.raises(GenieError, match="container runtime could not run") as raised:
        run(api(server), "/nonexistent/genie")
    assert "No such file" in raised.value.details


@pytest.mark.parametrize("code", ["", "many", None, {}])
def test_an_end_that_has_no_status_code(code):
    with pytest.raises(GenieError, match="container runtime could not run"):
        exit_code(json.dumps({"status": "Failure", "message": "no", "code": code}).encode())


def test_a_server_that_goes_away(server, api):
    argv = ("sh", "-c", "echo begun; sleep 2")
    running = api(server).start(
        ExecCommand(namespace="kube-system", pod="agent", container="agent", argv=argv)
    )
    with pytest.raises(IOFailure, match="ended before the command") as raised:
        running.wait(lambda data: server.hang_up() if data else None, print)
    assert raised.value.exit_code == 5


def test_a_server_of_another_authority_is_not_trusted(serve, authority, tmp_path, api):
    (tmp_path / "other").mkdir()
    server = serve(API(Objects(POD)), authority=authority)
    other = Authority(tmp_path / "other")
    with pytest.raises(Untrusted):
        run(api(server, **{"certificate-authority": str(other.ca_file)}), "true")


def test_through_a_proxy(serve, authority, api):
    server = serve(API(Objects(POD), {"good": "genie"}), authority=authority)
    with Proxy() as proxy:
        client = api(server, **{"proxy-url": f"http://{proxy.authority}"})
        assert run(client, "echo", "ok") == (0, b"ok\n", b"")
        assert proxy.tunnels


def test_deleting_a_pod_twice(server, api):
    client = api(server)
    for _ in range(2):
        client.delete_pod("kube-system", "agent")
    assert [one.method for one in server.api.requests] == ["DELETE", "DELETE"]


# --- frames ----------------------------------------------------------------------------------------------


def test_frames_that_come_with_the_answers_headers(server, api):
    """All in one packet: an output in three parts with a ping between them (RFC 6455, 5.4), a Status, an end."""
    ok = b'\x03{"status": "Success"}'
    parts = b"\x02\x03\x01ab" + b"\x89\x01p" + b"\x00\x01c" + b"\x80\x7e\x01\x00" + b"d" * 256
    server.api.frames = parts + frame(2, b"\x02\xff\xfe") + frame(2, ok) + frame(8, b"\x03\xe8")
    assert run(api(server), "true") == (0, b"abc" + b"d" * 256, b"\xff\xfe")


@pytest.mark.parametrize(
    "data",
    [
        b"\x82\x7f\0\0\x10\0\0\0\0\0" + b"a" * (17 << 20),  # a frame of 16 TiB
        b"\x02\x7e\xff\xff"
        + b"a" * 65535
        + (b"\x00\x7e\xff\xff" + b"a" * 65535) * 270,  # parts without an end
    ],
    ids=["frame", "parts"],
)
def test_a_message_without_an_end(server, api, data):
    """A node that belongs to someone else cannot fill the operator's memory."""
    server.api.frames = data
    with pytest.raises(BadAnswer, match="more than 16 MiB"):
        run(api(server), "true")


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x01a",  # the continuation of nothing
        b"\x02\x01a\x82\x01b",  # a message within a message
        b"\xc2\x01a",  # with an extension that was not agreed on
        b"\x83\x01a",  # of a kind that RFC 6455 does not have
    ],
)
def test_frames_that_no_server_sends(server, api, data):
    server.api.frames = data
    with pytest.raises(BadAnswer, match="frame is not understood"):
        run(api(server), "true")
