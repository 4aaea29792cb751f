"""An API server's address and the credentials for it, as values; nothing of them shows in a repr or a message.

Kubelet path.
"""

import posix

from genie_core.edges.files import open_regular
from genie_core.errors import GenieError, InvalidConfig, IOFailure
from genie_core.model import Value

_LARGEST_FILE = 1 << 20
NO_CREDENTIALS = "no credentials"
_KNOWN_BY = 16  # characters
_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")


class Pem(Value):
    """Certificates or a key: in the file `path`, or as `data` where `path` is ""."""

    __slots__ = ("data", "path")

    def __init__(self, path: str = "", data: bytes = b"") -> None:
        self.path = path
        self.data = data

    def content(self) -> bytes:
        """What it holds, the file read again. Raises IOFailure or InvalidConfig."""
        return self.data or read_text(self.path, "the PEM file")[0].encode()

    def __repr__(self) -> str:  # never the data
        return f"Pem({self.path!r})"

    def __str__(self) -> str:
        return self.path or "inline data"


class Credentials(Value):
    """A bearer token, or the file to read it from, and a client certificate with its key. All may be absent."""

    __slots__ = ("certificate", "key", "token", "token_file")

    def __init__(
        self, token: str = "", token_file: str = "", certificate: Pem | None = None, key: Pem | None = None
    ) -> None:
        self.token = token
        self.token_file = token_file
        self.certificate = certificate
        self.key = key

    def __repr__(self) -> str:  # never the token
        return f"Credentials({self})"

    def __str__(self) -> str:
        words = []
        if self.token_file:
            words.append(f"token file {self.token_file}")
        elif self.token:
            words.append("token")
        if self.certificate:
            words.append(f"client certificate {self.certificate}")
        return " and ".join(words) or NO_CREDENTIALS

    @property
    def bearer(self) -> bool:
        """Whether a token is sent."""
        return bool(self.token or self.token_file)

    def authorization(self) -> str:
        """The Authorization header's value, the token file read again. Raises IOFailure or InvalidConfig."""
        return f"Bearer {read_token(self.token_file) if self.token_file else self.token}"

    def secrets(self) -> list[str]:
        """Texts that no message may contain: the beginnings of the token and of its parts."""
        try:
            token = self.authorization().removeprefix("Bearer ") if self.bearer else ""
        except GenieError:  # its file cannot be read any more
            return []
        parts = [part for part in token.split(".") if len(part) > _KNOWN_BY]  # a JWT's: RFC 7519
        return [part[:_KNOWN_BY] for part in (token, *parts) if part]


class Cluster(Value):
    """An API server.

    `base` is the path before /api, "" or with a slash in front; `server_name` is what its certificate must name;
    `ca` None means the system's; `source` says where all this was written.
    """

    __slots__ = ("base", "ca", "credentials", "host", "insecure", "port", "server_name", "source", "tls")

    def __init__(
        self,
        tls: bool,
        host: str,
        port: int,
        base: str = "",
        server_name: str = "",
        ca: Pem | None = None,
        insecure: bool = False,
        credentials: Credentials | None = None,
        source: str = "",
    ) -> None:
        self.tls = tls
        self.host = host
        self.port = port
        self.base = base
        self.server_name = server_name or host
        self.ca = ca
        self.insecure = insecure
        self.credentials = credentials or Credentials()
        self.source = source

    @property
    def authority(self) -> str:
        """host:port, IPv6 in brackets: the Host header."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.base}"


def read_token(path: str) -> str:
    """The token in a file. Raises IOFailure or InvalidConfig naming the file."""
    token = clean_token(read_text(path, "the token file")[0], f"the token file {path}")
    if not token:
        raise InvalidConfig(f"the token file {path} is empty")
    return token


def clean_token(text: str, what: str) -> str:
    """A token that can stand in a header. Raises InvalidConfig naming `what`."""
    token = text.strip()
    if not token.isascii() or any(char <= " " or char == "\x7f" for char in token):
        raise InvalidConfig(f"{what} is not one line of printable characters")  # else it could end the header
    return token


def parse_server(text: str, *, secured: bool) -> tuple[bool, str, int, str]:
    """`https://[fd00::1]:6443/base`, or bare `host:port` -> TLS, host, port, base.

    Bare means TLS where anything to secure it with was given, as in client-go. Raises InvalidConfig.
    """
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        scheme, rest = "https" if secured else "http", scheme
    authority, slash, base = rest.partition("/")
    base = (slash + base).rstrip("/")
    if scheme.lower() not in ("http", "https") or not _is_plain_path(base):
        raise _bad_server(text)
    tls = scheme.lower() == "https"
    host, port = _split_authority(authority, text)
    return tls, host, port or (443 if tls else 80), base


def _is_plain_path(path: str) -> bool:
    return path.isascii() and path.isprintable() and not any(char in " ?#\\" for char in path)


def _split_authority(authority: str, text: str) -> tuple[str, int]:
    """Host and port; port 0 where none is written."""
    if authority.startswith("["):
        host, bracket, port = authority[1:].partition("]")
        good = bracket and _is_ipv6(host)
    else:
        host, colon, port = authority.partition(":")
        port = colon + port
        good = is_host_name(host)
    if not good or (port and not _is_port(port)):
        raise _bad_server(text)
    return host.lower(), int(port[1:] or 0)


def _is_port(text: str) -> bool:
    """`:1` to `:65535`."""
    digits = text[1:]
    is_number = digits.isascii() and digits.isdigit() and len(digits) < 6
    return text[0] == ":" and is_number and 0 < int(digits) < 65536


def is_host_name(host: str) -> bool:
    """Whether this could be a DNS name or an IPv4 address."""
    return not host.startswith(".") and bool(host) and _HOST_CHARACTERS.issuperset(host.lower())


def _is_ipv6(host: str) -> bool:
    from _socket import AF_INET6, inet_pton  # 0.1 ms

    try:
        inet_pton(AF_INET6, host)
    except (OSError, ValueError):
        return False
    return True


def _bad_server(text: str) -> InvalidConfig:
    if not text:
        return InvalidConfig(
            "no API server is named", hint="set clusters[].cluster.server, or kubernetes.k8s_api_root"
        )
    return InvalidConfig(
        f"the API server's address{shown_address(text)} is not http(s)://host[:port][/path]",
        hint="an IPv6 address needs brackets: https://[fd00::1]:6443; user names and queries are not taken",
    )


def shown_address(text: str) -> str:
    """A wrong address for a message, behind a space; "" where it may hold a password or a token."""
    return "" if any(char in text for char in "@?#") else f" {text[:100]!r}"


def read_text(path: str, what: str) -> tuple[str, int]:
    """A file's text, and its permission bits. Raises IOFailure or InvalidConfig naming the file."""
    try:
        fd = open_regular(path)
        try:
            data = posix.read(fd, _LARGEST_FILE + 1)
            mode = posix.fstat(fd).st_mode & 0o777
        finally:
            posix.close(fd)
        text = data.decode("utf-8")
    except OSError as error:
        raise IOFailure(f"{what} {path} cannot be read: {error.strerror}") from None
    except ValueError:  # UnicodeDecodeError, or a NUL in the name
        raise InvalidConfig(f"{what} {path!r} is not UTF-8 text") from None
    if len(data) > _LARGEST_FILE:
        raise InvalidConfig(f"{what} {path} is larger than {_LARGEST_FILE >> 20} MiB")
    return text, mode
