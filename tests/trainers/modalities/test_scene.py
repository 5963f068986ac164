"""Views of scenes: the same part of picture, depth and labels, against sums done by hand."""

import numpy as np
import pytest
import torch
from painted import draws

from fdsweep.trainers import modalities
from fdsweep.trainers.modalities import Extent, Payload
from fdsweep.trainers.modalities.arrays import CPU
from fdsweep.trainers.modalities.crops import MEAN, STD
from fdsweep.trainers.modalities.scene import places
from fdsweep.trainers.modalities.scene_depth import FARTHEST

IGNORE = 255
HEIGHT, WIDTH = 12, 16
MOST = (10, 14)


def view(name, value, drawn, most=MOST):
    kind = modalities.find(Payload(name, most))
    cells = [kind.encode(value)] * (1 if drawn is None else len(drawn))
    return kind.view(kind.decode(cells, drawn), drawn, CPU)


def drawn(scale, across=0.5, down=0.5, mirror=1.0):
    numbers = draws(1)
    numbers[0, :4] = torch.tensor([(scale - 0.5) / 1.5, across, down, mirror])
    return numbers


def labels():
    """Blocks of 4 x 4 pixels, one of them void."""
    block = np.add.outer(4 * (np.arange(HEIGHT) // 4), np.arange(WIDTH) // 4)
    return np.where(block == 5, IGNORE, block).astype(np.uint8)


def by_hand(values, numbers, bilinear, padding):
    """A view [h, w] of `values` [H, W]: pixel after pixel, with Python's numbers."""
    scale, across, down, mirror = (float(x) for x in numbers[:4])
    scale = 0.5 + 1.5 * scale
    found = np.empty(MOST)
    for y in range(MOST[0]):
        for x in range(MOST[1]):
            column = MOST[1] - 1 - x if mirror < 0.5 else x
            v = (y + 0.5 + down * (scale * HEIGHT - MOST[0])) / scale
            u = (column + 0.5 + across * (scale * WIDTH - MOST[1])) / scale
            if not (0 <= v <= HEIGHT and 0 <= u <= WIDTH):
                found[y, x] = padding
            elif bilinear:
                v, u = (min(max(p - 0.5, 0), n - 1) for p, n in ((v, HEIGHT), (u, WIDTH)))
                r, c = min(int(v), HEIGHT - 2), min(int(u), WIDTH - 2)
                rows = values[r : r + 2, c : c + 2].T @ [r + 1 - v, v - r]
                found[y, x] = rows @ [c + 1 - u, u - c]
            else:
                found[y, x] = values[min(int(v), HEIGHT - 1), min(int(u), WIDTH - 1)]
    return found


def test_a_training_view_is_that_done_by_hand():
    value = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    depth = np.random.default_rng(1).integers(1, 9000, (HEIGHT, WIDTH)).astype(np.uint16)
    numbers = draws(6, seed=3)
    assert len(set((numbers[:, 3] < 0.5).tolist())) == 2
    seen, far, known = (
        view(name, x, numbers).double().numpy()
        for name, x in [
            ("scene-picture", value),
            ("scene-depth", depth),
            ("scene-labels", labels()),
        ]
    )
    for i, own in enumerate(numbers):
        for channel in range(3):
            normal = (value[..., channel] / 255 - MEAN[channel]) / STD[channel]
            np.testing.assert_allclose(seen[i, channel], by_hand(normal, own, True, 0), atol=1e-4)
        normal = (depth - 2842.0) / 1417.0
        np.testing.assert_allclose(far[i, 0], by_hand(normal, own, True, 0), atol=1e-4)
        assert (known[i] == by_hand(labels(), own, False, IGNORE)).mean() > 0.99


@pytest.mark.parametrize("scale", [1.0, 1.7, 2.0])
@pytest.mark.parametrize("mirror", [0.0, 1.0])
def test_picture_and_depth_show_what_the_labels_say(scale, mirror):
    """The label is painted into both: but for blocks' edges it can be read in every view."""
    painted = np.repeat(labels()[..., None], 3, axis=-1)
    measured = 1000 + 10 * labels().astype(np.uint16)
    numbers = drawn(scale, 0.3, 0.9, mirror)
    seen = view("scene-picture", painted, numbers)[0]
    far = view("scene-depth", measured, numbers)[0]
    known = view("scene-labels", labels(), numbers)[0]
    around = known.float()[None].unfold(1, 3, 1).unfold(2, 3, 1)[0]
    inner = around.amin(dim=(-2, -1)) == around.amax(dim=(-2, -1))
    assert inner.float().mean() > 0.2
    for told in ((seen[0] * STD[0] + MEAN[0]) * 255, (far[0] * 1417 + 2842 - 1000) / 10):
        assert ((told - known)[1:-1, 1:-1][inner].abs() < 0.01).all()


def test_the_extremes_show_all_or_a_part():
    blank = np.zeros((HEIGHT, WIDTH), np.uint8)
    assert (view("scene-labels", blank, drawn(0.5)) == 0).sum() == 6 * 8
    assert (view("scene-labels", blank, drawn(2.0)) == 0).all()
    corner, mirrored = (
        view("scene-labels", labels(), drawn(2.0, 0, 0, mirror))[0] for mirror in (1.0, 0.0)
    )
    assert set(corner.flatten().tolist()) == {0, 1, 4, IGNORE}  # 5 x 7 pixels of the upper left
    assert torch.equal(mirrored, corner.flip(1))


def test_four_numbers_decide_and_every_place_is_possible():
    numbers = draws(3)
    other = torch.cat([numbers[:, :4], draws(3, seed=9)[:, 4:]], dim=1)
    for line, same in zip(places(12, 16, MOST, numbers), places(12, 16, MOST, other), strict=True):
        assert torch.equal(line, same)
    across, down = places(12, 16, MOST, draws(400))
    assert (across.shape, down.shape) == ((400, 14), (400, 10))
    for line in (across, down):
        assert line.min() < -1.5 < 1.5 < line.max()


def test_a_small_picture_gives_views_of_its_own_size():
    assert view("scene-labels", labels(), draws(1), most=(480, 640)).shape == (1, HEIGHT, WIDTH)


def test_the_evaluated_view_is_the_whole_picture():
    depth = np.full((HEIGHT, WIDTH), 2842 + 1417, np.uint16)
    depth[0, 0], depth[0, 1] = 0, 60000
    seen = view("scene-depth", depth, None)
    assert seen.shape == (1, 1, HEIGHT, WIDTH)
    assert seen[0, 0, 0, 0] == 0  # nothing was measured
    assert seen[0, 0, 0, 1] == pytest.approx((FARTHEST - 2842) / 1417)
    assert (seen[0, 0, 1:] == 1).all()
    known = view("scene-labels", labels(), None)
    assert known.dtype == torch.int64
    assert np.array_equal(known[0], labels())


def test_a_shard_all_of_whose_samples_were_damaged_is_no_trouble():
    kind = modalities.find(Payload("scene-labels", MOST))
    cells = [kind.encode(labels())] * 3
    extent = sum(map(kind.extent, cells), Extent())
    for shards in ([[], cells, []], [cells[:1], [], cells[1:]]):
        held = kind.hold(shards, 3, extent, threads=1)
        (batch,) = held.batches([torch.tensor([2, 0])])
        assert batch.shape == (2, HEIGHT, WIDTH)
        assert torch.equal(batch[0], torch.tensor(labels()).long())
