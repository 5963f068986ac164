import itertools
from typing import Any

import numpy as np
import pytest
import torch
from reference import (
    DIM,
    OTHER_DIM,
    Array,
    C,
    N,
    Sizes,
    arrays,
    batch,
    build,
    build_on_maps,
    cross_entropy,
    divergence,
    linear,
    losses,
    outputs_on_maps,
    refusal,
    softmax,
    weights,
)
from scipy.stats import kendalltau
from torch import Tensor, nn
from torch.testing import assert_close

from fdsweep.trainers import distillers
from fdsweep.trainers.distillers import Distiller, Outputs, c2kd
from fdsweep.trainers.distillers.c2kd import kendall

SIZE = 24
DEFAULTS = distillers.resolve_options("c2kd", {})
OPTIONS: list[dict[str, Any]] = [
    {},
    {"threshold": 0.4, "label_class": "removed"},
    {"threshold": -1.0, "temperature": 3.0, "label_class": "removed"},
    {"threshold": -0.5, "temperature": 0.5},
    {"threshold": 1.0},
    {"weight_teacher": 0.5, "weight_proxy": 2.0, "weight_cross": 3.0},
    {"weight_teacher": 0.0, "weight_proxy": 0.0, "weight_cross": 0.0},
]
EVERY_CASE = pytest.mark.parametrize("options", OPTIONS, ids=str)
WIDTHS = pytest.mark.parametrize("teacher_dim", [DIM, OTHER_DIM])
SOUNDS: Sizes = ((5, 9), (6, 7), (8, 5), (11, 3))
PICTURES: Sizes = ((4, 8, 6), (8, 4, 3), (7, 2, 3), (9, 1, 2))


class Reference:
    """Terms and their gradients in numpy, for the weights of a c2kd on features and a batch."""

    def __init__(self, options: dict[str, Any], teacher_dim: int) -> None:
        self.options = DEFAULTS | options
        self.distiller = build("c2kd", teacher_dim, proxies="features", **options)
        self.student, self.teacher, self.labels = batch(teacher_dim, n=SIZE)
        self.x_s, self.z_s = arrays(self.student)
        self.x_t, self.z_t = arrays(self.teacher)
        self.weights = weights(self.distiller)
        self.r_s = linear(self.weights, "student_proxy", self.x_s)
        self.r_t = linear(self.weights, "teacher_proxy", self.x_t)
        self.temperature = self.options["temperature"]

    def agree(self) -> Array:
        taus = [kendalltau(s, t).statistic for s, t in zip(self.r_s, self.r_t, strict=True)]
        return np.array([tau > self.options["threshold"] for tau in taus], dtype=float)

    def soften(self, logits: Array) -> Array:
        return softmax(logits / self.temperature)

    def soften_others(self, logits: Array) -> Array:
        """[N, C] with 0 for the label where it is removed."""
        logits, rows = logits.copy(), np.arange(SIZE)
        if self.options["label_class"] == "zeroed":
            logits[rows, self.labels] = 0
            return self.soften(logits)
        others = np.exp(logits / self.temperature)
        others[rows, self.labels] = 0
        return np.asarray(others / others.sum(1, keepdims=True))

    def kl(self, p: Array, q: Array) -> Array:
        """T² KL(p || q) of each sample, over what has a probability."""
        tiny = (p == 0).astype(float)
        return np.asarray(self.temperature**2 * divergence(p + tiny, q + tiny))

    def terms(self) -> dict[str, float]:
        p_s, p_t, soft_s, soft_t = map(self.soften, (self.z_s, self.z_t, self.r_s, self.r_t))
        q_s, q_t = self.soften_others(self.r_s), self.soften_others(self.r_t)
        values = {
            "task": cross_entropy(self.z_s, self.labels),
            "teacher_task": cross_entropy(self.z_t, self.labels),
            "student_proxy": float((self.kl(p_s, soft_s) + self.kl(soft_s, p_s)).mean()),
            "teacher_proxy": float((self.kl(p_t, soft_t) + self.kl(soft_t, p_t)).mean()),
            "cross": float((self.agree() * (self.kl(q_s, q_t) + self.kl(q_t, q_s))).mean()),
        }
        return values | {"total": sum(self.term_weights()[k] * v for k, v in values.items())}

    def term_weights(self) -> dict[str, float]:
        o = self.options
        return {
            "task": 1.0,
            "teacher_task": o["weight_teacher"],
            "student_proxy": o["weight_proxy"],
            "teacher_proxy": o["weight_proxy"],
            "cross": o["weight_cross"],
        }

    def gradients(self) -> dict[str, dict[str, Array]]:
        """By term and then by what is reached.

        The gradient of T² KL(p || softmax(z / T)) by z is T (softmax(z / T) - p).
        """
        labels = np.eye(C)[self.labels]
        p_s, p_t, soft_s, soft_t = map(self.soften, (self.z_s, self.z_t, self.r_s, self.r_t))
        q_s, q_t = self.soften_others(self.r_s), self.soften_others(self.r_t)
        t = self.temperature / SIZE
        cross = t * self.agree()[:, None] * (1 - labels) * (q_s - q_t)
        by_term = {
            "task": {"student.logits": (softmax(self.z_s) - labels) / SIZE},
            "teacher_task": {"teacher.logits": (softmax(self.z_t) - labels) / SIZE},
            "student_proxy": {
                "student.logits": t * (p_s - soft_s),
                **self.through("student", self.x_s, t * (soft_s - p_s)),
            },
            "teacher_proxy": {
                "teacher.logits": t * (p_t - soft_t),
                **self.through("teacher", self.x_t, t * (soft_t - p_t)),
            },
            "cross": {
                **self.through("student", self.x_s, cross),
                **self.through("teacher", self.x_t, -cross),
            },
        }
        total: dict[str, Array] = {}
        for term, reached in by_term.items():
            for name, gradient in reached.items():
                total[name] = total.get(name, 0.0) + self.term_weights()[term] * gradient
        return by_term | {"total": total}

    def through(self, network: str, x: Array, gradient: Array) -> dict[str, Array]:
        """A gradient by a proxy's logits, as it reaches its weights and the features."""
        return {
            f"{network}.features": gradient @ self.weights[f"{network}_proxy.weight"],
            f"{network}_proxy.weight": gradient.T @ x,
            f"{network}_proxy.bias": gradient.sum(0),
        }


