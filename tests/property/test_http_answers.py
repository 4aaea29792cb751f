"""The plugin's HTTP client compared with http.client: the same bytes, in any parts, give the same answer."""

import http.client
import io
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_core.edges.kube_errors import BadAnswer
from genie_core.edges.kube_http import _Reader, read_response

TOKEN = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-"), min_size=1, max_size=12)
VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
FRAMING = {"content-length", "transfer-encoding", "connection", "content-encoding"}


class _Socket:
    def __init__(self, data):
        self._data = data

    def makefile(self, *_):
        return io.BytesIO(self._data)


def by_http_client(data):
    sock: Any = _Socket(data)
    response = http.client.HTTPResponse(sock, method="GET")
    response.begin()
    try:
        return response.status, response.read()
    finally:
        response.close()


def by_us(data, cuts=()):
    """The answer, arriving in the pieces that `cuts` makes."""
    edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(edges) if start < end]
    pieces.append(b"")
    return read_response(_Reader(lambda: pieces.pop(0)))


@st.composite
def answers(draw):
    """A proper answer: any status, headers and body, framed in any of the three ways."""
    status = draw(st.integers(200, 599))
    body = b"" if status in (204, 304) else draw(st.binary(max_size=200))
    headers = [
        (name, value)
        for name, value in draw(st.lists(st.tuples(TOKEN, VALUE), max_size=4))
        if name.lower() not in FRAMING
    ]
    framing = draw(st.sampled_from(["length", "chunked", "close"]))
    if status in (204, 304):
        framing = "close"
    payload = body
    if framing == "length":
        headers.append(("Content-LENGTH", str(len(body))))
    elif framing == "chunked":
        headers.append(("transfer-encoding", "Chunked"))
        payload = b""
        rest = body
        while rest:
            size = draw(st.integers(1, len(rest)))
            payload += b"%X%s\r\n%s\r\n" % (size, draw(st.sampled_from([b"", b";a=b"])), rest[:size])
            rest = rest[size:]
        payload += b"0\r\n" + draw(st.sampled_from([b"", b"X-T: 1\r\n"])) + b"\r\n"
    interim = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n"]))
    head = "".join(f"{name}:{draw(st.sampled_from(['', ' ']))}{value}\r\n" for name, value in headers)
    return interim + f"HTTP/1.1 {status} Some reason\r\n{head}\r\n".encode() + payload


@pytest.mark.property
@given(answers(), st.lists(st.integers(0, 2000), max_size=6))
def test_a_proper_answer_means_the_same(data, cuts):
    response = by_us(data, cuts)
    assert (response.status, response.body) == by_http_client(data)


@pytest.mark.property
@given(answers(), st.integers(0, 2000), st.integers(1, 2000))
def test_a_cut_answer_is_an_error_or_ends_with_the_stream(data, position, length):
    """Never a wrong body: the framing shows that a part is missing, unless the end of the stream is the framing."""
    cut = data[: position % len(data)]
    try:
        response = by_us(cut)
    except (ConnectionResetError, BadAnswer):
        return
    whole = by_us(data)
    assert response.last
    assert whole.last or response.body == whole.body
    assert whole.body.startswith(response.body)


@pytest.mark.property
@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda data: b"HTTP/1.1 200 OK\r\n" + data))
def test_any_bytes_end_in_an_answer_or_in_one_of_two_errors(data):
    try:
        by_us(data)
    except (ConnectionResetError, BadAnswer) as error:
        assert str(error).isprintable()


@pytest.mark.parametrize(
    "head, last",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\n{}", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", True),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}unasked", True),
    ],
)
def test_whether_the_connection_stays_open(head, last):
    response = by_us(head)
    assert (response.body, response.last) == (b"{}", last)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
        b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nname : x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
    ],
)
def test_an_ambiguous_answer_is_refused(data):
    """Where readers disagree, requests get smuggled (RFC 9112, section 11)."""
    with pytest.raises(BadAnswer):
        by_us(data)
