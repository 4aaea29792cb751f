"""From file names to networks and back (conformance D06, D07, B03)."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_core.errors import InvalidConfig, NetworkNotFound
from genie_core.model import NetConf, PluginConf, Selection
from genie_core.select.files import Finder, derived_name, genie_name, stem
from tests.fakes_kube import Recorder

pytestmark = pytest.mark.property

WORDS = st.text("abz019-._", min_size=1, max_size=8)
EXTENSIONS = st.sampled_from([".conf", ".conflist", ".json"])
FILES = st.builds("{}{}".format, WORDS, EXTENSIONS)
NAMES = st.text("abz019", min_size=1, max_size=2)
DIRECTORIES = st.sampled_from(["/net.d", "/etc/cni-1/net.d", "/a-b.c"])


class Files:
    """Files by path, each with (network name, first plugin's type), or None where it cannot be read."""

    directories: Sequence[str] = ("/net.d",)

    def __init__(self, files):
        self.files = files

    def paths(self):
        return sorted(self.files)

    def read(self, path):
        content = self.files[path]
        if content is None:
            raise InvalidConfig(f"{path}: broken")
        name, type_ = content
        return NetConf(name, "1.0.0", [PluginConf(type_, "{}")], path)


@given(DIRECTORIES, st.integers(0, 999), WORDS, EXTENSIONS)
def test_d07_a_numeric_prefix_is_dropped_and_nothing_else(directory, number, word, extension):
    assert derived_name(f"{directory}/{number}-{word}{extension}") == word
    plain = f"{directory}/x{word}{extension}"
    assert derived_name(plain) == f"x{word}" == stem(plain)


@given(DIRECTORIES, FILES)
def test_d06_cni_genies_rule(directory, file):
    """Up to the last dot; then through the first dash, if it is not the first character."""
    base = file[: file.rindex(".")]
    dash = base.find("-")
    assert genie_name(f"{directory}/{file}") == (base[dash + 1 :] if dash > 0 else base)


CONTENTS = st.none() | st.tuples(NAMES, NAMES)
DIRECTORY = st.dictionaries(st.builds("/net.d/{}{}".format, WORDS, EXTENSIONS), CONTENTS, max_size=6)


def expected(files, name):
    """D07 and D08 in simple form: the path of a name; None where what fits best cannot be used."""
    readable = {path for path, content in files.items() if content and content[1] != "genie"}
    lists_first = sorted(readable, key=lambda path: (not path.endswith(".conflist"), path))
    for group in (
        [path for path in sorted(files) if derived_name(path) == name],
        [path for path in sorted(files) if stem(path) == name],
        [path for path in lists_first if files[path][0] == name],
        [path for path in lists_first if files[path][1] == name],
        [path for path in sorted(files) if genie_name(path) == name],
    ):
        for path in group:
            if path in readable:
                return path
        if group:
            return None
    return None


@given(DIRECTORY, NAMES | WORDS)
def test_d07_the_rules_in_their_order(files, name):
    finder = Finder(Files(files), Recorder())
    wanted = expected(files, name)
    try:
        found = finder.find(Selection(name, "", "here"))
    except InvalidConfig as error:
        assert wanted is None
        fits = any(name in (derived_name(path), stem(path), genie_name(path)) for path in files)
        assert isinstance(error, NetworkNotFound) != fits
    else:
        assert found.source == wanted