@WIDTHS
@EVERY_CASE
def test_c2kd_is_its_formulas(options: dict[str, Any], teacher_dim: int) -> None:
    reference = Reference(options, teacher_dim)
    terms = losses(reference.distiller, reference.student, reference.teacher, reference.labels)
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(
        reference.terms(), rel=0, abs=1e-10
    )


@WIDTHS
@EVERY_CASE
def test_every_term_moves_what_it_should_and_nothing_else(
    options: dict[str, Any], teacher_dim: int
) -> None:
    reference = Reference(options, teacher_dim)
    distiller, student, teacher = reference.distiller, reference.student, reference.teacher
    inputs = {
        "student.logits": student.logits,
        "student.features": student.features,
        "teacher.logits": teacher.logits,
        "teacher.features": teacher.features,
        **dict(distiller.named_parameters()),
    }
    terms = losses(distiller, student, teacher, reference.labels)
    expected = reference.gradients()
    assert terms.keys() == expected.keys()
    for term, value in terms.items():
        gradients = torch.autograd.grad(
            value, list(inputs.values()), retain_graph=True, allow_unused=True
        )
        for (name, x), gradient in zip(inputs.items(), gradients, strict=True):
            wanted = expected[term].get(name)
            assert (gradient is not None) == (wanted is not None), (term, name)
            if gradient is not None and wanted is not None:
                assert_close(gradient, torch.from_numpy(wanted), rtol=0, atol=1e-10)
                assert gradient.shape == x.shape


def branch(proxy: nn.Sequential, channels: int) -> nn.Sequential:
    """The published proxy, layer by layer, with the weights of `proxy`."""
    layers = nn.Sequential(
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.LeakyReLU(0.1),
        nn.Flatten(),
        nn.Linear(channels, C),
    )
    convolution, norm, _, classifier = list(layers)[1:3] + list(layers)[4:]
    with torch.no_grad():
        convolution.weight.copy_(proxy[0].weight[:, :, None, None])
        for own, copied in ((norm, proxy[1]), (classifier, proxy[3])):
            own.weight.copy_(copied.weight)
            own.bias.copy_(copied.bias)
    return layers


