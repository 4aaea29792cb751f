"""Errors between Genie and the API server: one class per kind, each with its CNI code.

    what happened                                             class             code   asked again
    no answer: name, connection, TLS cut off, deadline        Unreachable         11   yes
    5xx                                                       ServerFailure       11   yes
    429                                                       TooManyRequests     11   yes, after Retry-After
    401, or a client certificate refused in the handshake     Unauthorized        11   once, with the token file re-read
    403                                                       Forbidden            7   no
    404 for a network, for anything else                      ObjectNotFound       7   no
    404 for a pod (not there yet, or gone: conformance C57)   ObjectNotFound      11   no
    409, or 422 about metadata.uid                            Conflict            11   patches: twice more
    410                                                       Gone                11   no
    any other status                                          Rejected             7   no
    a certificate that proves nothing, or no TLS at all       Untrusted            7   no
    a list of more objects than are read                      TooMany             11   no
    an answer that is not HTTP or not JSON, or is too big     BadAnswer            6   no

`except Unreachable` is the question "is the API server away?"; ObjectNotFound is never part of it (lessons 14).
Messages quote the server's own words cut to 256 characters, and never a token, a header or a body.
"""

from genie_core.errors import DECODING_FAILURE, EXIT_DENIED, INVALID_CONFIG, TRY_AGAIN, GenieError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_LONGEST_QUOTE = 256

NOT_WRITTEN = "not written to the API server"  # how a warning begins after which a write is tried again
WRITE_FORBIDDEN = f"{NOT_WRITTEN} (forbidden)"  # the same, where the account may not write a pod's status


class APIError(GenieError):
    """The API server did not do what it was asked. `status` is the HTTP status, 0 without an answer."""

    code = TRY_AGAIN
    status = 0


class Unreachable(APIError):
    """The API server is away, or as good as away. `retry_after` is the pause it asked for, in seconds."""

    retry_after = 0.0


class ServerFailure(Unreachable):
    """5xx."""


class TooManyRequests(Unreachable):
    """429."""


class Unauthorized(APIError):
    """401: the credentials are missing, expired or revoked. Code 11: they are renewed from outside."""

    exit_code = EXIT_DENIED


class Forbidden(APIError):
    """403: the account lacks a right."""

    code = INVALID_CONFIG
    exit_code = EXIT_DENIED


class ObjectNotFound(APIError, NotFound):
    """404: the object does not exist; the API server itself says so."""

    code = INVALID_CONFIG


class Conflict(APIError):
    """409: the object is not the one, or not in the state, that the request was made for."""


class Gone(APIError):
    """410: the server no longer has what the request builds on."""


class Rejected(APIError):
    """Another status: the request itself is at fault."""

    code = INVALID_CONFIG


class Untrusted(APIError):
    """TLS: the server did not prove that it is the API server, or the credentials cannot be used."""

    code = INVALID_CONFIG


class TooMany(APIError):
    """A list is longer than Genie reads."""


class BadAnswer(APIError):
    """The answer is not one that an API server gives."""

    code = DECODING_FAILURE


_BY_STATUS: "dict[int, type[APIError]]" = {
    401: Unauthorized,
    403: Forbidden,
    404: ObjectNotFound,
    409: Conflict,
    410: Gone,
    429: TooManyRequests,
}


def error_of(status: int, document: "Any") -> "type[APIError]":
    """The class for an answer; `document` is its decoded body, a `Status` or anything else."""
    if status == 422 and _names_uid(document):
        return Conflict  # how an API server words a UID precondition that fails depends on its version
    return ServerFailure if status >= 500 else _BY_STATUS.get(status, Rejected)


def _names_uid(document: "Any") -> bool:
    details = document.get("details") if isinstance(document, dict) else None
    causes = details.get("causes") if isinstance(details, dict) else None
    if not isinstance(causes, list):
        return False
    return any(isinstance(cause, dict) and cause.get("field") == "metadata.uid" for cause in causes)


def is_status(document: "Any") -> bool:
    """Whether a decoded body is a `Status`, as an API server's refusals are."""
    return isinstance(document, dict) and document.get("kind") == "Status"


def server_words(document: "Any", secrets: "Sequence[str]" = ()) -> str:
    """The message of a `Status`, fit for a log line.

    "" for any other body, which may hold secrets, and for a message that repeats one of `secrets`.
    """
    if not is_status(document):
        return ""
    message = document.get("message")
    if not isinstance(message, str) or any(secret in message for secret in secrets):
        return ""
    line = "".join(char if char.isprintable() else " " for char in message[:_LONGEST_QUOTE])
    return line + ("..." if len(message) > _LONGEST_QUOTE else "")


def exhausted(error: Unreachable, attempts: int, seconds: float) -> Unreachable:
    """The error of a request that was given up after so many seconds."""
    tries = "1 try" if attempts == 1 else f"{attempts} tries"
    within = f"{tries} within {round(seconds, 1):g} s"
    return error.replace(details="; ".join(filter(None, (error.details, within))))
