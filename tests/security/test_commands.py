"""Commands that reports show to be pasted: names that a pod's processes give are one word of a shell there, or not."""

import pytest

from genie_core.checks.links import link_up
from genie_core.checks.parts import line_of, seen
from genie_core.findings import pasteable
from genie_core.net.case import Case
from genie_core.net.firewall.rules import Chain
from genie_core.net.wording import state
from genie_core.survey.facts import ConfFile, Facts
from genie_core.survey.kernel import Link, Netns

# Names that the kernel takes for an interface: 15 bytes without white space and '/'.
INTERFACES = [
    "a;reboot",
    "$(reboot)",
    "`reboot`",
    "a|reboot",
    "a&reboot",
    "a>b",
    "a<b",
    "'a",
    '"a',
    "a\\b",
    "*",
    "a#b",
    "~",
]


@pytest.mark.parametrize("name", INTERFACES)
def test_an_interface_of_a_pod(name: str) -> None:
    link = Link(index=7, name=name, kind="macvlan", up=False)
    case = Case(Facts(pod=Netns(path="/run/netns/p", links=(Link(index=5, name="eth0", up=True), link))))

    (finding,) = link_up(case)

    assert [one.command for one in finding.evidence] == [""]
    assert [said.command for said in state(link, "pod")] == [""]


@pytest.mark.parametrize("name", [*INTERFACES, "x; reboot", "x | sh", "a b"])
def test_a_chain_in_a_pod(name: str) -> None:
    chain = Chain(tool="nft", family="inet", table=name, name="c")
    assert seen("firewall", "a rule", chain.listing).command == ""


@pytest.mark.parametrize(
    "command",
    [
        "",
        "ip link show eth0.100",
        "ip link show cni0; sysctl -a -r cni0.arp_ignore",
        "ls /var/lib/cni/networks/blue | wc -l",
        "CNI_COMMAND=VERSION /opt/cni/bin/bridge",
        "ip route get fd00::1%eth0",
        "kubectl get events -n default --field-selector involvedObject.name=p",
        Chain(tool="iptables", family="ip", table="nat", name="CNI-DN-0123").listing,
    ],
)
def test_commands_of_plain_words_are_shown(command: str) -> None:
    assert pasteable(command) == command


def test_a_file_with_a_name_of_its_own() -> None:
    file = ConfFile(path="/etc/cni/net.d/$(reboot).conf", text='{\n"name": "a"\n}')
    assert line_of(file, 2).command == ""
