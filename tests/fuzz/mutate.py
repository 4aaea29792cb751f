"""Changes to a document that know what it is made of: JSON of any depth, words between separators, bytes.

JSON is held as a tree that can say what Python's values cannot: `Pairs` is an object whose keys may repeat, `Raw`
is text that goes out as it is (numbers, NaN, a million brackets). A string that holds JSON is changed from inside.
"""

import json
import re

LARGE = 1_000_000


class Raw(str):
    """Text that is written without quotes."""

    __slots__ = ()


class Pairs(list):
    """An object: [key, value] in order."""

    __slots__ = ()


NUMBERS = [Raw(text) for text in (
    "null true false 0 -0 1 -1 7 64 65536 2147483648 4294967296 9007199254740993 1e400 -1e-400 1.5 0.1 01 0x1 +1 1. .5 "
    "NaN Infinity -Infinity ١ nul True"
).split()] + [Raw("9" * 5000), Raw("1" * 5000 + "e5000")]  # fmt: skip
STRINGS = [
    "", " ", "\0", "\n", "a\nb", "\r\n\r\n", "\x7f", "\x1b[31m", "\u2028", "\u202e", "\u00a0", "\ufeff", "\ud800", "\udc80", "é", "e\u0301", "🧞", "١٢",
    ".", "..", "../../etc/passwd", "/", "/a", "a/b", "a\\b", "%2e%2e", "%s%n", "$(id)", "${HOME}", "`id`", "'", '"', "a b", "a,b", "a,,b", ",", "@", "a@", "@b", "a@b@c",
    "a@eth0", "a@eth1", "lo", "eth0", "net1", "x" * 15, "x" * 16, "x" * 64, "x" * 254, "x" * 5000, "é" * 8, "-", "--help", "A", "a.b", "a-", "a..b",
    "1", "0", "-1", "true", "1.0.0", "1.1.0", "0.4.0", "0.1.0", "9.9.9", "1.0", "v1.0.0", "1.0.0-rc", "١.٠.٠",
    "10.0.0.0/8", "10.0.0.2/24", "10.0.0.2/33", "10.0.0.2", "010.0.0.1", "::1", "fd00::1/64", "::ffff:10.0.0.1/96", "fe80::1%eth0", "0.0.0.0/0", "::/0", "1/1",
    "00:11:22:33:44:55", "null", "{}", "[]", '{"a": 1}', "[" * 1000, "2001-01-01", "!!python/object:os.system", "&a [*a, *a]", "<<: *a",
]  # fmt: skip
_TOKENS = [
    b"\0", b"\n", b"\r\n", b" ", b"\t", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xf0\x9f\xa7\x9e", b"\\", b"\\u0000", b"\\ud800", b"\\x", b'"', b"'", b"{", b"}", b"[", b"]",
    b":", b",", b";", b"=", b"@", b"/", b"..", b"#", b"&", b"*", b"!", b"%", b"|", b">", b"-", b"--- ", b"?", b"<<", b"NaN", b"Infinity", b"//", b"/*", b"null", b"1e999", b"\xd9\xa1",
]  # fmt: skip
_DEEP = (50, 500, 5000, 100_000)


# --- text <-> tree


def parse(data):
    """The tree of a JSON document in bytes. Raises ValueError, RecursionError."""
    text = data if isinstance(data, str) else data.decode("utf-8", "surrogateescape")
    return json.loads(
        text,
        object_pairs_hook=lambda pairs: Pairs([key, value] for key, value in pairs),
        parse_int=Raw,
        parse_float=Raw,
        parse_constant=Raw,
    )


def write(tree, ascii_only=True):
    """The document; halves of characters go out as escapes, or as the bytes that they stand for."""
    return _text(tree, ascii_only).encode("utf-8", "surrogateescape" if ascii_only else "replace")


def _text(tree, ascii_only):
    if isinstance(tree, Raw):
        return str(tree)
    if isinstance(tree, Pairs):
        inside = (f"{_text(key, ascii_only)}: {_text(value, ascii_only)}" for key, value in tree)
        return "{" + ", ".join(inside) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(_text(item, ascii_only) for item in tree) + "]"
    return json.dumps(tree, ensure_ascii=ascii_only)


# --- changes


