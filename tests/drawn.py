"""What every picture keeps, computed from its SVG alone: all is on the canvas, and nothing lies on a name or a code."""

import re
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from unicodedata import east_asian_width

SVG = "{http://www.w3.org/2000/svg}"
# The advance of a monospaced font's characters, and what is above and below the base line, in em.
ADVANCE, ABOVE, BELOW = 0.605, 0.8, 0.22


def assert_readable(text):
    """Raises AssertionError where a name is cut off, or something is drawn across one."""
    picture = ET.fromstring(text)
    width, height = (float(picture.get(name, "")) for name in ("width", "height"))
    boxes = [_box(element) for element in picture.iter(f"{SVG}rect")]
    style = picture.findtext(f"{SVG}style", "")
    sizes = dict(re.findall(r"^\.(\w+)\{font:(?:bold )?(\d+)px", style, re.MULTILINE))
    texts = list(picture.iter(f"{SVG}text"))
    words = [(one.text, _extent(one, float(sizes[one.get("class", "")]))) for one in texts]
    for what, place in [*(("box", box) for box in boxes), *words]:
        assert _inside(place, (0, 0, width, height)), f"{what!r} is cut off"
    for one, other in combinations(boxes, 2):
        assert not _overlap(one, other)
    for (one, place), (other, second) in combinations(words, 2):
        assert not _overlap(place, second), f"{one!r} lies on {other!r}"
    for word, place in words:
        for box in boxes:
            assert not _overlap(place, box) or _inside(place, box), f"{word!r} sticks out of its box"
    for element in picture.iter(f"{SVG}path"):
        if element.get("class") != "cross":
            for x, y in _points(element.get("d", "")):
                crossed = [word for word, place in words if _in(x, y, place)] + [
                    box for box in boxes if _in(x, y, box)
                ]
                assert not crossed, f"a line crosses {crossed}"


def _box(element):
    x, y, width, height = (float(element.get(name, "")) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def _extent(element, size):
    cells = sum(2 if east_asian_width(character) in "WF" else 1 for character in element.text or "")
    width = cells * size * ADVANCE
    left = float(element.get("x", "")) - (width / 2 if element.get("text-anchor") == "middle" else 0)
    base = float(element.get("y", ""))
    return left, base - size * ABOVE, left + width, base + size * BELOW


def _overlap(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _inside(one, other):
    return other[0] <= one[0] and other[1] <= one[1] and one[2] <= other[2] and one[3] <= other[3]


def _in(x, y, place):
    return place[0] + 0.5 < x < place[2] - 0.5 and place[1] + 0.5 < y < place[3] - 0.5


def _points(path):
    """Points along a path of one straight or one curved part."""
    numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path)]
    if "C" in path:
        ends = [numbers[:2], numbers[2:4], numbers[4:6], numbers[6:]]
    else:
        x, top, bottom = numbers
        ends = [[x, top + (bottom - top) * part / 3] for part in range(4)]
    for step in range(31):
        points, share = ends, step / 30
        while len(points) > 1:
            points = [[a + (b - a) * share for a, b in zip(p, q, strict=True)] for p, q in pairwise(points)]
        yield points[0]
