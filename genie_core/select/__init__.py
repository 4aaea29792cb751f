"""From annotations to networks: what a pod asks for, and which configuration that is. Pure.

`genie_core.dialects` has the table of annotations, and each dialect a module here: `names`, `attachments` (with `npwg`,
the standard's grammar), `logical` (with `underlay` and `overlap`) and `smart` (with `indicators`). `chooser` has what
they share: `files` finds the configuration that a name means, `definitions` reads a NetworkAttachmentDefinition,
`generated` has CNI-Genie's built-in configurations, `allowed` and `cni_args` say what a pod may take and set, `devices`
which device it has. `asked` keeps what was asked for as text. Nothing is attached before all networks were found.
"""

from genie_core.dialects import BY_DEFAULT, BY_LOAD, dialect_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from genie_core.dialects import Dialect
    from genie_core.model import Choice, Selection
    from genie_core.select.chooser import Chooser

    class Module(Protocol):
        """A dialect's module."""

        def choose(
            self, chooser: Chooser, annotations: Mapping[str, str]
        ) -> tuple[list[Choice], list[Choice]]: ...
        def selections(self, text: str, namespace: str) -> Sequence[Selection]: ...


def choose(chooser: "Chooser", dialect: "Dialect", annotations: "Mapping[str, str]") -> "list[Choice]":
    """The pod's networks in order; `dialect` is that of its annotations. Raises GenieError before any is attached."""
    if dialect is BY_DEFAULT:
        return [*chooser.pods_default(annotations), *chooser.default_networks()]
    chooser.require_word(dialect.key)
    front, behind = _module(dialect).choose(chooser, annotations)
    return [*front, *chooser.default_networks(), *behind]


def selections_of(annotations: "Mapping[str, str]", namespace: str) -> "Sequence[Selection]":
    """The networks that a pod's annotations name; () where they leave the choice to Genie. Raises InvalidConfig."""
    dialect = dialect_of(annotations)
    if dialect in (BY_DEFAULT, BY_LOAD):
        return ()
    return _module(dialect).selections(annotations[dialect.key], namespace)


def _module(dialect: "Dialect") -> "Module":
    """The dialect's module, imported when a pod uses it."""
    found: Module = __import__(f"genie_core.select.{dialect.module}", fromlist=["choose"])
    return found