def published(distiller: Distiller, student: Outputs, teacher: Outputs, third: int) -> Tensor:
    """The published loss, sample by sample."""
    networks = (student, teacher)
    proxies = (distiller.get_submodule("student_proxy"), distiller.get_submodule("teacher_proxy"))
    ranks = []
    for network, proxy in zip(networks, proxies, strict=True):
        x = network.maps[third]
        x = x if x.ndim == 4 else x[:, :, None]
        ranks.append(branch(proxy, x.shape[1])(x))

    def kl(target: Tensor, guess: Tensor) -> Tensor:
        p = target.detach().softmax(-1)
        return (p * (p.log() - guess.log_softmax(-1))).sum()

    total = torch.zeros(())
    for network, rank in zip(networks, ranks, strict=True):
        for n, label in enumerate(LABELS):
            z, r = network.logits[n], rank[n]
            total = total - z.log_softmax(-1)[label] + kl(z, r) + kl(r, z)
    for n, label in enumerate(LABELS):
        s, t = (rank[n] for rank in ranks)
        if kendalltau(s.detach(), t.detach()).statistic > 0:
            others = torch.arange(C) != label
            s, t = s * others, t * others
            total = total + kl(t, s) + kl(s, t)
    return total / N


LABELS = torch.arange(N) % C


@pytest.mark.parametrize("sizes", [(SOUNDS, PICTURES), (PICTURES, SOUNDS), (SOUNDS, SOUNDS)])
@pytest.mark.parametrize("seed", [0, 7])
def test_by_default_it_is_the_published_form(sizes: tuple[Sizes, Sizes], seed: int) -> None:
    distiller = build_on_maps("c2kd", *sizes)
    student, teacher = outputs_on_maps(sizes[0], seed), outputs_on_maps(sizes[1], seed + 1)
    reached = [student.maps[2], teacher.maps[2], student.logits, teacher.logits]
    found = losses(distiller, student, teacher, LABELS)
    expected = published(distiller, student, teacher, 2)
    assert_close(found["total"], expected, rtol=0, atol=1e-10)
    gradients = (torch.autograd.grad(x, reached) for x in (found["total"], expected))
    for own, other in zip(*gradients, strict=True):
        assert other.any()
        assert_close(own, other, rtol=0, atol=1e-10)
    assert found["cross"] > 0


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_without_a_third_stage_before_it_the_last_one_counts_after_its_relu(stages: int) -> None:
    sizes = SOUNDS[4 - stages :]
    distiller = build_on_maps("c2kd", sizes, sizes)
    student, teacher = outputs_on_maps(sizes, 0), outputs_on_maps(sizes, 1)
    after = (x._replace(maps=(*x.maps[:-1], x.maps[-1].relu())) for x in (student, teacher))
    found = losses(distiller, student, teacher, LABELS)["total"]
    assert_close(found, published(distiller, *after, -1), rtol=0, atol=1e-10)
    pooled = (x._replace(features=x.embedding(), maps=None) for x in (student, teacher))
    assert_close(losses(distiller, *pooled, LABELS)["total"], found, rtol=0, atol=1e-10)


def test_proxies_start_as_published() -> None:
    proxy = build_on_maps("c2kd", ((512, 2),), ((3, 2),)).get_submodule("student_proxy")
    assert proxy[0].weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.01)
    assert proxy[3].weight.abs().max().item() == pytest.approx(512**-0.5, rel=0.01)
    assert proxy[3].bias.abs().max().item() <= 512**-0.5


def test_maps_are_asked_for_only_where_they_are_read() -> None:
    assert build("c2kd").student_maps
    assert build("c2kd").teacher_maps
    plain = build("c2kd", proxies="features")
    assert not plain.student_maps
    assert not plain.teacher_maps


def test_some_samples_are_selected_and_others_are_not() -> None:
    shares = [Reference(options, DIM).agree().mean() for options in OPTIONS]
    assert shares[4] == 0
    assert all(0.1 < share < 0.99 for i, share in enumerate(shares) if i != 4)
    assert len(set(shares)) > 3


def test_nothing_crosses_where_no_sample_is_selected() -> None:
    distiller = build("c2kd", threshold=1.0)
    terms = losses(distiller, *batch())
    terms["cross"].backward()
    assert terms["cross"] == 0
    for weight in distiller.parameters():
        assert weight.grad is not None
        assert (weight.grad == 0).all()


