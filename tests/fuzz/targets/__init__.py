"""What is fuzzed: one module for each kind of input, each with a `TARGET`."""

from pathlib import Path
from typing import Any, NamedTuple

import genie_core
from tests.fuzz.mutate import Mutator, words_of

_CORE = Path(genie_core.__file__).parent
# The modules that a call of the plugin may reach: their constants are its language.
WORDS = words_of(
    sorted(
        path
        for path in _CORE.rglob("*.py")
        if not {"catalog", "diagnose", "nodecheck", "tasks"} & set(path.parts)
    )
)


class Target(NamedTuple):
    """One kind of input. `change(mutator, case, pool)` makes a case from a case; `share` is its part of all cases."""

    name: str
    base: dict[str, bytes]
    seeds: list[dict[str, bytes]]
    change: Any
    share: float

    def changer(self, rng):
        mutator = Mutator(rng, WORDS)
        return lambda case, pool: self.change(mutator, case, pool)


def load():
    """All targets by name."""
    from . import annotations, args, conffiles, env, kubeconfigs, objects, outputs, state, stdin

    modules = (stdin, env, args, annotations, conffiles, objects, outputs, kubeconfigs, state)
    return {module.TARGET.name: module.TARGET for module in modules}
