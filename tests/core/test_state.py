"""The state file's text (B57-B68: lossless; a damaged one is an error)."""

import pytest

from genie_core.errors import DecodingFailure
from genie_core.jsontext import decode, encode
from genie_core.model import Attachment, NetConf, Plan, PluginConf, PodRef
from genie_core.state import decode_plan, encode_event, encode_journal, encode_plan
from genie_core.steps import Absent, Attached, Failed, Passed, Refused, Released

ODD = '{"x": 9007199254740993, "f": 1.10, "bytes": "\udcff", "ü": [ 1 ]}'


def make_plan():
    network = NetConf("n", "1.0.0", [PluginConf("p", ODD), PluginConf("q", "{}")], "/net.d/x", True, True)
    return Plan(
        "cid",
        "eth0",
        "/run/netns/ü",
        ["/bin", "/opt/\udcff"],
        PodRef("ns", "pod", "uid", "sandbox"),
        "boot",
        [
            Attachment(
                network, "eth0", "n", "A=1;B=\udcff", {"mac": '"02:.."'}, ["/bin/p", "/bin/q"], origin="cni"
            ),
            Attachment(network.replace(disable_gc=False), "net1", "ns/n", binaries=[]),
        ],
    )


def line(kind, *fields):
    """The line of an event."""
    return encode_event(kind(make_plan(), *fields))


@pytest.fixture
def text():
    return encode_plan(make_plan()) + "\n"


def test_nothing_is_lost_not_even_bytes_that_are_no_text(text):
    assert decode_plan(text) == make_plan()
    assert text.isascii()
    assert text.count("\n") == 1


def test_without_a_pod():
    plan = make_plan().replace(pod=None)
    assert decode_plan(encode_plan(plan)) == plan


def test_events_since_the_plan(text):
    text += f"\n{line(Attached, 0, ODD)}\n\n{line(Released, 1)}\n\n{line(Failed)}\n"
    plan = decode_plan(text)
    assert [(item.result, item.released) for item in plan.attachments] == [(ODD, False), ("", True)]
    assert plan.failed_releases == 1


def test_results_inside_a_chain(text):
    text += f"\n{line(Passed, 0, '{}')}\n\n{line(Passed, 0, ODD)}\n\n{line(Passed, 1, ODD)}\n"
    assert [item.partial for item in decode_plan(text).attachments] == [ODD, ODD]
    taken_back = decode_plan(f"{text}\n{line(Passed, 1, '')}\n")
    assert [item.partial for item in taken_back.attachments] == [ODD, ""]


def test_an_interface_of_the_result_that_was_not_made(text):
    assert decode_plan(f"{text}\n{line(Absent, ['net1 link net1'])}\n").absent == ["net1 link net1"]


def test_a_refusal(text):
    assert [item.refused for item in decode_plan(f"{text}\n{line(Refused, 1)}\n").attachments] == [
        False,
        True,
    ]


def test_the_last_word_counts(text):
    records = f"{line(Attached, 0, '{}')}\n{line(Attached, 0, ODD)}\n"
    assert decode_plan(text + records).attachments[0].result == ODD


@pytest.mark.parametrize("length", range(0, 60, 7))
def test_a_torn_line_costs_that_line_alone(text, length):
    torn = line(Attached, 0, "x" * 50)[: length + 1]
    plan = decode_plan(text + f"\n{torn}\n{line(Released, 1)}\n")
    assert [(item.result, item.released) for item in plan.attachments] == [("", False), ("", True)]


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "[]",
        "7",
        "null",
        '"released"',
        '{"attached": 9, "result": "{}"}',
        '{"attached": "0", "result": "{}"}',
        '{"attached": 0, "result": 7}',
        '{"attached": 0}',
        '{"released": 5}',
        '{"absent": 7}',
        '{"absent": [7]}',
        '{"passed": 0}',
        '{"passed": 0, "result": null}',
        '{"passed": 0, "result": "[]"}',
        '{"passed": 7, "result": "{}"}',
        '{"released": -1}',
        '{"releasing": 1e999}',
        '{"attached": 0, "result": "{"}',
        '{"attached": 0, "result": "[]"}',
        '{"attached": 0, "result": "{\\"a\\": \\"\\\\u0000\\"}\\u0000"}',
        '{"released": null}',
        "\x00",
        "x",
    ],
)
def test_a_line_that_says_nothing_known_is_passed_over(text, line):
    assert decode_plan(f"{text}\n{line}\n") == make_plan()


