"""Pieces of furniture, each a few solids around the middle of its foot, its back towards +y."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Form = Literal["box", "ellipsoid", "cylinder"]
Pattern = Literal["plain", "stripes", "checks", "books"]
Colour = tuple[float, float, float]
Vector = tuple[float, float, float]

LABELS = (
    *("floor", "wall", "ceiling", "rug", "picture", "table", "seat", "bed"),
    *("cabinet", "appliance", "lamp", "plant"),
)
"""Classes of pixels. Rug and picture are flat, so that colour alone tells them from what they lie
on, and an appliance has a cabinet's shape; tables, seats and beds are of the same colours."""

FABRICS: Sequence[Colour] = (
    *((0.62, 0.25, 0.22), (0.25, 0.35, 0.55), (0.55, 0.50, 0.42)),
    *((0.35, 0.45, 0.33), (0.48, 0.36, 0.50)),
)
WOODS: Sequence[Colour] = ((0.55, 0.38, 0.22), (0.40, 0.26, 0.16), (0.70, 0.55, 0.38))
WHITES: Sequence[Colour] = ((0.88, 0.89, 0.90), (0.78, 0.80, 0.82), (0.60, 0.62, 0.65))
GREEN: Colour = (0.16, 0.42, 0.16)
SHADE: Colour = (0.95, 0.88, 0.65)


