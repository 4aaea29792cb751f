"""The archive's way to import modules: what it leaves is what importlib would leave."""

import importlib
import sys
import traceback

import pytest

from genie_core.archive import Archive

SOURCES = {
    "packed": "",
    "packed.good": "import packed\nVALUE = 1\ndef fail():\n    raise ValueError(VALUE)\n",
    "packed.after": "from packed.good import VALUE\nfrom packed import good\n",
    "packed.bad": "from packed.good import VALUE\nraise LookupError(VALUE)\n",
    "packed.late": "",
}


@pytest.fixture
def layer():
    """Names and codes of a package's modules; the modules are forgotten afterwards."""
    files = {name: f"/code/{name.replace('.', '/')}.py" for name in SOURCES} | {
        "packed": "/code/packed/__init__.py"
    }
    yield [(name, compile(source, files[name], "exec")) for name, source in SOURCES.items()]
    for name in SOURCES:
        sys.modules.pop(name, None)


@pytest.fixture
def archive():
    return Archive(-1, 0, {})


def test_modules_are_as_importlib_makes_them(archive, layer):
    archive.load(layer[:3])
    package, good, after = (sys.modules[name] for name in list(SOURCES)[:3])
    assert (package.__path__, package.__package__, package.__file__) == (
        ["/code/packed"],
        "packed",
        "/code/packed/__init__.py",
    )
    assert (good.__package__, good.__file__, good.__name__) == (
        "packed",
        "/code/packed/good.py",
        "packed.good",
    )
    assert good.__spec__
    assert good.__spec__.loader is good.__loader__ is archive
    assert (good.__spec__.origin, good.__spec__.parent) == ("/code/packed/good.py", "packed")
    assert package.good is good is after.good is importlib.import_module("packed.good")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("packed.missing")


def test_a_traceback_names_file_and_line(archive, layer):
    archive.load(layer[:2])
    with pytest.raises(ValueError, match="1") as caught:
        sys.modules["packed.good"].fail()
    last = traceback.extract_tb(caught.tb)[-1]
    assert (last.filename, last.lineno, last.name) == ("/code/packed/good.py", 4, "fail")


def test_a_module_that_fails_is_not_there_afterwards(archive, layer):
    with pytest.raises(LookupError):
        archive.load(layer)
    assert [name for name in SOURCES if name in sys.modules] == ["packed", "packed.good", "packed.after"]
    assert not hasattr(sys.modules["packed"], "bad")


def test_a_module_that_is_there_stays(archive, layer):
    archive.load(layer[:2])
    good = sys.modules["packed.good"]
    archive.load(layer[:3])
    assert sys.modules["packed.good"] is good
