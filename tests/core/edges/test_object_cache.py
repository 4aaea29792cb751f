"""The last good copies of API objects, and when they are believed (design 3; lessons 14)."""

import json
import os

import pytest

from genie_core.edges import object_cache
from genie_core.edges.files import write_all
from genie_core.edges.kube import AWAY_SECONDS
from genie_core.edges.kube_resources import NETWORK_ATTACHMENT
from genie_core.edges.object_cache import MAX_AGE_SECONDS, MAX_OBJECT_BYTES, ObjectCache
from genie_core.edges.store import Store
from genie_core.errors import GenieError, InvalidConfig, NetworkNotFound
from genie_core.verbs.objects import PATIENCE_SECONDS
from tests.desk import Desk
from tests.fakes_kube import Clock, MemoryConnection, memory_api

KEY = ("NetworkAttachmentDefinition", "ns", "net")
SPEC = {"spec": {"config": "{}"}, "metadata": {"name": "net", "namespace": "ns", "labels": {"a": "b"}}}


@pytest.fixture
def cache(tmp_path):
    return ObjectCache(str(tmp_path / "state"))


def files(tmp_path):
    folder = tmp_path / "state" / "objects"
    return sorted(folder.iterdir()) if folder.exists() else []


# --- the files


def test_a_copy_and_its_age(cache, tmp_path):
    assert cache.find(*KEY) is None
    cache.keep(*KEY, SPEC)
    (file,) = files(tmp_path)
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, "read": document["read"] - 100}))
    age, found = cache.find(*KEY)
    assert 100 <= age < 110
    assert found["spec"] == SPEC["spec"]
    assert found["metadata"] == {"name": "net", "namespace": "ns"}


def test_a_copy_that_is_too_old_is_not_believed(cache, tmp_path):
    """Its network may have been taken away since; a DEL without state still tries it."""
    cache.keep(*KEY, SPEC)
    (file,) = files(tmp_path)
    document = json.loads(file.read_text())
    for age, is_found in ((MAX_AGE_SECONDS - 60, True), (MAX_AGE_SECONDS + 60, False), (float("nan"), False)):
        file.write_text(json.dumps({**document, "read": document["read"] - age}))
        assert (cache.find(*KEY) is not None) == is_found
    file.write_text(json.dumps({**document, "read": 0}))
    assert [found["spec"] for found in cache.kept(KEY[0])] == [SPEC["spec"]]


def test_it_is_private(cache, tmp_path):
    cache.keep(*KEY, SPEC)
    (file,) = files(tmp_path)
    assert oct(file.stat().st_mode)[-3:] == "600"
    assert oct(file.parent.stat().st_mode)[-3:] == "700"


def test_an_unchanged_object_is_not_written_again(cache, tmp_path):
    cache.keep(*KEY, SPEC)
    (file,) = files(tmp_path)
    before = file.stat().st_ino
    cache.keep(*KEY, SPEC)
    assert file.stat().st_ino == before
    cache.keep(*KEY, {**SPEC, "spec": {"config": "[]"}})
    assert file.stat().st_ino != before


def test_an_object_that_is_too_large_is_not_kept(cache, tmp_path):
    cache.keep(*KEY, {"spec": {"config": "x" * MAX_OBJECT_BYTES}})
    assert files(tmp_path) == []


