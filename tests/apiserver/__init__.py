"""An API server for tests, benchmarks and demos: small, and faithful in what a client of it can see.

    objects.py   what it holds: objects with UIDs and resource versions, lists, merge patches (RFC 7386)
    status.py    the `Status` documents of its refusals, worded as Kubernetes words them
    api.py       a request -> an answer: authentication, rights, routes; no sockets
    execs.py     the subresource `exec` of pods: processes behind a WebSocket
    faults.py    what can go wrong on the wire, one function each
    server.py    HTTP and HTTPS around it, keep-alive, client certificates, a log of what was asked
    pki.py       a certificate authority, and certificates with one thing wrong each
    proxy.py     an HTTP proxy, for clients that have to go through one
    issuer.py    an issuer of OpenID Connect tokens
    __main__.py  all of it as a process of its own

`fakes_kube.py` beside this package is the same `api.py` without a wire.
"""

from .api import API, Answer, Request
from .objects import Objects
from .pki import Authority
from .server import APIServer

__all__ = ["API", "APIServer", "Answer", "Authority", "Objects", "Request"]
