"""Several sequences of steps at once: their plugins run side by side, all other steps one after the other. Pure.

The driver gets one sequence of steps, so "killed at step N" is a loop in a test here, too. Every step but
`Invoke` is passed on at once; so each result is in the journal before the next plugin of its chain runs.
"""

from genie_core.errors import GenieError
from genie_core.steps import First, Invoke

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from genie_core.steps import Step, Steps


def advance(sequences: "Sequence[Steps[None]]") -> "Steps[None]":
    """Carry all of them out. Raises the error of the first that failed, in their order; its details name the others'.

    After a failure no plugin is started any more, and those that run are waited for: one that is killed leaves what no
    DEL of its own finds, such as an interface without its name. Plugins that are ready at the same time are started
    together, so only one that cannot be started is known to fail before the next is. What `First` raises ends all at
    once.
    """
    calls: dict[int, Invoke] = {}  # what each waits for
    errors: dict[int, GenieError] = {}
    ready: Sequence[int] = range(len(sequences))
    while ready:
        for index in ready:
            try:
                call = yield from _to_next_call(sequences[index], calls.pop(index, None))
            except GenieError as error:
                errors[index] = error
                continue
            if call and not errors:
                calls[index] = call
        place = int((yield First([*calls.values()], start=not errors))) if calls else -1
        ready = [[*calls][place]] if place >= 0 else []
    if errors:
        raise _first_of([errors[index] for index in sorted(errors)])


def _to_next_call(steps: "Steps[None]", call: Invoke | None) -> "Steps[Invoke | None]":
    """Give the sequence its call's answer, and carry out what comes before the next call: that one, None at the end."""
    try:
        step: Step = call or next(steps)
        while step is call or not isinstance(step, Invoke):
            try:
                answer = yield step
            except GenieError as error:
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration:
        return None
    return step


def _first_of(errors: "Sequence[GenieError]") -> GenieError:
    first, *others = errors
    if not others:
        return first
    details = [first.details, *(f"also failed: {error.msg}" for error in others)]
    return first.replace(details="; ".join(filter(None, details)))
