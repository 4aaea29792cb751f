"""The one error tree. An error carries its own answer.

`code` is the CNI error code that the runtime reads (SPEC, "Error"), `exit_code` is what the command line
returns (genie help exit-codes), `msg` says in one sentence what is wrong and where, `details` holds evidence,
`hint` says what to do about it. Anything else that escapes is a bug and is answered with code 999.

This module is on the kubelet path: it imports nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

# CNI error codes: SPEC "Error", and this project's own from 100 on.
INCOMPATIBLE_VERSION = 1
UNSUPPORTED_FIELD = 2
UNKNOWN_CONTAINER = 3
INVALID_ENVIRONMENT = 4
IO_FAILURE = 5
DECODING_FAILURE = 6
INVALID_CONFIG = 7
INVALID_NETNS = 8
TRY_AGAIN = 11
NOT_AVAILABLE = 50
LIMITED_CONNECTIVITY = 51
ALREADY_ATTACHED = 100
DELEGATE_FAILED = 101
NETWORK_NOT_FOUND = 102
CHECK_FAILED = 103
KERNEL_REFUSED = 104
INTERNAL = 999

# Exit codes of the command line (genie help exit-codes).
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_NOT_FOUND = 3
EXIT_DENIED = 4
EXIT_INCOMPLETE = 5
EXIT_TIMEOUT = 124
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141  # 128 + SIGPIPE


# Of a message and of its details, in characters: what a runtime passes on has to fit into a header of gRPC.
LONGEST_TEXT = 4000


def visible(text: str, kept: str = "") -> str:
    """The text with escapes for what cannot be printed, but for `kept`, and without what is too long of it.

    Messages quote what others wrote: it must not break a line, move a cursor, or hide the message.
    """
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT] + "..."
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in kept else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


class GenieError(Exception):
    """Base of every error that Genie raises on purpose. Its message is one line, whatever it quotes."""

    code = INTERNAL
    exit_code = EXIT_FAILURE
    _kept = ""

    def __init__(
        self,
        msg: str,
        *,
        details: str = "",
        hint: str = "",
        code: int | None = None,
        exit_code: int | None = None,
    ) -> None:
        self.msg = visible(msg, self._kept)
        super().__init__(self.msg)
        self.details = visible(details, "\n\t")
        self.hint = visible(hint, "\n\t")
        if code is not None:
            self.code = code
        if exit_code is not None:
            self.exit_code = exit_code

    def replace(
        self,
        *,
        msg: str | None = None,
        details: str | None = None,
        hint: str | None = None,
        code: int | None = None,
        exit_code: int | None = None,
    ) -> "Self":
        """A copy with some parts changed."""
        copy = type(self).__new__(type(self))
        copy.__dict__.update(self.__dict__)
        GenieError.__init__(
            copy,
            self.msg if msg is None else msg,
            details=self.details if details is None else details,
            hint=self.hint if hint is None else hint,
            code=code,
            exit_code=exit_code,
        )
        return copy

    def __str__(self) -> str:
        return "; ".join(part for part in (self.msg, self.details, self.hint) if part)


class IncompatibleVersion(GenieError):
    """A cniVersion that this plugin, or this verb, does not do."""

    code = INCOMPATIBLE_VERSION


class UnknownContainer(GenieError):
    """No state for the container that CHECK was asked about."""

    code = UNKNOWN_CONTAINER


class InvalidEnvironment(GenieError):
    """A CNI_* variable is missing or malformed."""

    code = INVALID_ENVIRONMENT


class IOFailure(GenieError):
    """Reading or writing a file, a pipe or a socket failed."""

    code = IO_FAILURE


class DecodingFailure(GenieError):
    """Bytes that are not the JSON, or not the type, that they should be."""

    code = DECODING_FAILURE


class InvalidConfig(GenieError):
    """A configuration, an annotation or an API object that cannot be carried out."""

    code = INVALID_CONFIG


class InvalidNetns(GenieError):
    """CNI_NETNS is not the container's network namespace."""

    code = INVALID_NETNS


class TryAgain(GenieError):
    """A passing failure: the runtime should repeat the call."""

    code = TRY_AGAIN


class NotAvailable(GenieError):
    """STATUS: the plugin cannot serve an ADD at the moment."""

    code = NOT_AVAILABLE


class AlreadyAttached(GenieError):
    """ADD for a container and interface that an earlier ADD attached and no DEL released."""

    code = ALREADY_ATTACHED


class NetworkNotFound(InvalidConfig):
    """A network that was named exists nowhere. (Code 7: the request cannot succeed as it is.)"""

    exit_code = EXIT_NOT_FOUND


class DelegateFailed(GenieError):
    """A delegate plugin failed; `code` is the delegate's own where it gave one, and so are the lines of its message."""

    code = DELEGATE_FAILED
    _kept = "\n\t"


class CheckFailed(GenieError):
    """CHECK: an interface, an address or a route that ADD reported is not there any more."""

    code = CHECK_FAILED


class KernelRefused(GenieError):
    """The kernel refused a question or a change about interfaces, addresses or routes."""

    code = KERNEL_REFUSED


class Cancelled(GenieError):
    """SIGTERM or SIGINT asked this process to stop; what was begun has been undone."""

    code = TRY_AGAIN
    exit_code = EXIT_INTERRUPTED


class WrongUsage(GenieError):
    """Arguments, flags or input of a command that it cannot use."""

    code = INVALID_CONFIG
    exit_code = EXIT_USAGE


class NotFound(GenieError):
    """The object of a command line question does not exist, or not on this node."""

    code = INVALID_CONFIG
    exit_code = EXIT_NOT_FOUND


class Denied(GenieError):
    """The operating system or the API server refuses this user."""

    code = IO_FAILURE
    exit_code = EXIT_DENIED
