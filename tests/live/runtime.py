"""A container runtime as far as changes of running pods ask it: which sandboxes it has, over gRPC."""

from concurrent.futures import ThreadPoolExecutor

import grpc
from cri_api.v1 import api_pb2, api_pb2_grpc


class Runtime(api_pb2_grpc.RuntimeServiceServicer):
    """`sandboxes` maps the IDs of running ones to namespace/name of their pods.

    `described` are those that were asked about one by one.
    """

    def __init__(self, socket):
        self.sandboxes = {}
        self.described = []
        self.socket = f"unix://{socket}"
        self._server = grpc.server(ThreadPoolExecutor(2))
        api_pb2_grpc.add_RuntimeServiceServicer_to_server(self, self._server)
        self._server.add_insecure_port(self.socket)
        self._server.start()

    def close(self):
        self._server.stop(0)

    def ListPodSandbox(self, _request, _context):
        return api_pb2.ListPodSandboxResponse(
            items=[
                api_pb2.PodSandbox(
                    id=id_,
                    state=api_pb2.SANDBOX_READY,
                    metadata=api_pb2.PodSandboxMetadata(namespace=namespace, name=name),
                )
                for id_, pod in self.sandboxes.items()
                for namespace, name in [pod.split("/")]
            ]
        )

    def PodSandboxStatus(self, request, _context):
        self.described.append(request.pod_sandbox_id)
        return api_pb2.PodSandboxStatusResponse(status=api_pb2.PodSandboxStatus(id=request.pod_sandbox_id))
