"""What a colour camera and a depth sensor, both imperfect, make of a scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fdsweep.trainers.rooms.caster import Floats, Hits, cast, dot, shaded
from fdsweep.trainers.rooms.furniture import LABELS, Pattern
from fdsweep.trainers.rooms.scene import Scene, furnish, stream

HEIGHT, WIDTH = 48, 64
HALF_WIDTH = 0.8
"""Of the picture at a distance of 1: a field of view of 77 degrees."""

AMBIENT, DIRECT = 0.4, 1.0
RGB_NOISE, NORMAL_NOISE = 0.06, 0.15
"""Half-widths of triangular noise, of values to 1."""

DISPARITY = 348.0
"""Metres times steps: 0.075 m between projector and camera, 580 pixels of focal length, steps of
1/8 pixel, about those of the first Kinect. Depth z is known to z^2 / DISPARITY."""

GRAZING, STEP, DROPPED = 0.12, 0.15, 0.01
"""No depth where the cosine between surface and ray is below the first, behind an edge to the left
of this many metres, or at random."""


@dataclass(frozen=True, slots=True)
class View:
    """A room as seen, with what is true of it.

    Attributes:
        kind: of room, index in KINDS.
        rgb: [H, W, 3] uint8.
        depth: [H, W] uint16, millimetres along the camera's axis, 0 where there is no reading.
        normals: [H, W, 3] int8, to the right, up and to the camera, of length 127 but for noise;
            0 where there is no depth.
        labels: [H, W] uint8, index in LABELS.
    """

    kind: int
    rgb: NDArray[np.uint8]
    depth: NDArray[np.uint16]
    normals: NDArray[np.int8]
    labels: NDArray[np.uint8]


def render(number: int, height: int = HEIGHT, width: int = WIDTH) -> View:
    """Room `number`, furnished and seen; other sizes are other pictures of the same room."""
    rng = stream(number)
    scene = furnish(number, rng)
    axes = camera(scene)
    rays = directions(axes, height, width)
    eye = np.array(scene.eye)[:, None]
    hits = cast(scene.solids, eye, rays)
    labels = label(scene, hits)
    lit = shade(scene, hits, eye + rays * hits.t, colours(scene, hits, labels))
    seen = np.sqrt(np.clip(lit * (0.5 + 0.6 * rng.random()), 0, 1))
    seen = seen + RGB_NOISE * _noise(rng, seen.shape)
    facing = -dot(hits.normal, rays) / np.sqrt(dot(rays, rays))
    depth = measure(hits.t.reshape(height, width))
    gone = holes(hits.t.reshape(height, width), facing.reshape(height, width))
    gone |= rng.random((height, width)) < DROPPED
    right, up, forward = axes
    normal = np.stack([dot(axis[:, None], hits.normal) for axis in (right, up, -forward)])
    normal = np.clip(normal + NORMAL_NOISE * _noise(rng, normal.shape), -1, 1)
    normals = np.rint(127 * normal.T.reshape(height, width, 3)).astype(np.int8)
    return View(
        kind=scene.kind,
        rgb=np.rint(255 * np.clip(seen.T.reshape(height, width, 3), 0, 1)).astype(np.uint8),
        depth=np.where(gone, 0, depth).astype(np.uint16),
        normals=np.where(gone[..., None], 0, normals).astype(np.int8),
        labels=labels.reshape(height, width),
    )


def camera(scene: Scene) -> tuple[Floats, Floats, Floats]:
    """Unit vectors [3] to the right, up and forward of the scene's camera, which is held level."""
    ahead = np.array(scene.target) - np.array(scene.eye)
    forward = ahead / np.sqrt(dot(ahead, ahead))
    x, y, z = forward
    flat = np.sqrt(x * x + y * y)
    right = np.array([y, -x, 0 * x]) / flat
    up = np.array([-x * z, -y * z, x * x + y * y]) / flat
    return right, up, forward


