"""An issuer of OpenID Connect tokens, as far as a client that renews them can see."""

import base64
import json
import ssl
from http.server import BaseHTTPRequestHandler
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

from genie_core.sandbox.http_server import LocalHTTPServer

from .pki import Authority


class Issuer:
    """An OpenID Connect issuer over TLS: discovery, and new tokens for a refresh token (RFC 6749, section 6)."""

    def __init__(self, authority: Authority) -> None:
        self.asked: list[dict[str, str]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({"token_endpoint": f"{owner.url}/token"})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                owner.asked.append(dict(parse_qsl(body)))
                if owner.asked[-1].get("refresh_token") != "refresh-1":
                    self.send_error(400)
                    return
                fresh = {"id_token": jwt(4_000_000_000), "refresh_token": "refresh-2", "token_type": "Bearer"}
                self._answer(fresh | {"access_token": "unused", "expires_in": 60})

            def _answer(self, document: dict[str, Any]) -> None:
                data = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """What was asked is in `asked`."""

        self._http = LocalHTTPServer("127.0.0.1", 0, Handler)
        pair = authority.server()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate_file, pair.key_file)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._http.server_port}"
        self._thread = Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def jwt(expires: int) -> str:
    """An ID token with a false signature that expires at this time (seconds since 1970)."""
    parts = ({"alg": "RS256"}, {"iss": "https://issuer", "exp": expires})
    return ".".join(
        [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
        + ["c2ln"]
    )
