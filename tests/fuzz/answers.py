"""An HTTP server on the loopback whose answers are files, sent as they are: also what is not HTTP at all."""

import os
import re
import signal
import socket
from pathlib import Path

PORT = 8080  # in a network namespace of our own
_HEAD_END = b"\r\n\r\n"
_TLS = b"\x16"  # the first byte of a handshake (RFC 8446, section 5.1)


def answer(document, status=200, reason="OK"):
    """A proper answer with this body."""
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(document)}\r\n\r\n"
    return head.encode() + document


def body_of(raw):
    """An answer's body, b"" where there is none."""
    return raw.partition(_HEAD_END)[2]


def start(folder):
    """A server process that answers with the files of `folder`; its process ID."""
    listener = socket.create_server(("127.0.0.1", PORT), backlog=16)
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            _serve(listener, Path(folder))
        finally:
            os._exit(1)
    listener.close()
    return pid


def _serve(listener, folder):
    while True:
        connection, _ = listener.accept()
        with connection:
            try:
                connection.settimeout(1)
                connection.sendall(_answer(_request(connection), folder))
            except OSError:  # the other side has closed the connection
                continue


def _request(connection):
    """A whole request, as far as it is HTTP."""
    data = b""
    while _HEAD_END not in data and data[:1] != _TLS:
        piece = connection.recv(1 << 16)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(_HEAD_END)
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    while length and len(body) < int(length[1]):
        body += connection.recv(1 << 16)
    return head


def _answer(request, folder):
    """The files' answer to `GET /api/v1/namespaces/ns/pods/p`; writing works unless there is a file `PATCH`."""
    method, _, rest = request.partition(b" ")
    parts = rest.partition(b" ")[0].partition(b"?")[0].decode("ascii", "replace").split("/")
    names = ["PATCH"] if method == b"PATCH" else [part for part in reversed(parts) if part]
    files = [folder / name for name in names if (folder / name).is_file()]
    if files:
        return files[0].read_bytes()
    return answer(b"{}") if method == b"PATCH" else answer(b"{}", 404, "Not Found")
