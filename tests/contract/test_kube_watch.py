"""The contract of watches: the tests' server over HTTP and TLS, and a real one where GENIE_TEST_KUBECONFIG names it."""

import time
from typing import Any

import pytest

from genie_core.edges.kube_cluster import Cluster, Credentials
from genie_core.edges.kube_errors import Forbidden, Gone, ObjectNotFound, Rejected, Unreachable
from genie_core.survey.user_cluster import Access, find_cluster
from genie_core.survey.user_credentials import plain_cluster
from genie_core.survey.watching import WatchingAPI
from tests import own_node
from tests.apiserver import API, Objects
from tests.contract.test_kube_api import REAL, ByClient, Direct, a_pod

OF_POD = {"fieldSelector": "metadata.name=web"}


class World:
    """Objects that are made (`objects`, of tests/contract/test_kube_api.py), and what watches them."""

    server: Any = None  # where it is not a real one

    def __init__(self, objects, known):
        self.objects = objects
        self.parts = ("api", "v1", "namespaces", objects.namespace, "pods")
        self.known = known

    def connect(self, **options):
        return WatchingAPI(self.known, 10.0, **options)

    def version(self):
        with self.connect() as api:
            *_, version = api.items(self.parts, OF_POD)
        return version

    def events(self, version, count, **options):
        """The next events but bookmarks."""
        found = []
        with self.connect(**options) as api:
            for event in api.watch(self.parts, OF_POD, version, 20):
                if event["type"] != "BOOKMARK":
                    found.append((event["type"], event["object"]))
                if len(found) == count:
                    return found
        return found


def known_of(path):
    found = find_cluster(Access(kubeconfig=str(path)))
    assert found is not None
    return found.login()


def served(server, known, objects):
    made = World(Direct(objects, known.connect(30.0)), known)
    made.server = server
    return made


@pytest.fixture
def mine(serve):
    """A server that can have a bad day, by HTTP and as the plugin's configuration names it."""
    objects = Objects()
    server = serve(API(objects))
    # the plugin's own configuration may be of a kind that kubectl does not know
    known = plain_cluster(Cluster(tls=False, host="127.0.0.1", port=server.port, credentials=Credentials()))
    return served(server, known, objects)


@pytest.fixture(params=["http", "https", *(["real"] if REAL else [])])
def world(request, serve, authority, tmp_path):
    if request.param == "real":
        with own_node.on_the_machine():
            known = known_of(REAL)
            made = ByClient(REAL, known.connect(30.0))
            yield World(made, known)
            made.remove()
        return
    if request.param == "http":
        yield request.getfixturevalue("mine")
        return
    objects = Objects()
    server = serve(API(objects, {"good-token": "genie"}), authority=authority)
    path = server.write_kubeconfig(tmp_path / "kubeconfig", user={"token": "good-token"})
    yield served(server, known_of(path), objects)


def test_what_happens_after_the_list(world):
    version = world.version()
    uid = world.objects.add(a_pod(cni="bridge"))
    world.objects.api.annotate(world.objects.namespace, "web", uid, {"cni": "macvlan"})
    (first, added), (second, modified) = [
        event for event in world.events(version, 2) if event[1]["metadata"]["name"] == "web"
    ]
    assert (first, second) == ("ADDED", "MODIFIED")
    assert added["metadata"]["annotations"]["cni"] == "bridge"
    assert modified["metadata"]["annotations"]["cni"] == "macvlan"
    ((third, again),) = world.events(added["metadata"]["resourceVersion"], 1)
    assert (third, again) == (second, modified)


def test_objects_outside_the_selection_give_no_event(world):
    version = world.version()
    world.objects.add(a_pod("other"))
    world.objects.add(a_pod())
    ((_, seen),) = world.events(version, 1)
    assert seen["metadata"]["name"] == "web"


