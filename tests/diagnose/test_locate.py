"""The path of a pod's network namespace, and the source that had it."""

import pytest

from genie_core.survey.facts import Cached, Sandbox
from genie_core.survey.namespaces import locate
from genie_core.survey.rootfs import Root


@pytest.fixture
def root(tmp_path):
    """A node with three namespaces."""
    (tmp_path / "run/netns").mkdir(parents=True)
    for name in ("a", "b", "c"):
        (tmp_path / "run/netns" / name).touch()
    return Root(str(tmp_path))


def sandbox(netns, pod="shop/web", ready=True):
    return Sandbox(id=netns, pod=pod, ready=ready, netns=f"/run/netns/{netns}" if netns else "")


def record(netns, pod="shop/web"):
    return Cached(file=netns, pod=pod, netns=f"/run/netns/{netns}")


@pytest.mark.parametrize(
    "sandboxes, records, expected",
    [
        ([sandbox("a")], [record("b")], ("/run/netns/a", "CRI")),
        ([sandbox("gone"), sandbox("b")], [], ("/run/netns/b", "CRI")),
        ([sandbox("a", ready=False)], [record("b")], ("/run/netns/b", "records")),
        ([sandbox("a", pod="shop/other")], [], ("", "")),
        ([sandbox("")], [record("b"), record("c"), record("gone")], ("/run/netns/c", "records")),
        ([], [record("a", pod="x/y")], ("", "")),
    ],
)
def test_the_runtime_then_the_newest_record_that_is_there(root, sandboxes, records, expected):
    assert locate("shop/web", sandboxes, records, root) == expected
