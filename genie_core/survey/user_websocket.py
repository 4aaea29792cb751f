"""The messages of a WebSocket (RFC 6455), each of a bounded size: who writes them may not be trusted with our memory.

Imported for a command in a container alone, since the library takes its time.
"""

from __future__ import annotations

import socket

from websocket import (
    ABNF,
    WebSocket,
    WebSocketConnectionClosedException,
    WebSocketException,
    WebSocketPayloadException,
    WebSocketTimeoutException,
)

from genie_core.edges.kube_errors import BadAnswer

LARGEST_MESSAGE = 16 << 20
_LOOK_SECONDS = 0.2  # how soon an end that was asked for is noticed


class Messages(WebSocket):
    """A connection that is a WebSocket already; `early` is what was read of it.

    One thread receives; another one may send.
    """

    def __init__(self, connection: socket.socket, early: bytes) -> None:
        super().__init__(skip_utf8_validation=True)
        self.sock, self.connected = connection, True
        self.settimeout(_LOOK_SECONDS)
        self.frame_buffer.recv_buffer = [early]
        self._taken = 0  # bytes since the last whole message

    def receive(self) -> bytes | None:
        """The next message, b"" where none is complete yet, None at the end. Raises BadAnswer."""
        try:
            kind, data = self.recv_data(control_frame=True)  # else pings without end would keep it
        except WebSocketTimeoutException:
            return b""
        except (WebSocketConnectionClosedException, OSError):
            return None
        except WebSocketException as error:
            raise BadAnswer(f"the API server's WebSocket frame is not understood ({error})") from None
        self._taken = 0
        if kind == ABNF.OPCODE_CLOSE:
            return None
        return b"" if kind in (ABNF.OPCODE_PING, ABNF.OPCODE_PONG) else bytes(data)

    def send_message(self, data: bytes) -> None:
        """Send one message. Raises OSError."""
        try:
            self.send_binary(data)
        except WebSocketException as error:
            raise ConnectionError(str(error)) from None

    def end(self) -> None:
        """Close the connection without waiting for the other side."""
        self.shutdown()  # type: ignore[no-untyped-call]

    def _recv(self, bufsize: int) -> bytes:
        """Bytes of the connection, for the library."""
        data: bytes = super()._recv(bufsize)  # type: ignore[no-untyped-call]
        self._taken += len(data)
        if self._taken > LARGEST_MESSAGE:
            raise WebSocketPayloadException(f"it has more than {LARGEST_MESSAGE >> 20} MiB")
        return data
