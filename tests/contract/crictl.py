"""crictl as far as Genie asks it: `pods` and `inspectp` as JSON, by protobuf's own mapping, over the same CRI."""

import json
import sys

import grpc
from cri_api.v1 import api_pb2, api_pb2_grpc
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]  # no stubs in the set-up


def main(arguments):
    endpoint = arguments[arguments.index("--runtime-endpoint") + 1]
    with grpc.insecure_channel(endpoint) as channel:
        runtime = api_pb2_grpc.RuntimeServiceStub(channel)
        if "pods" in arguments:
            print(json.dumps(_plain(runtime.ListPodSandbox(api_pb2.ListPodSandboxRequest()))))
        else:
            question = api_pb2.PodSandboxStatusRequest(pod_sandbox_id=arguments[-1], verbose=True)
            answer = runtime.PodSandboxStatus(question)
            information = {key: json.loads(value) for key, value in answer.info.items()}["info"]
            print(json.dumps({"status": _plain(answer.status), "info": information}))


def _plain(message):
    return MessageToDict(message, always_print_fields_with_no_presence=True)


if __name__ == "__main__":
    main(sys.argv[1:])
