import numpy as np
import pytest
import torch

from fdsweep.trainers import rng
from fdsweep.trainers.features.analysis.positions import COLUMNS, ROWS, draw_positions
from fdsweep.trainers.features.pixels import resized


def drawn(*size, seed=0):
    return draw_positions(size, rng.generator(seed, "x"))


@pytest.mark.parametrize("size", [(48, 64), (50, 67), (480, 640)])
def test_a_place_lies_in_each_tile(size):
    found = drawn(*size)
    rows, columns = (np.floor(x.numpy() * n / edge).astype(int) for x, n, edge in zip(
        (found.rows, found.columns), (ROWS, COLUMNS), size, strict=True))  # fmt: skip
    for places, n, edge in ((rows, ROWS, size[0]), (columns, COLUMNS, size[1])):
        assert places.min() >= 0
        assert places.max() < n <= edge
    if size == (48, 64):  # tiles of whole pixels
        assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == ROWS * COLUMNS


def test_places_depend_on_the_seed_alone_and_small_pictures_have_fewer():
    assert torch.equal(drawn(48, 64).rows, drawn(48, 64).rows)
    assert not torch.equal(drawn(48, 64).rows, drawn(48, 64, seed=1).rows)
    small = drawn(2, 3)
    assert list(zip(small.rows.tolist(), small.columns.tolist(), strict=True)) == [
        *((0, 0), (0, 1), (0, 2)),
        *((1, 0), (1, 1), (1, 2)),
    ]


def test_labels_are_those_of_the_pixels():
    labels = torch.arange(2 * 12 * 16).view(2, 12, 16)
    found = drawn(12, 16)
    expected = [labels[:, y, x] for y, x in zip(found.rows, found.columns, strict=True)]
    assert torch.equal(found.of_labels(labels), torch.stack(expected, dim=1))


@pytest.mark.parametrize("size", [(12, 16), (6, 8), (3, 5), (1, 1)])
def test_maps_of_any_size_are_read_as_if_they_were_resized(size):
    maps = torch.randn(2, 7, *size, generator=torch.Generator().manual_seed(1))
    found = drawn(12, 16)
    whole = resized(maps, 12, 16)
    expected = [whole[:, :, y, x] for y, x in zip(found.rows, found.columns, strict=True)]
    assert torch.allclose(found.of_maps(maps), torch.stack(expected, dim=1), atol=1e-5)


def test_features_give_the_logits_of_their_pixels():
    """What a classifier at every position says, resized, is what it says of these features."""
    maps = torch.randn(2, 7, 3, 5, generator=torch.Generator().manual_seed(1))
    classifier = torch.nn.Linear(7, 4)
    found = drawn(12, 16)
    with torch.no_grad():
        logits = resized(classifier(maps.movedim(1, -1)).movedim(-1, 1), 12, 16)
        given = classifier(found.of_maps(maps))
    expected = logits[:, :, found.rows, found.columns].transpose(1, 2)
    assert torch.allclose(given, expected, atol=1e-5)
