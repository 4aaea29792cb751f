"""The configuration keys of the reference plugins, as one struct (plugins of 2026, spec 1.1.0)."""

from tests.golang.decoder import Any, Flag, Map, Number, Pointer, Slice, Struct, Text

_UNSIGNED = Number(0, 2**64 - 1)

PORT_MAPPING = Struct(hostPort=Number(), containerPort=Number(), protocol=Text(), hostIP=Text())
BANDWIDTH = Struct(ingressRate=_UNSIGNED, ingressBurst=_UNSIGNED, egressRate=_UNSIGNED, egressBurst=_UNSIGNED)
RANGE = Struct(rangeStart=Text(), rangeEnd=Text(), subnet=Text(), gateway=Text())
IPAM = Struct(type=Text(), subnet=Text(), gateway=Text(), dataDir=Text(), ranges=Slice(Slice(RANGE)))
ATTACHMENT = Struct(containerID=Text(), ifname=Text())
ARGS = Struct(
    sysctl=Pointer(Map(Text())),
    mac=Pointer(Text()),
    promisc=Pointer(Flag()),
    mtu=Pointer(Number()),
    ips=Slice(Text()),
)
PLUGIN = Struct(
    cniVersion=Text(),
    name=Text(),
    type=Text(),
    capabilities=Map(Flag()),
    ipam=IPAM,
    prevResult=Map(Any()),
    **{
        "cni.dev/valid-attachments": Slice(ATTACHMENT),
        "cni.dev/attachments": Slice(ATTACHMENT),
    },
    master=Text(),
    bridge=Text(),
    ipMasq=Flag(),
    mtu=Number(),
    deviceID=Text(),
    pciBusID=Text(),
    sysctl=Map(Text()),
    delegate=Map(Any()),
    runtimeConfig=Struct(
        portMappings=Slice(PORT_MAPPING),
        ips=Slice(Text()),
        mac=Text(),
        infinibandGUID=Text(),
        deviceID=Text(),
        bandwidth=Pointer(BANDWIDTH),
    ),
    args=Pointer(Struct(cni=Pointer(ARGS))),
)
