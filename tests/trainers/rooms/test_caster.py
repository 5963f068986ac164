"""The ray caster against geometry done by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fdsweep.trainers.rooms.caster import cast, shaded
from fdsweep.trainers.rooms.furniture import Solid

GREY = (0.5, 0.5, 0.5)
ROOM = Solid("box", "wall", (0, 0, 0), (10, 10, 10), GREY)
QUARTER = (0.0, 1.0)


def column(*vectors: tuple[float, float, float]) -> np.ndarray:
    """Vectors [3, N]."""
    return np.array(vectors, float).T


def hit(solid: Solid, origin: tuple[float, float, float], direction: tuple[float, float, float]):
    """Distance and normal of one ray against a solid in a room of 20 metres."""
    hits = cast([ROOM, solid], column(origin), column(direction))
    return hits.solid[0], hits.t[0], hits.normal[:, 0]


def test_a_room_is_seen_from_inside():
    hits = cast([ROOM], column((1, 2, 3)), column((1, 0, 0), (0, 0, -2), (0, 1, 0.1)))
    assert_allclose(hits.t, [9, 6.5, 8])
    assert_allclose(hits.normal, column((-1, 0, 0), (0, 0, 1), (0, -1, 0)))
    assert_allclose(hits.local[:, 2], [1, 10, 3.8])


def test_a_ball_is_hit_where_the_quadratic_equation_says():
    ball = Solid("ellipsoid", "plant", (4, 0, 0), (1, 1, 1), GREY)
    solid, t, normal = hit(ball, (0, 0, 0.5), (1, 0, 0))
    assert solid == 1
    assert t == pytest.approx(4 - 0.75**0.5)
    assert_allclose(normal, [-(0.75**0.5), 0, 0.5], atol=1e-9)
    assert hit(ball, (0, 0, 1.01), (1, 0, 0))[0] == 0


def test_an_ellipsoids_normal_is_the_gradient_of_its_equation():
    pillow = Solid("ellipsoid", "bed", (0, 0, 0), (2, 1, 0.5), GREY)
    _, t, normal = hit(pillow, (1.2, 0, 5), (0, 0, -1))
    z = 0.5 * (1 - 0.6**2) ** 0.5
    assert t == pytest.approx(5 - z)
    gradient = np.array([1.2 / 4, 0, z / 0.25])
    assert_allclose(normal, gradient / np.linalg.norm(gradient), atol=1e-9)


def test_a_turned_box_shows_its_edge():
    """A square turned by 45 degrees, half as wide as 1, reaches the square root of 2."""
    half = 0.5**0.5
    box = Solid("box", "cabinet", (5, 0, 0), (1, 1, 1), GREY, turn=(half, half))
    _, t, normal = hit(box, (0, 0.2, 0), (1, 0, 0))
    assert t == pytest.approx(5 - 2**0.5 + 0.2)
    assert_allclose(normal, [-half, half, 0], atol=1e-12)
    assert hit(box, (0, 1.42, 0), (1, 0, 0))[0] == 0


def test_a_cylinder_has_a_side_and_a_top():
    pot = Solid("cylinder", "plant", (3, 0, 0), (0.5, 0.5, 1), GREY)
    _, t, normal = hit(pot, (0, 0.3, 0.9), (1, 0, 0))
    assert t == pytest.approx(3 - 0.4)
    assert_allclose(normal, [-0.8, 0.6, 0], atol=1e-12)
    _, t, normal = hit(pot, (3.1, 0.2, 4), (0, 0, -1))
    assert t == pytest.approx(3)
    assert_allclose(normal, [0, 0, 1])
    assert hit(pot, (0, 0, 1.1), (1, 0, 0))[0] == 0


def test_the_nearer_of_two_solids_hides_the_other():
    boxes = [Solid("box", "table", (x, 0, 0), (0.5, 1, 1), GREY) for x in (6, 3)]
    hits = cast([ROOM, *boxes], column((0, 0, 0)), column((1, 0, 0)))
    assert (hits.solid[0], hits.t[0]) == (2, 2.5)


def test_a_piece_turns_about_its_foot():
    leg = Solid("box", "table", (1, 0, 0.5), (0.4, 0.2, 0.5), GREY)
    moved = leg.moved(3, 4, QUARTER)
    assert moved.centre == (3, 5, 0.5)
    assert moved.turn == QUARTER
    _, t, _ = hit(moved, (3, 0, 0.5), (0, 1, 0))
    assert t == pytest.approx(4.6)  # its length of 0.4 now lies along y


def test_a_box_under_a_lamp_casts_the_shadow_of_similar_triangles():
    """A lamp at 3 m, a square of half 0.5 m whose top is at 1 m: 0.75 m on the floor."""
    box = Solid("box", "table", (0, 0, 0.95), (0.5, 0.5, 0.05), GREY)
    x = np.array([0.0, 0.6, 0.74, 0.76, 1.0])
    floor = np.stack([x, 0 * x, 0 * x])
    assert shaded([box], floor, np.array([0.0, 0, 3])).tolist() == [True, True, True, False, False]
    on_top = column((0.2, 0.1, 1.0))
    assert not shaded([box], on_top, np.array([0.0, 0, 3]))[0]  # nothing shades itself
    above = column((0, 0, 2.9))
    assert not shaded([box], above, np.array([0.0, 0, 3]))[0]  # nor what is nearer to the lamp
    assert not shaded([box], floor, np.array([0.0, 0, 0.5])).any()  # a box behind the lamp
