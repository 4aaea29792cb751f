"""`exec` of pods, as the API server and a container runtime behind it do it: a process, and its streams in a WebSocket.

v4.channel.k8s.io and v5.channel.k8s.io (apimachinery pkg/util/remotecommand, kubelet's cri/streaming/remotecommand):
the first byte of each binary message is the stream: 0 stdin, 1 stdout, 2 stderr, 3 a Status at the end; in v5, 255 and
a stream's number close that stream. When the connection ends, the process's stdin is closed, and it is left to itself.
Frames: RFC 6455.
"""

import base64
import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Any

_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_BINARY, _CLOSE, _PING = 2, 8, 9


@dataclass(frozen=True)
class Exec:
    """What to start: the command, with the words that stand for its container; or frames to send instead."""

    argv: Sequence[str]
    frames: bytes = b""


def protocol_of(headers: Mapping[str, str]) -> str:
    """The first protocol of the server's that the client offers, "" for none."""
    offered = [word.strip() for word in headers.get("sec-websocket-protocol", "").split(",")]
    return next((name for name in _PROTOCOLS if name in offered), "")


def handshake(key: str, protocol: str) -> bytes:
    accept = base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()).decode()
    lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"]
    lines += [f"Sec-WebSocket-Accept: {accept}", f"Sec-WebSocket-Protocol: {protocol}", "", ""]
    return "\r\n".join(lines).encode()


def serve(sock: Any, reader: Any, run: Exec, protocol: str) -> None:
    """Run the process, and carry its streams until it ends."""
    sock.settimeout(None)
    lock = Lock()

    def send(stream: int, data: bytes, kind: int = _BINARY) -> None:
        with lock:
            sock.sendall(frame(kind, bytes((stream,)) + data if kind == _BINARY else data))

    for stream in (1, 2):
        send(stream, b"")  # as kubelet's server does first
    send(0, b"", _PING)
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    try:
        process = subprocess.Popen(run.argv, **pipes, start_new_session=True)
    except OSError as error:
        send(3, json.dumps(_failure(f"error executing command in container: {error}")).encode())
        sock.sendall(frame(_CLOSE, b"\x03\xe8"))
        return
    threads = [
        Thread(target=_copy, args=(pipe, stream, send), daemon=True)
        for stream, pipe in ((1, process.stdout), (2, process.stderr))
    ]
    feeder = Thread(target=_feed, args=(reader, process.stdin, protocol), daemon=True)
    for thread in (*threads, feeder):
        thread.start()
    for thread in threads:
        thread.join()
    code = process.wait()
    try:
        send(3, json.dumps(_status(code if code >= 0 else 128 - code)).encode())
        sock.sendall(frame(_CLOSE, b"\x03\xe8"))
    except OSError:
        return  # the client has gone


def _copy(pipe: Any, stream: int, send: Any) -> None:
    """Send what the process prints; after the client has gone, discard it."""
    while data := pipe.read1(32 << 10):
        try:
            send(stream, data)
        except OSError:
            continue
    pipe.close()


def _feed(reader: Any, stdin: Any, protocol: str) -> None:
    """What the client sends, to the process's stdin; both end together."""
    try:
        while message := _read(reader):
            kind, data = message
            if kind == _CLOSE or (protocol == _PROTOCOLS[0] and data == b"\xff\x00"):
                break
            if kind == _BINARY and data[:1] == b"\0":
                stdin.write(data[1:])
                stdin.flush()
    except (OSError, ValueError):
        pass  # the process has ended, or the connection
    try:
        stdin.close()
    except OSError:
        return


def _read(reader: Any) -> tuple[int, bytes] | None:
    """A client's frame, which has to be masked; None at the end."""
    head = reader.read(2)
    if len(head) < 2:
        return None
    size = head[1] & 0x7F
    if size > 125:
        size = int.from_bytes(reader.read(2 if size == 126 else 8), "big")
    mask, data = reader.read(4), reader.read(size)
    if not head[1] & 0x80 or len(data) < size:  # cut off, or what is left in a connection that was hung up
        return None
    return head[0] & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))


def frame(kind: int, data: bytes) -> bytes:
    size = len(data)
    if size < 126:
        return bytes((0x80 | kind, size)) + data
    wide = size >= 1 << 16
    return bytes((0x80 | kind, 127 if wide else 126)) + size.to_bytes(8 if wide else 2, "big") + data


def _status(code: int) -> dict[str, Any]:
    """The Status at the end, as kubelet's server makes it (remotecommand/exec.go)."""
    if not code:
        return {"metadata": {}, "status": "Success"}
    cause = {"reason": "ExitCode", "message": str(code)}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [cause]},
    }


def _failure(message: str) -> dict[str, Any]:
    return {"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500}
