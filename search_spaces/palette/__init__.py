"""The colours that classes have wherever a label map is shown, and in the legend beside it."""

import itertools
from functools import cache
from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

VOID: Colour = (0, 0, 0)
"""What has no class is shown so."""

PAPER: Colour = (255, 255, 255)
STEPS = (0, 51, 102, 153, 204, 255)
CANDIDATES: tuple[Colour, ...] = tuple(itertools.product(STEPS, STEPS, STEPS))
MOST = len(CANDIDATES) - 2


@cache
def palette(count: int) -> tuple[Colour, ...]:
    """`count` colours, none of them black or white: class k has the one at place k.

    Each is the one that lies farthest in CIELAB from black, white and all before it, so that
    a smaller palette is the beginning of a larger one; after 214 they repeat.

    Example:
        >>> palette(2)
        ((0, 0, 255), (0, 255, 0))
    """
    places = {colour: _lab(colour) for colour in CANDIDATES}
    nearest = {
        colour: min(_distance(place, places[taken]) for taken in (VOID, PAPER))
        for colour, place in places.items()
    }
    chosen: list[Colour] = []
    while len(chosen) < min(count, MOST):
        farthest = max(CANDIDATES, key=nearest.__getitem__)
        chosen.append(farthest)
        for colour, place in places.items():
            nearest[colour] = min(nearest[colour], _distance(place, places[farthest]))
    return tuple(itertools.islice(itertools.cycle(chosen), count))


def spell(colour: Colour) -> str:
    """The colour as the web spells it, such as `#ff00ff`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _distance(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _lab(colour: Colour) -> tuple[float, ...]:
    """The sRGB `colour` in CIELAB, white point D65 (IEC 61966-2-1, CIE 15)."""
    red, green, blue = (_linear(part / 255) for part in colour)
    x, y, z = (
        _cube_root(part)
        for part in (
            (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505,
            0.2126 * red + 0.7152 * green + 0.0722 * blue,
            (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089,
        )
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _cube_root(part: float) -> float:
    return float(part ** (1 / 3)) if part > 216 / 24389 else (24389 / 27 * part + 16) / 116