def test_a_first_line_cut_short_is_no_plan_at_any_length(text):
    for length in range(0, len(text) - 2, 37):
        with pytest.raises(DecodingFailure):
            decode_plan(text[:length])


def keys_of(value, path=()):
    """Every path to a value inside a document."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from keys_of(part, (*path, key))


def changed(document, path, new):
    if not path:
        return new
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = changed(document[path[0]], path[1:], new)
    return copy


@pytest.mark.parametrize("wrong", [7, [7], {"x": 7}])
def test_a_plan_with_any_value_of_another_kind_is_refused_or_harmless(text, wrong):
    """Either DecodingFailure, or a plan that can be encoded again."""
    document = decode(text)
    for path in keys_of(document):
        try:
            plan = decode_plan(encode(changed(document, path, wrong)))
        except DecodingFailure:
            continue
        assert encode_plan(plan)


@pytest.mark.parametrize("bad", ["", "null", "7", "{}", '{"format": 2}', '{"format": 1}', "[1]"])
def test_an_invalid_plan(bad):
    with pytest.raises(DecodingFailure):
        decode_plan(bad)


NETWORK = ("attachments", 0, "network")


@pytest.mark.parametrize(
    "path, wrong",
    [
        (("netns",), "/run\0"),
        (("path", 0), "\ud800"),
        (("attachments", 0, "args"), "A=\0"),
        (("attachments", 0, "binaries", 0), "\0"),
        (("attachments", 0, "capabilities", "mac"), "{"),
        ((*NETWORK, "name"), "../x"),
        ((*NETWORK, "version"), "one"),
        ((*NETWORK, "plugins"), []),
        ((*NETWORK, "plugins"), {}),
        ((*NETWORK, "plugins", 0, 0), "../../bin/sh"),
        ((*NETWORK, "plugins", 0, 1), "{"),
        ((*NETWORK, "plugins", 0, 1), "[]"),
        ((*NETWORK, "plugins", 0, 1), '{"capabilities": 7}'),
    ],
)
def test_a_plan_that_could_not_be_carried_out_is_no_plan(path, wrong):
    """A DEL that failed at it half-way would fail so every time, and give nothing back (found by fuzzing)."""
    document = changed(decode(encode_plan(make_plan())), path, wrong)
    with pytest.raises(DecodingFailure):
        decode_plan(encode(document))


def test_a_plan_of_another_version_is_read_as_far_as_it_says_what_ours_says():
    plan = decode(encode_plan(make_plan()))
    text = encode({**plan, "format": 2, "unknown": [{"later": True}]})
    assert decode_plan(text) == make_plan()


def test_a_rewritten_plan_has_its_events():
    plan = make_plan()
    first, *others = plan.attachments
    first.result, first.yielded, first.asked = (
        '{"ips": []}',
        [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}],
        '{"x": 1}',
    )
    first.releasing = first.changing = True
    for other in others:
        other.partial, other.released, other.refused = '{"ips": []}', True, True
    assert decode_plan(encode_journal(plan)) == plan


def test_a_plan_that_nothing_was_done_of_has_no_history():
    assert encode_journal(make_plan()) == encode_plan(make_plan()) + "\n"


@pytest.mark.parametrize("routes", ["x", [7], [{"gw": "10.1.0.1"}]])
def test_damaged_routes_cost_their_line(routes):
    text = encode_plan(make_plan()) + "\n" + encode({"attached": 0, "result": "{}", "yielded": routes})
    assert decode_plan(text).attachments[0].yielded == ()
