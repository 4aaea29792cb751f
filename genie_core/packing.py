"""Writes the archive of the plugin's modules (genie_core/archive.py), run by `genie install`.

The interpreter that will run the plugin does it: code is only good for its own version.
"""

import ast
import gc
import marshal
import os
import sys
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash

from genie_core.archive import HEAD, LAYERS, NAME, WORD, Archive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType, ModuleType
    from typing import Any

START = "start.pyc"  # the code of genie_core/archive.py, for Python to run as a program
_PACKAGE = "genie_core"
# The members of a statement, or of a part of one, that hold statements.
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
# Of a .pyc file: it has the source's hash, which is not looked at (PEP 552).
_HEADER = MAGIC_NUMBER + (0b01).to_bytes(4, "little")


def _lighten(body: "Sequence[ast.AST]") -> None:
    """Leave out what is for readers and type checkers alone: a tenth of the code, and work when a function is made.

    That is annotations of functions, and the imports of `if TYPE_CHECKING:`. Only statements are looked at: looking at
    each expression would take seven times as long.
    """
    for node in body:
        if isinstance(node, ast.FunctionDef):
            _without_annotations(node)
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = [ast.copy_location(ast.Pass(), node)]
        for name in _BLOCKS:
            _lighten(getattr(node, name, ()))


def _without_annotations(function: ast.FunctionDef) -> None:
    given = function.args
    for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg):
        if one:
            one.annotation = None
    function.returns = None


class _Recorder(Archive):
    """Notes in which order modules are done: each after those that it imports."""

    def __init__(self, codes: "dict[str, CodeType]") -> None:
        self._codes = codes
        self.done: list[str] = []

    def code(self, name: str) -> "CodeType | None":
        """A module's code; None for one that is not here."""
        return self._codes.get(name)

    def exec_module(self, module: "ModuleType") -> None:
        """Run the module's code, and note it."""
        super().exec_module(module)
        self.done.append(module.__name__)


def pack(directory: str, final: str) -> None:
    """Compile what is in `directory`, which will be called `final`, with this interpreter, without time stamps.

    The archive and the .pyc files have the same code. Imports the plugin, in a process that ends with this.
    """
    gc.disable()  # a tenth of the time
    codes = {name: code for name, code in _compiled(directory, final) if name.partition(".")[0] == _PACKAGE}
    layers = [_dumped([(name, codes[name]) for name in names]) for names in _layers(codes)]
    body = bytearray().join(layers)
    index = {}
    for name, code in codes.items():
        data = _dumped(code)
        index[name] = len(body), len(data)
        body += data
    head = marshal.dumps((MAGIC_NUMBER, index, [len(layer) for layer in layers]))
    if len(head) > HEAD - WORD:
        raise ValueError(f"the archive's head has {len(head)} bytes, and {HEAD - WORD} of it are read")
    with open(f"{directory}/{NAME}", "wb") as archive:
        archive.write(len(head).to_bytes(WORD, "little") + head + body)
    with open(f"{directory}/{START}", "wb") as start:
        start.write(_program(marshal.dumps(codes[Archive.__module__])))


def _program(code: bytes) -> bytes:
    """A .pyc file of this code. In the place of the source's hash is a sum, by which the native launcher sees damage.

    The sum is FNV-1a's, of the size and of each 8 bytes (native/launcher.c, is_whole).
    """
    data = _HEADER + code
    total = 0xCBF29CE484222325 ^ (len(data) + WORD)
    for at in range(0, len(data), WORD):
        total = (total ^ int.from_bytes(data[at : at + WORD], "little")) * 0x100000001B3 % (1 << 8 * WORD)
    return _HEADER + total.to_bytes(WORD, "little") + code


def _layers(codes: "dict[str, CodeType]") -> "Iterator[list[str]]":
    """The names of each layer's modules. It is imported here, so this is what the plugin will import."""
    recorder = _Recorder(codes)
    sys.meta_path.insert(0, recorder)
    for name in LAYERS:
        before = [_PACKAGE] if not recorder.done else []  # imported already
        first = len(recorder.done)
        __import__(f"{_PACKAGE}.{name}")
        yield before + recorder.done[first:]


def _dumped(value: "Any") -> bytes:
    """As marshal. Of objects that were read from marshal, fewer are noted for a second use that never comes."""
    return marshal.dumps(marshal.loads(marshal.dumps(value)))  # noqa: S302 (our own)


def _compiled(directory: str, final: str) -> "Iterator[tuple[str, CodeType]]":
    """The names and codes of the modules, also written as .pyc files, which are not compared with the source."""
    for folder, _, files in os.walk(directory):
        for file in sorted(files):
            if not file.endswith(".py"):
                continue
            path = os.path.join(folder, file)
            with open(path, "rb") as opened:
                source = opened.read()
            name = os.path.relpath(path, directory)[:-3].replace("/", ".").removesuffix(".__init__")
            code = _code(
                source, path.replace(directory, final, 1), is_ours=name.partition(".")[0] == _PACKAGE
            )
            cached = cache_from_source(path, optimization="")
            os.makedirs(os.path.dirname(cached), exist_ok=True)
            with open(cached, "wb") as opened:
                opened.write(_HEADER + source_hash(source) + marshal.dumps(code))
            yield name, code


def _code(source: bytes, path: str, *, is_ours: bool) -> "CodeType":
    tree = ast.parse(source) if is_ours else source
    if isinstance(tree, ast.Module):
        _lighten(tree.body)
    return compile(tree, path, "exec", dont_inherit=True, optimize=2)
