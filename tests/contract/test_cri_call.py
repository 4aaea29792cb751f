"""A call of a gRPC service without gRPC: answered by gRPC's own server, and by sockets of something else."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest
from cri_api.v1 import api_pb2, api_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st

from genie_core.errors import IOFailure
from genie_core.survey import containerd
from genie_core.survey.cri_call import fields
from genie_core.survey.rootfs import Root

CNI = {"PluginDirs": ["/a/", "/b"], "PluginConfDir": "/c", "PluginMaxConfNum": 2, "Networks": None}
HANDLERS = {"runc": {"cniConfDir": ""}, "kata": {"cniConfDir": "/k/"}}


class Runtime(api_pb2_grpc.RuntimeServiceServicer):
    """A runtime that has `info` to say."""

    def __init__(self, info):
        self.info = info

    def Version(self, _request, _context):
        return api_pb2.VersionResponse(version="0.1.0", runtime_name="containerd", runtime_version="v2.1.4+x")

    def Status(self, request, context):
        if self.info is None:
            context.abort(grpc.StatusCode.UNKNOWN, "server is not initialized yet")
        return api_pb2.StatusResponse(
            status=api_pb2.RuntimeStatus(
                conditions=[api_pb2.RuntimeCondition(type="RuntimeReady", status=True)]
            ),
            info=self.info if request.verbose else {},
        )


@contextmanager
def runtime(path, info):
    server = grpc.server(ThreadPoolExecutor(1))
    api_pb2_grpc.add_RuntimeServiceServicer_to_server(Runtime(info), server)
    server.add_insecure_port(f"unix://{path}")
    server.start()
    try:
        yield str(path)
    finally:
        server.stop(0)


def info(**more):
    texts = {"cniconfig": json.dumps(CNI), "config": json.dumps({"containerd": {"runtimes": HANDLERS}})}
    return texts | more


@pytest.mark.parametrize("padding", [0, 3_000_000], ids=["small", "larger than any window"])
def test_what_it_uses(tmp_path, padding):
    with runtime(tmp_path / "s", info(golang="x" * padding)) as path:
        assert containerd.ask(Root(), path, 20) == containerd.InUse(
            conf_dir="/c", bin_dirs=("/a", "/b"), max_conf_num=2, handlers={"kata": "/k"}, version="2.1.4"
        )


@pytest.mark.parametrize(
    "wrong, words",
    [
        pytest.param(None, "Status was refused", id="not ready"),
        pytest.param({}, "does not give", id="another runtime"),
        pytest.param(info(cniconfig="null"), "does not give", id="no CNI"),
        pytest.param(info(cniconfig="{"), "does not give", id="no JSON"),
    ],
)
def test_an_answer_without_it(tmp_path, wrong, words):
    with runtime(tmp_path / "s", wrong) as path, pytest.raises(IOFailure, match=words):
        containerd.ask(Root(), path, 20)


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 9, b"\0\0\5\0\1\0\0\0\1" + b"\0\0\0\1\0", None],
)
def test_a_socket_of_something_else(tmp_path, answer):
    """None: it takes the connection and says nothing, as a runtime that hangs."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        if answer is not None:
            thread.start()
        with pytest.raises(IOFailure):
            containerd.ask(Root(), str(path), 0.2)
        if answer is not None:
            thread.join()


def test_no_socket(tmp_path):
    with pytest.raises(IOFailure, match="No such file"):
        containerd.ask(Root(), str(tmp_path / "s"))


@pytest.mark.property
@given(st.binary(max_size=40))
def test_any_bytes_are_fields_or_refused(data):
    try:
        assert all(isinstance(value, bytes) for _, value in fields(data))
    except IOFailure as error:
        assert "protobuf" in error.msg
