"""TLS to the API server by `_ssl`, the half of the standard library's ssl that is written in C.

Imports in ms, Python 3.11 / 3.13 -I -S: `_ssl` with `_socket` 2.1 / 2.5, `ssl` 11 / 12 (all of a GET: kube_http.py).
The difference is enums and wrappers: chains and host names are verified by OpenSSL in either case. What is needed of
that is done here explicitly: verification is switched on and does not rely on a default; a name to verify is
always given (parse_server ensures it); TLS 1.2 is the least. tests/contract/test_kube_tls.py holds every interpreter
that Genie supports to it: another name, another authority, expired, not yet valid, a common name only.

What is left is OpenSSL's: 2 ms to load it, 2 ms for the context and the CA, 1.6 ms for the handshake.

As in client-go, and unlike ssl.create_default_context in 3.13: any certificate in the CA file is a root
(PARTIAL_CHAIN), and there is no X509_STRICT, which refuses CAs that kubeadm and others have made. Common names are
ignored. The system's CAs are read (4 ms) only where no CA is given.
"""

import posix

from genie_core.edges.files import open_regular
from genie_core.edges.kube_errors import Unauthorized, Untrusted
from genie_core.errors import GenieError, InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from typing import Any, NoReturn

    from genie_core.edges.kube_cluster import Cluster, Pem

_TLS_1_2 = 0x0303
_X509_V_FLAG_PARTIAL_CHAIN = 0x80000
_EXPIRED, _NOT_YET_VALID, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64  # X509_V_ERR_*, openssl/x509_vfy.h
_REMEDIES = {
    _EXPIRED: "renew the API server's certificate, or set this node's clock",
    _NOT_YET_VALID: "set this node's clock",
    _OTHER_NAME: "use a name that the certificate holds as the server, or set tls-server-name",
    _OTHER_ADDRESS: "use an address that the certificate holds as the server, or set tls-server-name",
}
# The alerts by which a server refuses a client certificate (RFC 8446, section 6).
_CLIENT_ALERTS = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")


class TLSStream:
    """A TLS connection with the methods of a socket that are used here. Raises what a socket raises."""

    def __init__(self, sock: "socket", tls: "Any", cluster: "Cluster") -> None:
        self._sock = sock  # `tls` holds it by a weak reference only
        self._tls = tls
        self._cluster = cluster

    def settimeout(self, seconds: float) -> None:
        self._sock.settimeout(seconds)

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._tls.write(view) :]
            except OSError as error:
                translate(error, self._cluster)

    def recv(self, count: int) -> bytes:
        try:
            return bytes(self._tls.read(count))
        except OSError as error:
            if _is_end(error):
                return b""  # with a close_notify or without: a partial answer fails at its length or as JSON
            translate(error, self._cluster)

    def close(self) -> None:
        self._sock.close()  # no close_notify: nothing of ours depends on the peer seeing one


def handshake(context: "Any", sock: "socket", cluster: "Cluster") -> TLSStream:
    """Raises Untrusted, Unauthorized, or OSError. The socket's timeout covers the whole handshake."""
    tls = context._wrap_socket(sock, False, cluster.server_name)  # noqa: SLF001
    try:
        tls.do_handshake()
    except OSError as error:
        translate(error, cluster)
    return TLSStream(sock, tls, cluster)


def client_context(cluster: "Cluster") -> "Any":
    """An `_ssl._SSLContext` for this cluster. Raises Untrusted or InvalidConfig naming the file at fault."""
    from _ssl import PROTOCOL_TLS_CLIENT, _SSLContext  # 2 ms

    context: Any = _SSLContext(PROTOCOL_TLS_CLIENT)
    secure(context, cluster)
    return context


def secure(context: "Any", cluster: "Cluster") -> None:
    """What a context, of `_ssl` or of `ssl`, needs for this cluster. Raises like client_context."""
    from _ssl import CERT_NONE, CERT_REQUIRED, HOSTFLAG_NEVER_CHECK_SUBJECT, HOSTFLAG_NO_PARTIAL_WILDCARDS

    context.minimum_version = _TLS_1_2
    context.check_hostname = not cluster.insecure
    context.verify_mode = CERT_NONE if cluster.insecure else CERT_REQUIRED
    context.verify_flags |= _X509_V_FLAG_PARTIAL_CHAIN
    flags = HOSTFLAG_NEVER_CHECK_SUBJECT | HOSTFLAG_NO_PARTIAL_WILDCARDS
    context._host_flags = flags  # noqa: SLF001
    if not cluster.insecure:
        _load_authorities(context, cluster)
    if cluster.credentials.certificate and cluster.credentials.key:
        _load_pair(context, cluster.credentials.certificate, cluster.credentials.key)


