"""Clips in memory: which frame is seen, and that the draws alone decide how."""

import io

import numpy as np
import pytest
import torch
from painted import draws, gradient, raw
from PIL import Image
from torch import Tensor
from torch.testing import assert_close

from fdsweep.trainers.modalities.base import DRAWS, Extent
from fdsweep.trainers.modalities.picture import Clips, Frames, choose


def clips(samples: list[list[Tensor]]) -> Clips:
    """Samples of frames [3, H, W] each."""
    frames = [frame for sample in samples for frame in sample]
    return Clips(
        pixels=torch.cat([frame.flatten() for frame in frames]),
        sizes=torch.tensor([frame.shape[1:] for frame in frames]),
        starts=torch.tensor([0, *map(len, samples)]).cumsum(0),
    )


def greys(counts: list[int]) -> Clips:
    """Samples of so many frames, each of its own shade of grey and its own size."""
    frames = [torch.full([3, 30 + i, 40], 7 * i).byte() for i in range(sum(counts))]
    ends = np.cumsum(counts)
    return clips([frames[end - n : end] for end, n in zip(ends, counts, strict=True)])


def test_the_middle_frame_is_evaluated_and_a_random_one_trained_on() -> None:
    inputs = greys([3, 1, 4])
    (evaluated,) = inputs.batches([torch.tensor([2, 0, 1])])
    assert_close(raw(evaluated)[:, 0, 0, 0], torch.tensor([6.0, 1.0, 3.0]) * 7)
    numbers = draws(8)
    (trained,) = inputs.batches([torch.full([8], 2)], [numbers])
    expected = (numbers[:, 0] * 4).long() + 4
    assert_close(raw(trained)[:, 0, 5, 5], expected * 7.0, rtol=0, atol=0.01)
    assert len(set(expected.tolist())) > 1


def test_draws_alone_decide_a_training_view() -> None:
    inputs = clips([[gradient(60, 40)] * 2, [gradient(50, 70)] * 2])
    order = [torch.tensor([0, 1])]
    first, again, other = (next(inputs.batches(order, [draws(2, seed)])) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    alone = next(inputs.batches([torch.tensor([1])], [draws(2)[1:]]))
    assert torch.equal(alone[0], first[1])


def test_choose_never_leaves_the_clip() -> None:
    counts = torch.tensor([1, 2, 5])
    assert choose(counts, torch.full([3, DRAWS], 1 - 2**-24)).tolist() == [0, 1, 4]
    assert choose(counts, torch.zeros(3, DRAWS)).tolist() == [0, 0, 0]
    assert choose(counts, None).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("size", "stored"),
    [
        ((480, 360), (480, 360)),
        ((1280, 720), (640, 360)),
        ((405, 720), (360, 640)),
        ((64, 48), (64, 48)),
    ],
)
def test_a_frame_keeps_its_shape_and_what_fits_its_size(
    size: tuple[int, int], stored: tuple[int, int]
) -> None:
    picture = Image.fromarray(gradient(*size).permute(1, 2, 0).numpy())
    (jpeg,) = Frames((360,)).encode([picture])
    with Image.open(io.BytesIO(jpeg)) as found:
        assert (found.format, found.mode, found.size) == ("JPEG", "RGB", stored)
        assert not found.getexif()
        assert_close(
            torch.tensor(np.asarray(found)).permute(2, 0, 1).float(),
            gradient(*stored).float(),
            rtol=0,
            atol=6.0,
        )


@pytest.mark.parametrize("threads", [1, 3])
def test_frames_of_any_size_lie_in_memory_one_after_the_other(threads: int) -> None:
    kind, sizes = Frames((360,)), [(64, 48), (48, 64), (50, 50)]
    pictures = [Image.fromarray(gradient(*size).permute(1, 2, 0).numpy()) for size in sizes]
    cells = [kind.encode(pictures[:2]), kind.encode(pictures[2:])]
    extent = kind.extent(cells[0]) + kind.extent(cells[1])
    held = kind.hold([[cells[0]], [cells[1]]], 2, extent, threads)
    assert isinstance(held, Clips)
    assert extent == Extent(3, 3 * (2 * 64 * 48 + 50 * 50)) == Extent(3, held.pixels.nbytes)
    assert held.sizes.tolist() == [[48, 64], [64, 48], [50, 50]]
    assert held.starts.tolist() == [0, 2, 3]
    first = held.pixels[: 3 * 64 * 48].view(3, 48, 64)
    with Image.open(io.BytesIO(cells[0][0])) as expected:
        assert np.array_equal(first.numpy(), np.asarray(expected).transpose(2, 0, 1))
