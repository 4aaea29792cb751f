"""A cAdvisor on the loopback, as far as a choice by load asks one (conformance D16)."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


def sample(second, **interfaces):
    counters = [{"name": name, "rx_bytes": rx, "tx_bytes": tx} for name, (rx, tx) in interfaces.items()]
    return {"timestamp": f"2026-01-01T00:00:0{second}.123456789Z", "network": {"interfaces": counters}}


STATS = {
    "name": "/",
    "stats": [sample(0), sample(1, veth0=(0, 0), lo=(0, 0)), sample(3, veth0=(400, 20), lo=(0, 2))],
}


@contextmanager
def cadvisor(answer=STATS, status=200, before=0.0, drip=0.0):
    """A server that says this; `before` seconds pass first, and `drip` between the bytes."""
    stop = Event()
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            stop.wait(before)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for byte in [body] if not drip else [body[i : i + 1] for i in range(len(body))]:
                if stop.wait(drip):
                    return
                self.wfile.write(byte)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_):
            """A client that did not wait."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join()
