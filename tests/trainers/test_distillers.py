import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.testing import assert_close

from search_spaces.errors import ConfigError
from trainers import distillers
from trainers.distillers import Distiller, Outputs

N, C, DIM, OTHER_DIM = 6, 4, 11, 8
OFF = {"freq": False, "align": False, "scale": False, "logmse": False}
Array = NDArray[np.float64]
WIDTHS = pytest.mark.parametrize("teacher_dim", [DIM, OTHER_DIM])


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def build(name: str, teacher_dim: int = DIM, **options: object) -> Distiller:
    torch.manual_seed(3)
    return distillers.build(
        name, num_classes=C, student_dim=DIM, teacher_dim=teacher_dim, **options
    )


def batch(teacher_dim: int = DIM, seed: int = 0) -> tuple[Outputs, Outputs, Tensor]:
    """Student, teacher and labels; both networks' outputs ask for gradients."""
    rng = np.random.default_rng(seed)

    def outputs(dim: int) -> Outputs:
        features, logits = (torch.from_numpy(rng.normal(0.5, 1, (N, d))) for d in (dim, C))
        return Outputs(features.requires_grad_(), logits.requires_grad_())

    student, teacher = outputs(DIM), outputs(teacher_dim)
    return student, teacher, torch.from_numpy(rng.integers(C, size=N))


