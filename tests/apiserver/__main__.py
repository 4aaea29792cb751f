"""`python -m tests.apiserver`: the server as a process of its own. Prints one JSON line when it is ready."""

import argparse
import json
import signal
import sys
from pathlib import Path
from threading import Event

import yaml

from . import API, APIServer, Authority, Objects


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.apiserver", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on, IPv4 or IPv6")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument(
        "--objects", type=Path, action="append", default=[], help="manifests, YAML or JSON; repeatable"
    )
    parser.add_argument("--tls-dir", type=Path, help="serve TLS; the CA and certificates are made here")
    parser.add_argument("--token", help="demand this bearer token")
    parser.add_argument("--kubeconfig", type=Path, help="write a kubeconfig for this server here")
    options = parser.parse_args()

    objects = Objects(*(manifest for path in options.objects for manifest in _manifests(path)))
    authority = None
    if options.tls_dir:
        options.tls_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = Authority(options.tls_dir)
    api = API(objects, {options.token: "genie"} if options.token else None)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with APIServer(api, host=options.host, port=options.port, authority=authority) as server:
        if options.kubeconfig:
            server.write_kubeconfig(
                options.kubeconfig, user={"token": options.token} if options.token else {}
            )
        print(json.dumps({"url": server.url, "port": server.port}), flush=True)
        stop.wait()
    return 0


def _manifests(path: Path) -> list[dict]:
    documents = [document for document in yaml.safe_load_all(path.read_text()) if document]
    return [item for document in documents for item in document.get("items", [document])]


if __name__ == "__main__":
    sys.exit(main())
