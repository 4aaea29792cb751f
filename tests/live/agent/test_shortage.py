"""What the agent's parts do while the node is short of threads or descriptors: they say so, and go on afterwards."""

import json
import os
import resource
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from genie_core.edges.kube_errors import BadAnswer
from genie_core.edges.kube_resources import POD
from genie_core.edges.log import JSONLog
from genie_core.errors import GenieError, IOFailure
from genie_core.settings import Settings
from genie_core.survey.collection import in_thread
from genie_core.survey.user_cluster import Access
from genie_core.survey.watch import Watch
from genie_core.survey.watching import PAGE, WatchingAPI, follow_cluster
from genie_core.tasks.agent.children import Children, Ended
from genie_core.tasks.agent.jobs import Jobs
from genie_core.tasks.agent.metrics import Metrics
from genie_core.tasks.agent.options import AgentOptions
from tests import manifests
from tests.apiserver import API, Answer, APIServer, Authority, Objects
from tests.apiserver.faults import slow_headers

MORE_THAN_THERE_IS = 1 << 47  # more than can be addressed, too: the kernel may overcommit memory


@contextmanager
def no_threads():
    """None can be started: there is no memory for its stack."""
    threading.stack_size(MORE_THAN_THERE_IS)
    try:
        yield
    finally:
        threading.stack_size(0)


@pytest.fixture
def server(tmp_path):
    (tmp_path / "ca").mkdir()
    made = APIServer(API(Objects()), authority=Authority(tmp_path / "ca"))
    yield made
    made.close()


@pytest.fixture
def options(server, tmp_path):
    """Of an agent for that server, with a client's certificate."""
    pair = server.authority.client("genie")
    user = {"client-certificate": str(pair.certificate_file), "client-key": str(pair.key_file)}
    path = server.write_kubeconfig(tmp_path / "kubeconfig", user=user)
    return AgentOptions(node="n", access=Access(kubeconfig=str(path)), conf_dir=str(tmp_path))


class Followed(BaseException):
    """The end of a test: the server is followed."""


class Sink:
    """The receiver of a watch that follows the server from the time when it says that it cannot."""

    def __init__(self):
        self.seen = []

    def listed(self, views):
        raise Followed

    def changed(self, kind, view):
        """Nothing changes here."""

    def contact(self, problem):
        self.seen.append(problem)
        threading.stack_size(0)
        if len(self.seen) > 3:
            raise AssertionError(self.seen)

    def restarted(self):
        """It is seen in what follows."""


def test_a_watch_goes_on_when_there_are_threads_again(options):
    sink = Sink()
    watch = Watch(POD.everywhere, {}, options.connect, dict, sink)
    with no_threads(), pytest.raises(Followed):
        watch.run()
    (problem,) = sink.seen
    assert "can't start new thread" in problem


def test_a_child_whose_end_would_not_be_seen_does_not_run():
    before = children()
    with no_threads(), pytest.raises(IOFailure, match="can't start new thread"):
        Children(0, lambda call: call()).start("this", [], print, seconds=60)
    assert children() == before


def children():
    """The PIDs of this process's children."""
    return {pid for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()}


def test_work_in_a_thread_that_is_not_there():
    with no_threads():
        assert isinstance(in_thread(print).exception(), OSError)


@contextmanager
def few_descriptors(free):
    """This process may open so many more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    filled = [os.open("/dev/null", os.O_RDONLY)]
    while filled[-1] < highest:
        filled.append(os.open("/dev/null", os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (filled[-1] + 1 + free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in filled:
            os.close(fd)


def test_credentials_that_cannot_be_opened(options):
    """However few descriptors there are, it is an error of Genie's."""
    options.connect().close()
    with few_descriptors(0), pytest.raises(IOFailure, match="Too many open files"):
        options.connect()
    for free in range(1, 6):
        with few_descriptors(free), suppress(GenieError):
            options.connect().close()


