"""What is fuzzed: one module for each kind of input, each with a `TARGET`."""

from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from genie_core.tasks.install.payload import plugin_files
from tests.fuzz.mutate import Mutator, words_of

_MODULES = {name: path for name, path in sorted(plugin_files().items()) if name.startswith("genie_core/")}


@cache
def _words():
    """The plugin's own constants are its language. They are read when a case is changed: that takes 0.1 s."""
    return words_of(_MODULES.values())


class Target(NamedTuple):
    """One kind of input. `change(mutator, case, pool)` makes a case from a case; `share` is its part of all cases."""

    name: str
    base: dict[str, bytes]
    seeds: list[dict[str, bytes]]
    change: Any
    share: float

    def changer(self, rng):
        mutator = Mutator(rng, _words())
        return lambda case, pool: self.change(mutator, case, pool)


def load():
    """All targets by name. The whole plugin is imported: what a case reaches is what it does."""
    for name in _MODULES:
        import_module(name.removesuffix(".py").replace("/", ".").removesuffix(".__init__"))
    from . import annotations, args, conffiles, env, kubeconfigs, objects, outputs, state, stdin

    modules = (stdin, env, args, annotations, conffiles, objects, outputs, kubeconfigs, state)
    return {module.TARGET.name: module.TARGET for module in modules}
