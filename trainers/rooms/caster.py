"""Rays against solids: the nearest hit, its normal, and whether a light is seen from there.

Every solid is the unit box, ball or cylinder of its own coordinates, which divide by its half
extents: a ray keeps its parameter t there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fdsweep.trainers.rooms.furniture import Solid

Floats = NDArray[np.float64]

NEAR = 1e-4
"""Metres before which a ray hits nothing, so that no surface shades itself."""


@dataclass(frozen=True, slots=True)
class Hits:
    """What N rays hit first.

    Attributes:
        t: [N], in lengths of the ray's direction; infinity where nothing is hit.
        solid: [N], which of the solids, 0 where nothing is hit.
        normal: [3, N], of length 1, away from the solid (into the room for the room itself).
        local: [3, N], the point in metres along the solid's own axes.
    """

    t: Floats
    solid: NDArray[np.intp]
    normal: Floats
    local: Floats


def cast(solids: Sequence[Solid], origin: Floats, direction: Floats) -> Hits:
    """The nearest hit of rays from `origin` [3, 1 or N] along `direction` [3, N].

    The first solid is the room, a box seen from inside; the others are seen from outside.
    """
    inner = [_local(solid, origin, direction) for solid in solids]
    t = np.stack([
        _leave(*inner[0]),
        *(_enter(solid.form, *ray) for solid, ray in zip(solids[1:], inner[1:], strict=True)),
    ])  # fmt: skip
    nearest = t.argmin(axis=0)
    first = t.min(axis=0)
    normal, local = np.zeros_like(direction), np.zeros_like(direction)
    for number in np.unique(nearest):
        solid, rays = solids[number], nearest == number
        start, step = inner[number]
        point = (start if start.shape[1] == 1 else start[:, rays]) + step[:, rays] * first[rays]
        half = np.array(solid.half)[:, None]
        outward = _outward(solid.form, point) / half
        local[:, rays] = point * half
        normal[:, rays] = _unit(_turned(outward, *solid.turn)) * (-1 if number == 0 else 1)
    return Hits(first, nearest, normal, local)


def shaded(solids: Sequence[Solid], point: Floats, light: Floats) -> NDArray[np.bool_]:
    """Whether one of `solids` stands between each `point` [3, N] and `light` [3]."""
    direction = light[:, None] - point
    dark = np.zeros(point.shape[1], bool)
    for solid in solids:
        dark |= _enter(solid.form, *_local(solid, point, direction)) < 1
    return dark


def dot(a: Floats, b: Floats) -> Floats:
    """Products [N] of vectors [3, N], always added up in the same order."""
    product: Floats = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return product


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / np.sqrt(dot(vectors, vectors))
    return unit


def _turned(vectors: Floats, c: float, s: float) -> Floats:
    x, y, z = vectors
    return np.stack([c * x - s * y, s * x + c * y, z])


def _local(solid: Solid, origin: Floats, direction: Floats) -> tuple[Floats, Floats]:
    """The ray in coordinates where `solid` reaches from -1 to 1 along each axis."""
    c, s = solid.turn
    half = np.array(solid.half)[:, None]
    moved = origin - np.array(solid.centre)[:, None]
    step = _turned(direction, c, -s) / half
    return _turned(moved, c, -s) / half, np.where(np.abs(step) < 1e-12, 1e-12, step)


def _slabs(start: Floats, step: Floats) -> tuple[Floats, Floats]:
    """Where rays enter the last and leave the first of the slabs from -1 to 1."""
    one, other = (-1 - start) / step, (1 - start) / step
    return np.minimum(one, other).max(axis=0), np.maximum(one, other).min(axis=0)


def _ball(start: Floats, step: Floats) -> tuple[Floats, Floats]:
    """Where rays enter and leave the unit ball of as many axes as they have; never if they miss."""
    a = (step * step).sum(axis=0)
    b = (start * step).sum(axis=0)
    c = (start * start).sum(axis=0) - 1
    inside = b * b - a * c
    root = np.sqrt(np.maximum(inside, 0))
    far = np.where(inside > 0, (root - b) / a, -np.inf)
    return (-root - b) / a, far


def _enter(form: str, start: Floats, step: Floats) -> Floats:
    """t [N] of the first hit from outside, infinity for none."""
    near, far = (_ball if form == "ellipsoid" else _slabs)(start, step)
    if form == "cylinder":
        round_near, round_far = _ball(start[:2], step[:2])
        flat_near, flat_far = _slabs(start[2:], step[2:])
        near, far = np.maximum(round_near, flat_near), np.minimum(round_far, flat_far)
    hit: Floats = np.where((near < far) & (near > NEAR), near, np.inf)
    return hit


def _leave(start: Floats, step: Floats) -> Floats:
    return _slabs(start, step)[1]


def _outward(form: str, point: Floats) -> Floats:
    """A vector away from the unit solid at `point` [3, N] of its surface, of any length."""
    if form == "ellipsoid":
        return point
    if form == "cylinder":
        side = dot(point, point) - point[2] * point[2]
        on_cap = np.abs(point[2]) > np.sqrt(side)
        return np.where(on_cap, np.stack([0 * side, 0 * side, point[2]]),
                        np.stack([point[0], point[1], 0 * side]))  # fmt: skip
    size = np.abs(point)
    face = np.arange(3)[:, None] == size.argmax(axis=0)
    outward: Floats = np.where(face, np.sign(point), 0.0)
    return outward