@dataclass(frozen=True, slots=True)
class Solid:
    """A box, ellipsoid or upright cylinder.

    Attributes:
        centre: in metres; z points up.
        half: half of its extent along its own axes, in metres.
        turn: cosine and sine of its angle about z, anticlockwise.
        other: the second colour of a `pattern`, whose cells are `cell` metres wide.
    """

    form: Form
    label: str
    centre: Vector
    half: Vector
    colour: Colour
    pattern: Pattern = "plain"
    other: Colour = (0.0, 0.0, 0.0)
    cell: float = 0.1
    turn: tuple[float, float] = (1.0, 0.0)

    def moved(self, x: float, y: float, turn: tuple[float, float]) -> Solid:
        """The solid of a piece whose foot goes to (x, y) and that is turned by `turn`."""
        (a, b, z), (c, s), (own_c, own_s) = self.centre, turn, self.turn
        return replace(
            self,
            centre=(x + c * a - s * b, y + s * a + c * b, z),
            turn=(c * own_c - s * own_s, s * own_c + c * own_s),
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """Solids that belong together, on a foot `wide` by `deep` metres; `flat` takes no room."""

    solids: tuple[Solid, ...]
    wide: float
    deep: float
    flat: bool = False


Maker = Callable[["np.random.Generator"], Piece]


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A number from `low` to below `high`."""
    return low + (high - low) * float(rng.random())


def pick(rng: np.random.Generator, colours: Sequence[Colour]) -> Colour:
    """One of `colours`, a little lighter or darker."""
    red, green, blue = colours[int(rng.integers(len(colours)))]
    light = between(rng, 0.8, 1.15)
    return red * light, green * light, blue * light


def table(rng: np.random.Generator) -> Piece:
    """A plate on four legs."""
    wide, deep, high = between(rng, 1.1, 1.7), between(rng, 0.7, 1.0), between(rng, 0.68, 0.78)
    colour = pick(rng, (*WOODS, *FABRICS))
    return Piece(tuple(_legged("table", wide, deep, high, colour)), wide, deep)


def low_table(rng: np.random.Generator) -> Piece:
    """A table to the knee, as every room may have one."""
    wide, deep, high = between(rng, 0.6, 1.0), between(rng, 0.5, 0.7), between(rng, 0.38, 0.48)
    colour = pick(rng, (*WOODS, *FABRICS))
    return Piece(tuple(_legged("table", wide, deep, high, colour)), wide, deep)


def chair(rng: np.random.Generator) -> Piece:
    """A seat on four legs, and its back."""
    side, high, colour = between(rng, 0.42, 0.5), 0.45, pick(rng, (*WOODS, *FABRICS))
    back = _box("seat", (0, side / 2 - 0.03, 0.72), (side / 2, 0.03, 0.25), colour)
    return Piece((*_legged("seat", side, side, high, colour), back), side, side)


def dining_set(rng: np.random.Generator) -> Piece:
    """A table with a chair at two to four of its sides."""
    board, around = table(rng), int(rng.integers(2, 5))
    sides = [
        (0.0, board.deep / 2 + 0.15, (1.0, 0.0)),
        (0.0, -board.deep / 2 - 0.15, (-1.0, 0.0)),
        (board.wide / 2 + 0.15, 0.0, (0.0, -1.0)),
        (-board.wide / 2 - 0.15, 0.0, (0.0, 1.0)),
    ]
    order = rng.permutation(4)[:around]
    one = chair(rng)
    chairs = [solid.moved(*sides[i]) for i in order for solid in one.solids]
    return Piece((*board.solids, *chairs), board.wide + 0.7, board.deep + 0.7)


def sofa(rng: np.random.Generator) -> Piece:
    """A seat for two or three with a back and arms."""
    wide, deep, colour = between(rng, 1.5, 2.1), 0.85, pick(rng, (*FABRICS, *WOODS))
    stripe = _stripe(rng)
    parts = [
        ((0, 0, 0.22), (wide / 2, deep / 2, 0.22)),
        ((0, deep / 2 - 0.11, 0.6), (wide / 2, 0.11, 0.22)),
        ((wide / 2 - 0.1, 0, 0.5), (0.1, deep / 2, 0.12)),
        ((0.1 - wide / 2, 0, 0.5), (0.1, deep / 2, 0.12)),
    ]
    return Piece(tuple(_box("seat", *part, colour, stripe) for part in parts), wide, deep)


def bed(rng: np.random.Generator) -> Piece:
    """A mattress with a board at its head and one or two pillows."""
    wide, deep, colour = between(rng, 1.0, 1.8), 2.0, pick(rng, (*FABRICS, *WOODS))
    stripe = _stripe(rng)
    solids = [
        _box("bed", (0, 0, 0.25), (wide / 2, deep / 2, 0.25), colour, stripe),
        _box("bed", (0, deep / 2 - 0.04, 0.45), (wide / 2, 0.04, 0.45), pick(rng, WOODS)),
    ]
    for x in (-wide / 4, wide / 4) if wide > 1.4 else (0.0,):
        half = (0.3, 0.2, 0.1)
        solids.append(
            Solid("ellipsoid", "bed", (x, deep / 2 - 0.35, 0.55), half, pick(rng, WHITES))
        )
    return Piece(tuple(solids), wide, deep)


def cabinet(rng: np.random.Generator) -> Piece:
    """A closed box of wood."""
    return _case(rng, "cabinet", pick(rng, WOODS), "plain")


def bookcase(rng: np.random.Generator) -> Piece:
    """A cabinet whose front shows the backs of books."""
    return _case(rng, "cabinet", pick(rng, WOODS), "books")


def appliance(rng: np.random.Generator) -> Piece:
    """A cabinet's shape in white or steel: a refrigerator, an oven."""
    return _case(rng, "appliance", pick(rng, WHITES), "plain")


def lamp(rng: np.random.Generator) -> Piece:
    """A stand and a shade."""
    high = between(rng, 1.3, 1.7)
    stand = Solid("cylinder", "lamp", (0, 0, high / 2), (0.03, 0.03, high / 2), (0.25, 0.25, 0.25))
    shade = Solid("cylinder", "lamp", (0, 0, high), (0.2, 0.2, 0.14), SHADE)
    return Piece((stand, shade), 0.4, 0.4)


def plant(rng: np.random.Generator) -> Piece:
    """A pot with leaves in the shape of a ball."""
    size = between(rng, 0.2, 0.34)
    pot = Solid("cylinder", "plant", (0, 0, 0.2), (0.16, 0.16, 0.2), pick(rng, FABRICS))
    leaves = Solid(
        "ellipsoid", "plant", (0, 0, 0.4 + size), (size, size, 1.2 * size), GREEN,
        "checks", (0.10, 0.28, 0.10), 0.06,
    )  # fmt: skip
    return Piece((pot, leaves), 2 * size, 2 * size)


def rug(rng: np.random.Generator) -> Piece:
    """A patterned cloth of two millimetres, which depth cannot tell from the floor."""
    wide, deep = between(rng, 1.4, 2.2), between(rng, 1.0, 1.6)
    solid = Solid(
        "box", "rug", (0, 0, 0.001), (wide / 2, deep / 2, 0.001), pick(rng, FABRICS),
        "stripes", pick(rng, FABRICS), 0.15,
    )  # fmt: skip
    return Piece((solid,), wide, deep, flat=True)


def picture(rng: np.random.Generator) -> Piece:
    """A canvas of two millimetres at the height of the eyes."""
    wide, high = between(rng, 0.5, 1.1), between(rng, 0.4, 0.7)
    solid = Solid(
        "box", "picture", (0, 0, between(rng, 1.65, 1.8)), (wide / 2, 0.001, high / 2),
        pick(rng, FABRICS), "checks", pick(rng, FABRICS), 0.25,
    )  # fmt: skip
    return Piece((solid,), wide, 0.002, flat=True)


def _case(rng: np.random.Generator, label: str, colour: Colour, pattern: Pattern) -> Piece:
    wide, deep = between(rng, 0.6, 1.2), between(rng, 0.45, 0.6)
    high = between(rng, 0.85, 2.0)
    body = _box(label, (0, 0.01, high / 2), (wide / 2, deep / 2 - 0.01, high / 2), colour)
    dark = (0.5 * colour[0], 0.5 * colour[1], 0.5 * colour[2])
    front = Solid(
        "box", label, (0, 0.01 - deep / 2, high / 2), (wide / 2 - 0.04, 0.01, high / 2 - 0.04),
        colour, pattern, dark, 0.07,
    )  # fmt: skip
    return Piece((body, front), wide, deep)


def _legged(label: str, wide: float, deep: float, high: float, colour: Colour) -> list[Solid]:
    x, y, leg = wide / 2 - 0.04, deep / 2 - 0.04, high / 2
    return [
        _box(label, (0, 0, high - 0.025), (wide / 2, deep / 2, 0.025), colour),
        *(
            _box(label, (a * x, b * y, leg), (0.03, 0.03, leg), colour)
            for a in (-1, 1)
            for b in (-1, 1)
        ),
    ]


def _box(
    label: str,
    centre: Vector,
    half: Vector,
    colour: Colour,
    stripe: Colour | None = None,
) -> Solid:
    if stripe is None:
        return Solid("box", label, centre, half, colour)
    return Solid("box", label, centre, half, colour, "stripes", stripe)


def _stripe(rng: np.random.Generator) -> Colour | None:
    """The second colour of a cloth, if it has one."""
    return pick(rng, FABRICS) if rng.random() < 0.4 else None
