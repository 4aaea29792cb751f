"""Bad input in short (A52-A60): every input that was kept answers as it did, and some hundreds of new ones do no harm.

The long form is `make fuzz`.
"""

import json
from random import Random

import pytest

from tests.fuzz import cases, targets
from tests.fuzz.__main__ import CORPUS, fuzz, replay
from tests.fuzz.mutate import Mutator, Raw, parse, write
from tests.fuzz.oracle import SECRET, judge
from tests.fuzz.world import Answer

KEPT = sorted(path.relative_to(CORPUS) for path in CORPUS.rglob("*.json"))
SHORT = {
    "stdin": 60,
    "env": 50,
    "args": 25,
    "annotations": 35,
    "conffiles": 40,
    "objects": 18,
    "outputs": 32,
    "kubeconfigs": 25,
    "state": 28,
}


def test_kept_inputs_answer_as_they_did():
    """In one test: the processes that replay them import the whole plugin."""
    wanted = [{"answers": cases.load(CORPUS / path)[1], "problems": []} for path in KEPT]
    came = zip(KEPT, replay([CORPUS / path for path in KEPT]), wanted, strict=True)
    assert {str(path): {"now": now, "kept": kept} for path, now, kept in came if now != kept} == {}


def test_there_are_kept_inputs_of_every_target():
    assert {path.parts[0] for path in KEPT} == set(targets.load()) == set(SHORT)


def test_new_inputs_do_no_harm():
    reports = {report["target"]: report for report in fuzz(SHORT, seed=1)}
    assert [finding for report in reports.values() for finding in report["findings"]] == []
    assert {name: report["figures"]["cases"] for name, report in reports.items()} == SHORT


# --- that all this can fail


ERROR = b'{"cniVersion": "1.1.0", "code": 7, "msg": "no"}\n'


class NothingHeld:
    def __init__(self, given=()):
        self._given = given

    def held(self):
        return []

    def given(self):
        return self._given


def problems(*, verb="ADD", status=1, stdout=ERROR, stderr=b"", seconds=0.0, leaks=(), parts=None):
    return judge(parts or {}, [Answer(verb, status, stdout, stderr, seconds, list(leaks))], NothingHeld())


def test_a_right_answer_has_no_problems():
    assert problems() == []
    assert problems(verb="CHECK", status=0, stdout=b"") == []
    assert problems(status=0, stdout=b'{"cniVersion": "1.0.0"}\n') == []


@pytest.mark.parametrize(
    "answer, problem",
    [
        ({"stdout": b""}, "not one line"),
        ({"stdout": ERROR + ERROR}, "not one line"),
        ({"stdout": ERROR[:-1]}, "not one line"),
        ({"stdout": b"[]\n"}, "no JSON object"),
        ({"stdout": b'{"code": NaN}\n'}, "not one JSON document"),
        ({"stdout": b'{"code": 7, "code": 7}\n'}, "a key twice"),
        ({"stdout": ERROR.replace(b"7", b"999")}, "code 999"),
        ({"stdout": ERROR.replace(b"7", b"3")}, "code 3"),
        ({"stdout": ERROR.replace(b"7", b'"7"')}, "code '7'"),
        ({"stdout": ERROR.replace(b"no", b"")}, "empty message"),
        ({"stdout": ERROR.replace(b"no", b"a\\nb")}, "not one line of text"),
        ({"stdout": ERROR.replace(b"no", b"n" * 100_000)}, "an error of"),
        ({"stdout": ERROR.replace(b"1.1.0", b"2.0.0")}, "version '2.0.0'"),
        ({"stdout": ERROR.replace(b"msg", b"text")}, "with the keys"),
        ({"verb": "DEL", "stdout": ERROR.replace(b"no", b"lease not found")}, "go-cni"),
        ({"verb": "CHECK", "status": 0, "stdout": b"{}\n"}, "on success"),
        ({"status": 0, "stdout": b'{"cniVersion": "9"}\n'}, "without a known cniVersion"),
        ({"status": 2}, "exit status 2"),
        ({"stderr": b'{"x": "Traceback (most recent call last):"}\n'}, "a traceback"),
        ({"stderr": b"hello\n"}, "not JSON"),
        ({"seconds": 60.0}, "took 60.0 seconds"),
        ({"leaks": ["descriptor 9"]}, "left descriptor 9"),
        ({"stderr": b'{"x": "' + SECRET + b'"}\n'}, "a secret"),
    ],
)
def test_a_wrong_answer_is_found(answer, problem):
    found = problems(**answer)
    assert len(found) == 1, found
    assert problem in found[0]


