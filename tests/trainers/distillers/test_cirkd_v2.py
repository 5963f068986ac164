"""CIRKDv2 on small maps with void pixels and classes that are missing, against plain numpy."""

import copy
import io
from collections import deque
from typing import Any

import numpy as np
import pytest
import torch
from reference import Array, divergence, linear, refusal, softmax
from reference import weights as weights_of
from torch import Tensor
from torch.testing import assert_close

from fdsweep.trainers import distillers, tasks
from fdsweep.trainers.distillers import Distiller, Outputs, relations
from fdsweep.trainers.distillers.queues import Queues
from fdsweep.trainers.features.pixels import IGNORE

N, C, STUDENT, TEACHER = 2, 4, 6, 5
HEIGHT, WIDTH = 32, 48
POSITIONS = (4, 6)
"""Of pictures of HEIGHT x WIDTH at stride 8."""

TAU, POOL = 0.1, 3
ALL: dict[str, Any] = {"pixels_per_image": 99, "channels_per_step": 99, "channel_pool": POOL}
"""Nothing is drawn: the queues take all pixels and channels, and give all that they hold."""


def build(name: str = "cirkd-v2", seed: int = 3, **options: object) -> Distiller:
    torch.manual_seed(seed)
    distiller = distillers.build(
        name, num_classes=C, student_dim=STUDENT, teacher_dim=TEACHER, **options
    )
    for weight in distiller.parameters():  # of batch normalisation too, which starts at 1 and 0
        weight.data += 0.1 * torch.randn_like(weight)
    return distiller


def cirkd(**options: object) -> Any:
    return build(**{**ALL, **options})


