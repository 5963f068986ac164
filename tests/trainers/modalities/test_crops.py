"""Views of pictures against torch's own slicing and resizing, and Pillow's."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from painted import draws, gradient, raw
from PIL import Image
from torch.testing import assert_close

from fdsweep.trainers.modalities.crops import (
    ATTEMPTS,
    SIZE,
    _box,
    _cut_each,
    _cut_together,
    crop,
    whole,
)
from fdsweep.trainers.modalities.picture import STORED

Cut = Callable[..., torch.Tensor]


def test_the_whole_picture_is_resized_as_pillow_does() -> None:
    picture = gradient()
    pil = Image.fromarray(picture.permute(1, 2, 0).numpy())
    expected = np.asarray(pil.resize((SIZE, SIZE), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert_close(raw(whole(picture[None]))[0], torch.tensor(expected).float(), rtol=0, atol=1.0)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("cut", [_cut_each, _cut_together])
def test_a_crop_is_its_box_cut_out_resized_and_flipped(cut: Cut, flip: bool) -> None:
    left, top, width, height = 0.25, 0.125, 0.5, 0.375  # whole pixels
    box = torch.tensor([[left, top]]), torch.tensor([[width, height]])
    found = raw(cut(gradient()[None], *box, torch.tensor([flip])))[0]
    middles = (torch.arange(SIZE) + 0.5) / SIZE
    across = ((left + middles * width) * STORED - 0.5) * 255 / (STORED - 1)
    down = ((top + middles * height) * STORED - 0.5) * 255 / (STORED - 1)
    inner = slice(3, -3)  # the edge of a box knows no pixels beyond it
    expected = across.flip(0) if flip else across
    assert_close(found[0, 7, inner], expected[inner], rtol=0, atol=1.0)
    assert_close(found[1, inner, 7], down[inner], rtol=0, atol=1.0)


def test_both_ways_to_cut_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, numbers, aspects = gradient().expand(8, -1, -1, -1), draws(8), torch.ones(8)
    each = crop(frames, aspects, numbers)
    monkeypatch.setattr("fdsweep.trainers.modalities.crops._cut_each", _cut_together)
    together = crop(frames, aspects, numbers)
    # boxes of whole pixels differ by up to half a pixel, a shade of 255 / 255
    assert_close(raw(each), raw(together), rtol=0, atol=2.0)


def test_boxes_are_those_of_random_resized_crop() -> None:
    """Areas are uniform between 8 % and 100 % where shapes fit, aspects within 3/4 to 4/3."""
    for aspect in (1.0, 4 / 3, 0.4):
        aspects = torch.full([4000], aspect)
        width, height = _box(aspects, draws(4000)[:, 1 : 1 + 2 * ATTEMPTS])
        assert bool(((width > 0) & (width <= 1) & (height > 0) & (height <= 1)).all())
        shape = width / height * aspects
        assert bool(((shape > 0.749) & (shape < 1.334)).all())
    width, height = _box(torch.ones(4000), draws(4000)[:, 1 : 1 + 2 * ATTEMPTS])
    area = width * height
    assert 0.08 <= float(area.min()) < 0.12
    assert 0.45 < float(area.mean()) < 0.55


def test_a_picture_no_box_fits_is_cut_in_the_middle_with_the_nearest_aspect() -> None:
    numbers = torch.full([1, 2 * ATTEMPTS], 1 - 1e-6)  # as large and as wide as it gets: too wide
    width, height = _box(torch.tensor([1.0]), numbers)
    assert_close((width, height), (torch.ones(1), torch.ones(1)))
    width, height = _box(torch.tensor([4.0]), torch.full([1, 2 * ATTEMPTS], 1 - 1e-6))
    assert_close(height, torch.ones(1))
    assert_close(width, torch.tensor([(4 / 3) / 4]))


def test_a_flip_is_as_likely_as_none() -> None:
    mirrored = F.pad(torch.zeros(1, 3, STORED, STORED // 2), (0, STORED // 2), value=255).byte()
    numbers = draws(200)
    numbers[:, 1 : 1 + 2 * ATTEMPTS] = 0.5
    seen = crop(mirrored.expand(200, -1, -1, -1), torch.ones(200), numbers)
    left_is_bright = seen[:, 0, :, 5].mean(1) > seen[:, 0, :, -5].mean(1)
    assert torch.equal(left_is_bright, numbers[:, -1] < 0.5)
