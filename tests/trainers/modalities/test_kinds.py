"""The contract of every kind of modality: `SAMPLES` needs an example of a new one, no more."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from matplotlib.figure import Figure
from painted import draws
from PIL import Image

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers import modalities
from fdsweep.trainers.modalities import Extent, Kind, Payload, with_frame_side
from fdsweep.trainers.modalities.arrays import CPU
from fdsweep.trainers.modalities.base import Inputs


def pictures(rng: np.random.Generator) -> list[Image.Image]:
    """One to three pictures of one size, such as a clip's."""
    size = (*rng.integers(30, 60, 2), 3)
    count = rng.integers(1, 4)
    return [Image.fromarray(rng.integers(0, 256, size, np.uint8)) for _ in range(count)]


SAMPLES: dict[str, tuple[tuple[int, ...], Callable[[np.random.Generator], Any]]] = {
    "frames": ((40,), pictures),
    "scene-depth": ((6, 8), lambda rng: rng.integers(0, 9000, (6, 8)).astype(np.uint16)),
    "scene-labels": ((6, 8), lambda rng: rng.integers(0, 40, (6, 8), np.uint8)),
    "scene-picture": ((6, 8), lambda rng: rng.integers(0, 256, (6, 8, 3), np.uint8)),
    "raster": ((3, 4, 5), lambda rng: rng.uniform(-1, 1, (3, 4, 5)).astype(np.float32)),
    "signal": ((3, 20), lambda rng: rng.normal(size=(3, 20)).astype(np.float32)),
    "spectrogram": ((5, 7), lambda rng: rng.normal(size=(5, 7)).astype(np.float16)),
    "spectrogram-window": ((5, 9, 4), lambda rng: rng.normal(size=(5, 9)).astype(np.float16)),
    "tokens": ((6,), lambda rng: rng.integers(1, 20, rng.integers(1, 7)).tolist()),
}
WRONG = {
    "raster": np.zeros((1, 4, 5)),
    "scene-depth": np.zeros((6, 8)),
    "scene-labels": np.zeros((6, 8, 3), np.uint8),
    "scene-picture": np.zeros((3, 6, 8), np.uint8),
    "signal": np.zeros((3, 19)),
    "spectrogram": np.zeros((5, 8)),
    "tokens": [1] * 7,
}
SHOWN_IN_PART = {"frames", "scene-depth", "scene-picture", "spectrogram-window"}
"""Or otherwise scaled."""
NAMES = sorted(SAMPLES)
ORDER = [torch.tensor([6, 0, 4]), torch.tensor([2, 2])]


def find(name: str) -> Kind:
    return modalities.find(Payload(name, SAMPLES[name][0]))


def cells(name: str, count: int = 7) -> list[Any]:
    """Cells as they come out of a Parquet column."""
    kind, (_, make) = find(name), SAMPLES[name]
    encoded = [kind.encode(make(np.random.default_rng(i))) for i in range(count)]
    return pa.array(encoded, kind.column).to_pylist()


def held(name: str) -> Inputs:
    """The cells in memory, from two shards."""
    kind, all_cells = find(name), cells(name)
    extent = sum(map(kind.extent, all_cells), Extent())
    return kind.hold([all_cells[:4], all_cells[4:]], len(all_cells), extent, threads=2)


def test_every_kind_has_an_example() -> None:
    assert set(modalities.registry.names()) == set(SAMPLES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("training", [False, True])
def test_batches_from_memory_are_those_from_cells_to_the_bit(name: str, training: bool) -> None:
    kind, inputs, all_cells = find(name), held(name), cells(name)
    given = [draws(len(indices), seed) for seed, indices in enumerate(ORDER)]
    batches = list(inputs.batches(ORDER, given if training else None))
    assert len(batches) == len(ORDER)
    for indices, drawn, batch in zip(ORDER, given, batches, strict=True):
        used = drawn if training else None
        decoded = kind.decode([all_cells[i] for i in indices.tolist()], used)
        streamed = kind.view(decoded, used, CPU)
        assert streamed.dtype == batch.dtype
        assert torch.equal(streamed, batch)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_of_memory_and_views_is_so(name: str) -> None:
    kind, inputs, all_cells = find(name), held(name), cells(name)
    (views,) = inputs.batches([torch.arange(7)])
    assert kind.numbers == inputs.numbers == views[0].numel()
    assert kind.augmented == inputs.augmented
    stored = inputs.pixels if kind.framed else inputs.values  # type: ignore[attr-defined]
    extent = sum(map(kind.extent, all_cells), Extent())
    pieces = sum(map(len, all_cells)) if kind.framed else 7
    assert extent == Extent(pieces, stored.nbytes)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SHOWN_IN_PART])
def test_numbers_come_back_as_they_were(name: str) -> None:
    (views,) = held(name).batches([torch.arange(7)])
    for i, view in enumerate(views.reshape(7, -1)):
        value = np.asarray(SAMPLES[name][1](np.random.default_rng(i))).ravel()
        assert view[: value.size].tolist() == value.tolist()
        assert not view[value.size :].any()


@pytest.mark.parametrize("name", WRONG)
def test_another_shape_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"of shape \(.*, not \(|7 tokens, not at most 6"):
        find(name).encode(WRONG[name])


@pytest.mark.parametrize("name", NAMES)
def test_the_size_is_about_that_of_the_cell(name: str) -> None:
    for cell in cells(name):
        whole = sum(map(len, cell)) if name == "frames" else len(cell)
        assert find(name).size(cell) == whole


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("frames", "images"),
        ("raster", "images"),
        ("scene-depth", "images"),
        ("scene-labels", "images"),
        ("scene-picture", "images"),
        ("spectrogram", "images"),
        ("spectrogram-window", "images"),
        ("signal", "lines"),
        ("tokens", "texts"),
    ],
)
def test_a_sample_is_drawn(name: str, drawn: str) -> None:
    axes = Figure().add_subplot()
    (views,) = held(name).batches([torch.tensor([0])])
    find(name).show(axes, "a tweet" if find(name).shown else views[0])
    assert len(getattr(axes, drawn)) == (3 if drawn == "lines" else 1)


def test_a_window_lies_in_the_middle_or_anywhere() -> None:
    kind, inputs = find("spectrogram-window"), held("spectrogram-window")
    value = torch.tensor(SAMPLES["spectrogram-window"][1](np.random.default_rng(0)))
    windows = [value[:, start : start + 4].float() for start in range(6)]  # 9 columns, 4 of them
    (evaluated,) = inputs.batches([torch.tensor([0])])
    assert torch.equal(evaluated[0, 0], windows[2])
    numbers = draws(200)
    (trained,) = inputs.batches([torch.zeros(200, dtype=torch.long)], [numbers])
    starts = (numbers[:, 0] * 6).long().tolist()
    assert set(starts) == set(range(6))
    for view, start in zip(trained, starts, strict=True):
        assert torch.equal(view[0], windows[start])
    assert kind.numbers == 5 * 4


def test_a_frame_side_is_that_of_pictures_alone() -> None:
    payloads = {"seen": Payload("frames", (360,)), "heard": Payload("spectrogram", (5, 7))}
    assert with_frame_side(payloads, None) == payloads
    smaller = with_frame_side(payloads, 120)
    assert smaller == {**payloads, "seen": Payload("frames", (120,))}


def test_an_unknown_kind_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown kind of modality 'smell'. Choose from: frames"):
        modalities.find(Payload("smell"))
