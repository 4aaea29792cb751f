"""The rehearsal before any call: an ADD of a pod that does not exist.

The server does it before it forks: what the code imports late is imported once, and the interpreter has specialized
the code. A forked process does it again while the node is quiet: it shares the server's memory, and the first write to
each page copies the page. Of the 550 pages of a call that leaves 100, a millisecond less for the call.

Nothing is changed: no file is written but in memory, no plugin runs, and what is printed goes to /dev/null.
"""

import posix

from genie_core.attach import add, delete, drive
from genie_core.edges.cancel import Cancel
from genie_core.edges.podnet import existing_links
from genie_core.errors import GenieError
from genie_core.jsontext import encode as encode_text
from genie_core.merge import merge
from genie_core.model import Attachment, Plan
from genie_core.plugin import run
from genie_core.server.caller import Caller
from genie_core.spec.conf import parse_network
from genie_core.spec.result import convert, encode
from genie_core.spec.versions import CURRENT
from genie_core.state import decode_plan, encode_event, encode_journal
from genie_core.steps import Event, Invoke

TYPE_CHECKING = False
if TYPE_CHECKING:
    from genie_core.steps import Step

_NOWHERE = "/proc/self/nowhere"  # a path at which nothing can be made
_NAME = "rehearsal"
_RESULT = (
    '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","mac":"02:00:00:00:00:01","sandbox":"/proc/self/nowhere"}],'
    '"ips":[{"address":"192.0.2.2/24","gateway":"192.0.2.1","interface":0}],"routes":[{"dst":"0.0.0.0/0"}]}'
)
_NETWORK = (
    '{"cniVersion":"1.0.0","name":"rehearsal","type":"bridge","bridge":"none0","ipam":{"type":"host-local"}}'
)
_CONFIG = (
    '{"cniVersion":"1.1.0","name":"genie","type":"genie","conf_dirs":["/proc/self/nowhere"],'
    '"state_dir":"/proc/self/nowhere","runtimeConfig":{"io.kubernetes.cri.pod-annotations":{"cni":"rehearsal"}}}'
)


def rehearse(times: int) -> None:
    """Do it so many times; the interpreter specializes the code after some (PEP 659)."""
    standard_error = posix.dup(2)
    null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
    posix.dup2(null, 2)
    try:
        for _ in range(times):
            itself = Caller(posix.getpid())
            itself.namespaces()
            itself.environment()
            itself.close()
            _call(null)
            _attach()
            _look()
    finally:
        posix.dup2(standard_error, 2)
        posix.close(standard_error)
        posix.close(null)


def _call(null: int) -> None:
    """A call that ends where its network is looked for: before the state directory is touched."""
    config = posix.memfd_create("stdin", posix.MFD_CLOEXEC)
    posix.write(config, _CONFIG.encode("ascii"))
    posix.lseek(config, 0, 0)
    env = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": _NAME,
        "CNI_NETNS": _NOWHERE,
        "CNI_IFNAME": "eth0",
        "CNI_PATH": _NOWHERE,
        "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=none;K8S_POD_NAME=rehearsal",
    }
    run(env, config, "", stdout=null, listening=Cancel())
    posix.close(config)


def _attach() -> None:
    """The steps of an attachment and of its release, each answered at once."""
    network = parse_network(_NETWORK, _NOWHERE)
    plan = Plan(
        container_id=_NAME,
        ifname="eth0",
        netns=_NOWHERE,
        path=[_NOWHERE],
        pod=None,
        boot_id="",
        attachments=[Attachment(network, "eth0", _NAME)],
    )
    drive(add(plan), _answer)
    encode_text(
        encode(merge([("eth0", convert(_RESULT, "1.0.0", CURRENT, _NAME).result)], _NOWHERE), CURRENT)
    )
    drive(delete(decode_plan(encode_journal(plan)), _NOWHERE), _answer)


def _look() -> None:
    """The look into the pod's network namespace, for which this process has its own."""
    try:
        existing_links("/proc/self/ns/net")
    except GenieError:
        return  # no thread or socket can be had now


def _answer(step: "Step") -> str:
    if isinstance(step, Event):
        encode_event(step)
    return _RESULT if isinstance(step, Invoke) and step.verb == "ADD" else ""