def batch(seed: int, student: int = 4, teacher: int = 8) -> tuple[Outputs, Outputs, Tensor]:
    """Maps at the strides `student` and `teacher`; no pixel is of class 3, the second picture has
    none of class 1."""
    rng = np.random.default_rng(seed)

    def outputs(dim: int, stride: int) -> Outputs:
        size = (HEIGHT // stride, WIDTH // stride)
        features = np.maximum(rng.normal(0.5, 1, (N, dim, *size)), 0)
        logits = rng.normal(size=(N, C, *size))
        return Outputs(*(torch.from_numpy(x).requires_grad_() for x in (features, logits)))

    labels = rng.choice([0, 1, 2, IGNORE], size=(N, *POSITIONS))
    labels[1][labels[1] == 1] = 2
    fine = np.kron(labels, np.ones((1, 8, 8), np.int64))
    return outputs(STUDENT, student), outputs(TEACHER, teacher), torch.from_numpy(fine)


def pooled(x: Array, side: int) -> Array:
    """Means of squares of positions of maps [N, C, h, w]; the last ones may be cut off."""
    rows = range(0, x.shape[2], side)
    columns = range(0, x.shape[3], side)
    return np.stack(
        [
            np.stack([x[:, :, i : i + side, j : j + side].mean((2, 3)) for j in columns], -1)
            for i in rows
        ],
        -2,
    )


def unit(x: Array) -> Array:
    return np.asarray(x / np.linalg.norm(x, axis=-1, keepdims=True).clip(1e-12))


def normed(weights: dict[str, Array], layer: str, x: Array) -> Array:
    """Linear, batch normalisation and ReLU, the layers `layer`.0 to 2, on rows [N, R, C]."""
    y = x @ weights[f"{layer}.0.weight"].T
    y = (y - y.mean((0, 1))) / np.sqrt(y.var((0, 1)) + 1e-5)
    return np.maximum(y * weights[f"{layer}.1.weight"] + weights[f"{layer}.1.bias"], 0)


def head(weights: dict[str, Array], layer: str, x: Array) -> Array:
    return np.asarray(normed(weights, layer, x) @ weights[f"{layer}.3.weight"].T)


def context(weights: dict[str, Array], x: Array) -> Array:
    q, k, v = (x @ weights[f"context.{name}.weight"].T for name in ("queries", "keys", "values"))
    found = softmax(q @ k.swapaxes(1, 2) / np.sqrt(STUDENT // 2)) @ v
    found = normed(weights, "context.found", found)
    return normed(weights, "context.out", np.concatenate([x, found], -1))


def relation(guess: Array, guess_keys: Array, target: Array, target_keys: Array) -> float:
    p, q = softmax(target @ target_keys.T / TAU), softmax(guess @ guess_keys.T / TAU)
    return float(divergence(p, q).mean())


def pairs(guess: Array, target: Array) -> float:
    every = [relation(guess[i], guess[j], target[i], target[j]) for i in range(N) for j in range(N)]
    return float(np.mean(every))


class Reference:
    """The method with queues that hold everything, in lists."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self.weights = weights
        self.pixels: list[Array] = []
        self.regions: list[Array] = []
        self.channels: list[Array] = []

    def terms(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, float]:
        s, z_s = student.features.detach().numpy(), student.logits.detach().numpy()
        t, z_t = teacher.features.detach().numpy(), teacher.logits.detach().numpy()
        z_s = pooled(z_s, z_s.shape[2] // z_t.shape[2])
        s = pooled(s, s.shape[2] // POSITIONS[0])
        t = pooled(t, t.shape[2] // POSITIONS[0])
        rows, other = (x.reshape(N, x.shape[1], -1).swapaxes(1, 2) for x in (s, t))
        own = context(self.weights, rows)
        back = own.swapaxes(1, 2).reshape(s.shape)
        embedded, target = unit(head(self.weights, "pixel_head", own)), unit(other)
        coarse = labels.numpy()[:, 4::8, 4::8].reshape(N, -1)
        for picture, known in zip(target, coarse, strict=True):
            for label in set(known) - {IGNORE}:
                self.pixels.append(picture[known == label])
                self.regions.append(unit(picture[known == label].mean(0))[None])
        some = coarse != IGNORE
        channels = (
            x.reshape(N, x.shape[1], -1).swapaxes(1, 2)
            for x in (pooled(back, POOL), pooled(t, POOL))
        )
        c_s, c_t = channels
        c_s = unit(head(self.weights, "channel_head", c_s).swapaxes(1, 2))
        c_t = unit(c_t.swapaxes(1, 2))
        self.channels += list(c_t)

        def memory(guess: Array, target: Array, held: list[Array]) -> float:
            keys = np.concatenate(held)
            return relation(guess, keys, target, keys)

        flat_s, flat_t = c_s.reshape(N * TEACHER, -1), c_t.reshape(N * TEACHER, -1)
        p, q = (softmax(np.moveaxis(z, 1, -1)) for z in (z_t, z_s))
        return {
            "kd": float(divergence(p, q).mean()),
            "feature": float(((own @ self.weights["mimic.weight"].T - other) ** 2).mean()),
            "pixel": pairs(unit(own), target),
            "pixel_memory": memory(embedded[some], target[some], self.pixels),
            "region_memory": memory(embedded[some], target[some], self.regions),
            "channel": pairs(c_s, c_t),
            "channel_memory": memory(flat_s, flat_t, self.channels),
            "channel_mse": float(((c_s - c_t) ** 2).mean()),
        }


def values(terms: dict[str, Tensor]) -> dict[str, float]:
    return {name: x.item() for name, x in terms.items()}


@pytest.mark.parametrize(("student", "teacher"), [(8, 8), (4, 4), (4, 8)])
def test_terms_are_those_of_plain_numpy_step_after_step(student: int, teacher: int) -> None:
    distiller = cirkd()
    reference = Reference(weights_of(distiller))
    for seed in (0, 1):
        inputs = batch(seed, student, teacher)
        found = distiller(*inputs)
        assert values(found) == pytest.approx(reference.terms(*inputs), rel=1e-9)
        assert list(found) == list(distiller.weights)
    assert distiller.pixels.held()[3] == 0
    assert distiller.regions.held() == [4, 2, 4, 0]


def test_maps_that_are_coarser_than_the_stride_are_taken_as_they_are() -> None:
    inputs = batch(0, 8, 8)
    expected = cirkd()(*inputs)
    assert_close(cirkd(stride=4)(*inputs), expected, rtol=0, atol=0)


def test_without_its_context_a_position_is_itself() -> None:
    student, teacher, labels = batch(0, 8, 8)
    distiller = cirkd(context=False)
    found = distiller(student, teacher, labels)["feature"].item()
    x, t = (outputs.features.detach().numpy() for outputs in (student, teacher))
    guess = linear(
        {**weights_of(distiller), "mimic.bias": np.zeros(TEACHER)}, "mimic", x.swapaxes(1, 3)
    )
    assert found == pytest.approx(((guess - t.swapaxes(1, 3)) ** 2).mean(), rel=1e-12)


def gradients(distiller: Distiller, inputs: tuple[Outputs, Outputs, Tensor]) -> dict[str, Tensor]:
    student, teacher, labels = inputs
    task = tasks.find("segmentation").loss
    distiller.losses(student, (teacher,), labels, task)["total"].backward()
    assert teacher.features.grad is teacher.logits.grad is None
    found = {name: x.grad for name, x in distiller.named_parameters()}
    found |= {"features": student.features.grad, "logits": student.logits.grad}
    assert all(x is not None and x.any() and x.isfinite().all() for x in found.values())
    return found  # type: ignore[return-value]


def test_blocks_give_the_numbers_and_gradients_of_all_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = cirkd()
    expected, gradient = whole(*batch(0)), gradients(whole, batch(1))
    monkeypatch.setattr(relations, "BLOCK", 50)  # two rows of 24 similarities
    streamed = cirkd()
    assert_close(streamed(*batch(0)), expected)
    assert_close(gradients(streamed, batch(1)), gradient)
    monkeypatch.setattr(relations, "checkpoint", lambda make, *args, **_: make(*args))
    kept = cirkd()
    assert_close(kept(*batch(0)), expected)
    assert_close(gradients(kept, batch(1)), gradient)


def test_no_block_is_larger_than_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relations, "BLOCK", 50)
    sizes = []

    def watched(make: Any, *args: Tensor, **_: object) -> Tensor:
        sizes.append(len(args[0]) * len(args[-1]))
        out: Tensor = make(*args)
        return out

    monkeypatch.setattr(relations, "checkpoint", watched)
    cirkd()(*batch(0))
    assert 40 < max(sizes) <= 50


def test_a_batch_without_labels_leaves_the_memories_alone() -> None:
    distiller = cirkd()
    student, teacher, labels = batch(0)
    found = distiller(student, teacher, torch.full_like(labels, IGNORE))
    assert found["pixel_memory"] == found["region_memory"] == 0
    assert distiller.pixels.held() == distiller.regions.held() == [0] * C
    assert distiller.channels.held() == [N * TEACHER]
    sum(found.values()).backward()
    assert student.features.grad is not None
    assert student.features.grad.isfinite().all()


def test_a_queue_is_a_ring() -> None:
    queues, rings = Queues(2, 5, 3), [deque[float](maxlen=5) for _ in range(2)]
    number = 0
    for group, count in ((0, 3), (1, 2), (0, 4), (0, 0), (0, 7), (0, 3)):
        rows = torch.arange(number, number + count).double()[:, None].expand(-1, 3)
        number += count
        queues.push(group, rows)
        rings[group].extend(rows[:, 0].tolist())
        assert queues.held() == [len(ring) for ring in rings]
        drawn = queues.draw(99, torch.Generator())
        assert sorted(drawn[:, 1].tolist()) == sorted([*rings[0], *rings[1]])


def test_a_draw_is_of_different_rows_of_every_class_that_has_some() -> None:
    queues = Queues(3, 8, 1)
    queues.push(0, torch.arange(6.0)[:, None])
    queues.push(2, torch.tensor([[20.0]]))
    stream = torch.Generator().manual_seed(1)
    draws = [queues.draw(4, stream)[:, 0].tolist() for _ in range(30)]
    assert all(len(set(draw)) == 5 and draw[-1] == 20 for draw in draws)
    assert {x for draw in draws for x in draw[:-1]} == set(range(6))


def test_queues_and_draws_stay_within_their_options() -> None:
    distiller = cirkd(
        pixel_entries=7, region_entries=3, channel_entries=6, pixels_per_image=2,
        pixel_samples=7, region_samples=3, channels_per_step=4, channel_samples=5,
    )  # fmt: skip
    held = []
    for seed in range(5):
        distiller(*batch(seed))
        held.append(distiller.pixels.held()[0])
    assert held == [4, 7, 7, 7, 7]
    assert distiller.regions.held() == [3, 3, 3, 0]
    assert distiller.channels.held() == [6]
    assert distiller.pixel_samples == 7 // C + 1
    assert distiller.region_samples == 3 // C + 1
    assert all(
        len(x.rows.flatten(0, 1)) == n
        for x, n in zip(
            (distiller.pixels, distiller.regions, distiller.channels),
            (7 * C, 3 * C, 6),
            strict=True,
        )
    )


def queued(distiller: Any, label: int) -> set[tuple[float, ...]]:
    rows = distiller.pixels.rows[label, : distiller.pixels.held()[label]]
    return {tuple(row) for row in rows.round(decimals=9).tolist()}


@pytest.mark.parametrize("of_class", [True, False])
def test_pixels_are_of_the_class_or_of_the_first_positions(of_class: bool) -> None:
    distiller = cirkd(pixels_of_class=of_class)
    student, teacher, labels = batch(0, 8, 8)
    labels[:] = IGNORE
    labels[0, 24:, 24:] = 1  # the last three of the picture's positions
    distiller(student, teacher, labels)
    rows = unit(teacher.features.detach().numpy()[0].reshape(TEACHER, -1).T).round(9)
    places = range(21, 24) if of_class else range(3)
    assert queued(distiller, 1) == {tuple(rows[i]) for i in places}
    assert_close(
        distiller.regions.rows[1, 0].numpy(),
        unit(unit(teacher.features.detach().numpy()[0].reshape(TEACHER, -1).T)[21:24].mean(0)),
    )


DRAWS = {
    **ALL, "pixels_per_image": 2, "pixel_samples": 4, "region_samples": 4,
    "channels_per_step": 4, "channel_samples": 5,
}  # fmt: skip


def test_a_saved_state_goes_on_with_the_same_losses() -> None:
    distiller = build(**DRAWS)
    for seed in range(2):
        distiller(*batch(seed))
    file = io.BytesIO()
    torch.save(distiller.state_dict(), file)
    file.seek(0)
    again = build(seed=99, **DRAWS)
    again.load_state_dict(torch.load(file))
    for seed in range(2, 4):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        expected = distiller(*batch(seed))
        assert torch.equal(torch.get_rng_state(), before)
        torch.manual_seed(seed + 1)
        assert_close(again(*batch(seed)), expected, rtol=0, atol=0)
    assert_close(again.state_dict(), distiller.state_dict(), rtol=0, atol=0)


def test_replicates_draw_differently_and_so_do_steps() -> None:
    inputs = batch(0)
    first, other = build(**DRAWS), build(**DRAWS)
    other.seed += 1
    here, there = first(*inputs), other(*inputs)
    for name in here:
        if not name.endswith("memory"):
            assert torch.equal(here[name], there[name])
    for name in ("pixel_memory", "channel_memory"):  # each class's few regions are drawn in full
        assert not torch.equal(here[name], there[name])
    alone = build(**DRAWS)
    alone.step += 1
    assert not torch.equal(alone(*inputs)["channel_memory"], here["channel_memory"])


def test_beside_fd_cmkd_each_is_what_it_is_alone() -> None:
    off = {"fd-cmkd.align": False, "fd-cmkd.band_heads": False}
    both = build("cirkd-v2+fd-cmkd", **off, **{f"cirkd-v2.{name}": x for name, x in ALL.items()})
    parts = copy.deepcopy(dict(both.get_submodule("parts").named_children()))
    student, teacher, labels = batch(0, 8, 8)
    loss = tasks.find("segmentation").loss
    found = both.losses(student, (teacher,), labels, loss)
    expected = loss(student, labels)
    assert_close(found.pop("task"), expected)
    for name, alone in parts.items():
        assert isinstance(alone, Distiller)
        terms = alone.losses(student, (teacher,), labels, loss)
        for term, weight in alone.weights.items():
            assert_close(found.pop(f"{name}.{term}"), terms[term])
            expected = expected + weight * terms[term]
    assert_close(found.pop("total"), expected)
    assert not found
    assert all(x.any() for x in gradients(both, batch(1)).values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_pixel": -1.0}, "weight_pixel: -1.0 is not a weight. Give a number of 0 or more."),
        ({"pixel_entries": 0}, "pixel_entries: 0 is too small. Give a number above 0."),
        ({"similarity_temperature": 0.0}, "similarity_temperature: 0.0 is too small."),
    ],
)
def test_a_wrong_option_is_answered_in_a_sentence(options: dict[str, Any], message: str) -> None:
    assert message in refusal(build, **options)


def test_pictures_of_another_size_are_answered_in_a_sentence() -> None:
    distiller = cirkd(channel_pool=1)
    student, teacher, labels = batch(0, 8, 8)
    distiller(student, teacher, labels)
    cut = [Outputs(x.features[..., :3], x.logits[..., :3]) for x in (student, teacher)]
    message = refusal(distiller, *cut, labels[..., :24])
    assert (
        "a queue of rows of 24 numbers cannot take 12. Give all pictures the same size." in message
    )
