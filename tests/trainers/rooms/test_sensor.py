"""What the sensors do to a scene, and that they always do the same."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from fdsweep.trainers.rooms import KINDS, LABELS, VERSION, View, render, sensor
from fdsweep.trainers.rooms.scene import furnish, stream


@pytest.fixture(scope="module")
def views() -> list[View]:
    return [render(number) for number in range(10)]


def digest(views: list[View]) -> str:
    parts = [x.tobytes() for v in views for x in (v.rgb, v.depth, v.normals, v.labels)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_a_room_is_the_same_bytes_again_in_any_order_on_any_threads(views):
    threads = torch.get_num_threads()
    for count, order in ((1, range(4)), (2, reversed(range(4)))):
        torch.set_num_threads(count)
        again = {number: render(number) for number in order}
        assert digest([again[number] for number in range(4)]) == digest(views[:4])
    torch.set_num_threads(threads)
    assert digest(views[:1]) != digest(views[1:2])


def test_the_bytes_are_those_of_the_version(views):
    """What names results is the version, so other bytes under it would pass for the same data.

    Where they are meant, or numpy draws otherwise, raise VERSION with this.
    """
    known = {1: "e00cff1138a11b8e1af93ef8ceaec60a13360c8fc9a414d3a04258443c0ee3e6"}
    assert digest(views[:4]) == known[VERSION]


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "2"])
def test_another_process_renders_the_same_bytes(views, threads):
    script = (
        "import hashlib; from fdsweep.trainers.rooms import render; "
        "vs = [render(n) for n in range(4)]; "
        "parts = [x.tobytes() for v in vs for x in (v.rgb, v.depth, v.normals, v.labels)]; "
        "print(hashlib.sha256(b''.join(parts)).hexdigest())"
    )
    variables = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
    told = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), **variables},
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert told.strip() == digest(views[:4])


def test_what_a_view_holds(views):
    for number, view in enumerate(views):
        assert view.kind == number % len(KINDS)
        assert (view.rgb.shape, view.rgb.dtype) == ((48, 64, 3), np.uint8)
        assert (view.depth.shape, view.depth.dtype) == ((48, 64), np.uint16)
        assert (view.normals.shape, view.normals.dtype) == ((48, 64, 3), np.int8)
        assert (view.labels.shape, view.labels.dtype) == ((48, 64), np.uint8)
        seen = view.depth > 0
        assert 0.7 < seen.mean() < 1
        assert (view.normals[~seen] == 0).all()
        length = np.linalg.norm(view.normals[seen] / 127, axis=1)
        assert abs(length.mean() - 1) < 0.1
    found = set(np.unique([view.labels for view in views]))
    assert {LABELS[i] for i in found} >= {"floor", "wall", "table", "seat", "bed", "cabinet"}


def test_a_size_changes_the_picture_and_not_the_room(views):
    small = render(2, 24, 32)
    assert small.labels.shape == (24, 32)
    shares = [
        np.bincount(v.labels.ravel(), minlength=12) / v.labels.size for v in (small, views[2])
    ]
    assert abs(shares[0] - shares[1]).max() < 0.02


def test_the_camera_is_level_and_looks_at_its_target():
    scene = furnish(3, stream(3))
    right, up, forward = axes = sensor.camera(scene)
    assert_allclose(np.stack(axes) @ np.stack(axes).T, np.eye(3), atol=1e-12)
    assert_allclose(np.cross(right, forward), up, atol=1e-12)
    assert right[2] == 0
    assert up[2] > 0
    rays = sensor.directions(axes, 3, 3)
    ahead = np.array(scene.target) - np.array(scene.eye)
    assert_allclose(rays[:, 4], ahead / np.linalg.norm(ahead))
    assert_allclose(forward @ rays, 1)
    assert rays[2, 1] > rays[2, 7]  # rows run down
    assert rays[:, 3] @ right < rays[:, 5] @ right  # columns run to the right


def test_depth_comes_in_steps_of_disparity():
    """At 348 / 100 = 3.48 m the next readings are 348 / 101 and 348 / 99."""
    depth = np.array([3.48, 3.49, 3.497, 3.499, 3.463, 3.462])
    assert sensor.measure(depth).tolist() == [3480, 3480, 3480, 3515, 3480, 3446]
    far, near = np.arange(4, 5, 0.001), np.arange(1, 2, 0.001)
    steps = [np.diff(np.unique(sensor.measure(x))).mean() for x in (far, near)]
    assert steps[0] == pytest.approx(4.5**2 / 0.348, rel=0.05)
    assert steps[1] == pytest.approx(1.5**2 / 0.348, rel=0.25)


def test_depth_is_lost_behind_an_edge_to_the_left_and_at_grazing_surfaces():
    depth = np.array([[2.0, 2.1, 3.0, 3.0, 2.0, 2.0]])
    facing = np.array([[0.9, 0.9, 0.9, 0.9, 0.9, 0.1]])
    lost = [False, False, True, False, False, True]
    assert sensor.holes(depth, facing).tolist() == [lost]


def test_edges_of_depth_are_edges_of_labels_or_of_one_piece(views):
    """A step of 60 cm within a label is between two pieces of it, which is rare.

    Within walls, floor and ceiling, which are convex together, depth has no such step.
    """
    room = [LABELS.index(name) for name in ("floor", "wall", "ceiling", "rug", "picture")]
    steps = inside = 0
    for view in views:
        depth, labels = view.depth.astype(float), view.labels
        a, b = depth[:, :-1], depth[:, 1:]
        step = (a > 0) & (b > 0) & (abs(a - b) > 600)
        left, right = labels[:, :-1][step], labels[:, 1:][step]
        assert not (np.isin(left, room) & np.isin(right, room)).any()
        steps += step.sum()
        inside += (left == right).sum()
    assert steps > 20
    assert inside < 0.1 * steps


def test_rugs_and_pictures_are_known_by_colour_alone(views):
    """Flat on floor or wall: normals there are those beside them, colours are not."""
    rug, floor = (LABELS.index(name) for name in ("rug", "floor"))
    with_rug = [v for v in views if (v.labels == rug).sum() > 40]
    assert with_rug
    contrast = []
    for view in with_rug:
        on, off = view.labels == rug, view.labels == floor
        seen = view.depth > 0
        normals = [view.normals[part & seen].mean(axis=0) / 127 for part in (on, off)]
        assert abs(normals[0] - normals[1]).max() < 0.03
        contrast.append(abs(view.rgb[on].mean(axis=0) - view.rgb[off].mean(axis=0)).max())
    assert np.mean(contrast) > 15