def test_full_it_gives_up_the_oldest(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(object_cache, "MAX_OBJECTS", 3)
    for number in range(5):
        cache.keep("K", "ns", f"n{number}", SPEC)
        for age, file in enumerate(reversed(files(tmp_path))):
            os.utime(file, (1000 - age, 1000 - age))
    assert [file.name for file in files(tmp_path)] == ["K@ns@n2", "K@ns@n3", "K@ns@n4"]


def test_a_sweep_of_the_state_takes_nothing_from_a_writer(cache, tmp_path, monkeypatch):
    """GC sweeps under the node's lock, which an ADD that reads definitions does not hold yet."""

    def write_and_sweep(fd, text):
        write_all(fd, text)
        Store(str(tmp_path / "state")).sweep()

    monkeypatch.setattr("genie_core.edges.object_cache.write_all", write_and_sweep)
    cache.keep(*KEY, SPEC)
    assert cache.find(*KEY)


def test_all_copies_of_a_kind_that_can_be_believed(cache, tmp_path):
    assert list(cache.kept("K")) == []
    for kind, name in (("K", "b"), ("K", "a"), ("K", "bad"), ("Kind", "c")):
        cache.keep(kind, "ns", name, {**SPEC, "metadata": {"name": name, "namespace": "ns"}})
    (tmp_path / "state" / "objects" / "K@ns@bad").write_text("{")
    (tmp_path / "state" / "objects" / ".17").write_text("{")
    assert [copy["metadata"]["name"] for copy in cache.kept("K")] == ["a", "b"]


def test_names_longer_than_a_file_name(cache, tmp_path):
    long = ("NetworkAttachmentDefinition", "n" * 63, "x" * 253)
    cache.keep(*long, SPEC)
    assert cache.find(*long)
    assert cache.find(*long[:2], "x" * 252 + "y") is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"read": "x", "object": {}}', '{"read": 1, "object": 5}']
)
def test_a_damaged_copy_counts_as_absent(cache, tmp_path, text):
    cache.keep(*KEY, SPEC)
    files(tmp_path)[0].write_text(text)
    assert cache.find(*KEY) is None


def test_a_file_that_others_may_write_counts_as_absent(cache, tmp_path):
    cache.keep(*KEY, SPEC)
    files(tmp_path)[0].chmod(0o666)
    assert cache.find(*KEY) is None


def test_a_link_counts_as_absent(cache, tmp_path):
    cache.keep(*KEY, SPEC)
    (file,) = files(tmp_path)
    target = file.rename(tmp_path / "elsewhere")
    file.symlink_to(target)
    assert cache.find(*KEY) is None


def test_forgetting_an_absent_copy(cache, tmp_path):
    cache.forget(*KEY)
    cache.keep(*KEY, SPEC)
    cache.forget(*KEY)
    assert files(tmp_path) == []


# --- when they are used

NPWG = "k8s.v1.cni.cncf.io/networks"


@pytest.fixture
def desk(tmp_path):
    """A node that has attached a pod to ns/net, and to a logical network, once."""
    desk = Desk(tmp_path)
    desk.file("a")
    desk.nad("net", {"type": "macvlan", "mtu": 1})
    desk.physical("phy", dedicatedNet=True, plugin="a", subnet="10.1.0.0/16")
    desk.logical("logical", physicalNet="phy")
    assert desk.plan({NPWG: "net"})
    assert desk.plan({"networks": "logical"})
    desk.log.lines.clear()
    return desk


def away(desk):
    def refuse():
        raise ConnectionRefusedError(111, "Connection refused")

    desk.connection = MemoryConnection(desk.api, refuse)


def test_a_copy_is_used_while_the_server_is_away_with_a_warning_and_its_age(desk):
    away(desk)
    assert desk.seen({NPWG: "net"}) == ["a@eth0", "ns/net@net1"]
    assert desk.seen({"networks": "logical"}) == ["ns/logical@eth0"]
    assert desk.warnings() == ["API server away, last good copy used"] * 3
    used = [fields for _, event, fields in desk.log.lines if event == "API server away, last good copy used"]
    assert [fields["object"] for fields in used] == [
        "NetworkAttachmentDefinition ns/net",
        "Logicalnetwork ns/logical",
        "Physicalnetwork ns/phy",
    ]
    assert all(fields["ageSeconds"] in range(10) for fields in used)


