"""Batches, and formulas in plain numpy, to hold the methods against."""

from collections.abc import Callable
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers import distillers, tasks
from fdsweep.trainers.distillers import Distiller, Outputs

N, C, DIM, OTHER_DIM = 6, 4, 11, 8
STUDENT_MAPS, TEACHER_MAPS = (12, 6, 6), (9, 5)  # lengths of the stages' maps, which need not agree
Array = NDArray[np.float64]
Sizes = tuple[tuple[int, ...], ...]
"""Of a network's maps: channels and positions of each stage."""


def map_dims(dim: int, stages: int) -> tuple[int, ...]:
    """Channels of the stages of a network whose features have the width `dim`."""
    return (*range(5, 4 + stages), dim)


def seed() -> None:
    """`torch.manual_seed`, whose call would also note for each kind of GPU where it stood."""
    torch.default_generator.manual_seed(3)


def build(name: str, teacher_dim: int = DIM, **options: object) -> Distiller:
    """The method `name` for DIM channels of the student, always with the same weights."""
    seed()
    distiller = distillers.build(
        name,
        num_classes=C,
        student_dim=DIM,
        teacher_dim=teacher_dim,
        student_map_dims=map_dims(DIM, len(STUDENT_MAPS)),
        teacher_map_dims=map_dims(teacher_dim, len(TEACHER_MAPS)),
        **options,
    )
    distiller.attach(SimpleNamespace(dim=teacher_dim, classifier=nn.Linear(teacher_dim, C)))
    return distiller


def build_on_maps(name: str, student: Sizes, teacher: Sizes, **options: object) -> Distiller:
    """The method `name` for maps of these sizes, always with the same weights."""
    seed()
    return distillers.build(
        name,
        num_classes=C,
        student_dim=student[-1][0],
        teacher_dim=teacher[-1][0],
        student_map_dims=tuple(size[0] for size in student),
        teacher_map_dims=tuple(size[0] for size in teacher),
        **options,
    )


def outputs_on_maps(sizes: Sizes, seed: int, dtype: torch.dtype = torch.float64) -> Outputs:
    """Outputs with maps of these sizes; every tensor asks for gradients."""
    draw = torch.Generator().manual_seed(seed)
    maps = tuple(torch.randn(N, *s, generator=draw).to(dtype).requires_grad_() for s in sizes)
    logits = torch.randn(N, C, generator=draw).to(dtype).requires_grad_()
    return Outputs(maps[-1].detach().flatten(2).mean(-1).requires_grad_(), logits, maps)


def refusal(make: Callable[..., object], *args: object, **options: object) -> str:
    """What the ConfigError says that `make` raises."""
    with pytest.raises(ConfigError) as caught:
        make(*args, **options)
    return str(caught.value)


def batch(teacher_dim: int = DIM, seed: int = 0, n: int = N) -> tuple[Outputs, Outputs, Tensor]:
    """Student, teacher and labels; every tensor of both networks' outputs asks for gradients."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> Tensor:
        return torch.from_numpy(rng.normal(0.5, 1, shape)).requires_grad_()

    def outputs(dim: int, lengths: tuple[int, ...]) -> Outputs:
        features, logits = draw(n, dim), draw(n, C)
        sizes = zip(map_dims(dim, len(lengths)), lengths, strict=True)
        return Outputs(features, logits, tuple(draw(n, *size) for size in sizes))

    student, teacher = outputs(DIM, STUDENT_MAPS), outputs(teacher_dim, TEACHER_MAPS)
    return student, teacher, torch.from_numpy(rng.integers(C, size=n))


def losses(
    distiller: Distiller, student: Outputs, teacher: Outputs | None, labels: Tensor
) -> dict[str, Tensor]:
    """`task`, the terms of `distiller` and `total`, as the training loop asks for them."""
    teachers = () if teacher is None else (teacher,)
    return distiller.losses(student, teachers, labels, tasks.find("classification").loss)


def arrays(outputs: Outputs) -> tuple[Array, Array]:
    """Features and logits as numpy arrays."""
    return outputs.features.detach().numpy(), outputs.logits.detach().numpy()


def weights(distiller: Distiller) -> dict[str, Array]:
    """All weights of `distiller` by name."""
    return {name: x.detach().numpy() for name, x in distiller.state_dict().items()}


def linear(weights: dict[str, Array], layer: str, x: Array) -> Array:
    """The linear layer `layer` applied to x; x itself where there is no such layer."""
    if f"{layer}.weight" not in weights:
        return x
    product: Array = x @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]
    return product


def softmax(logits: Array) -> Array:
    """Over the last axis."""
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(p / p.sum(-1, keepdims=True))


def cross_entropy(logits: Array, labels: Tensor) -> float:
    """The mean over the samples."""
    p = softmax(logits)
    return float(-np.log(p[np.arange(len(p)), labels.numpy()]).mean())


def divergence(p: Array, q: Array) -> Array:
    """KL(p || q) over the last axis."""
    return np.asarray((p * np.log(p / q)).sum(-1))


def haar(x: Array, levels: int, first: int = 2) -> tuple[Array, list[Array]]:
    """The low band, and every level's high bands, each level as products with matrices."""
    low, high = x, []
    for _ in range(levels):
        bands = []
        for choice in product((1, -1), repeat=x.ndim - first):
            band = low
            for axis, sign in enumerate(choice, start=first):
                matrix = np.zeros(((band.shape[axis] + 1) // 2, band.shape[axis] + 1))
                for i in range(len(matrix)):
                    matrix[i, 2 * i : 2 * i + 2] = np.array([1, sign]) / np.sqrt(2)
                band = np.moveaxis(np.tensordot(matrix[:, :-1], band, (1, axis)), 0, axis)
            bands.append(band)
        low, high = bands[0], [*high, np.stack(bands[1:])]
    return low[None], high
