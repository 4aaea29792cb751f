"""Large tables in the kernel: where only elements change, only these are changed."""

import shutil
import subprocess

import pytest

from genie_core.edges import nft
from genie_core.edges.netns import inside
from genie_core.errors import KernelRefused
from genie_core.policy.cluster import Cluster
from genie_core.policy.compile import compile_node
from genie_core.tasks.policy.kernel import Kernel, generation
from tests.bench import policies
from tests.netns import Namespace

pytestmark = pytest.mark.root
PODS = 1100
NFT = "/usr/sbin/nft"


@pytest.fixture
def spaces():
    made = Namespace(), Namespace()
    yield made
    for one in made:
        one.remove()


def documents(count):
    return [
        *(policies._pod(index) for index in range(count)),
        *policies._rest(lambda _: [{"podSelector": {}}]),
    ]


def tables(items):
    return compile_node(Cluster(items), "n1").host


def listed(space):
    """What nft lists of our tables, without counters."""
    return space.run("nft", "--stateless", "list", "ruleset").stdout


def without_digest(text):
    return [line for line in text.splitlines() if 'comment "genie ' not in line]


def test_more_than_a_thousand_elements_are_changed_one_by_one(spaces):
    """Pods start and end; the kernel's rules then equal those of a full load."""
    changed, whole = spaces
    items = documents(PODS)
    kernel = Kernel()
    assert kernel.load(tables(items), str(changed.path))
    handles = changed.run("nft", "-a", "list", "table", "inet", "genie_policy").stdout.splitlines()[-3:]
    came_and_gone = [*items[:500], *items[501:], policies._pod(PODS)]
    assert kernel.load(tables(came_and_gone), str(changed.path))
    after = changed.run("nft", "-a", "list", "table", "inet", "genie_policy").stdout.splitlines()[-3:]
    assert after == handles  # the same chains: the table was not replaced
    assert Kernel().load(tables(came_and_gone), str(whole.path))
    assert without_digest(listed(changed)) == without_digest(listed(whole))
    assert not kernel.load(tables(came_and_gone), str(changed.path))


def test_a_large_table_that_another_program_has_changed_is_replaced(spaces):
    changed, whole = spaces
    items = documents(PODS)
    kernel = Kernel()
    kernel.load(tables(items), str(changed.path))
    chain = next(
        line.split()[1] for line in listed(changed).splitlines() if line.startswith("\tchain ingress_")
    )
    changed.run("nft", "flush", "chain", "inet", "genie_policy", chain)
    items = [*items, policies._pod(PODS)]
    assert kernel.load(tables(items), str(changed.path))
    Kernel().load(tables(items), str(whole.path))
    assert without_digest(listed(changed)) == without_digest(listed(whole))


def test_another_namespace_comes_to_the_same_path(spaces, tmp_path):
    """As when a runtime uses a path again; the kernel numbers the changes of each namespace from 1 on."""
    first, second = spaces
    path = tmp_path / "netns"
    path.symlink_to(first.path)
    kernel = Kernel()
    wanted = tables(documents(3))
    assert kernel.load(wanted, str(path))
    assert kernel.foreign() == []
    path.unlink()
    path.symlink_to(second.path)
    while generation(str(second.path)) < generation(str(first.path)):
        second.run("nft", "add", "table", "inet", f"other{generation(str(second.path))}")
    assert kernel.foreign() == [str(path)]
    assert kernel.load(wanted, str(path))
    assert "genie_policy" in listed(second)


def test_changes_of_other_programs_tables_are_none_of_ours(spaces):
    """kube-proxy may change its tables at any time: the engine would load its own again and again."""
    space, _ = spaces
    kernel = Kernel()
    kernel.load(tables(documents(3)), str(space.path))
    kernel.remember([str(space.path)])
    space.run("nft", "add", "table", "inet", "other")
    assert kernel.foreign() == []
    space.run("nft", "flush", "table", "inet", "genie_policy")
    assert kernel.foreign() == [str(space.path)]


def test_a_table_that_was_made_dormant(spaces):
    """The kernel refused each load, and no rule was in force."""
    space, _ = spaces
    kernel, wanted, path = Kernel(), tables(documents(3)), str(space.path)
    kernel.load(wanted, path)
    kernel.remember([path])
    before = listed(space)
    space.run("nft", "add table inet genie_policy { flags dormant; }")
    assert kernel.foreign() == [path]
    assert kernel.load(wanted, path)
    assert listed(space) == before


def test_rules_that_are_flushed_right_after_they_were_loaded(spaces, tmp_path):
    """Another program flushes them before the engine can look at them: it does not take that for its own change."""
    space, _ = spaces
    real, once, both = tmp_path / "real", tmp_path / "once", tmp_path / "nft"
    shutil.copy2(NFT, real)
    once.touch()
    both.write_text(
        f'#!/bin/sh\n{real} "$@" || exit\nif rm {once} 2>/dev/null; then {real} flush ruleset; fi\n'
    )
    both.chmod(0o755)
    kernel = Kernel()
    subprocess.run(["mount", "--bind", both, NFT], check=True)
    try:
        assert kernel.load(tables(documents(3)), str(space.path))
    finally:
        subprocess.run(["umount", NFT], check=True)
    assert (once.exists(), listed(space)) == (False, "")
    kernel.remember([str(space.path)])
    assert kernel.foreign() == [str(space.path)]
    assert kernel.load(tables(documents(3)), str(space.path))
    kernel.remember([str(space.path)])
    assert kernel.foreign() == []
    assert "genie_policy" in listed(space)


@pytest.mark.parametrize("said", ["Error: syntax error, unexpected comment", "JSON support not compiled-in."])
def test_a_program_that_is_too_old_is_named_before_there_is_a_policy(tmp_path, monkeypatch, said):
    program = tmp_path / "nft"
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(nft, "PROGRAM_PATH", str(tmp_path))
    with pytest.raises(KernelRefused) as raised:
        Kernel().load(())
    assert (said in raised.value.msg, "nftables 0.9.7 or newer" in raised.value.hint) == (True, True)


def test_what_is_looked_for_before_there_is_a_policy_leaves_nothing(spaces):
    space, _ = spaces
    inside(str(space.path), lambda: Kernel().load(()))
    assert listed(space) == ""