def _load_authorities(context: "Any", cluster: "Cluster") -> None:
    ca = cluster.ca
    if ca is None:
        context.set_default_verify_paths()
        return
    try:
        if ca.path:
            posix.close(open_regular(ca.path))  # OpenSSL would wait for a pipe
            context.load_verify_locations(ca.path)
        else:
            context.load_verify_locations(None, None, ca.data.decode("ascii"))
    except (OSError, ValueError) as error:
        raise Untrusted(
            f"the certificate authority ({ca}) of {cluster.source} cannot be read: {_reason(error)}",
            hint="certificate-authority must be the PEM file of the authority of the API server's certificate",
        ) from None


def _load_pair(context: "Any", certificate: "Pem", key: "Pem") -> None:
    descriptors: list[int] = []
    what = f"the client certificate ({certificate}) and its key ({key})"

    def password() -> "NoReturn":  # without it OpenSSL asks the terminal
        raise InvalidConfig(
            f"{what} cannot be used: the key is encrypted", hint="store it without a password, 0600"
        )

    try:
        context.load_cert_chain(_path(certificate, descriptors), _path(key, descriptors), password)
    except (OSError, ValueError) as error:
        raise InvalidConfig(f"{what} cannot be used: {_reason(error)}") from None
    finally:
        for descriptor in descriptors:
            posix.close(descriptor)


def _path(pem: "Pem", descriptors: list[int]) -> str:
    """A file name for what OpenSSL reads from files only: inline data goes through memory, not through a disk."""
    if pem.path:
        posix.close(open_regular(pem.path))
        return pem.path
    descriptor = posix.memfd_create("pem", posix.MFD_CLOEXEC)
    descriptors.append(descriptor)
    posix.write(descriptor, pem.data)
    return f"/proc/self/fd/{descriptor}"


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)  # ssl.SSLError, UnicodeDecodeError
    if isinstance(reason, str):
        return reason.replace("_", " ").lower()
    return getattr(error, "strerror", None) or "not PEM"


def _is_end(error: OSError) -> bool:
    from _ssl import SSLEOFError, SSLZeroReturnError

    return isinstance(error, (SSLEOFError, SSLZeroReturnError))


def translate(error: OSError, cluster: "Cluster") -> "NoReturn":
    """Raise what an error of `_ssl` or `ssl` means: a cut connection stays an OSError, all else is about trust."""
    from _ssl import SSLCertVerificationError, SSLError, SSLSyscallError

    if not isinstance(error, SSLError):
        raise error
    # OpenSSL 3 reports ECONNRESET as an error of its library SYS, which Python calls unknown.
    if _is_end(error) or isinstance(error, SSLSyscallError) or error.library == "SYS":
        raise ConnectionResetError("the connection was closed") from None
    if isinstance(error, SSLCertVerificationError):
        raise _unverified(error, cluster) from None
    raise _refused(str(error.reason or "").upper(), cluster) from None


def _unverified(error: "Any", cluster: "Cluster") -> Untrusted:
    authority = cluster.ca or "the system's authorities"
    return Untrusted(
        f"the certificate of the API server {cluster} is not to be trusted: {error.verify_message}"
        f" (verified with {authority})",
        hint=_REMEDIES.get(error.verify_code)
        or f"certificate-authority in {cluster.source} must be the authority that signed it",
    )


def _refused(reason: str, cluster: "Cluster") -> GenieError:
    shown = reason.replace("_", " ").lower() or "handshake failure"
    if "ALERT" in reason and any(alert in reason for alert in _CLIENT_ALERTS):
        return Unauthorized(
            f"the API server {cluster} does not accept the client certificate"
            f" ({cluster.credentials.certificate or 'none was given'}): {shown}",
            hint=f"renew the client certificate that {cluster.source} names",
        )
    return Untrusted(f"no TLS with the API server {cluster}: {shown}", hint="is this the port for https?")
