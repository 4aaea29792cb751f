"""The rules for every answer, whatever the input (conformance A52-A60; SPEC, sections 2 and 5)."""

import json
import resource

import yaml

from genie_core import errors
from genie_core.spec.versions import REPLY, SUPPORTED

from .answers import body_of
from .given import judge_given

SECRET = b"s3cr3t-v4lue"
# Where a secret may stand. Elsewhere a mutation has put it, where it is no secret any more.
SECRET_KEYS = ("apiKey", "token", "password", "client-key-data", "k8s_auth_token")
LONGEST_SECONDS = 5.0  # for one call, on a machine that is not ours alone
LARGEST_ERROR = 70_000  # bytes
LARGEST_KILOBYTES = 700_000

_INPUT = {
    errors.INCOMPATIBLE_VERSION,
    errors.INVALID_ENVIRONMENT,
    errors.IO_FAILURE,
    errors.DECODING_FAILURE,
    errors.INVALID_CONFIG,
}
_WORK = _INPUT | {errors.INVALID_NETNS, errors.TRY_AGAIN, errors.DELEGATE_FAILED, errors.KERNEL_REFUSED}
# The codes that a verb may answer with, where no delegate has answered with its own (docs: `genie explain CNI...`).
CODES = {
    "ADD": _WORK | {errors.UNSUPPORTED_FIELD, errors.ALREADY_ATTACHED},
    "DEL": _WORK,
    "CHECK": _WORK | {errors.UNKNOWN_CONTAINER, errors.CHECK_FAILED},
    "GC": _WORK,
    "STATUS": _INPUT | {errors.DELEGATE_FAILED, errors.NOT_AVAILABLE, errors.LIMITED_CONNECTIVITY},
    "VERSION": set(),
}
_DEL_IS_SUCCESS = ("not found", "no such file or directory")


def judge(parts, answers, world):
    """The problems of a case that was played, each one sentence; [] for none. Leaves nothing attached."""
    problems = [
        f"{answer.verb[:20]!r}: {problem}" for answer in answers for problem in _judge_answer(parts, answer)
    ]
    if _shows_secret(parts, answers):
        problems.append("a secret is shown")
    if _peak() > LARGEST_KILOBYTES:
        problems.append(f"the process has needed {_peak() >> 10} MiB")
    problems += judge_given(parts, world.given())
    return problems + _judge_state(parts, answers, world)


def _judge_answer(parts, answer):
    own_code = any(name.endswith(".stdout") for name in parts)
    if answer.status not in {0, 1}:
        yield f"exit status {answer.status}"
    elif answer.status:
        yield from _judge_failure(answer, own_code)
    else:
        yield from _judge_success(answer)
    if answer.seconds > LONGEST_SECONDS:
        yield f"took {answer.seconds:.1f} seconds"
    if answer.leaks:
        yield f"left {', '.join(answer.leaks)}"
    yield from _judge_log(answer, delegates_print=any(name.endswith(".stderr") for name in parts))


def _judge_success(answer):
    if answer.verb == "ADD":
        document = decoded(answer.stdout)
        if isinstance(document, str):
            yield document
        elif document.get("cniVersion") not in SUPPORTED:
            yield "a result without a known cniVersion"
    elif answer.stdout != (f"{REPLY}\n".encode() if answer.verb == "VERSION" else b""):
        yield f"said {answer.stdout[:100]!r} on success"


def _judge_failure(answer, own_code):
    document = decoded(answer.stdout)
    if isinstance(document, str):
        yield document
        return
    if not {"cniVersion", "code", "msg"} <= set(document) <= {"cniVersion", "code", "msg", "details"}:
        yield f"an error with the keys {sorted(document)}"
        return
    code, msg = document["code"], document["msg"]
    allowed = CODES.get(answer.verb, _INPUT)
    if code not in allowed and not (
        own_code and isinstance(code, int) and 0 < code < 1 << 32 and code != errors.INTERNAL
    ):
        yield f"code {code!r}, with the words {msg[:100]!r}"
    if not isinstance(msg, str) or not msg.strip():
        yield "an empty message"
    elif not own_code and not msg.isprintable():
        yield f"a message that is not one line of text: {msg[:200]!r}"
    if len(answer.stdout) > LARGEST_ERROR and not own_code:
        yield f"an error of {len(answer.stdout)} bytes"
    if document["cniVersion"] not in SUPPORTED:
        yield f"an error in version {document['cniVersion']!r}"
    if answer.verb == "DEL" and any(words in msg for words in _DEL_IS_SUCCESS):
        yield f"go-cni would take this DEL for done: {msg[:200]!r}"  # conformance A67


def decoded(stdout):
    """The one document on stdout; a string that says what is wrong with it."""
    if not stdout.endswith(b"\n") or b"\n" in stdout[:-1]:
        return f"stdout is not one line: {stdout[:100]!r}"
    try:
        document = json.loads(stdout.decode("ascii"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return f"stdout is not one JSON document ({error}): {stdout[:100]!r}"
    return document if isinstance(document, dict) else f"stdout is no JSON object: {stdout[:100]!r}"


def _unique(pairs):
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _no_constant(name):
    raise ValueError(name)


def _judge_log(answer, delegates_print):
    """Stderr is a log of JSON lines, beside what the delegates say; a traceback is only in the line of a bug."""
    if b"Traceback (most recent call last)" in answer.stderr:
        event = answer.stderr.partition(b"Traceback")[2][-600:]
        yield f"a traceback: {event!r}"
    if delegates_print or not answer.verb:
        return
    for line in answer.stderr.splitlines():
        try:
            json.loads(line)
        except ValueError:
            yield f"a line in the log that is not JSON: {line[:100]!r}"


# --- what is left


def _judge_state(parts, answers, world):
    """After ADD and DEL nothing is attached; what delegates refuse to release goes once they do not."""
    if "before" in parts or answers[-1].verb != "DEL" or any(name.startswith("state/") for name in parts):
        return []  # what others have left may stay, where its plugins are gone
    refused = "DEL.status" in parts
    problems = []
    if len(answers) > 1 and answers[0].status == 0 and answers[-1].status and not refused:
        problems.append(f"ADD succeeded and DEL did not: {answers[-1].stdout[:200]!r}")
    if refused and world.held():
        again = world.heal(parts)
        problems += [f"DEL once the plugins work: {problem}" for problem in _judge_answer({}, again)]
    return problems + [f"left in the state: {name}" for name in world.held()]


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


# --- secrets


def _shows_secret(parts, answers):
    if not any(SECRET in answer.stdout or SECRET in answer.stderr for answer in answers):
        return False
    return not any(SECRET in data and _is_displaced(data) for data in parts.values())


def _is_displaced(data):
    """Whether a document has the secret where none is expected."""
    for text in (data, body_of(data)):
        try:
            document = yaml.safe_load(text.decode("utf-8", "replace"))
        except (yaml.YAMLError, ValueError, RecursionError):
            continue
        if _stands_elsewhere(document, ""):
            return True
    return False


def _stands_elsewhere(value, key):
    if isinstance(value, dict):
        return any(
            SECRET.decode() in str(inner_key) or _stands_elsewhere(inner, inner_key)
            for inner_key, inner in value.items()
        )
    if isinstance(value, list):
        return any(_stands_elsewhere(item, "") for item in value)
    return isinstance(value, str) and SECRET.decode() in value and key not in SECRET_KEYS