@pytest.fixture
def jobs(options, tmp_path):
    log = JSONLog("warning", str(tmp_path / "log"))
    return Jobs(options, Children(0, lambda call: call()), lambda call: call(), Metrics(), log)


@pytest.mark.parametrize(
    "out, code", [('{"findings": [], "timedOut": true}', 124), ('{"findings": [], "timedOut": false}', 4)]
)
def test_node_checks_that_did_not_read_everything_write_no_condition(jobs, tmp_path, out, code):
    """They were cut off, or had no right to read a part."""
    jobs._checked(Settings({}), Ended(code=code, out=out, err="", seconds=30.0))
    assert jobs.is_idle
    logged = json.loads((tmp_path / "log").read_text())
    assert (logged["what"], logged["code"]) == ("node checks", code)


def test_errors_that_were_found_before_the_time_was_up_are_written(jobs, tmp_path):
    found = {"findings": [{"code": "GN1101", "severity": "fatal"}], "timedOut": True}
    with no_threads():
        jobs._checked(Settings({}), Ended(code=124, out=json.dumps(found), err="", seconds=30.0))
    assert json.loads((tmp_path / "log").read_text())["event"] == "node condition not written"


def test_a_condition_that_cannot_be_written_is_logged(jobs, tmp_path):
    with no_threads():
        jobs._checked(Settings({}), Ended(code=0, out='{"findings": []}', err="", seconds=0.0))
    assert "can't start new thread" in (tmp_path / "log").read_text()
    assert jobs.is_idle


class Interrupted:
    """The receiver of a watch whose streams are reset; it stops after `most` of them."""

    def __init__(self, server, most):
        self.server = server
        self.left = most
        self.watch: Any = None

    def listed(self, views):
        """Nothing is there."""

    def changed(self, kind, view):
        """Nothing changes here."""

    def contact(self, problem):
        if not problem:
            threading.Timer(0.2, self.server.hang_up).start()

    def restarted(self):
        self.left -= 1
        if not self.left:
            self.watch.stop.set()


def test_streams_that_a_balancer_resets_are_begun_again_at_once(server, options):
    """The pause grows only where there is no server: else each change would be seen half a minute late for good."""
    sink = Interrupted(server, 7)
    sink.watch = Watch(POD.everywhere, {}, options.connect, dict, sink, healthy=0.1)
    began = time.monotonic()
    sink.watch.run()
    assert time.monotonic() - began < 20


def test_an_object_that_cannot_be_read_ends_no_watch(server, options):
    """It is reported, and all is listed again: a thread that ended would leave the node with what it knew."""
    server.api.objects.add(manifests.pod(name="odd"))
    sink = Sink()
    odd = [{"name": "odd"}]

    def view(item):
        return odd.pop()["no such key"] if odd else item

    watch = Watch(POD.everywhere, {}, options.connect, view, sink)
    with pytest.raises(Followed):
        watch.run()
    assert sink.seen == ["a defect of Genie: KeyError('no such key')"]


def test_a_list_of_many_pages_has_the_time_of_each(server, options):
    """All of them together take longer than one request may."""
    for number in range(5 * PAGE):
        server.api.objects.add(manifests.pod(name=f"p{number}"))
    server.faults = [slow_headers(0.4)] * 5
    known = follow_cluster(options.access, {})
    assert known is not None
    with WatchingAPI(known, 1.0) as api:
        assert len(list(api.items(POD.everywhere, {}))) == 5 * PAGE + 1


class Page(API):
    """A proxy with a page of its own."""

    def answer(self, _request, _connection=0):
        return Answer(200, b'{"status": "maintenance"}', {"Content-Type": "application/json"})


def test_a_page_of_a_proxy_is_no_empty_list(server, options):
    server.api.__class__ = Page
    known = follow_cluster(options.access, {})
    assert known is not None
    with WatchingAPI(known) as api, pytest.raises(BadAnswer, match="is no list"):
        list(api.items(POD.everywhere, {}))