@pytest.mark.parametrize(
    ("levels", "classes"), [(None, 2), (None, 7), (2, 6), (3, 10), (50, 60), (1, 5)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kendall_is_tau_b(levels: int | None, classes: int, dtype: torch.dtype) -> None:
    rng = np.random.default_rng(classes)

    def draw() -> Array:
        shape = (40, classes)
        rows = rng.normal(size=shape) if levels is None else rng.integers(levels, size=shape)
        return np.asarray(rows, dtype=np.float64)

    a, b = draw(), draw()
    a[0] = b[1] = 0.7
    a[2] = b[2]
    a[3] = -b[3]
    taus = kendall(torch.as_tensor(a, dtype=dtype), torch.as_tensor(b, dtype=dtype))
    expected = [kendalltau(x, y).statistic for x, y in zip(a, b, strict=True)]
    assert np.isnan(expected[:2]).all()
    assert taus.shape == (40,)
    assert_close(taus, torch.as_tensor(np.nan_to_num(expected), dtype=dtype), rtol=0, atol=1e-6)
    if dtype == torch.float64:
        np.testing.assert_allclose(taus.numpy(), np.nan_to_num(expected), rtol=0, atol=1e-12)


def test_rows_at_a_time_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = (torch.randn(23, 5, dtype=torch.float32) for _ in range(2))
    whole = kendall(a, b)
    for pairs in (1, 25, 100, 23 * 25):
        monkeypatch.setattr(c2kd, "AT_ONCE", pairs)
        assert torch.equal(kendall(a, b), whole)


def test_a_rank_correlation_of_zero_is_exactly_zero() -> None:
    a = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    b = torch.tensor([[3.0, 1.0, 4.0, 2.0]])
    assert kendall(a, b).item() == kendalltau(a[0], b[0]).statistic == 0.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("label_class", ["removed", "zeroed"])
@pytest.mark.parametrize("proxies", ["third-stage", "features"])
def test_values_and_gradients_stay_finite(
    proxies: str, label_class: str, dtype: torch.dtype
) -> None:
    for classes, spread in itertools.product((2, 5), (0.0, 1.0, 1e3)):
        check_finite(classes, spread, proxies, label_class, dtype)


def check_finite(
    classes: int, spread: float, proxies: str, label_class: str, dtype: torch.dtype
) -> None:
    draw = torch.Generator().manual_seed(0)
    distiller = distillers.build(
        "c2kd",
        num_classes=classes,
        student_dim=3,
        teacher_dim=4,
        threshold=-1.0,
        label_class=label_class,
        proxies=proxies,
    ).to(dtype)

    def outputs(dim: int) -> Outputs:
        x, z = (spread * torch.randn(8, k, generator=draw).to(dtype) for k in (dim, classes))
        return Outputs(x.requires_grad_(), z.requires_grad_())

    student, teacher = outputs(3), outputs(4)
    terms = losses(distiller, student, teacher, torch.arange(8) % classes)
    terms["total"].backward()
    assert all(x.isfinite() and x.dtype == dtype for x in terms.values())
    for x in (*student[:2], *teacher[:2], *distiller.parameters()):
        assert x.grad is not None
        assert x.grad.isfinite().all()
    if classes == 2 and label_class == "removed":
        assert terms["cross"] == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("threshold", 0.5),
        ("temperature", 2.0),
        ("weight_teacher", 2.0),
        ("weight_proxy", 2.0),
        ("weight_cross", 2.0),
        ("label_class", "removed"),
        ("proxies", "features"),
    ],
)
def test_every_option_matters(option: str, value: Any) -> None:
    total = losses(build("c2kd"), *batch(n=SIZE))["total"].item()
    other = losses(build("c2kd", **{option: value}), *batch(n=SIZE))["total"].item()
    assert abs(other - total) > 1e-3


def test_the_teacher_moves() -> None:
    distiller = build("c2kd")
    assert distiller.moves_teacher
    assert distiller.needs_pairs


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (
            "threshold",
            1.5,
            "threshold: 1.5 is not a rank correlation. Give a number from -1 to 1.",
        ),
        ("threshold", -1.5, "threshold: -1.5 is not a rank correlation"),
        ("temperature", 0.0, "temperature: 0.0 is too small. Give a number above 0."),
        ("weight_teacher", -1.0, "weight_teacher: -1.0 is not a weight"),
        ("weight_proxy", -1.0, "weight_proxy: -1.0 is not a weight"),
        ("weight_cross", -1.0, "weight_cross: -1.0 is not a weight"),
        (
            "label_class",
            "kept",
            "label_class: unknown value 'kept'. Choose from: removed, zeroed.",
        ),
        (
            "proxies",
            "fourth-stage",
            "proxies: unknown value 'fourth-stage'. Choose from: features, third-stage.",
        ),
    ],
)
def test_a_wrong_option_is_answered_in_a_sentence(option: str, value: Any, message: str) -> None:
    assert message in refusal(build, "c2kd", **{option: value})