class Reference:
    """The formulas of method.md in numpy, with the weights of `distiller`."""

    def __init__(self, distiller: Distiller, options: dict[str, Any]) -> None:
        self.weights = {k: v.detach().numpy() for k, v in distiller.state_dict().items()}
        self.options = options

    def cross_entropy(self, logits: Array, labels: Array) -> float:
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        return float(-np.log(p[np.arange(N), labels]).mean())

    def linear(self, layer: str, x: Array) -> Array:
        if f"{layer}.weight" not in self.weights:
            assert layer == "project"
            return x
        product: Array = x @ self.weights[f"{layer}.weight"].T + self.weights[f"{layer}.bias"]
        return product

    def bands(self, x: Array, basis: str) -> list[tuple[str, Array]]:
        if not self.options["freq"]:
            return [("low", x)]
        bins = int(self.options["cutoff"] * (x.shape[1] // 2))
        if self.options["basis"] == "fourier":
            spectrum = np.fft.rfft(x)
            lows, highs = spectrum.copy(), spectrum.copy()
            lows[:, bins + 1 :] = 0
            highs[:, : bins + 1] = 0
            if self.options["scale"]:
                lows[:, 0] = 0
            parts = [np.fft.irfft(bands, n=x.shape[1]) for bands in (lows, highs)]
        else:
            rows, start = self.weights[basis], int(self.options["scale"])
            coordinates = x @ rows.T
            edge = 2 * bins + 1
            parts = [
                coordinates[:, start:edge] @ rows[start:edge],
                coordinates[:, edge:] @ rows[edge:],
            ]
        return list(zip(("low", "high"), parts, strict=True))

    def error(self, s: Array, t: Array, loss: str) -> float:
        def prepare(x: Array) -> Array:
            if self.options["scale"]:
                x = x - x.mean(1, keepdims=True)
                x = x / np.maximum(np.sqrt((x**2).sum(1, keepdims=True)), 1e-8)
            return np.sign(x) * np.log(1 + np.abs(x)) if loss == "logmse" else x

        squares = (prepare(s) - prepare(t)) ** 2
        return float(squares.sum() / N if self.options["reduction"] == "sum" else squares.mean())

    def terms(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, float]:
        o, y = self.options, labels.numpy()
        x_s, x_t = student.features.detach().numpy(), teacher.features.detach().numpy()
        task = self.cross_entropy(student.logits.detach().numpy(), y)
        if o["freq"] and o["band_heads"]:
            for part, band in self.bands(x_s, "student_basis"):
                task += self.cross_entropy(
                    self.linear(f"band_heads.{part}", np.maximum(band, 0)), y
                )
        losses = {
            "low": o["low_loss"],
            "high": o["high_loss"] or ("logmse" if o["logmse"] else "mse"),
        }
        values = {"task": task, "low": 0.0, "high": 0.0, "align": 0.0}
        guess = self.bands(self.linear("project", x_s), "teacher_basis")
        target = self.bands(x_t, "teacher_basis")
        for (part, band_s), (_, band_t) in zip(guess, target, strict=True):
            values[part] = self.error(band_s, band_t, losses[part])
            if o["align"]:
                values["align"] += sum(
                    self.cross_entropy(self.linear(f"classifiers.{part}", np.maximum(band, 0)), y)
                    for band in (band_s, band_t)
                )
        weighted = sum(o[f"weight_{part}"] * values[part] for part in ("low", "high", "align"))
        return values | {"total": task + weighted}


def check(teacher_dim: int, **given: object) -> None:
    distiller = build("fd-cmkd", teacher_dim, **given)
    reference = Reference(distiller, distillers.resolve_options("fd-cmkd", given))
    student, teacher, labels = batch(teacher_dim)
    terms = distiller(student, teacher, labels)
    expected = reference.terms(student, teacher, labels)
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(value, rel=0, abs=1e-10), name


SWITCHES = [
    dict(zip(OFF, values, strict=True))
    for values in itertools.product([False, True], repeat=4)
    if values[0] or not values[3]
]


@WIDTHS
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(
    "switches", SWITCHES, ids=lambda s: "+".join(k for k, on in s.items() if on) or "off"
)
def test_fd_cmkd_is_its_formulas_for_all_switches(
    switches: dict[str, bool], reduction: str, teacher_dim: int
) -> None:
    weights = {"weight_low": 2.0, "weight_high": 0.5, "weight_align": 3}
    check(teacher_dim, **switches, reduction=reduction, **weights)


@WIDTHS
@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("low_loss", ["mse", "logmse"])
@pytest.mark.parametrize("high_loss", [None, "mse", "logmse"])
@pytest.mark.parametrize("logmse", [False, True])
def test_fd_cmkd_is_its_formulas_for_all_losses(
    scale: bool, low_loss: str, high_loss: str | None, logmse: bool, teacher_dim: int
) -> None:
    check(teacher_dim, scale=scale, low_loss=low_loss, high_loss=high_loss, logmse=logmse)


@WIDTHS
@pytest.mark.parametrize("cutoff", [1 / 4, 1 / 3, 2 / 3, 3 / 4])
@pytest.mark.parametrize("band_heads", [False, True])
@pytest.mark.parametrize("basis", ["fourier", "random"])
@pytest.mark.parametrize("scale", [False, True])
def test_fd_cmkd_is_its_formulas_for_cutoffs_heads_and_bases(
    cutoff: float, band_heads: bool, basis: str, scale: bool, teacher_dim: int
) -> None:
    check(teacher_dim, cutoff=cutoff, band_heads=band_heads, basis=basis, scale=scale)


def test_fd_cmkd_without_freq_can_compress_the_whole_features() -> None:
    check(DIM, **OFF | {"scale": True}, low_loss="logmse")


@WIDTHS
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_fd_cmkd_all_off_is_feat_in_value_and_gradient(reduction: str, teacher_dim: int) -> None:
    results = []
    for name, options in [
        ("feat", {"weight": 1.7}),
        ("fd-cmkd", {**OFF, "weight_low": 1.7}),
    ]:
        distiller = build(name, teacher_dim, reduction=reduction, **options)
        student, teacher, labels = batch(teacher_dim)
        total = distiller(student, teacher, labels)["total"]
        roots = [student.features, student.logits, *distiller.parameters()]
        results.append([total, *torch.autograd.grad(total, roots)])
    assert len(results[0]) == (3 if teacher_dim == DIM else 5)
    assert_close(results[0], results[1], rtol=0, atol=0)


@WIDTHS
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_feat_is_its_formula(reduction: str, teacher_dim: int) -> None:
    distiller = build("feat", teacher_dim, weight=3, reduction=reduction)
    student, teacher, labels = batch(teacher_dim)
    reference = Reference(distiller, {"scale": False, "reduction": reduction})
    x_s, x_t = student.features.detach().numpy(), teacher.features.detach().numpy()
    feat = reference.error(reference.linear("project", x_s), x_t, "mse")
    task = reference.cross_entropy(student.logits.detach().numpy(), labels.numpy())
    terms = distiller(student, teacher, labels)
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(
        {"task": task, "feat": feat, "total": task + 3 * feat}, rel=0, abs=1e-10
    )


def test_none_is_cross_entropy_without_a_teacher() -> None:
    distiller = build("none")
    student, _, labels = batch()
    terms = distiller(student, None, labels)
    expected = Reference(distiller, {}).cross_entropy(
        student.logits.detach().numpy(), labels.numpy()
    )
    assert not distiller.needs_teacher
    assert terms["task"].item() == pytest.approx(expected, rel=0, abs=1e-10)
    assert terms["total"].item() == terms["task"].item()


CONTRACT = [
    *[(name, {}) for name in distillers.names()],
    ("fd-cmkd", {"basis": "random"}),
    ("fd-cmkd", {"band_heads": False}),
    ("fd-cmkd", {**OFF, "align": True}),
]


@WIDTHS
@pytest.mark.parametrize(("name", "options"), CONTRACT)
class TestEveryDistiller:
    """What a method must do; a new one is taken in by its name."""

    def test_terms_are_finite_scalars_with_a_total(
        self, name: str, options: dict[str, Any], teacher_dim: int
    ) -> None:
        terms = build(name, teacher_dim, **options)(*batch(teacher_dim))
        assert {"task", "total"} <= terms.keys()
        assert all(x.shape == () and x.isfinite() for x in terms.values())

    def test_gradients_reach_student_and_own_weights_and_never_the_teacher(
        self, name: str, options: dict[str, Any], teacher_dim: int
    ) -> None:
        distiller = build(name, teacher_dim, **options)
        student, teacher, labels = batch(teacher_dim)
        distiller(student, teacher, labels)["total"].backward()
        assert student.logits.grad is not None
        assert student.logits.grad.any()
        if distiller.needs_teacher:
            assert student.features.grad is not None
            assert student.features.grad.any()
        for weight_name, weight in distiller.named_parameters():
            assert weight.grad is not None, weight_name
            assert weight.grad.any(), weight_name
        for x in (teacher.features, teacher.logits):
            assert x.grad is None or not x.grad.any()

    def test_heads_predict_without_a_teacher(
        self, name: str, options: dict[str, Any], teacher_dim: int
    ) -> None:
        distiller = build(name, teacher_dim, **options).eval()
        student, _, _ = batch(teacher_dim)
        heads = distiller.heads(student)
        assert heads["logits"] is student.logits
        assert all(x.shape == (N, C) and x.isfinite().all() for x in heads.values())

    def test_the_seed_decides_the_weights_and_the_state_carries_them(
        self, name: str, options: dict[str, Any], teacher_dim: int
    ) -> None:
        first, again = (build(name, teacher_dim, **options) for _ in range(2))
        assert_close(first.state_dict(), again.state_dict(), rtol=0, atol=0)
        other = distillers.build(
            name, num_classes=C, student_dim=DIM, teacher_dim=teacher_dim, **options
        )
        other.load_state_dict(first.state_dict())
        inputs = batch(teacher_dim)
        assert_close(other(*inputs), first(*inputs), rtol=0, atol=0)


@WIDTHS
@pytest.mark.parametrize("basis", ["fourier", "random"])
def test_band_heads_classify_the_bands_of_unmapped_features(basis: str, teacher_dim: int) -> None:
    distiller = build("fd-cmkd", teacher_dim, basis=basis)
    student, _, _ = batch(teacher_dim)
    reference = Reference(distiller, distillers.resolve_options("fd-cmkd", {"basis": basis}))
    heads = distiller.heads(student)
    assert list(heads) == ["logits", "low", "high"]
    for part, band in reference.bands(student.features.detach().numpy(), "student_basis"):
        expected = reference.linear(f"band_heads.{part}", np.maximum(band, 0))
        assert_close(heads[part].detach(), torch.from_numpy(expected), rtol=0, atol=1e-10)


@pytest.mark.parametrize("options", [{"band_heads": False}, OFF])
def test_without_band_heads_only_the_logits_predict(options: dict[str, Any]) -> None:
    student, _, _ = batch()
    assert list(build("fd-cmkd", **options).heads(student)) == ["logits"]


@WIDTHS
def test_every_term_reaches_the_student(teacher_dim: int) -> None:
    student, teacher, labels = batch(teacher_dim)
    terms = build("fd-cmkd", teacher_dim)(student, teacher, labels)
    for name, value in terms.items():
        (gradient,) = torch.autograd.grad(value, student.features, retain_graph=True)
        assert gradient.any(), name


def test_teacher_terms_of_align_train_the_shared_classifiers_alone() -> None:
    distiller = build("fd-cmkd")
    student, teacher, labels = batch()
    other = batch(seed=1)[1]
    gradients = []
    for taught in (teacher, other):
        align = distiller(student, taught, labels)["align"]
        weight = distiller.get_parameter("classifiers.low.weight")
        gradients.append(torch.autograd.grad(align, [student.features, weight]))
    assert_close(gradients[0][0], gradients[1][0], rtol=0, atol=0)
    assert not torch.allclose(gradients[0][1], gradients[1][1])


def test_control_and_method_start_with_the_same_classifiers() -> None:
    fourier, random = (build("fd-cmkd", basis=basis) for basis in ("fourier", "random"))
    for name, weight in fourier.named_parameters():
        assert torch.equal(weight, random.get_parameter(name))


def test_equal_settings_are_spelt_equally() -> None:
    plain = distillers.resolve_options("fd-cmkd", {})
    assert plain == distillers.resolve_options("fd-cmkd", {"weight_low": 1, "freq": True})
    assert repr(plain) == repr(distillers.resolve_options("fd-cmkd", {"weight_low": 1}))
    assert "num_classes" not in plain


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("kdd", {}, "unknown method 'kdd'. Choose from: fd-cmkd, feat, none"),
        ("fd-cmkd", {"freqs": True}, "unknown option of fd-cmkd 'freqs'. Choose from: align, "),
        ("fd-cmkd", {"freq": 1}, "freq of fd-cmkd: 1 is not a usable value. Give a bool."),
        ("fd-cmkd", {"cutoff": 1}, "cutoff: 1.0 does not cut the bins in two. Give a number betw"),
        ("fd-cmkd", {"low_loss": "l1"}, "low_loss: unknown value 'l1'. Choose from: logmse, mse."),
        ("fd-cmkd", {"high_loss": ""}, "high_loss: unknown value ''. Choose from: logmse, mse."),
        ("fd-cmkd", {"basis": "dct"}, "basis: unknown value 'dct'. Choose from: fourier, random."),
        ("fd-cmkd", {"reduction": "max"}, "reduction: unknown value 'max'. Choose from: mean, su"),
        ("fd-cmkd", {"weight_low": -1}, "weight_low: -1.0 is not a weight. Give a number of 0 or"),
        ("fd-cmkd", {"weight_high": -1}, "weight_high: -1.0 is not a weight. Give a number of 0 "),
        ("fd-cmkd", {"weight_align": -1}, "weight_align: -1.0 is not a weight. Give a number of "),
        ("fd-cmkd", {"freq": False}, "Give logmse=false (it is on by default)"),
        ("fd-cmkd", {**OFF, "high_loss": "logmse"}, "and no high_loss beside freq=false."),
        ("feat", {"weight": -0.5}, "weight: -0.5 is not a weight. Give a number of 0 or more."),
        ("feat", {"reduction": "none"}, "reduction: unknown value 'none'. Choose from: mean, sum"),
        ("none", {"weight": 1}, "unknown option of none 'weight'"),
    ],
)
def test_a_wrong_choice_is_answered_in_a_sentence(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build(name, **options)
    assert message in str(caught.value)


def test_detached_outputs_keep_their_values_and_no_graph() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    outputs = Outputs(x * 2, x * 3, (x * 4,)).detach()
    assert outputs.maps is not None
    assert not any(t.requires_grad for t in (outputs.features, outputs.logits, *outputs.maps))
    assert_close([outputs.features, outputs.logits, *outputs.maps], [x.data * k for k in (2, 3, 4)])
    assert Outputs(x, x).detach().maps is None
