"""The API server on a bad day: for each thing that can happen the right error, the right code, in time (lessons 14)."""

import json
import signal
import socket
import threading
import time

import pytest

from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_cluster import Cluster
from genie_core.edges.kube_errors import (
    BadAnswer,
    Conflict,
    Forbidden,
    Gone,
    ObjectNotFound,
    Rejected,
    ServerFailure,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from genie_core.edges.kube_resources import NETWORK_ATTACHMENT
from genie_core.errors import DECODING_FAILURE, EXIT_DENIED, INVALID_CONFIG, TRY_AGAIN, GenieError, IOFailure
from tests.apiserver import API, APIServer, Objects, faults
from tests.fakes_kube import Clock, MemoryConnection, Recorder, memory_api

GOOD = {"token": "good-token"}


def kubeconfig(directory, server):
    """A minimal kubeconfig, in a file."""
    document = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "contexts": [{"context": {"cluster": "c"}}],
    }
    (directory / "kubeconfig").write_text(json.dumps(document))
    return directory / "kubeconfig"


@pytest.fixture
def api(https, connect, tmp_path):
    return connect(https.write_kubeconfig(tmp_path / "kubeconfig", user=GOOD), 60.0)


@pytest.fixture
def hasty(https, connect, tmp_path):
    """An API whose deadline is below a second."""
    return connect(https.write_kubeconfig(tmp_path / "kubeconfig", user=GOOD), 0.5)


@pytest.fixture
def objects(pod):
    return Objects(pod)


# --- statuses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_passing_failure_is_asked_again_A57(objects, code):
    api = API(objects)
    api.fail(code, times=3)
    clock = Clock()
    assert memory_api(api, clock=clock).get_pod("demo", "web")["metadata"]["uid"] == "u-1"
    assert len(api.requests) == 4
    for pause, longest in zip(clock.pauses, (0.1, 0.2, 0.4), strict=True):  # exponential, with jitter
        assert longest / 2 <= pause <= longest


@pytest.mark.parametrize(
    "code, expected",
    [(429, TooManyRequests), (500, ServerFailure), (503, ServerFailure), (599, ServerFailure)],
)
def test_a_lasting_failure_ends_with_the_time_A57(objects, code, expected):
    api = API(objects)
    api.fail(code, times=1000)
    clock = Clock()
    with pytest.raises(expected) as caught:
        memory_api(api, clock=clock, timeout_seconds=30).get_pod("demo", "web")
    assert isinstance(caught.value, Unreachable)
    assert (caught.value.code, caught.value.status) == (TRY_AGAIN, code)
    assert f"{len(api.requests)} tries within 30 s" in caught.value.details
    assert 20 <= clock.now - 1000 < 30
    assert 8 < len(api.requests) < 20


def test_retry_after_is_honoured(objects):
    api = API(objects)
    api.fail(429, retry_after=7)
    clock = Clock()
    memory_api(api, clock=clock).get_pod("demo", "web")
    assert clock.pauses == [7.0]


def test_retry_after_beyond_the_time_ends_at_once(objects):
    api = API(objects)
    api.fail(429, retry_after=3600)
    clock = Clock()
    with pytest.raises(TooManyRequests):
        memory_api(api, clock=clock).get_pod("demo", "web")
    assert clock.pauses == []


def test_all_requests_share_the_time(objects):
    """The time of one request is missing in the next; the time between them does not count."""
    api = API(objects)
    clock = Clock()
    kube = memory_api(api, clock=clock, timeout_seconds=10)
    api.fail(503, retry_after=8)
    kube.get_pod("demo", "web")
    clock.sleep(3600)
    api.fail(503, retry_after=8)
    with pytest.raises(ServerFailure):
        kube.get_pod("demo", "web")


def lost_packets(clock, until):
    """What a connection does whose packets are lost until then: each try costs its time."""

    class Losing(MemoryConnection):
        def exchange(self, method, target, headers, body, deadline):
            if clock.now < until:
                clock.now = deadline
                raise TimeoutError("timed out")
            return super().exchange(method, target, headers, body, deadline)

    return Losing


