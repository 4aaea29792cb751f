"""A Python of Genie's own on a node: copied as a whole, configured for its new place, replaced by a newer one."""

from pathlib import Path

import pytest

from genie_core.errors import InvalidConfig
from genie_core.tasks.install.runtime_tree import RELEASE, ROOM, copy_to, tree_of

LOADER = "lib/ld-linux-x86-64.so.2"


@pytest.fixture
def make(tmp_path):
    """A tree of that name, as far as copying is concerned."""

    def make(name):
        tree = tmp_path / f"image-{name}"
        for path in ("bin/python3", "bin/genie", LOADER):
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / "bin/python3").write_bytes(b"ELF" + f"{tree}/{LOADER}".encode().ljust(ROOM, b"\0") + b"code")
        (tree / "bin/genie").write_text(f"#!{tree}/bin/python3 -I\n")
        (tree / LOADER).touch()
        (tree / RELEASE).write_text(f"{name}\n")
        return tree

    return make


def test_the_copy_knows_where_it_lies(make, tmp_path):
    python = copy_to(make("one"), tmp_path, [])
    assert python == tmp_path / "one/bin/python3"
    assert python.read_bytes() == b"ELF" + f"{tmp_path}/one/{LOADER}".encode().ljust(ROOM, b"\0") + b"code"
    assert (tmp_path / "one/bin/genie").read_text() == f"#!{tmp_path}/one/bin/python3 -I\n"
    assert tree_of(python) == tmp_path / "one"


def test_a_copy_can_be_copied(make, tmp_path):
    first = copy_to(make("one"), tmp_path / "a-longer-name", [])
    second = copy_to(first.parents[1], tmp_path, [])
    assert f"{tmp_path}/one/{LOADER}".encode() + b"\0" in second.read_bytes()


def test_an_upgrade_leaves_the_older_one_to_those_who_run_it(make, tmp_path):
    changed: list[Path] = []
    for name in ("one", "two", "two"):
        copy_to(make(name), tmp_path, changed)
    assert changed == [tmp_path / "one", tmp_path / "two"]
    assert (tmp_path / "python").readlink() == Path("two")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("lost", ["bin/python3", "bin/genie", LOADER, RELEASE])
@pytest.mark.parametrize("how", ["gone", "cut short"])
def test_a_copy_that_has_lost_something_is_replaced(make, tmp_path, lost, how):
    """The DaemonSet looks every few seconds; without the loader, say, no pod would start or stop until an upgrade."""
    tree, folder = make("one"), tmp_path / "a-longer-name"
    (tree / LOADER).write_bytes(b"loader")
    python = copy_to(tree, folder, [])
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    path = folder / "one" / lost
    if how == "gone":
        path.unlink()
    elif lost != "bin/genie":  # whose length differs from copy to copy
        path.write_bytes(path.read_bytes()[:-1])
    assert copy_to(tree, folder, []) == python
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert not list(folder.glob(".*"))
    changed: list[Path] = []
    copy_to(tree, folder, changed)
    assert changed == []


def test_a_path_that_is_too_long_is_refused_and_nothing_stays(make, tmp_path):
    folder = tmp_path / ("x" * 200)
    folder.mkdir()
    with pytest.raises(InvalidConfig, match="too long"):
        copy_to(make("one"), folder, [])
    assert not list(folder.iterdir())


def test_any_other_python_is_in_no_tree():
    assert tree_of(Path("/usr/bin/python3")) is None
