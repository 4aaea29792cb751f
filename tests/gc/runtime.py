"""A container runtime as far as `genie gc` asks it: the CRI's ListPodSandbox and PodSandboxStatus, over gRPC.

python -m tests.gc.runtime SOCKET '{"<container>": "<netns>"}'
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
from cri_api.v1 import api_pb2, api_pb2_grpc


class Runtime(api_pb2_grpc.RuntimeServiceServicer):
    """`sandboxes` maps container IDs to paths of namespaces."""

    def __init__(self, sandboxes):
        self.sandboxes = sandboxes

    def ListPodSandbox(self, request, context):
        metadata = api_pb2.PodSandboxMetadata(name="p", namespace="shop", uid="u")
        items = [api_pb2.PodSandbox(id=name, metadata=metadata) for name in self.sandboxes]
        return api_pb2.ListPodSandboxResponse(items=items)

    def PodSandboxStatus(self, request, context):
        spaces = [{"type": "pid"}, {"type": "network", "path": self.sandboxes[request.pod_sandbox_id]}]
        info = (
            {"info": json.dumps({"runtimeSpec": {"linux": {"namespaces": spaces}}})}
            if request.verbose
            else {}
        )
        return api_pb2.PodSandboxStatusResponse(
            status=api_pb2.PodSandboxStatus(id=request.pod_sandbox_id), info=info
        )


def serve(socket, sandboxes):
    """A started server; stop it with `.stop(0)`."""
    server = grpc.server(ThreadPoolExecutor(2))
    api_pb2_grpc.add_RuntimeServiceServicer_to_server(Runtime(sandboxes), server)
    server.add_insecure_port(f"unix://{socket}")
    server.start()
    return server


if __name__ == "__main__":
    serve(sys.argv[1], json.loads(sys.argv[2])).wait_for_termination()
