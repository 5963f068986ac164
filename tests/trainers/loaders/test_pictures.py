"""Views of pictures against torch's own slicing and resizing, and Pillow's."""

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch.testing import assert_close

from fdsweep.trainers.loaders import DRAWS, payloads
from fdsweep.trainers.loaders.pictures import (
    ATTEMPTS,
    MEAN,
    SIZE,
    STD,
    STORED,
    Pictures,
    _box,
    _cut_each,
    _cut_together,
    choose,
    crop,
    whole,
)

Cut = Callable[..., torch.Tensor]


def gradient(width: int = STORED, height: int = STORED) -> torch.Tensor:
    """A smooth picture [3, height, width]: red grows to the right, green downwards."""
    right = torch.linspace(0, 255, width).expand(height, width)
    down = torch.linspace(0, 255, height)[:, None].expand(height, width)
    return torch.stack([right, down, (right + down) / 2]).round().byte()


def raw(pictures: torch.Tensor) -> torch.Tensor:
    """Normalised pictures back to 0 to 255."""
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in (MEAN, STD))
    return (pictures * std + mean) * 255


def draws(rows: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(rows, DRAWS, generator=torch.Generator().manual_seed(seed))


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
    monkeypatch.setattr("fdsweep.trainers.loaders.pictures._cut_each", _cut_together)
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


def clips(counts: list[int]) -> Pictures:
    """Clips whose frames are grey, each of its own shade."""
    total = sum(counts)
    shades = torch.arange(total, dtype=torch.uint8) * 7
    starts = torch.tensor([0, *counts]).cumsum(0)
    frames = shades[:, None, None, None].expand(total, 3, STORED, STORED)
    return Pictures(frames=frames, aspects=torch.ones(total), starts=starts)


def test_the_middle_frame_is_evaluated_and_a_random_one_trained_on() -> None:
    inputs = clips([3, 1, 4])
    (evaluated,) = inputs.batches([torch.tensor([2, 0, 1])])
    assert_close(raw(evaluated)[:, 0, 0, 0], torch.tensor([6.0, 1.0, 3.0]) * 7)
    numbers = draws(8)
    (trained,) = inputs.batches([torch.full([8], 2)], [numbers])
    expected = (numbers[:, 0] * 4).long() + 4
    assert_close(raw(trained)[:, 0, 5, 5], expected * 7.0, rtol=0, atol=0.01)
    assert len(set(expected.tolist())) > 1


def test_draws_alone_decide_a_training_view() -> None:
    inputs = clips([2, 2])
    inputs = Pictures(frames=gradient().expand(4, 3, STORED, STORED).clone(),
                      aspects=inputs.aspects, starts=inputs.starts)  # fmt: skip
    order = [torch.tensor([0, 1])]
    first, again, other = (next(inputs.batches(order, [draws(2, seed)])) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    alone = next(inputs.batches([torch.tensor([1])], [draws(2)[1:]]))
    assert_close(alone[0], first[1])


def test_choose_never_leaves_the_clip() -> None:
    counts = torch.tensor([1, 2, 5])
    assert choose(counts, torch.full([3, DRAWS], 1 - 2**-24)).tolist() == [0, 1, 4]
    assert choose(counts, torch.zeros(3, DRAWS)).tolist() == [0, 0, 0]
    assert choose(counts, None).tolist() == [0, 1, 2]


def test_pictures_are_stretched_to_squares_and_their_aspect_is_kept() -> None:
    file = io.BytesIO()
    Image.fromarray(gradient(340, 256).permute(1, 2, 0).numpy()).save(file, "PNG")
    for threads in (1, 3):
        frames, aspects = payloads.pictures([file.getvalue()] * 4, threads)
        assert frames.shape == (4, 3, STORED, STORED)
        assert_close(torch.tensor(aspects), torch.full([4], 340 / 256))
        assert_close(torch.tensor(frames[3]).float(), gradient().float(), rtol=0, atol=2.0)


def test_spectrograms_and_tokens_come_back_as_they_were() -> None:
    values = np.random.default_rng(0).normal(size=(2, 5, 7)).astype("<f2")
    found = payloads.spectrograms([x.tobytes() for x in values], (5, 7))
    assert np.array_equal(found, values[:, None])
    assert payloads.tokens([[5, 6], [1, 2, 3, 4]], 3).tolist() == [[5, 6, 0], [1, 2, 3]]


def test_a_flip_is_as_likely_as_none() -> None:
    mirrored = F.pad(torch.zeros(1, 3, STORED, STORED // 2), (0, STORED // 2), value=255).byte()
    numbers = draws(200)
    numbers[:, 1 : 1 + 2 * ATTEMPTS] = 0.5
    seen = crop(mirrored.expand(200, -1, -1, -1), torch.ones(200), numbers)
    left_is_bright = seen[:, 0, :, 5].mean(1) > seen[:, 0, :, -5].mean(1)
    assert torch.equal(left_is_bright, numbers[:, -1] < 0.5)
