"""What stands in a room, and where."""

from collections import Counter

import numpy as np
import pytest

from fdsweep.trainers.rooms.furniture import Solid
from fdsweep.trainers.rooms.scene import KINDS, Scene, furnish, stream


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [furnish(number, stream(number)) for number in range(100)]


def contains(solid: Solid, point: tuple[float, float, float], margin: float = 0.0) -> bool:
    """Whether `point` lies within the box around `solid` along its own axes."""
    (c, s), moved = solid.turn, np.subtract(point, solid.centre)
    own = np.array([c * moved[0] + s * moved[1], c * moved[1] - s * moved[0], moved[2]])
    return bool((abs(own) <= np.array(solid.half) + margin).all())


def test_furniture_decides_the_kind(scenes):
    """The plates of tables, beds and the fronts of cases, counted in each room."""
    for number, scene in enumerate(scenes):
        assert scene.kind == number % 5
        labels = Counter(solid.label for solid in scene.solids)
        books = sum(solid.pattern == "books" for solid in scene.solids)
        kind = KINDS[scene.kind]
        assert (labels["bed"] > 0) == (kind == "bedroom")
        if kind == "living room":
            assert any(x.label == "seat" and x.half[0] > 0.7 for x in scene.solids)
        if kind == "dining room":
            assert labels["table"] >= 5
            assert labels["seat"] >= 2 * 6
        if kind == "kitchen":
            assert labels["appliance"] >= 2 * 2
        if kind == "study":
            assert books >= 2


def test_the_camera_and_the_lamp_stand_free_inside_the_room(scenes):
    for scene in scenes:
        room, *others = scene.solids
        assert contains(room, scene.eye, margin=-0.1)
        assert contains(room, scene.light, margin=-0.1)
        assert contains(room, scene.target)
        assert not any(contains(solid, scene.eye, margin=0.1) for solid in others)


def test_solids_stand_on_the_floor_within_the_walls(scenes):
    for scene in scenes:
        room, *others = scene.solids
        for solid in others:
            assert solid.centre[2] >= solid.half[2] - 1e-12
            assert contains(room, solid.centre)
            c, s = solid.turn
            assert c * c + s * s == pytest.approx(1)


def test_a_room_depends_on_its_number_alone(scenes):
    assert furnish(7, stream(7)) == scenes[7]
    assert scenes[7] != scenes[12]
