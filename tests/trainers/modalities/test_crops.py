"""Views of pictures against Python's own arithmetic and Pillow's resizing."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from device import DEVICE, pretended
from painted import draws, gradient, pictures, raw
from PIL import Image, ImageOps
from torch import Tensor
from torch.testing import assert_close

from fdsweep.trainers.modalities import crops
from fdsweep.trainers.modalities.base import DRAWS
from fdsweep.trainers.modalities.crops import ATTEMPTS, MOST, SIZE, Pictures, boxes, crop, whole

SIZES = [(360, 480), (480, 360), (256, 256), (90, 400), (400, 90), (7, 5), (1, 1)]
"""Heights and widths."""


def random_resized_crop(height: int, width: int, drawn: list[float]) -> tuple[int, ...]:
    """Left, top, width, height of the crop that torchvision documents, from numbers in [0, 1)."""
    corner = drawn[1 + 2 * ATTEMPTS :]
    for share, shape in zip(drawn[1 : 1 + ATTEMPTS], drawn[1 + ATTEMPTS :], strict=False):
        area = height * width * (0.08 + 0.92 * share)
        aspect = math.exp(math.log(3 / 4) + (math.log(4 / 3) - math.log(3 / 4)) * shape)
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(corner[0] * (width - w + 1)), int(corner[1] * (height - h + 1))
            return left, top, w, h
    w, h = width, height
    if width / height < 3 / 4:
        h = round(width / (3 / 4))
    elif width / height > 4 / 3:
        w = round(height * (4 / 3))
    return (width - w) // 2, (height - h) // 2, w, h


def by_hand(picture: Tensor, box: tuple[int, ...], mirrored: bool) -> np.ndarray:
    """The box cut out, resized and mirrored by Pillow, [3, SIZE, SIZE] in 0 to 255."""
    left, top, width, height = box
    cut = Image.fromarray(picture.permute(1, 2, 0).numpy()).crop(
        (left, top, left + width, top + height)
    )
    cut = cut.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(ImageOps.mirror(cut) if mirrored else cut, np.float32).transpose(2, 0, 1)


@pytest.mark.parametrize("size", SIZES)
def test_boxes_are_those_of_random_resized_crop(size: tuple[int, int]) -> None:
    numbers = draws(300, seed=size[0])
    found = boxes(torch.tensor([size] * 300), numbers).tolist()
    expected = [random_resized_crop(*size, row) for row in numbers.tolist()]
    assert list(map(tuple, found)) == expected
    if min(size) > 200:
        areas = np.array([w * h for _, _, w, h in expected]) / math.prod(size)
        assert 0.08 <= areas.min() < 0.15
        assert areas.max() > 0.85


def test_a_picture_that_no_box_fits_is_cut_in_the_middle_with_the_nearest_aspect() -> None:
    numbers = torch.full([3, DRAWS], 1 - 1e-6)  # as large and as wide as it gets: too wide
    numbers[:, 1 + 2 * ATTEMPTS :] = 0  # a corner that a middle does not ask for
    found = boxes(torch.tensor([[90, 400], [400, 90], [100, 110]]), numbers)
    assert found.tolist() == [[140, 0, 120, 90], [0, 140, 90, 120], [0, 0, 110, 100]]


def test_a_view_is_its_box_of_the_frame_as_it_is() -> None:
    """Frames of different sizes in one batch, against Pillow: no square in between."""
    frames = [gradient(width, height) for height, width in SIZES[:5]]
    stream = torch.Generator().manual_seed(3)
    frames[0] = torch.randint(0, 256, frames[0].shape, generator=stream, dtype=torch.uint8)
    numbers = draws(5)
    views = raw(crop(pictures(frames), numbers))
    for view, frame, row in zip(views, frames, numbers.tolist(), strict=True):
        box = random_resized_crop(*frame.shape[1:], row)
        expected = by_hand(frame, box, mirrored=row[-1] < 0.5)
        assert_close(view, torch.tensor(expected), rtol=0, atol=1.01)


def test_the_whole_picture_is_resized_as_pillow_does() -> None:
    frames = [gradient(480, 360), gradient(90, 400)]
    for view, frame in zip(raw(whole(pictures(frames))), frames, strict=True):
        expected = by_hand(frame, (0, 0, frame.shape[2], frame.shape[1]), mirrored=False)
        assert_close(view, torch.tensor(expected), rtol=0, atol=1.01)


def test_a_crop_shows_more_of_a_larger_frame() -> None:
    """Stripes of two pixels of a 480x360 picture: squeezed to 256 they were a grey."""
    stripes = (torch.arange(480) // 2 % 2 * 255).byte().expand(3, 360, 480)
    numbers = draws(32)
    numbers[:, 1 : 1 + ATTEMPTS] = 0.05  # small crops
    assert float(raw(crop(pictures([stripes] * 32), numbers)).std()) > 60


def test_a_flip_is_as_likely_as_none() -> None:
    half = torch.zeros(3, 90, 120, dtype=torch.uint8)
    half[:, :, :60] = 255
    numbers = draws(200)
    numbers[:, 1 : 1 + 2 * ATTEMPTS] = 0.5
    numbers[:, 1 : 1 + ATTEMPTS] = 0.9
    seen = crop(pictures([half] * 200), numbers)
    left_is_bright = seen[:, 0, :, 5].mean(1) > seen[:, 0, :, -5].mean(1)
    assert torch.equal(left_is_bright, numbers[:, -1] >= 0.5)
    assert 70 < int(left_is_bright.sum()) < 130


@pytest.mark.parametrize("most", [MOST, 300_000])
def test_a_gpu_resizes_all_at_once_as_torch_does_one_alone(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crops, "MOST", most)  # the lower, pictures of 400 x 480 in turns
    stream = torch.Generator().manual_seed(0)
    frames = [torch.randint(0, 256, (3, *s), generator=stream, dtype=torch.uint8) for s in SIZES]
    numbers, given = draws(len(SIZES)), pictures(frames)
    with pretended():
        there = Pictures(given.pixels.to(DEVICE), given.starts, given.sizes)
        cropped, stretched = crop(there, numbers), whole(there)
    for i, (frame, row) in enumerate(zip(frames, numbers.tolist(), strict=True)):
        x, y, w, h = random_resized_crop(*frame.shape[1:], row)
        cut = alone(frame[:, y : y + h, x : x + w])
        cut = cut.flip(-1) if row[-1] < 0.5 else cut
        assert_close(raw(cropped.inner[i : i + 1]), cut, rtol=0, atol=2e-3)
        assert_close(raw(stretched.inner[i : i + 1]), alone(frame), rtol=0, atol=2e-3)


def alone(picture: Tensor) -> Tensor:
    """`picture` [3, H, W] resized by torch, in float32."""
    size = [SIZE, SIZE]
    return F.interpolate(picture[None].float(), size, mode="bilinear", antialias=True)


def test_no_pictures_have_no_views() -> None:
    none = Pictures(
        torch.empty(0, dtype=torch.uint8), torch.empty(0).long(), torch.empty(0, 2).long()
    )
    assert whole(none).shape == crop(none, draws(0)).shape == (0, 3, SIZE, SIZE)
