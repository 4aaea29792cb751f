"""An API server for one dry run: it serves the given objects on the node's loopback interface.

It answers GET of an object and of a collection, and records the PATCH of a pod's annotations.
Its URL has a random path: on a real node other users can reach the port too.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any

from genie_core.sandbox.http_server import LocalHTTPServer

PATCHES = "annotations"  # in the records: one JSON object of annotations a line
_SLICE_SECONDS = 0.5


def serve(objects: Mapping[str, Any], records: str) -> str:
    """Serve `objects`, path -> document, in a process of its own while the directory `records` exists.

    Returns the server's URL.
    """
    root = f"/{secrets.token_hex(16)}"
    members = {
        "objects": {root + path: document for path, document in objects.items()},
        "root": root,
        "patches": f"{records}/{PATCHES}",
    }
    server = LocalHTTPServer("127.0.0.1", 0, type("Handler", (_Handler,), members))
    server.timeout = _SLICE_SECONDS
    os.makedirs(records, exist_ok=True)
    if os.fork() == 0:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        while os.path.isdir(records):
            server.handle_request()
        os._exit(0)
    return f"http://127.0.0.1:{server.server_port}{root}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects: Mapping[str, Any] = {}
    root = ""
    patches = ""
    timeout = 60  # seconds without a request after which a connection is closed

    def do_GET(self) -> None:
        """An object, or all of a collection: of one namespace, or of all of them."""
        path = self.path.partition("?")[0].rstrip("/")
        if path in self.objects:
            self._answer(200, self.objects[path])
            return
        items = [
            document
            for name, document in self.objects.items()
            if path in _collections(name.rpartition("/")[0])
        ]
        if items:
            self._answer(200, {"kind": "List", "apiVersion": "v1", "items": items})
        else:
            self._answer(404, _status(404, "NotFound", f"{path} not found"))

    def do_PATCH(self) -> None:
        """Record a pod's annotations, and answer 200."""
        if not self.path.startswith(f"{self.root}/"):
            self._answer(404, _status(404, "NotFound", f"{self.path} not found"))
            return
        document = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        with open(self.patches, "a", encoding="utf-8") as file:
            file.write(json.dumps(document.get("metadata", {}).get("annotations", {})) + "\n")
        self._answer(200, {"kind": "Pod", "apiVersion": "v1", **document})

    def _answer(self, code: int, document: Mapping[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """Nothing."""


def _collections(path: str) -> tuple[str, str]:
    """The path of a namespace's collection, and the one of the same kind in all namespaces."""
    version, _, rest = path.partition("/namespaces/")
    return path, f"{version}/{rest.partition('/')[2]}"


def _status(code: int, reason: str, message: str) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


def written(text: str) -> dict[str, str]:
    """The patched annotations, from the text of the file; later ones win."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        found |= json.loads(line)
    return found