PORTS = b'"hostPort": 1, "containerPort": 2'


@pytest.mark.parametrize(
    "given, problem",
    [
        (b"{", "not JSON"),
        (b'{"type": "a", "Type": "a"}', "one key twice"),
        (b'{"RuntimeConfig": {}}', "'RuntimeConfig', which is the runtime's"),
        (b'{"capabilitie\\u017f": {}}', "which is the runtime's"),
        (b'{"prevresult": {}}', "which is the runtime's"),
        (b'{"cni.dev/valid-attachments": []}', "which is the runtime's"),
        (b'{"ipam": {"ipam": [{"TYPE": "genie"}]}}', "leads back to Genie"),
        (b'{"type": "x", "type": "genie"}', "leads back to Genie"),
        (b'{"runtimeConfig": {"portMappings": [{%s, "protocol": "x"}]}}' % PORTS, "of another form"),
        (b'{"runtimeConfig": {"portMappings": [{%s, "protocol": "tcp", "hostIP": "::/0"}]}}' % PORTS, "another form"),
        (b'{"runtimeConfig": {"ips": ["127.0.0.1"]}}', "of another form"),
        (b'{"runtimeConfig": {"mac": "x"}}', "of another form"),
        (b'{"runtimeConfig": {"bandwidth": {"IngressRate": 1}}}', "of another form"),
        (b'{"runtimeConfig": {"x": 1}}', "of another form"),
        (b'{"args": {"cni": {"PROMISC": true}}}', "args.cni.PROMISC"),
    ],
)  # fmt: skip
def test_what_a_plugin_must_not_be_given_is_found(given, problem):
    parts = {"stdin": b"{}"}
    answers = [Answer("ADD", 1, ERROR, b"", 0.0, [])]
    found = judge(parts, answers, NothingHeld([("ADD", given)]))
    assert any(problem in text for text in found), found


@pytest.mark.parametrize("inner, problems", [("1", 0), ('{"type": "genie"}', 1)])
def test_depth_is_no_matter(inner, problems):
    given = f'{{"type": "a", "x": {"[" * 5000}{inner}{"]" * 5000}}}'.encode()
    answers = [Answer("ADD", 1, ERROR, b"", 0.0, [])]
    assert len(judge({"stdin": b"{}"}, answers, NothingHeld([("ADD", given)]))) == problems


def test_what_a_plugin_may_be_given():
    given = {
        "type": "a",
        "args": {"cni": {"x": 1}},
        "runtimeConfig": {
            "ips": ["10.0.0.1/8", "fd00::1"],
            "mac": "c2:b0:57:49:47:f1",
            "portMappings": [{"hostPort": 1, "containerPort": 2, "protocol": "tcp", "hostIP": "10.0.0.1"}],
            "bandwidth": {"ingressRate": 1, "ingressBurst": 1},
        },
        "prevResult": {},
    }
    answers = [Answer("ADD", 1, ERROR, b"", 0.0, [])]
    assert judge({"stdin": b"{}"}, answers, NothingHeld([("ADD", json.dumps(given).encode())])) == []


def test_a_text_that_a_change_has_moved_is_no_secret():
    parts = {"kubeconfig": b'{"token": "%s"}' % SECRET}
    shown = {"stderr": b'"%s"\n' % SECRET}
    assert problems(**shown, parts=parts) == ["a secret is shown"]
    parts["kubeconfig"] = parts["kubeconfig"].replace(b"token", b"server")
    assert problems(**shown, parts=parts) == []


def test_a_case_is_kept_as_text_to_the_byte():
    case = {"stdin": b'{"a": ' + b"[" * 100_000 + b'\xff"' + b"ab" * 500, "CNI_IFNAME": b"\xed\xa0\x80"}
    text = json.dumps(cases.encode(case))
    assert len(text) < 200
    assert cases.decode(json.loads(text)) == case


@pytest.mark.parametrize("text", ['{"a": 1, "a": [1e400, NaN, "\\ud800", {}], "": null}', "[]", "1", '"x"'])
def test_a_document_that_is_not_changed_stays_as_it_is(text):
    assert write(parse(text.encode())) == text.encode()


def test_changes_are_as_random_as_their_seed():
    def changed(seed):
        mutator = Mutator(Random(seed), ["word"])
        return [mutator.json(b'{"a": [1, "b", {"c": null}]}') for _ in range(50)]

    assert changed(1) == changed(1)
    assert changed(1) != changed(2)
    assert len(set(changed(1))) > 40


def test_a_number_stays_raw():
    assert parse(b"[1.50]") == [Raw("1.50")]
