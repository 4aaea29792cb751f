"""A container runtime's list of sandboxes, over gRPC and through crictl: the same, also with faults."""

import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from cri_api.v1 import api_pb2, api_pb2_grpc

from genie_core.errors import IOFailure
from genie_core.survey import cri, crictl
from genie_core.survey.collection import Collection
from genie_core.survey.facts import Sandbox
from genie_core.survey.layouts import LAYOUTS, SANDBOX_DIRS, SHARED_DIRS
from genie_core.survey.places import Places
from genie_core.survey.rootfs import Root
from genie_core.survey.runtimes import runtime_socket
from genie_core.survey.sandboxes import SECONDS, find_sandboxes
from genie_core.survey.survey import DISCOVER, GC, NETWORK, Part, Survey, survey

LIVE = Sandbox(
    id="b2", pod="shop/web", attempt=1, created=1700000002.5,
    netns="/run/netns/cni-b2", ips=("10.244.1.10", "fd00::10"),
)  # fmt: skip
ENDED = Sandbox(id="a1", pod="shop/web", ready=False, created=1700000001, netns="/run/netns/cni-a1")
OTHER = Sandbox(id="c3", pod="shop/db", created=1700000003, netns="/run/netns/cni-c3", ips=("10.244.1.11",))
ALL = [ENDED, LIVE, OTHER]


class Runtime(api_pb2_grpc.RuntimeServiceServicer):
    """Those sandboxes. `gone` is removed before its status is asked for; `silent` answers nothing at all."""

    def __init__(self):
        self.gone = ""
        self.silent = False

    def ListPodSandbox(self, request, context):
        while self.silent and context.is_active():
            time.sleep(0.05)
        states = {True: api_pb2.SANDBOX_READY, False: api_pb2.SANDBOX_NOTREADY}
        items = [
            api_pb2.PodSandbox(
                id=one.id, state=states[one.ready], created_at=int(one.created * 1e9),
                metadata=api_pb2.PodSandboxMetadata(name=name, namespace=namespace, attempt=one.attempt),
            )
            for one in ALL
            for namespace, _, name in [one.pod.partition("/")]
        ]  # fmt: skip
        return api_pb2.ListPodSandboxResponse(items=items)

    def PodSandboxStatus(self, request, context):
        if request.pod_sandbox_id == self.gone:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such sandbox")
        one = next(sandbox for sandbox in ALL if sandbox.id == request.pod_sandbox_id)
        spaces = [{"type": "pid"}, {"type": "network", "path": one.netns}]
        ips = [api_pb2.PodIP(ip=ip) for ip in one.ips[1:]]
        network = api_pb2.PodSandboxNetworkStatus(ip=one.ips[0] if one.ips else "", additional_ips=ips)
        return api_pb2.PodSandboxStatusResponse(
            status=api_pb2.PodSandboxStatus(id=one.id, network=network),
            info={"info": json.dumps({"runtimeSpec": {"linux": {"namespaces": spaces}}})},
        )


@pytest.fixture
def runtime(tmp_path):
    """A runtime that listens at `tmp_path`/s."""
    server = grpc.server(ThreadPoolExecutor(2))
    servicer = Runtime()
    api_pb2_grpc.add_RuntimeServiceServicer_to_server(servicer, server)
    server.add_insecure_port(f"unix://{tmp_path}/s")
    server.start()
    yield servicer
    server.stop(0).wait()


@pytest.fixture
def program(tmp_path):
    """crictl, by its path."""
    path = tmp_path / "bin/crictl"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\n{(Path(__file__).parent / 'crictl.py').read_text()}")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(params=["grpc", "crictl"])
def ask(request, tmp_path, runtime, program):
    """List the sandboxes, one way or the other."""

    def ask_it(timeout=60.0, detailed=cri.every):
        if request.param == "grpc":
            return cri.list_sandboxes(f"{tmp_path}/s", timeout, detailed)
        return crictl.list_sandboxes(program, f"{tmp_path}/s", timeout, detailed)

    return ask_it


def test_every_sandbox_with_its_namespace_and_addresses(ask):
    assert ask() == ALL


def test_only_those_that_matter_are_asked_about_in_detail(ask):
    found = ask(detailed=lambda sandbox: sandbox.pod == "shop/db")
    assert [one.netns for one in found] == ["", "", OTHER.netns]


def test_a_sandbox_that_is_removed_meanwhile_is_still_listed(runtime, tmp_path):
    runtime.gone = "b2"
    assert [one.netns for one in cri.list_sandboxes(f"{tmp_path}/s", 5)] == [ENDED.netns, "", OTHER.netns]


def test_a_silent_runtime_is_given_up(ask, runtime):
    runtime.silent = True
    with pytest.raises(IOFailure):
        ask(timeout=0.2)


@pytest.mark.parametrize(
    "script",
    [
        "sleep 600",
        "echo nothing",
        "echo '{\"items\": [3]}'",
        "echo '[]'",
        "echo broken >&2; exit 1",
        "exec /none",
    ],
)
def test_a_program_that_is_not_crictl_is_an_error_in_time(tmp_path, script):
    """Also one that hangs in a process that it has started, which is killed with it."""
    path = tmp_path / "crictl"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    with pytest.raises(IOFailure, match="crictl"):
        crictl.list_sandboxes(str(path), "/run/s", 0.1)


