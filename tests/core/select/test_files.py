"""Which file a name means (conformance D06, D07, D12, B03, B15), on files that exist nowhere."""

from collections.abc import Sequence

import pytest

from genie_core.errors import InvalidConfig, IOFailure, NetworkNotFound
from genie_core.model import NetConf, PluginConf, Selection
from genie_core.select.files import Finder, derived_name, genie_name, is_self, stem
from tests.fakes_kube import Recorder


class Confs:
    """Files by name: (network name, plugin types), or an error. Notes what was read."""

    directories: Sequence[str] = ("/net.d",)

    def __init__(self, **files):
        self.files = {f"/net.d/{name}": content for name, content in files.items()}
        self.reads = []

    def paths(self):
        return list(self.files)

    def read(self, path):
        self.reads.append(path.rpartition("/")[2])
        content = self.files[path]
        if isinstance(content, Exception):
            raise content
        name, *types = content
        return NetConf(name, "1.0.0", [PluginConf(type_, "{}") for type_ in types], path)


def find(name, **files):
    return Finder(Confs(**files), Recorder()).find(Selection(name, "", "here"))


@pytest.mark.parametrize(
    "file,derived,genies",
    [
        ("10-weave.conf", "weave", "weave"),
        ("10-my-net.conf", "my-net", "my-net"),
        ("weave.conflist", "weave", "weave"),
        ("10-macvlan-eth0.100.conf", "macvlan-eth0.100", "macvlan-eth0.100"),
        ("my-net.conf", "my-net", "net"),
        ("-x.conf", "-x", "-x"),
        ("10-.conf", "10-", ""),
        ("٣-x.conf", "٣-x", "x"),
        ("a.b.json", "a.b", "a.b"),
        (".conf", "", ""),
    ],
)
def test_d06_d07_x19_names_from_files(file, derived, genies):
    path = f"/etc/cni-x/net.d/{file}"
    assert (derived_name(path), genie_name(path)) == (derived, genies)
    assert stem(path) == file[: file.rfind(".")]


def test_d07_a_file_is_opened_only_when_its_name_fits():
    confs = Confs(**{"10-a.conf": ("x", "p"), "20-b.conf": ("y", "p")})
    Finder(confs, Recorder()).find(Selection("b", "", "here"))
    assert confs.reads == ["20-b.conf"]


def test_each_file_is_read_at_most_once():
    confs = Confs(**{"10-a.conf": ("x", "p"), "20-b.conf": InvalidConfig("bad")})
    finder = Finder(confs, Recorder())
    for name in ("x", "a", "p"):
        assert finder.find(Selection(name, "", "here")).name == "x"
    with pytest.raises(InvalidConfig):
        finder.find(Selection("b", "", "here"))
    finder.default()
    assert sorted(confs.reads) == ["10-a.conf", "20-b.conf"]


def test_b03_lists_first_where_the_name_inside_decides():
    assert find("n", **{"10-a.conf": ("n", "one"), "20-b.conflist": ("n", "two")}).plugins[0].type == "two"


def test_d06_the_next_file_where_the_first_cannot_be_read():
    assert find("n", **{"10-n.conf": IOFailure("no"), "20-n.conf": ("x", "p")}).name == "x"


def test_d08_a_file_that_fits_and_cannot_be_read():
    with pytest.raises(
        InvalidConfig, match=r"^here: No valid configuration file present for plugin n: bad;"
    ) as caught:
        find("n", **{"10-n.conf": InvalidConfig("bad", hint="make it good"), "20-o.conf": ("o", "p")})
    assert not isinstance(caught.value, NetworkNotFound)
    assert caught.value.hint == "make it good"


def test_d08_genies_own_file_keeps_its_name_from_no_network():
    """CNI-Genie's configuration and Calico's have one name in the samples (X08)."""
    found = find("n", **{"10-n.conf": ("n", "genie"), "20-o.conf": ("n", "p")})
    assert found.source == "/net.d/20-o.conf"


@pytest.mark.parametrize("other", [("n", "p"), ("o", "n")])
def test_d08_no_other_network_takes_the_place_of_a_file_that_cannot_be_read(other):
    """Its name inside, or its plugin's type, is a worse reason than the name of the file."""
    with pytest.raises(InvalidConfig, match="No valid configuration file present for plugin n: bad"):
        find("n", **{"10-n.conf": InvalidConfig("bad"), "20-o.conf": other})


def test_b05_d09_a_name_that_nothing_fits():
    own = {"00-genie.conf": ("genie", "genie"), "01-chain.conf": ("chain", "p", "genie")}
    with pytest.raises(NetworkNotFound) as caught:
        find("n", **{"10-o.conf": ("o", "p"), **own, ".conf": ("hidden", "p")})
    assert caught.value.msg.endswith(
        ": Configuration file is missing from cni directory (/net.d) for user requested plugin: n"
    )
    assert caught.value.details == "there is o"
    assert "`genie generate-config TYPE --name n --write`" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["$(reboot)", ";reboot;", "`reboot`", "a&b", "a|b", "a>b", "-h", "a'b", '"', "\n"]
)
def test_a_command_of_a_hint_has_no_text_of_a_pods_author_that_a_shell_reads(name):
    """The hint is in the pod's events, and people paste what it says."""
    with pytest.raises(NetworkNotFound) as caught:
        find(name)
    assert "`genie generate-config TYPE --write`" in caught.value.hint
    assert name not in caught.value.hint


@pytest.mark.parametrize("types", [["genie"], ["p", "genie"], ["genie", "p"]])
def test_b15_x09_c41_genie_in_any_position_is_never_a_delegate(types):
    files = {"00-own.conf": ("own", *types)}
    for name in ("own", "00-own", "genie"):
        with pytest.raises(InvalidConfig, match="Genie"):
            find(name, **files)
    with pytest.raises(NetworkNotFound):
        Finder(Confs(**files), Recorder()).default()
    assert is_self(Confs(**files).read("/net.d/00-own.conf"))


def test_d12_the_default_is_the_first_valid_one_that_is_not_genie():
    files = {
        "00-genie.conf": ("genie", "genie"),
        "05-bad.conf": InvalidConfig("bad"),
        "10-a.conf": ("a", "p"),
    }
    log = Recorder()
    assert Finder(Confs(**files), log).default().name == "a"
    with pytest.raises(NetworkNotFound) as caught:
        Finder(Confs(), log).default()
    assert caught.value.code == 11  # C40: at boot the file may be on its way