def test_the_bad_day_does_not_cost_every_pod_the_whole_timeout(desk):
    """Five seconds for the first request that a copy can answer, at most one for each that follows.

    For each network there are three: its LogicalNetwork, its PhysicalNetwork, and the list that it is compared with.
    """
    away(desk)
    before = desk.clock.now
    assert desk.plan({"networks": "logical,logical,logical"})
    assert desk.clock.now - before < PATIENCE_SECONDS + (3 * 3 - 1) * AWAY_SECONDS < desk.timeout


def test_without_a_copy_the_server_has_all_the_time(desk):
    away(desk)
    before = desk.clock.now
    with pytest.raises(GenieError):
        desk.plan({NPWG: "other"})
    assert desk.clock.now - before > 20


def test_a_server_that_is_back_has_all_its_time_again(desk):
    clock = Clock()
    api = memory_api(desk.api, clock=clock)
    desk.api.fail(503, times=999)
    for most in (2.0, 1.0):
        before = clock.now
        with pytest.raises(GenieError):
            api.get_object(NETWORK_ATTACHMENT, "ns", "net", within=2.0)
        assert clock.now - before < most
    desk.api.script.clear()
    assert api.get_object(NETWORK_ATTACHMENT, "ns", "net")
    desk.api.fail(503, times=6)
    before = clock.now
    assert api.get_object(NETWORK_ATTACHMENT, "ns", "net")
    assert clock.now - before > 1


def test_a_server_that_comes_back_meanwhile_is_believed(desk):
    desk.api.fail(503, times=3)
    assert desk.plan({NPWG: "net"})
    assert desk.warnings() == []


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_is_as_good_as_away(desk, status):
    desk.api.fail(status, times=999)
    assert desk.plan({NPWG: "net"})


def test_an_object_that_was_never_read_is_missing(desk):
    away(desk)
    with pytest.raises(GenieError) as caught:
        desk.plan({NPWG: "net,other"})
    assert caught.value.code == 11
    assert "item 2" in caught.value.msg


def test_after_a_404_there_is_no_copy_any_more(desk):
    kind = desk.objects.find_kind("k8s.cni.cncf.io", "v1", "network-attachment-definitions")
    desk.objects.remove(kind, "ns", "net")
    with pytest.raises(NetworkNotFound):
        desk.plan({NPWG: "net"})
    away(desk)
    with pytest.raises(GenieError) as caught:
        desk.plan({NPWG: "net"})
    assert caught.value.code == 11


@pytest.mark.parametrize("status", [401, 403, 404, 409, 422])
def test_a_refusal_is_not_answered_from_a_copy(desk, status):
    desk.api.fail(status, times=999)
    with pytest.raises(GenieError):
        desk.plan({NPWG: "net"})


def test_a_copy_is_checked_like_an_answer(desk):
    """Isolation, the configuration itself, and capabilities: nothing is believed because it is old."""
    (file,) = (desk.state / "objects").glob("Network*@ns@net")
    document = json.loads(file.read_text())
    document["object"]["spec"]["config"] = '{"type": "../evil"}'
    file.write_text(json.dumps(document))
    away(desk)
    with pytest.raises(InvalidConfig, match="invalid plugin name"):
        desk.plan({NPWG: "net"})


def test_isolation_holds_for_copies(desk):
    desk.nad("net", {"type": "macvlan"}, namespace="other")
    assert desk.plan({NPWG: "other/net"})
    away(desk)
    assert desk.plan({NPWG: "other/net"})
    with pytest.raises(InvalidConfig, match="may not use"):
        desk.plan({NPWG: "other/net"}, namespace_isolation=True)


def test_a_disk_that_refuses_costs_the_copy_and_not_the_pod(desk):
    for file in (desk.state / "objects").iterdir():
        file.unlink()
    (desk.state / "objects").rmdir()
    (desk.state / "objects").write_text("")
    assert desk.plan({NPWG: "net"})
    assert desk.warnings() == ["copy of an API object not kept"]
