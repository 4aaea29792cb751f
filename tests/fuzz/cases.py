"""A case as text that a person can read and a file can keep, and its result in one line a call."""

import json
import re

from tests.fuzz.oracle import decoded

# The same few characters a hundred times: [text, times]
_REPEATED = re.compile(r"(.{1,40}?)\1{99,}", re.DOTALL)


def encode(case):
    """The JSON object of a case; bytes that are not UTF-8 are halves of characters in it (PEP 383)."""
    return {name: _pieces(data.decode("utf-8", "surrogateescape")) for name, data in case.items()}


def decode(document):
    """The case."""
    return {name: _joined(pieces).encode("utf-8", "surrogateescape") for name, pieces in document.items()}


def _pieces(text):
    if len(text) < 300:
        return text
    pieces, position = [], 0
    for match in _REPEATED.finditer(text):
        unit = match[1]
        pieces += [text[position : match.start()], [unit, len(match[0]) // len(unit)]]
        position = match.end()
    pieces.append(text[position:])
    return pieces if len(pieces) > 1 else text


def _joined(pieces):
    if isinstance(pieces, str):
        return pieces
    return "".join(piece if isinstance(piece, str) else piece[0] * piece[1] for piece in pieces)


def as_shown(answers, root):
    """What the calls answered: `ADD: ok`, `ADD: 7 annotation cni, item 1 is empty`."""
    return [f"{answer.verb[:20]}: {_outcome(answer, root)}" for answer in answers]


def _outcome(answer, root):
    if answer.status == 0:
        return "ok"
    document = decoded(answer.stdout)
    if isinstance(document, str):
        return document
    # of an answer that never ends, the close or the deadline comes first, as the machine is busy
    words, away, _ = str(document.get("msg")).partition(" cannot be reached: ")
    said = f"{words} cannot be reached" if away else words
    return f"{document.get('code')} {said.replace(str(root), '@ROOT@')[:300]}"


def slug(outcome):
    """A file's name for an outcome."""
    words = re.sub(r"[^a-z0-9]+", "-", outcome.lower()).strip("-")
    return words[:70].strip("-")


def load(path):
    """(case, what its calls must answer) of a file of the corpus."""
    document = json.loads(path.read_text())
    return decode(document["parts"]), document["answers"]


def save(path, case, answers):
    text = json.dumps({"parts": encode(case), "answers": answers}, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