class Mutator:
    """Makes changed documents. `words` are the language of the program under test: its keys and values."""

    def __init__(self, rng, words):
        self.rng = rng
        self.words = words

    def json(self, data, others=()):
        """A changed JSON document; `others` are documents to take pieces from."""
        if self.rng.random() < 0.2:
            return self.bytes(data)
        try:
            tree = parse(data)
            for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
                tree = self.tree(tree, others)
            return write(tree, self.rng.random() < 0.9)
        except (ValueError, RecursionError):
            return self.bytes(data)

    def tree(self, tree, others=()):
        """The tree with one change, somewhere; it is changed in place as far as possible."""
        holder = [tree]
        places = _places(holder)
        container, index = self.rng.choice(places)
        if isinstance(container, Pairs):
            self._change_member(container, index, others)
        else:
            container[index : index + 1] = self._changed(container[index], others)
        return holder[0] if holder else Raw("null")

    def _change_member(self, pairs, index, others):
        key, value = pairs[index]
        way = self.rng.randrange(8)
        if way == 0:
            pairs.append([key, self.value(others)])  # the same key twice
        elif way == 1:
            pairs[index] = [self._key(key), value]
        elif way == 2:
            pairs.insert(index, [self.rng.choice((self.word(), self._key(key))), self.value(others)])
        else:
            pairs[index : index + 1] = [[key, item] for item in self._changed(value, others)]

    def _key(self, key):
        """Another spelling of a key, which Go's decoder takes for it, or another key."""
        letters = key.replace("s", "\u017f").replace("k", "\u212a")
        return self.rng.choice(
            (key.upper(), key.capitalize(), key.swapcase(), letters, key + " ", self.word())
        )

    def _changed(self, value, others):
        """The values in place of one value: none, one or two."""
        way = self.rng.randrange(12)
        if way == 0:
            return []
        if way == 1:
            return [value, value]
        if way == 2:
            return [[value]]
        if way == 3:
            return [Pairs([[self.word(), value]])]
        if isinstance(value, Pairs) and way < 8:
            return [Pairs([*value, [self.word(), self.value(others)]])]
        if isinstance(value, str) and not isinstance(value, Raw) and way < 9:
            return [self.string(value, others)]
        return [self.value(others)]

    def string(self, text, others=()):
        """A changed string: from inside where it holds JSON."""
        if text[:1] in ("{", "[") and self.rng.random() < 0.8:
            changed = self.json(text.encode("utf-8", "surrogatepass"), others)
        else:
            changed = self.bytes(text.encode("utf-8", "surrogatepass"))
        return changed.decode("utf-8", "replace" if self.rng.random() < 0.8 else "surrogateescape")

    def value(self, others=()):
        """Any value: a difficult one, one of the program's words, or a part of another document."""
        way = self.rng.randrange(50)
        if way == 0:
            return self._large()
        if way < 6 and others:
            return self._piece(self.rng.choice(others))
        if way < 11:
            return self.rng.choice(([], Pairs(), [[]], [Raw("null")], Pairs([["", Raw("null")]])))
        if way < 22:
            return self.word()
        return self.rng.choice(NUMBERS if way < 33 else STRINGS)

    def _piece(self, document):
        try:
            tree = [parse(document)]
        except (ValueError, RecursionError):
            return Raw("null")
        container, index = self.rng.choice(_places(tree))
        return container[index][1] if isinstance(container, Pairs) else container[index]

    def _large(self):
        way = self.rng.randrange(20)
        if way == 0:
            return "x" * LARGE
        if way == 1:
            return Raw("[" + "{}," * (LARGE // 3) + "0]")
        depth = self.rng.choice(_DEEP)
        return Raw("[" * depth + "]" * depth if way < 10 else '{"a":' * depth + "1" + "}" * depth)

    def word(self):
        return self.rng.choice(self.words)

    def bytes(self, data):
        """Changed bytes: cut, repeated, overwritten, joined."""
        if not data:
            return self._token()
        start = self.rng.randrange(len(data))
        end = min(len(data), start + self.rng.choice((0, 1, 1, 4, 16, 1 << 20)))
        way = self.rng.randrange(9)
        if way == 0:
            return data[:start]
        if way == 1:
            return data[:start] + data[end:]
        if way == 2:
            times = self.rng.choice((2, 2, 3, 100, 10_000))
            return data[:start] + data[start:end] * min(times, LARGE // (end - start or 1)) + data[end:]
        if way == 3:
            return self._other_digits(data)
        if way == 4:
            return data[:start] + bytes([data[start] ^ 1 << self.rng.randrange(8)]) + data[start + 1 :]
        if way == 5:
            return self._token() + data
        return data[:start] + self._token() + data[end if way == 6 else start :]

    def _token(self):
        way = self.rng.randrange(4)
        if way == 0:
            return self.word().encode("utf-8", "surrogatepass")
        if way == 1:
            return self.rng.choice(STRINGS).encode("utf-8", "surrogatepass")
        return self.rng.choice(_TOKENS)

    def _other_digits(self, data):
        """A digit that is none in JSON (U+0661), or another one."""
        positions = [position for position, byte in enumerate(data[:5000]) if 48 <= byte < 58]
        if not positions:
            return data + self._token()
        at = self.rng.choice(positions)
        return data[:at] + self.rng.choice((b"\xd9\xa1", b"0", b"9", b"99999999999", b"-1")) + data[at + 1 :]

    def fields(self, data, separator, assign=b"="):
        """Changed text of fields between separators: one left out, twice, moved, changed inside, or added."""
        if self.rng.random() < 0.2:
            return self.bytes(data)
        items = data.split(separator)
        at = self.rng.randrange(len(items))
        key, sign, value = items[at].partition(assign)
        way = self.rng.randrange(6)
        if way == 0:
            del items[at]
        elif way == 1:
            items.insert(self.rng.randrange(len(items) + 1), items[at])
        elif way == 2:
            items[at] = key + sign + self._token()
        elif way == 3:
            items[at] = self.bytes(items[at])
        elif way == 4:
            items[at] = key + sign + self.bytes(value)
        else:
            items.insert(at, self._token() + assign + self._token())
        return separator.join(items)


def _places(tree, limit=3000):
    """Everywhere in a list that holds a tree: (container, index)."""
    found: list[tuple[list, int]] = []
    todo = [tree]
    while todo and len(found) < limit:
        container = todo.pop()
        for index, item in enumerate(container):
            found.append((container, index))
            value = item[1] if isinstance(container, Pairs) else item
            if isinstance(value, list):
                todo.append(value)
            if len(found) == limit:
                break
    return found


def words_of(modules):
    """The words in the constants of modules' code: keys, verbs, names of annotations; sorted."""
    found = set()
    todo = [compile(path.read_bytes(), str(path), "exec") for path in modules]
    while todo:
        for value in todo.pop().co_consts:
            if hasattr(value, "co_consts"):
                todo.append(value)
            for word in value if isinstance(value, tuple | frozenset) else (value,):
                if isinstance(word, str) and re.fullmatch(r"[\w./:-]{1,40}", word, re.ASCII):
                    found.add(word)
    return sorted(found)
