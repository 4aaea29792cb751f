"""Have the processes that the server forks share its objects without writing to them.

A forked process shares the server's memory until it writes to a page, which the kernel then copies. To use an object
is to count a reference in it, so a call would copy most pages that it reads. CPython does not count the references of
an immortal object (PEP 683). It has no function that makes one: what the count of such an object is, is read from
None's. Older interpreters and those without the GIL are left as they are.
"""

import gc
import sys
from types import CodeType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_FIRST = (3, 12)
_LEAST = 1 << 31  # of 32 bits: a count in which the highest is set is never reached by counting


def make_all_immortal() -> None:
    """Make every object immortal that the collector knows or that one of these refers to; none is freed any more."""
    try:
        from _ctypes import _SimpleCData
    except ImportError:  # a Python without it
        return

    class Half(_SimpleCData):  # type: ignore[type-arg]
        """The first half of an object, `ob_refcnt`, on a machine whose lowest byte comes first."""

        _type_ = "I"

    at = Half.from_address
    mark = at(id(None)).value
    if sys.version_info < _FIRST or sys.byteorder != "little" or "t" in sys.abiflags or mark < _LEAST:
        return
    waiting: list[Iterable[object]] = [gc.get_objects()]
    while waiting:
        for found in waiting.pop():
            count = at(id(found))
            if count.value < _LEAST:
                count.value = mark
                waiting.append(_parts(found))


def _parts(whole: object) -> "Iterable[object]":
    """What an object refers to. The collector does not know the parts of code."""
    if isinstance(whole, CodeType):
        return (
            whole.co_consts,
            whole.co_names,
            whole.co_filename,
            whole.co_name,
            whole.co_qualname,
            whole.co_linetable,
            whole.co_exceptiontable,
        )
    return gc.get_referents(whole)