def test_a_server_that_comes_back_is_found_at_the_next_piece_of_work(objects):
    """A server that was away for 4 s, longer than the first piece has; each later one tries it for a second at most."""
    api, clock = API(objects), Clock()
    kube = memory_api(
        api, clock=clock, connection=lost_packets(clock, clock.now + 4)(api), timeout_seconds=60
    )
    kube.renew(3)
    with pytest.raises(Unreachable, match="timed out") as caught:
        kube.get_pod("demo", "web")
    assert "1 try within 3 s" in caught.value.details
    kube.renew(3)
    with pytest.raises(Unreachable) as caught:
        kube.get_pod("demo", "web")
    assert "1 try within 1 s" in caught.value.details
    assert clock.now == 1004
    kube.renew(10)
    kube.get_pod("demo", "web")
    api.fail(503, retry_after=8)  # the piece has its whole time again
    kube.get_pod("demo", "web")
    api.fail(503, retry_after=8)
    with pytest.raises(ServerFailure):
        kube.get_pod("demo", "web")


def test_each_try_has_ten_seconds_at_most(objects):
    clock = Clock()
    seen = []

    class Watching(MemoryConnection):
        def exchange(self, method, target, headers, body, until):
            seen.append(until - clock.now)
            return super().exchange(method, target, headers, body, until)

    cluster = Cluster(tls=True, host="in-memory", port=443)
    for timeout in (60, 4):
        connection = Watching(API(objects))
        KubeAPI(cluster, timeout, Recorder(), connection=connection, clock=clock).get_pod("demo", "web")
    assert seen == [10, 4]


@pytest.mark.parametrize(
    "code, expected, cni_code",
    [
        (400, Rejected, INVALID_CONFIG),
        (409, Conflict, TRY_AGAIN),
        (410, Gone, TRY_AGAIN),
        (418, Rejected, INVALID_CONFIG),
    ],
)
def test_other_statuses_are_not_asked_again(objects, code, expected, cni_code):
    api = API(objects)
    api.fail(code)
    with pytest.raises(expected) as caught:
        memory_api(api).get_object(NETWORK_ATTACHMENT, "demo", "n")
    assert (caught.value.code, caught.value.status) == (cni_code, code)
    assert not isinstance(caught.value, Unreachable)
    assert len(api.requests) == 1


def test_forbidden_names_verb_object_and_account(objects):
    api = API(objects, {"good-token": "system:serviceaccount:kube-system:genie"})
    api.forbidden.add(("get", "network-attachment-definitions"))
    with pytest.raises(Forbidden) as caught:
        memory_api(api, token="good-token").get_object(NETWORK_ATTACHMENT, "demo", "n")
    error = caught.value
    assert (error.code, error.exit_code) == (INVALID_CONFIG, EXIT_DENIED)
    assert error.msg == "the API server does not allow Genie to get NetworkAttachmentDefinition demo/n"
    assert 'User "system:serviceaccount:kube-system:genie" cannot get resource' in error.details


@pytest.mark.parametrize("status", [400, 401, 403, 500])
@pytest.mark.parametrize("quoted", ["{token}", "Bearer {token}!", "{payload}", "{start}"])
def test_a_server_that_repeats_the_token_is_not_quoted(https, connect, tmp_path, status, quoted):
    token = f"eyJhbGciOiJSUzI1NiJ9.{'payload' * 20}.{'signature' * 9}"
    words = quoted.format(token=token, payload="payload" * 20, start=token[:40])
    document = {"kind": "Status", "status": "Failure", "message": f"what is {words} to me", "code": status}
    answer = json.dumps(document).encode()
    head = f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
    https.faults = [faults.raw(head.encode() + answer)] * 9
    clock = Clock()
    path = https.write_kubeconfig(tmp_path / "k", user={"token": token})
    with pytest.raises(GenieError) as caught:
        connect(path, 1.0, clock=clock, sleep=clock.sleep).get_pod("demo", "web")
    said = repr((caught.value.msg, caught.value.details, caught.value.hint))
    assert not any(part in said for part in ("eyJ", "payload", "signature"))


# --- credentials -------------------------------------------------------------------------------------------


def test_unauthorized_without_a_token_file_is_final(https, connect, tmp_path):
    api = connect(https.write_kubeconfig(tmp_path / "kubeconfig", user={"token": "stale-token"}))
    with pytest.raises(Unauthorized) as caught:
        api.get_pod("demo", "web")
    assert (caught.value.code, caught.value.exit_code) == (TRY_AGAIN, EXIT_DENIED)
    assert len(https.api.requests) == 1
    assert "stale-token" not in str(caught.value)


