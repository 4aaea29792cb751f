"""The codes of findings in a plugin's configuration."""

from __future__ import annotations

from genie_core.findings import Code

GN1010 = Code("GN1010", "a value that a plugin refuses",
    cause="it is missing, of the wrong type, or out of range",
    confirm="genie generate-config TYPE --schema", fix="correct the key that is named")  # fmt: skip

GN1011 = Code("GN1011", "a key that a plugin does not know",
    cause="plugins ignore such keys: a slip of a known one has no effect",
    confirm="genie generate-config TYPE --schema", fix="correct or remove it")  # fmt: skip

GN1012 = Code("GN1012", "a capability is not switched on",
    cause="the runtime passes only what a configuration declares",
    confirm="grep capabilities FILE", fix='"capabilities": {"portMappings": true}')  # fmt: skip

GN1020 = Code("GN1020", "an interface that does not fit",
    cause="the parent or bridge that is named is missing, down, or of another kind",
    confirm="ip -d link show NAME", fix="name another one, or make it")  # fmt: skip

GN1021 = Code("GN1021", "an MTU above the parent's",
    cause="the kernel refuses it",
    confirm="ip link show PARENT", fix="at most the parent's")  # fmt: skip

GN1022 = Code("GN1022", "settings that contradict each other",
    cause="the plugin refuses their combination",
    confirm="the plugin's manual", fix="keep one of the two")  # fmt: skip

GN1023 = Code("GN1023", "the node's own uplink would be given away",
    cause="host-device moves the interface into the first pod",
    confirm="ip route show default", fix="name another interface")  # fmt: skip

GN1030 = Code("GN1030", "a range that cannot be used",
    cause="no subnet, or text that is none",
    confirm="the place in the file", fix="a subnet such as 10.1.0.0/24")  # fmt: skip

GN1031 = Code("GN1031", "a subnet with host bits",
    cause="host-local refuses it",
    confirm="ipcalc SUBNET", fix="the network's own address")  # fmt: skip

GN1032 = Code("GN1032", "a gateway outside its subnet",
    cause="pods could not reach it",
    confirm="ipcalc SUBNET", fix="an address of the subnet")  # fmt: skip

GN1033 = Code("GN1033", "a range outside its subnet, or backwards",
    cause="no address could be handed out",
    confirm="ipcalc SUBNET", fix="rangeStart <= rangeEnd, both inside")  # fmt: skip

GN1034 = Code("GN1034", "ranges of one network in each other's way",
    cause="subnet and ranges are both there, or ranges overlap",
    confirm="the place in the file", fix="keep one of them")  # fmt: skip

GN1502 = Code("GN1502", "a credential inside a configuration",
    cause="tokens do not belong there",
    confirm="the key in the evidence", fix="use a kubeconfig with tokenFile")  # fmt: skip

GN1602 = Code("GN1602", "Genie does not declare what it needs",
    cause="the runtime passes annotations and host ports only where they are declared",
    confirm="grep capabilities 00-genie.conflist", fix="genie install writes all of them")  # fmt: skip

# What the descriptions of plugin types find in a configuration.
OF_PLUGINS = (
    *(GN1010, GN1011, GN1012, GN1020, GN1021, GN1022, GN1023),
    *(GN1030, GN1031, GN1032, GN1033, GN1034, GN1502, GN1602),
)
