"""A furnished room, drawn from its number: what stands where, the light, and the camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fdsweep.trainers import rng as streams
from fdsweep.trainers.rooms import furniture
from fdsweep.trainers.rooms.furniture import (
    Colour,
    Maker,
    Pattern,
    Piece,
    Solid,
    Vector,
    between,
    pick,
)

KINDS = ("bedroom", "living room", "dining room", "kitchen", "study")
SEED = 0
Place = tuple[float, float, tuple[float, float]]
"""Of a piece's foot: x, y, and how it is turned."""

Foot = tuple[float, float, float, float]
"""A rectangle on the floor: x from and to, y from and to."""

TRIES = 25
"""Places tried for a piece before it is left out."""

DECIDING: Sequence[tuple[Sequence[Maker], Sequence[Maker]]] = (
    ((furniture.bed,), ()),
    ((furniture.sofa,), ()),
    ((), (furniture.dining_set,)),
    ((furniture.appliance, furniture.appliance, furniture.cabinet), ()),
    ((furniture.bookcase, furniture.bookcase, furniture.cabinet), ()),
)
"""What makes a kind of room what it is: against its walls, and in its middle."""

ANYWHERE: Sequence[tuple[Maker, float]] = (
    *((furniture.cabinet, 0.3), (furniture.lamp, 0.5), (furniture.plant, 0.5)),
    *((furniture.chair, 0.5), (furniture.table, 0.3), (furniture.appliance, 0.1)),
    *((furniture.bookcase, 0.1), (furniture.picture, 0.5), (furniture.picture, 0.5)),
)
MIDDLE: Sequence[tuple[Maker, float]] = (
    *((furniture.rug, 0.6), (furniture.low_table, 0.4), (furniture.chair, 0.4)),
)
"""Furniture of any room, and how likely it has it."""

WALLS: Sequence[Colour] = (
    *((0.80, 0.78, 0.72), (0.70, 0.76, 0.80), (0.78, 0.70, 0.62), (0.68, 0.74, 0.66)),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """A room as the first of `solids` and what stands in it, in metres; z points up.

    Attributes:
        kind: index in KINDS.
        floor: colour, pattern and second colour of the floor; the walls have the room's.
        light: where the lamp at the ceiling is.
        tint: its colour.
        eye: where the camera is.
        target: the point in the middle of its picture.
    """

    kind: int
    solids: tuple[Solid, ...]
    floor: tuple[Colour, Pattern, Colour]
    light: Vector
    tint: Colour
    eye: Vector
    target: Vector


def furnish(number: int, rng: np.random.Generator) -> Scene:
    """The room `number`: its kind goes round with the number, the rest is drawn from `rng`."""
    kind = number % len(KINDS)
    wide, deep, high = between(rng, 3.2, 4.8), between(rng, 3.6, 5.0), between(rng, 2.3, 2.7)
    room = Solid(
        "box", "wall", (0, deep / 2, high / 2), (wide / 2, deep / 2, high / 2), pick(rng, WALLS)
    )
    walls, middle = DECIDING[kind]
    pieces = [(make(rng), True) for make in walls] + [(make(rng), False) for make in middle]
    pieces += [(make(rng), True) for make, likely in ANYWHERE if rng.random() < likely]
    pieces += [(make(rng), False) for make, likely in MIDDLE if rng.random() < likely]
    floors: Sequence[Pattern] = ("plain", "stripes", "checks")
    colour = pick(rng, (*furniture.WOODS, *WALLS))
    darker = (0.8 * colour[0], 0.8 * colour[1], 0.8 * colour[2])
    warm = between(rng, -0.12, 0.12)
    return Scene(
        kind=kind,
        solids=(room, *_arranged(rng, pieces, wide, deep)),
        floor=(colour, floors[int(rng.integers(len(floors)))], darker),
        light=(wide * between(rng, -0.3, 0.3), deep * between(rng, 0.3, 0.7), high - 0.25),
        tint=(1 + warm, 1.0, 1 - warm),
        eye=(between(rng, -0.9, 0.9), 0.2, between(rng, 1.3, 1.8)),
        target=(between(rng, -0.4, 0.4), 0.7 * deep, between(rng, 0.6, 0.9)),
    )


def stream(number: int) -> np.random.Generator:
    """The random numbers of room `number`, which no other room's can shift."""
    return np.random.default_rng(streams.derive(SEED, "rooms", number))


def _arranged(
    rng: np.random.Generator, pieces: Sequence[tuple[Piece, bool]], wide: float, deep: float
) -> list[Solid]:
    """The solids of `pieces`, which stand against a wall or not, where they do not overlap."""
    taken: list[Foot] = []
    solids: list[Solid] = []
    for piece, at_wall in pieces:
        for _ in range(TRIES):
            x, y, turn = (_at_wall if at_wall else _inside)(rng, piece, wide, deep)
            a, b = _reach(piece, turn)
            foot = (x - a, x + a, y - b, y + b)
            if piece.flat or not any(_overlap(foot, other) for other in taken):
                taken += [] if piece.flat else [foot]
                solids += [solid.moved(x, y, turn) for solid in piece.solids]
                break
    return solids


def _at_wall(rng: np.random.Generator, piece: Piece, wide: float, deep: float) -> Place:
    """Its back to the far, left or right wall, a hand's breadth or nothing away from it."""
    gap = piece.deep / 2 + (0.0 if piece.flat else between(rng, 0.0, 0.1))
    side = int(rng.integers(3))
    if side == 0:
        free = (wide - piece.wide) / 2
        return between(rng, -free, free), deep - gap, (1.0, 0.0)
    sign = 2 * side - 3
    along = between(rng, 1.3 + piece.wide / 2, max(deep - piece.wide / 2, 1.4 + piece.wide / 2))
    return sign * (wide / 2 - gap), along, (0.0, -1.0 * sign)


def _inside(rng: np.random.Generator, piece: Piece, wide: float, deep: float) -> Place:
    """Anywhere but near the camera, turned by up to 50 degrees either way."""
    t = between(rng, -0.47, 0.47)
    turn = ((1 - t * t) / (1 + t * t), 2 * t / (1 + t * t))
    a, b = _reach(piece, turn)
    free = max(wide / 2 - a, 0.01)
    return between(rng, -free, free), between(rng, 1.3 + b, max(deep - b, 1.4 + b)), turn


def _reach(piece: Piece, turn: tuple[float, float]) -> tuple[float, float]:
    """Half the width and depth of the foot along the room's axes."""
    c, s = abs(turn[0]) / 2, abs(turn[1]) / 2
    return c * piece.wide + s * piece.deep, s * piece.wide + c * piece.deep


def _overlap(one: Foot, other: Foot) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]
