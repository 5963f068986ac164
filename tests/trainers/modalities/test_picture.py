"""Clips in memory: which frame is seen, and that the draws alone decide how."""

import io
from dataclasses import replace

import pytest
import torch
from painted import draws, gradient, raw
from PIL import Image
from torch.testing import assert_close

from fdsweep.trainers.modalities.base import DRAWS
from fdsweep.trainers.modalities.picture import STORED, Clips, Frames, choose


def clips(counts: list[int]) -> Clips:
    """Clips whose frames are grey, each of its own shade."""
    total = sum(counts)
    shades = torch.arange(total, dtype=torch.uint8) * 7
    starts = torch.tensor([0, *counts]).cumsum(0)
    frames = shades[:, None, None, None].expand(total, 3, STORED, STORED)
    return Clips(frames=frames, aspects=torch.ones(total), starts=starts)


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
    painted = gradient().expand(4, 3, STORED, STORED).clone()
    inputs = replace(inputs, frames=painted)
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


@pytest.mark.parametrize("threads", [1, 3])
def test_pictures_are_stretched_to_squares_and_their_aspect_is_kept(threads: int) -> None:
    file = io.BytesIO()
    Image.fromarray(gradient(340, 256).permute(1, 2, 0).numpy()).save(file, "PNG")
    held = Frames(()).hold([[[file.getvalue()] * 3], [[file.getvalue()]]], 2, 4, threads)
    assert isinstance(held, Clips)
    assert held.frames.shape == (4, 3, STORED, STORED)
    assert held.starts.tolist() == [0, 3, 4]
    assert_close(held.aspects, torch.full([4], 340 / 256))
    for frame in held.frames:
        assert_close(frame.float(), gradient().float(), rtol=0, atol=2.0)