def test_metadata_only(world):
    version = world.version()
    world.objects.add(a_pod(cni="bridge"))
    ((kind, seen),) = world.events(version, 1, metadata_only=True)
    assert (kind, seen["kind"], seen["metadata"]["annotations"]["cni"]) == (
        "ADDED",
        "PartialObjectMetadata",
        "bridge",
    )
    assert "spec" not in seen
    with world.connect(metadata_only=True) as api:
        item, listed = api.items(world.parts, OF_POD)
    assert item["metadata"]["name"] == "web"
    assert "spec" not in item
    assert int(listed) >= int(version)


def test_a_kind_that_is_not_installed(world):
    """That an API server says so is asked of it by the same connection, which asks for metadata alone as before."""
    world.objects.add(a_pod())
    before = world.server.connections if world.server else 0
    with world.connect(metadata_only=True) as api:
        with pytest.raises(ObjectNotFound):
            list(api.items(("apis", "example.org", "v1", "nothings"), {}))
        api.require_server()
        item, _ = api.items(world.parts, OF_POD)
    assert "spec" not in item
    assert not world.server or world.server.connections == before + 1


def test_a_bookmark_moves_the_version(world):
    """It covers writes that the watch does not report; a real server sends it each minute, and 2 s before the end."""
    if world.server:
        world.server.api.bookmark_seconds = 0.1
    version = world.version()
    with world.connect() as api:
        events = api.watch(world.parts, OF_POD, version, 10 if world.server is None else 1)
        world.objects.add(a_pod("other"))
        found = [
            event["object"]["metadata"]["resourceVersion"] for event in events if event["type"] == "BOOKMARK"
        ]
    assert int(found[-1]) > int(version)


def test_the_server_ends_it_after_the_time(world):
    began = time.monotonic()
    with world.connect() as api:
        found = list(api.watch(world.parts, OF_POD, world.version(), 2))
    assert [event for event in found if event["type"] != "BOOKMARK"] == []
    assert 1 < time.monotonic() - began < 60


def test_one_selector_more_than_there_is(world):
    """The same refusal as of a list, before anything comes."""
    with world.connect() as api, pytest.raises(Rejected):
        next(api.watch(world.parts, {"fieldSelector": "spec.nothing=x"}, world.version(), 5))


# --- on a bad day, which only the tests' server can have ---------------------------------------------------


def test_a_version_that_is_too_old(mine):
    """A real server drops versions after five minutes; it answers 410 before the events, or sends it as an event."""
    mine.objects.add(a_pod())
    mine.server.api.objects.forget_history()
    with pytest.raises(Gone):
        mine.events("1", 1)


def test_a_history_that_is_lost_meanwhile(mine):
    objects = mine.server.api.objects
    with mine.connect() as api:
        stream = api.watch(mine.parts, OF_POD, mine.version(), 20)
        mine.objects.add(a_pod())
        assert next(stream)["type"] == "ADDED"
        objects.forget_history()
        with pytest.raises(Gone):
            next(stream)


def test_a_stream_that_ends_early(mine):
    with mine.connect() as api:
        stream = api.watch(mine.parts, OF_POD, mine.version(), 20)
        mine.objects.add(a_pod())
        next(stream)
        mine.server.api.end_watches()
        assert list(stream) == []


def test_a_connection_that_breaks(mine):
    with mine.connect() as api:
        stream = api.watch(mine.parts, OF_POD, mine.version(), 20)
        mine.objects.add(a_pod())
        next(stream)
        mine.server.hang_up()
        with pytest.raises(Unreachable):
            next(stream)


def test_a_right_that_is_missing(mine):
    mine.server.api.forbidden.add(("watch", "pods"))
    with mine.connect() as api, pytest.raises(Forbidden, match="allow Genie to watch /api/v1/"):
        next(api.watch(mine.parts, OF_POD, mine.version(), 5))


def test_a_slow_server_loses_nothing(mine):
    mine.server.slow_watches = 0.2
    version = mine.version()
    mine.objects.add(a_pod())
    mine.objects.add(a_pod(cni="x"))
    assert [kind for kind, _ in mine.events(version, 2)] == ["ADDED", "MODIFIED"]