def test_unauthorized_with_a_stale_token_file_is_asked_twice(https, connect, tmp_path):
    (tmp_path / "token").write_text("stale-token\n")
    api = connect(https.write_kubeconfig(tmp_path / "kubeconfig", user={"tokenFile": "token"}))
    with pytest.raises(Unauthorized) as caught:
        api.get_pod("demo", "web")
    assert len(https.api.requests) == 2
    assert f"token file {tmp_path}/token" in caught.value.msg


def test_a_token_renewed_in_between_is_found(objects, tmp_path):
    """The kubelet's token files are renewed under our feet (lessons 3)."""
    path = tmp_path / "token"
    path.write_text("old-token")
    api = API(objects, {"old-token": "genie"})
    connection = MemoryConnection(api)
    kube = memory_api(api, token_file=str(path), connection=connection)
    kube.get_pod("demo", "web")

    def renew():  # after the request was made with the old one, before the server looks at it
        api.tokens = {"new-token": "genie"}
        path.write_text("new-token\n")

    connection.before = renew
    kube.get_pod("demo", "web")
    assert [request.status for request in api.requests] == [200, 401, 200]


def test_each_request_reads_the_token_file(objects, tmp_path):
    path = tmp_path / "token"
    api = API(objects, {"one": "genie"})
    kube = memory_api(api, token_file=str(path))
    for token in ("one", "two"):
        api.tokens = {token: "genie"}
        path.write_text(token)
        kube.get_pod("demo", "web")
    assert [request.status for request in api.requests] == [200, 200]


def test_a_token_file_that_is_gone(objects, tmp_path):
    with pytest.raises(IOFailure, match=r"the token file .*/token cannot be read: No such file"):
        memory_api(API(objects), token_file=str(tmp_path / "token")).get_pod("demo", "web")


def test_a_client_certificate_authenticates_us(https, connect, authority, tmp_path):
    pair = authority.client("system:node:n1")
    user = {"client-certificate": str(pair.certificate_file), "client-key": str(pair.key_file)}
    connect(https.write_kubeconfig(tmp_path / "kubeconfig", user=user)).get_pod("demo", "web")
    assert https.api.requests[0].user == "system:node:n1"


def test_an_expired_client_certificate_is_named(https, connect, authority, tmp_path):
    pair = authority.client("system:node:n1", expired=True)
    user = {"client-certificate": str(pair.certificate_file), "client-key": str(pair.key_file)}
    with pytest.raises(Unauthorized) as caught:
        connect(https.write_kubeconfig(tmp_path / "kubeconfig", user=user)).get_pod("demo", "web")
    assert caught.value.code == TRY_AGAIN
    assert str(pair.certificate_file) in caught.value.msg
    assert "expired" in caught.value.msg


def test_a_server_that_demands_a_client_certificate(serve, connect, authority, objects, tmp_path):
    server = serve(API(objects), authority=authority, demand_client_certificate=True)
    with pytest.raises(Unauthorized, match="none was given"):
        connect(server.write_kubeconfig(tmp_path / "kubeconfig")).get_pod("demo", "web")


def test_a_token_goes_over_tls_only(serve, connect, objects, tmp_path):
    server = serve(API(objects))
    connect(server.write_kubeconfig(tmp_path / "kubeconfig", user=GOOD)).get_pod("demo", "web")
    assert "authorization" not in server.api.requests[0].headers


@pytest.mark.parametrize("key", ["kubernetes", "policy"])
def test_a_server_that_only_the_configuration_names_gets_no_credentials(
    https, serve, connect, authority, objects, tmp_path, key
):
    """Not even one that has a certificate of the same authority; the error says why it was asked without any."""
    other = serve(API(objects, {"good-token": "genie"}), authority=authority)
    path = https.write_kubeconfig(tmp_path / "kubeconfig", user=GOOD)
    api = connect(path, **{key: {"k8s_api_root": other.url}})
    with pytest.raises(Unauthorized, match=r"are not used since .* names another server") as refused:
        api.get_pod("demo", "web")
    assert "good-token" not in str(refused.value)
    assert ["authorization" in request.headers for request in other.api.requests] == [False]
    assert https.api.requests == []