def directions(axes: tuple[Floats, Floats, Floats], height: int, width: int) -> Floats:
    """Rays [3, height * width], row by row from the top left, 1 long along the camera's axis.

    So a hit's t is its depth.
    """
    right, up, forward = (axis[:, None, None] for axis in axes)
    across = ((np.arange(width) + 0.5) * 2 / width - 1) * HALF_WIDTH
    down = ((np.arange(height) + 0.5) * 2 / height - 1) * (HALF_WIDTH * height / width)
    rays: Floats = forward + right * across - up * down[:, None]
    return rays.reshape(3, -1)


def label(scene: Scene, hits: Hits) -> NDArray[np.uint8]:
    """Labels [N]: the solid's, and which side of the room is hit."""
    own = np.array([LABELS.index(solid.label) for solid in scene.solids], np.uint8)
    found = own[hits.solid]
    of_room = hits.solid == 0
    found[of_room & (hits.normal[2] > 0.5)] = LABELS.index("floor")
    found[of_room & (hits.normal[2] < -0.5)] = LABELS.index("ceiling")
    return found


def colours(scene: Scene, hits: Hits, labels: NDArray[np.uint8]) -> Floats:
    """Share of light [3, N] that the surfaces give back: patterns along the solids' axes."""
    colour = np.array([solid.colour for solid in scene.solids]).T[:, hits.solid]
    for number, solid in enumerate(scene.solids):
        if solid.pattern != "plain":
            here = hits.solid == number
            mix = _pattern(solid.pattern, hits.local[:, here] / solid.cell)
            colour[:, here] += mix * (np.array(solid.other) - np.array(solid.colour))[:, None]
    own, pattern, other = scene.floor
    floor, ceiling = (labels == LABELS.index(name) for name in ("floor", "ceiling"))
    mix = _pattern(pattern, hits.local[:2, floor] / 0.3)
    colour[:, floor] = np.array(own)[:, None] + mix * (np.array(other) - np.array(own))[:, None]
    colour[:, ceiling] = 0.85
    return colour


def shade(scene: Scene, hits: Hits, point: Floats, colour: Floats) -> Floats:
    """Light [3, N] from `point` [3, N]: ambient, and the lamp's where it is seen."""
    light = np.array(scene.light)
    way = light[:, None] - point
    far = dot(way, way)
    cosine = np.maximum(dot(hits.normal, way) / np.sqrt(far), 0)
    dark = shaded(scene.solids[1:], point, light)
    lamp = np.where(dark, 0, DIRECT * cosine * 5 / (3 + far))
    lit: Floats = colour * (AMBIENT + lamp * np.array(scene.tint)[:, None])
    return lit


def measure(depth: Floats) -> Floats:
    """Depth in millimetres, rounded, of depth in metres whose inverse comes in whole steps."""
    millimetres: Floats = np.rint(1000 * DISPARITY / np.rint(DISPARITY / depth))
    return millimetres


def holes(depth: Floats, facing: Floats) -> NDArray[np.bool_]:
    """Where a sensor [H, W] whose projector stands to the left of its camera sees no pattern."""
    behind = np.zeros(depth.shape, bool)
    behind[:, 1:] = depth[:, 1:] - depth[:, :-1] > STEP
    gone: NDArray[np.bool_] = behind | (facing < GRAZING)
    return gone


def _pattern(pattern: Pattern, cells: Floats) -> Floats:
    """How much [N] of the second colour there is at places [2 or 3, N] in cells."""
    index = np.floor(cells)
    share: Floats
    if pattern == "plain":
        share = np.zeros(cells.shape[1])
    elif pattern == "stripes":
        share = index[0] % 2
    elif pattern == "checks":
        share = index.sum(axis=0) % 2
    else:  # books of seven shades, four cells high
        share = (index[0] * 37 + np.floor(cells[-1] / 4) * 17) % 7 / 3 - 0.7
    return share


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Triangular, from -1 to 1: a normal law needs logarithms, which processors round apart."""
    return rng.random(shape) - rng.random(shape)