@pytest.mark.parametrize(
    "info, path",
    [
        (
            {
                "runtimeSpec": {"linux": {"namespaces": [{"type": "network", "path": "/run/netns/a"}]}},
                "pid": 7,
            },
            "/run/netns/a",
        ),
        ({"runtimeSpec": {"linux": {"namespaces": [{"type": "network"}]}}, "pid": 7}, "/proc/7/ns/net"),
        ({"pid": 7}, "/proc/7/ns/net"),
        ({"pid": 0}, ""),
        ({"runtimeSpec": None}, ""),
        ([], ""),
    ],
)
def test_where_a_runtime_says_that_the_namespace_is(info, path):
    assert cri.netns_of(json.dumps(info)) == path


# --- the one answer of discover, gc and debug ------------------------------------------------------------


def find(socket: str, directories: Sequence[str] = (), timeout: float = SECONDS) -> Any:
    """The sandboxes, as the survey finds them."""
    return find_sandboxes(Root(), socket, timeout=timeout, directories=directories)


def ids(found: Any) -> set[str]:
    return {one.id for one in found.found}


def test_the_newest_that_runs_comes_first_and_only_the_pods_own_are_asked_about(runtime, tmp_path):
    found = find_sandboxes(Root(), f"{tmp_path}/s", detailed=lambda one: one.pod == "shop/web").found
    assert found is not None
    assert [(one.id, one.netns, one.ready) for one in found] == [
        ("c3", "", True),
        ("b2", LIVE.netns, True),
        ("a1", ENDED.netns, False),
    ]
    assert found[1].ips == LIVE.ips


def test_without_grpc_crictl_is_asked_and_without_both_the_directories_are_read(
    runtime, tmp_path, program, monkeypatch
):
    monkeypatch.setitem(sys.modules, "cri_api.v1", None)
    monkeypatch.setenv("PATH", f"{Path(program).parent}:{os.environ['PATH']}")
    (tmp_path / "dirs/d4").mkdir(parents=True)
    where = (f"{tmp_path}/s", (f"{tmp_path}/none", f"{tmp_path}/dirs"))
    assert ids(find(*where)) == {"a1", "b2", "c3"}
    monkeypatch.setattr(crictl, "_USUAL", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find(*where)
    assert (ids(found), found.answered) == ({"d4"}, False)
    assert found.source == f"the runtime's directories {tmp_path}/dirs"
    assert "and there is no crictl" in found.problem.msg
    assert "cni-genie[cri]" in found.problem.hint


def test_without_a_server_on_the_socket_the_directories_are_read(tmp_path):
    (tmp_path / "dirs/d4").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{tmp_path}/s")
        listening.listen()
        found = find(f"{tmp_path}/s", [f"{tmp_path}/dirs"], 0.3)
    assert "Deadline" in found.problem.msg
    assert ids(found) == {"d4"}
    assert find(f"{tmp_path}/none").found is None


@pytest.mark.parametrize("directory", SANDBOX_DIRS)
def test_every_runtime_s_directory_counts_for_discover_gc_and_debug(tmp_path, directory):
    """Of every layout: k0s, k3s, RKE2, microk8s, CRI-O and a plain containerd."""
    (tmp_path / directory.lstrip("/") / "e5").mkdir(parents=True)
    (tmp_path / SHARED_DIRS.get(directory, "/run/crio").lstrip("/")).mkdir(parents=True, exist_ok=True)
    for wanted in (DISCOVER, GC, NETWORK):
        places = Places(root=str(tmp_path))
        assert survey(places, wanted & Part.RECORDS, Collection()).sandbox_ids == frozenset({"e5"})


def test_podmans_directory_is_no_runtimes(tmp_path):
    """Without CRI-O it has no sandbox: those of a runtime that does not answer counted as gone."""
    (tmp_path / "run/containers/storage/overlay-containers/of-podman").mkdir(parents=True)
    assert survey(Places(root=str(tmp_path)), GC & Part.RECORDS, Collection()).sandbox_ids is None


def test_only_gc_asks_for_every_sandbox_in_detail(runtime, tmp_path):
    """One request for each of hundreds takes long, through crictl above all; discover needs the IDs alone."""
    places = Places(
        cri_socket=f"{tmp_path}/s",
        ipam_dir=f"{tmp_path}/i",
        cache_dir=f"{tmp_path}/c",
        state_dir=f"{tmp_path}",
    )
    found = survey(places, DISCOVER & Part.RECORDS, Collection())
    assert [(one.id, one.netns) for one in found.sandboxes or ()] == [("c3", ""), ("b2", ""), ("a1", "")]
    whole = Survey(places, GC & Part.RECORDS, Collection()).sandboxes
    assert {one.netns for one in whole.found or ()} == {one.netns for one in ALL}


def test_every_layout_but_that_of_docker_says_where_its_sandboxes_are():
    assert [layout.kind for layout in LAYOUTS if not layout.sandbox_dirs] == ["cri-dockerd"]
    assert any("k0s" in directory for directory in SANDBOX_DIRS)


def test_the_socket_is_the_one_asked_for_then_crictls_then_the_first_that_is_there(tmp_path):
    def socket_of(asked="", **environ):
        return runtime_socket(Root(str(tmp_path)), asked, environ)

    assert socket_of() == ""
    (tmp_path / "run/crio").mkdir(parents=True)
    (tmp_path / "run/crio/crio.sock").touch()
    assert socket_of() == "/run/crio/crio.sock"
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/crictl.yaml").write_text("runtime-endpoint: unix:///run/mine.sock\n")
    assert socket_of() == "/run/crio/crio.sock"
    (tmp_path / "run/mine.sock").touch()
    assert socket_of() == "/run/mine.sock"
    assert socket_of(CONTAINER_RUNTIME_ENDPOINT="unix:///run/env.sock") == "/run/env.sock"
    assert socket_of("/run/asked.sock", CONTAINER_RUNTIME_ENDPOINT="/run/env.sock") == "/run/asked.sock"
