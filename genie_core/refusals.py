"""What a network may still hold whose ADD never succeeded and whose DEL fails. Pure; cold.

One wrong definition (a master that does not exist, a misspelt IPAM type, a bad CIDR) fails the ADD and every DEL of it,
and kubelet tries again each second with a new container. Such a network holds nothing; another one's DEL may fail
for a reason that passes. This module separates the two.
"""

from genie_core.errors import (
    DECODING_FAILURE,
    INCOMPATIBLE_VERSION,
    INVALID_CONFIG,
    TRY_AGAIN,
    UNSUPPORTED_FIELD,
    GenieError,
)
from genie_core.model import Value
from genie_core.plugin_types import plugin_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from genie_core.model import Attachment
    from genie_core.steps import Invoke

# By these codes a plugin says that it does not take the configuration at all (SPEC, "Error").
_CONFIGURATION = (INCOMPATIBLE_VERSION, UNSUPPORTED_FIELD, DECODING_FAILURE, INVALID_CONFIG)
# The same message from ADD and DEL proves nothing where it is about a passing condition.
_PASSING = (
    "refused",
    "timeout",
    "timed out",
    "deadline",
    "temporar",
    "unavailable",
    "try again",
    "interrupted",
    "busy",
    "no space",
)


class Failure(Value):
    """A plugin's DEL that failed, `position` in its chain; `is_free`: its IPAM plugin holds no address for it."""

    __slots__ = ("is_free", "position", "words")

    def __init__(self, position: int, words: str, is_free: bool) -> None:
        self.position = position
        self.words = words
        self.is_free = is_free


def words_of(error: GenieError, step: "Invoke") -> str:
    """A plugin's code and message, without the verb, so that its ADD and its DEL can be compared."""
    return f"{error.code} {error.msg.removeprefix(step.where)}"


def failure_of(position: int, step: "Invoke", error: GenieError, is_free: bool) -> Failure:
    """The failure of this step, a DEL."""
    return Failure(position, words_of(error, step), is_free)


def stays_in_pod(attachment: "Attachment") -> bool:
    """Whether everything that its plugins make, but addresses, goes with the pod's namespace."""
    return all(plugin_type(plugin.type).in_pod for plugin in attachment.network.plugins)


def holds_nothing(attachment: "Attachment", failures: "Sequence[Failure]") -> bool:
    """Whether none of the plugins whose DEL failed can have left anything but what goes with the namespace."""
    return attachment.refused or all(_left_nothing(attachment, failure) for failure in failures)


def _left_nothing(attachment: "Attachment", failure: Failure) -> bool:
    """It never ran, or it refuses the configuration, or it is known to make nothing outside the pod."""
    if failure.is_free and plugin_type(attachment.network.plugins[failure.position].type).in_pod:
        return True
    if attachment.stopped is None:  # in which plugin its ADD ended is not known
        return False
    position, words = attachment.stopped
    return failure.position > position or (failure.position == position and _is_refusal(failure.words, words))


def _is_refusal(words: str, words_of_add: str) -> bool:
    code = int(words.partition(" ")[0])
    if code in _CONFIGURATION:
        return True
    passes = code == TRY_AGAIN or any(word in words.lower() for word in _PASSING)
    return words == words_of_add and not passes