def test_credentials_do_not_follow_a_redirect(https, serve, api, objects):
    elsewhere = serve(API(objects))
    https.faults = [faults.redirect(f"{elsewhere.url}/api/v1/namespaces/demo/pods/web")]
    with pytest.raises(Rejected) as caught:
        api.get_pod("demo", "web")
    assert caught.value.status == 302
    assert elsewhere.api.requests == []


def test_proxy_variables_mean_nothing(https, api, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    api.get_pod("demo", "web")
    assert len(https.api.requests) == 1


# --- patches -----------------------------------------------------------------------------------------------


def test_a_conflict_with_another_writer_is_tried_again_C55(objects):
    api = API(objects)
    api.fail(409, times=2)
    memory_api(api).annotate("demo", "web", "u-1", {"a": "b"})
    assert [request.status for request in api.requests] == [409, 409, 200]


@pytest.mark.parametrize("status", [409, 422])
def test_another_uid_is_a_conflict_however_it_is_worded(objects, status):
    objects.uid_status = status
    api = API(objects)
    with pytest.raises(Conflict) as caught:
        memory_api(api).annotate("demo", "web", "u-2", {"a": "b"})
    assert caught.value.status == status
    assert len(api.requests) == 3


def test_another_refusal_is_no_conflict(objects):
    api = API(objects)
    with pytest.raises(Rejected) as caught:
        memory_api(api).annotate("demo", "web", "u-1", {"a": "x" * (300 << 10)})
    assert caught.value.status == 422
    assert len(api.requests) == 1


def test_the_patch_is_the_annotations_and_the_uid(https, api):
    api.annotate("demo", "web", "u-1", {"a": "b"})
    request = https.api.requests[0]
    assert (request.method, request.headers["content-type"]) == ("PATCH", "application/merge-patch+json")
    assert request.body == b'{"metadata": {"annotations": {"a": "b"}, "uid": "u-1"}}'


# --- the wire ----------------------------------------------------------------------------------------------


def test_a_port_without_a_listener(connect, https, tmp_path):
    path = https.write_kubeconfig(tmp_path / "kubeconfig", user=GOOD)
    https.close()
    for _ in range(10):  # on a busy machine the time may end within the last try, which is then what is said
        began = time.monotonic()
        with pytest.raises(Unreachable, match="cannot be reached: ") as caught:
            connect(path, 0.5).get_pod("demo", "web")
        assert caught.value.code == TRY_AGAIN
        assert time.monotonic() - began > 0.1
        if "Connection refused" in str(caught.value):
            return
    pytest.fail(str(caught.value))


def test_a_server_that_comes_back_is_found(serve, connect, objects, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as placeholder:
        port = placeholder.getsockname()[1]
    path = kubeconfig(tmp_path, f"http://127.0.0.1:{port}")
    servers: list[APIServer] = []

    def come_back(_seconds):
        if not servers:
            servers.append(serve(API(objects), port=port))

    assert connect(path, sleep=come_back).get_pod("demo", "web")
    assert servers


def test_a_host_name_that_does_not_resolve(tmp_path, connect):
    path = kubeconfig(tmp_path, "https://no-such-host.invalid")
    with pytest.raises(Unreachable, match=r"https://no-such-host\.invalid:443 cannot be reached"):
        connect(path, 0.2).get_pod("demo", "web")


def test_the_deadline_covers_name_resolution(tmp_path, connect, monkeypatch):
    """The resolver itself may wait for a name server for half a minute."""
    import _socket

    resolve = _socket.getaddrinfo
    answered = threading.Event()

    def slowly(host, port, family=0, kind=0, protocol=0, flags=0):
        if not flags:
            answered.wait(250)
        return resolve(host, port, family, kind, protocol, flags)

    monkeypatch.setattr(_socket, "getaddrinfo", slowly)
    with pytest.raises(Unreachable, match="the name was not resolved in time"):
        connect(kubeconfig(tmp_path, "https://localhost"), 0.3).get_pod("demo", "web")
    assert not answered.is_set()
    answered.set()


def test_what_a_signal_handler_raises_ends_the_wait(https, api, tmp_path):
    """Cancelled, for one; the connection is not used again."""

    class Stop(Exception):
        pass

    def stop(*_):
        raise Stop

    main = threading.get_ident()

    def stall(wire, _answer):
        signal.pthread_kill(main, signal.SIGALRM)
        return wire.wait(250)

    https.faults = [stall]
    previous = signal.signal(signal.SIGALRM, stop)
    try:
        with pytest.raises(Stop):
            api.get_pod("demo", "web")
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert api.get_pod("demo", "web")
    assert [request.connection for request in https.api.requests] == [1, 2]


def test_a_name_is_resolved(https, connect, tmp_path):
    path = https.write_kubeconfig(
        tmp_path / "kubeconfig", user=GOOD, server=f"https://localhost:{https.port}"
    )
    assert connect(path).get_pod("demo", "web")


@pytest.mark.parametrize(
    "fault",
    [faults.slow_headers(250), faults.drip(1)],
    ids=["slow headers", "drip"],
)
def test_the_deadline_covers_everything(https, hasty, fault):
    """Without it the answer would take minutes."""
    https.faults = [fault] * 3
    with pytest.raises(Unreachable) as caught:
        hasty.get_pod("demo", "web")
    assert caught.value.code == TRY_AGAIN


def test_the_deadline_covers_the_handshake(connect, authority, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        path = kubeconfig(tmp_path, f"https://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(Unreachable):
            connect(path, 0.5).get_pod("demo", "web")


@pytest.mark.parametrize(
    "fault", [faults.close_at_once, faults.cut_off, faults.reset_half_way], ids=lambda fault: fault.__name__
)
@pytest.mark.parametrize("times", [1, 3])
def test_a_connection_that_breaks_is_made_again(https, api, fault, times):
    https.faults = [fault] * times
    assert api.get_pod("demo", "web")["metadata"]["uid"] == "u-1"
    assert len(https.api.requests) == times + 1


@pytest.mark.parametrize(
    "fault",
    [faults.chunked, faults.until_close, faults.continued, faults.slow_headers(0.1)],
    ids=["chunked", "until_close", "continued", "slow_headers"],
)
def test_every_way_of_sending_a_body(https, api, fault):
    https.faults = [fault, None]
    for _ in range(2):
        assert api.get_pod("demo", "web")["metadata"]["uid"] == "u-1"


@pytest.mark.parametrize(
    "fault, problem",
    [
        (faults.body(b"<html>Sign in</html>", "text/html"), "without a JSON object"),
        (faults.body(b'{"metadata": {'), "without a JSON object"),
        (faults.body(b"[1, 2]"), "without a JSON object"),
        (faults.body(b'"\xff\xfe"'), "without a JSON object"),
        (faults.body(b"[" * 200_000), "without a JSON object"),
        (faults.huge(20), "larger than 8 MiB"),
        (faults.raw(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (9 << 20)), "larger than 8 MiB"),
        (faults.body(b'{"items": [' + b"{}," * 600_000 + b"{}]}"), "more than 500000 values"),
        (faults.raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "not HTTP/1.1"),
        (faults.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"), "larger than 8 MiB"),
        (faults.raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "Content-Length"),
        (faults.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"), "transfer encoding"),
        (faults.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "chunk"),
        (faults.raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"), "compressed"),
        (faults.raw(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), "headers"),
        (faults.raw(b"HTTP/1.1 200 OK\r\n" + b"x" * 100_000), "does not end"),
    ],
)
def test_an_invalid_answer(https, api, fault, problem):
    https.faults = [fault]
    with pytest.raises(BadAnswer, match=problem) as caught:
        api.get_pod("demo", "web")
    assert caught.value.code == DECODING_FAILURE
    assert len(caught.value.msg) < 200
    assert len(https.api.requests) == 1


def test_one_connection_serves_them_all(https, api):
    api.get_pod("demo", "web")
    with pytest.raises(ObjectNotFound):
        api.get_object(NETWORK_ATTACHMENT, "demo", "absent")
    api.annotate("demo", "web", "u-1", {"a": "b"})
    assert {request.connection for request in https.api.requests} == {1}


def test_a_connection_closed_while_idle_costs_no_wait(https, connect, tmp_path):
    """Between reading the pod and annotating it, delegates run: the server may have hung up."""
    path = https.write_kubeconfig(tmp_path / "kubeconfig", user=GOOD)

    def no_sleep(_seconds):
        raise AssertionError("it waited")

    api = connect(path, sleep=no_sleep)
    api.get_pod("demo", "web")
    https.hang_up()
    api.annotate("demo", "web", "u-1", {"a": "b"})
    assert [request.connection for request in https.api.requests] == [1, 2]


def test_the_address_that_answers_is_taken(serve, connect, objects, monkeypatch):
    """localhost has two addresses on most nodes; a server may listen on one."""
    server = serve(API(objects))
    cluster = Cluster(tls=False, host="localhost", port=server.port)
    api = KubeAPI(cluster, 2, Recorder())
    both = [(10, 1, 6, "", ("::1", server.port)), (2, 1, 6, "", ("127.0.0.1", server.port))]
    monkeypatch.setattr(api._connection, "_resolve", lambda _until: both)
    with api:
        assert api.get_pod("demo", "web")


def test_a_connection_that_the_server_ends_is_not_used_again(https, api):
    """Bytes that arrive on it later would be read as the next answer."""
    https.faults = [faults.announcing_close]
    for _ in range(2):
        api.get_pod("demo", "web")
    assert [request.connection for request in https.api.requests] == [1, 2]


def test_an_address_that_swallows_all_leaves_time_for_the_next(serve, objects, monkeypatch):
    """One of several control plane nodes is gone, its packets are dropped."""
    server = serve(API(objects))
    with socket.create_server(("127.0.0.2", server.port), backlog=0) as silent:
        queue = [socket.socket() for _ in range(4)]  # fills the backlog: later connections hang
        for sock in queue:
            sock.setblocking(False)
            sock.connect_ex(silent.getsockname())
        api = KubeAPI(Cluster(tls=False, host="x", port=server.port), 4, Recorder())
        both = [(2, 1, 6, "", ("127.0.0.2", server.port)), (2, 1, 6, "", ("127.0.0.1", server.port))]
        monkeypatch.setattr(api._connection, "_resolve", lambda _until: both)
        began = time.monotonic()
        with api:
            assert api.get_pod("demo", "web")
        assert time.monotonic() - began > 1.9
        for sock in queue:
            sock.close()


def test_no_time_is_no_time(https, api):
    with pytest.raises(TimeoutError):
        api._connection.exchange("GET", "/version", {}, b"", time.monotonic() - 1)
    assert https.connections == 0


def test_waiting_for_the_right_pod_ends_with_the_time_too(objects):
    api = API(objects)
    with pytest.raises(Unreachable, match="are used up"):
        memory_api(api, timeout_seconds=0.01).annotations("demo", "web", "u-2")
    assert len(api.requests) == 1


def test_what_the_server_says_is_quoted_shortly_and_printably(https, api):
    message = "no \\u001b[31m\\n" + "x" * 2000
    https.faults = [
        faults.raw(
            b"HTTP/1.1 418 x\r\nConnection: close\r\n\r\n"
            + f'{{"kind": "Status", "message": "{message}"}}'.encode()
        )
    ]
    with pytest.raises(Rejected) as caught:
        api.get_pod("demo", "web")
    assert caught.value.details.startswith("no  [31m xxx")
    assert caught.value.details.isprintable()
    assert len(caught.value.details) < 300


def test_a_body_that_is_no_status_is_not_quoted(https, api):
    https.faults = [
        faults.raw(b'HTTP/1.1 400 x\r\nConnection: close\r\n\r\n{"message": "s3cret", "kind": "Secret"}')
    ]
    with pytest.raises(Rejected) as caught:
        api.get_pod("demo", "web")
    assert "s3cret" not in str(caught.value)


def test_no_token_in_any_error_or_log_X14(https, connect, tmp_path):
    """For all that can happen to a request that bears one."""
    path = https.write_kubeconfig(tmp_path / "kubeconfig", user=GOOD)
    bad = [
        faults.close_at_once,
        faults.body(b"x"),
        faults.raw(b"x\r\n"),
        faults.redirect("http://127.0.0.1:1/"),
    ]
    for script in ([401], [403], [404], [429], [500], []):
        for fault in bad if not script else [None]:
            api = connect(path, 0.3)
            https.api.script = [(code, None) for code in script * 5]
            https.faults = [fault] * 5
            with pytest.raises(Exception) as caught:
                api.get_pod("demo", "web")
            printed = f"{caught.value!r} {caught.value} {api._log.lines!r} {api.cluster!r} {api.cluster.credentials!r}"
            assert "good-token" not in printed
