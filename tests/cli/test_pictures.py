"""`genie debug pod -o html|svg|mermaid`: well formed, the same for the same facts; names are never markup."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genie_cli.views.drawing import described, mermaid, svg
from genie_cli.views.junit import junit
from genie_cli.views.layout import Track
from genie_cli.views.page import page
from genie_cli.views.tracks import tracks_of
from genie_core import __version__
from genie_core.checks import registry
from genie_core.findings import (
    CheckResult,
    Code,
    Command,
    Evidence,
    Finding,
    Remedy,
    Severity,
    Status,
    Subject,
)
from genie_core.survey.facts import Facts
from genie_core.tasks.debug.report import DiagnosisReport
from tests.drawn import assert_readable
from tests.test_lint import ROOT

assert registry.NETWORK  # it declares the codes
HOSTILE = "<script>alert(1)</script>\x1b[31m\"'&"
SVG = "{http://www.w3.org/2000/svg}"
TRACKS = [
    Track(target="node: the node", hops=("pod eth0", "veth1", "cni0", "node"), note="node"),
    Track(target="remote: r1", hops=("pod eth0", "veth1", "cni0", "flannel.1", "r1"), stop=2, code="GN0503"),
    Track(target="outside: the internet", hops=("pod eth0", "veth1", "cni0", "eth0", "the internet")),
]


def finding(code="GN0503", **more):
    return Finding(
        code=Code.declared[code],
        severity=Severity.ERROR,
        title=f"title of {code}",
        object=Subject(kind="interface", iface="flannel.1"),
        **more,
    )


def report(*findings, **more):
    ways = {track.target: track.hops for track in TRACKS}
    facts = Facts(namespace="shop", pod_name="web-0", node_name="n1")
    return DiagnosisReport(facts=facts, findings=findings, ways=ways, **more)


def texts(picture):
    return [element.text for element in ET.fromstring(picture).iter(f"{SVG}text")]


def test_every_hop_stands_there_once_by_its_name():
    shown = texts(svg("Paths", TRACKS))
    hops = {hop for track in TRACKS for hop in track.hops}
    assert {name: shown.count(name) for name in hops} == dict.fromkeys(hops, 1) | {"node": 2}  # and its note


def test_the_broken_edge_has_its_code_and_is_visible_without_colour():
    picture = ET.fromstring(svg("Paths", TRACKS))
    assert "GN0503" in texts(svg("Paths", TRACKS))
    classes = [element.get("class") for element in picture.iter(f"{SVG}path")]
    assert (classes.count("broken"), classes.count("cross")) == (1, 1)
    assert "stroke-dasharray" in (picture.findtext(f"{SVG}style") or "")
    words = picture.findtext(f"{SVG}desc") or ""
    assert words == described(TRACKS)
    assert "remote: r1 is not reached: packets stop after cni0, GN0503" in words


LONG, WIDE = "a host of a name that is much longer than others", "\u7db2\u8def"
NAMES = ("veth1", "cni0", "flannel.1", "node", "eth0", LONG, WIDE, "i")
CODES = ("", "GN0503", "GN0601", "a rule of the policy shop/deny")


@st.composite
def tracks(draw):
    """Any tracks from one pod: they share hops in any order, come back to one, and stop anywhere."""
    hops = ("pod eth0", *draw(st.lists(st.sampled_from(NAMES), max_size=5)), draw(st.sampled_from(NAMES)))
    stop = draw(st.none() | st.integers(0, len(hops) - 2))
    note = draw(st.sampled_from(("", "node", "a service of this cluster")))
    return Track(target=hops[-1], hops=hops, stop=stop, code=draw(st.sampled_from(CODES)), note=note)


@pytest.mark.property
@given(st.lists(tracks(), max_size=6))
def test_no_name_or_code_is_cut_off_or_lies_on_another(several):
    assert_readable(svg("Paths", several))
    flow = mermaid(several)
    names = dict(re.findall(r'^  (n\d+)\["(.*)"\]$', flow, re.MULTILINE))
    drawn = {(names[a], names[b]) for a, b in re.findall(r"^  (n\d+) .*(n\d+)$", flow, re.MULTILINE)}
    assert {pair for track in several for pair in pairwise(track.hops)} == drawn


def test_the_picture_of_the_documents():
    """That of docs/debug-a-pod.md: the fault F40 of the bench, `genie debug pod -o svg`."""
    assert_readable((ROOT / "docs" / "path.svg").read_text())


def test_two_causes_of_one_edge_are_both_there():
    """The second cause was drawn over the first, and a line behind a box it did not belong to."""
    hops: tuple[str, ...] = ("pod eth0", "veth1", "cni0", "node")
    broken = [Track(target=f"t{code}", hops=hops, stop=1, code=code) for code in ("GN0503", "GN0601")]
    shown = texts(svg("Paths", [*broken, Track(target="open", hops=hops)]))
    assert {"GN0503", "GN0601"} < set(shown)
    assert shown.count("node") == 1


def test_the_same_facts_give_the_same_picture():
    assert svg("Paths", TRACKS) == svg("Paths", list(TRACKS))
    assert svg("Paths", []).startswith("<svg")


@pytest.mark.parametrize("write", [lambda tracks: svg(HOSTILE, tracks), mermaid])
def test_names_are_text(write):
    text = write([Track(target=HOSTILE, hops=("pod eth0", HOSTILE), stop=0, code=HOSTILE, note=HOSTILE)])
    assert "<script" not in text
    assert "\x1b" not in text


def test_mermaid_marks_the_edge():
    lines = mermaid(TRACKS).splitlines()
    assert lines[0] == "flowchart LR"
    assert '  n2 -. "GN0503" .-> n4' in lines


class Page(HTMLParser):
    """Elements, and whether each is closed by its own end."""

    VOID = ("meta", "link", "br", "img")

    def __init__(self, text):
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_begins_with_the_cause_and_has_everything_else():
    remedy = Remedy(
        text="route it by flannel.1 again",
        commands=(Command(argv=("ip", "route", "replace", "a b")), Command(argv=("ip", "link"), netns="pod")),
        risk="short loss",
    )
    found = finding(evidence=(Evidence(source="netlink", value="via eth0", command="ip r"),), remedy=remedy)
    diagnosis = report(found, blocked=("remote: r1",), stops={"remote: r1": 2})
    shown = Page(page(diagnosis, tracks_of(diagnosis)))
    order = [
        "Pod shop/web-0 on n1",
        "error: title of GN0503",
        "Path",
        "pod eth0",
        "Findings",
        "$ ip r",
        "via eth0",
        "route it by flannel.1 again",
        "ip route replace 'a b'",
        "Risk: short loss",
        "genie explain GN0503",
    ]
    places = [shown.text.index(text) for text in order]
    assert places == sorted(places)
    assert {"header", "main", "h1", "h2", "svg", "pre", "table"} <= set(shown.seen)


def test_the_page_says_when_its_facts_were_read_and_what_was_not():
    """It is mailed, and read later."""
    facts = Facts(namespace="shop", pod_name="web-0", node_name="n1", time=1_800_000_000)
    there = Page(page(DiagnosisReport(facts=facts), [])).text
    assert f"Read at 2027-01-15T08:00:00Z, by genie {__version__}" in there
    assert "API server" not in there
    partly = replace(facts, missing={"objects: Node": "nodes may not be listed"})
    assert "not all was read: nodes may not be listed" in Page(page(DiagnosisReport(facts=partly), [])).text
    suite = ET.fromstring(junit(DiagnosisReport(facts=facts)))
    assert (suite.attrib["timestamp"], suite.attrib["hostname"]) == ("2027-01-15T08:00:00Z", "n1")


def test_the_page_needs_nothing_from_anywhere():
    diagnosis = report(finding(), blocked=("remote: r1",))
    text = page(diagnosis, tracks_of(diagnosis))
    shown = Page(text)
    assert not {"script", "link", "img", "iframe", "form", "a"} & set(shown.seen)
    assert not [value for _, name, value in shown.attributes if name in ("src", "href", "onload")]
    assert re.findall(r"https?://[^\s\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'") in shown.attributes


def test_nothing_of_a_report_is_markup():
    hostile = Finding(
        code=Code.declared["GN0503"],
        severity=Severity.ERROR,
        title=HOSTILE,
        object=Subject(kind="interface", iface=HOSTILE),
        evidence=(Evidence(source=HOSTILE, value=HOSTILE, command=HOSTILE),),
        remedy=Remedy(text=HOSTILE, commands=(Command(argv=(HOSTILE,)),), risk=HOSTILE),
        consequence_of="",
    )
    text = page(report(hostile), [Track(target=HOSTILE, hops=("pod eth0", HOSTILE))])
    assert "script" not in Page(text).seen
    assert "\x1b" not in text


def checked(*statuses):
    """A report without findings whose checks ended so."""
    return report(checks=tuple(CheckResult(id=f"c{n}", status=one) for n, one in enumerate(statuses)))


def test_a_pod_without_a_fault_says_what_was_looked_at():
    text = page(checked(Status.PASS), [])
    assert "nothing on this node is wrong with the pod's network" in Page(text).text
    assert "svg" not in Page(text).seen
    assert "see below why 1 could not run" in Page(page(checked(Status.PASS, Status.SKIP), [])).text


@pytest.mark.parametrize(
    "diagnosis, says",
    [
        (checked(), "no check ran"),
        (checked(Status.PASS, Status.ERROR), "1 could not run"),
        (replace(checked(Status.PASS), late=True), "timed out"),
    ],
)
def test_the_page_calls_nothing_good_that_was_not_looked_at(diagnosis, says):
    text = page(diagnosis, [])
    assert says in Page(text).text
    assert 'class="good"' not in text


def test_a_check_that_crashed_is_an_error_in_junit():
    suite = ET.fromstring(junit(checked(Status.PASS, Status.SKIP, Status.ERROR)))
    assert suite.attrib | {"tests": "3", "failures": "0", "errors": "1", "skipped": "1"} == suite.attrib
    assert suite.attrib["name"] == "genie debug pod shop/web-0"
    assert [[part.tag for part in case] for case in suite] == [[], ["skipped"], ["error"]]


def test_a_blocked_conversation_stops_where_the_model_says():
    diagnosis = report(finding(), blocked=("remote: r1",), stops={"remote: r1": 1})
    track = next(one for one in tracks_of(diagnosis) if one.target == "remote: r1")
    assert (last_of(track), track.code) == ("veth1", "GN0503")
    # where only a probe says that it is blocked, it is the hop that the cause is about
    diagnosis = report(finding(), blocked=("remote: r1",))
    track = next(one for one in tracks_of(diagnosis) if one.target == "remote: r1")
    assert last_of(track) == "flannel.1"


def test_a_target_is_marked_with_the_finding_that_is_about_it():
    """The node's eth0 is another than the pod's."""
    ways: dict[str, tuple[str, ...]] = {
        "remote: r1": ("pod eth0", "veth1", "cni0", "flannel.1", "r1"),
        "outside: a host on eth1": ("pod eth0", "veth1", "cni0", "eth1", "a host on eth1"),
    }
    route = Subject(kind="route", iface="eth0")
    bypass = replace(finding("GN0702"), title="the route leaves by eth0, past flannel.1", object=route)
    chain = Subject(kind="firewall")
    drop = replace(finding("GN0507"), title="rule 1 drops all traffic to a host on eth1", object=chain)
    diagnosis = DiagnosisReport(facts=Facts(), findings=(drop, bypass), ways=ways, blocked=tuple(ways))
    assert {track.target: track.code for track in tracks_of(diagnosis)} == {
        "remote: r1": "GN0702",
        "outside: a host on eth1": "GN0507",
    }


def last_of(track):
    """The last hop that its packets reach."""
    return None if track.stop is None else track.hops[track.stop]


def test_a_bridge_that_is_crossed_twice_in_a_row_is_drawn_once():
    hops: tuple[str, ...] = ("pod eth0", "veth1", "cni0", "cni0", "default/web")
    diagnosis = DiagnosisReport(
        facts=Facts(), ways={"service: web": hops}, blocked=("service: web",), stops={"service: web": 3}
    )
    (track,) = tracks_of(diagnosis)
    assert track.hops == ("pod eth0", "veth1", "cni0", "default/web")
    assert last_of(track) == "cni0"
