import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from reference import (
    DIM,
    OTHER_DIM,
    Array,
    N,
    batch,
    build,
    cross_entropy,
    linear,
    losses,
    refusal,
    weights,
)
from torch import Tensor
from torch.testing import assert_close

from fdsweep.trainers import distillers
from fdsweep.trainers.distillers import Distiller, Outputs

OFF = {"freq": False, "align": False, "scale": False, "logmse": False}
WIDTHS = pytest.mark.parametrize("teacher_dim", [DIM, OTHER_DIM])


class Reference:
    """The formulas of method.md in numpy, with the weights of `distiller`."""

    def __init__(self, distiller: Distiller, options: dict[str, Any]) -> None:
        self.weights = weights(distiller)
        self.epoch, self.epochs = distiller.epoch, distiller.epochs
        self.options = options

    def linear(self, layer: str, x: Array) -> Array:
        return linear(self.weights, layer, x)

    def bands(self, x: Array, basis: str) -> list[tuple[str, Array]]:
        if not self.options["freq"]:
            return [("low", x)]
        dim = x.shape[1]
        low, high = self.shares(np.arange(1, dim // 2 + 1), dim // 2)
        lows, highs = np.r_[not self.options["scale"], low], np.r_[0, high]
        if self.options["basis"] == "fourier":
            spectrum = np.fft.rfft(x)
            parts = [np.fft.irfft(spectrum * shares, n=dim) for shares in (lows, highs)]
        else:
            rows = self.weights[basis]
            twice = [np.r_[shares[0], np.repeat(shares[1:], 2)][:dim] for shares in (lows, highs)]
            parts = [(x @ rows.T * shares) @ rows for shares in twice]
        return list(zip(("low", "high"), parts, strict=True))

    def shares(self, bins: Array, count: int) -> tuple[Array, Array]:
        if self.options["cutoff"] != "learn":
            low = (bins <= int(self.options["cutoff"] * count)).astype(float)
        else:
            progress = self.epoch / (self.epochs - 1)
            temperature = (count / 8) ** (1 - progress) * 0.1**progress
            cutoff = 1 / (1 + np.exp(-self.weights["cutoff.theta"]))
            low = 1 / (1 + np.exp((bins - cutoff * count) / temperature))
        return low, 1 - low

    def error(self, s: Array, t: Array, loss: str) -> float:
        def prepare(x: Array) -> Array:
            if self.options["scale"]:
                x = x - x.mean(1, keepdims=True)
                x = x / np.maximum(np.sqrt((x**2).sum(1, keepdims=True)), 1e-8)
            return np.sign(x) * np.log(1 + np.abs(x)) if loss == "logmse" else x

        squares = (prepare(s) - prepare(t)) ** 2
        return float(squares.sum() / N if self.options["reduction"] == "sum" else squares.mean())

    def terms(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, float]:
        o = self.options
        x_s, x_t = student.features.detach().numpy(), teacher.features.detach().numpy()
        task = cross_entropy(student.logits.detach().numpy(), labels)
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
                    cross_entropy(self.linear(f"classifiers.{part}", np.maximum(band, 0)), labels)
                    for band in (band_s, band_t)
                )
        weighted = sum(o[f"weight_{part}"] * values[part] for part in ("low", "high", "align"))
        if o["freq"] and o["band_heads"]:
            values["heads"] = sum(
                cross_entropy(self.linear(f"band_heads.{part}", np.maximum(band, 0)), labels)
                for part, band in self.bands(x_s, "student_basis")
            )
        return values | {"total": task + weighted + values.get("heads", 0.0)}


def check(teacher_dim: int, **given: object) -> None:
    agree(build("fd-cmkd", teacher_dim, **given), teacher_dim, given)


def agree(distiller: Distiller, teacher_dim: int, given: dict[str, Any]) -> None:
    reference = Reference(distiller, distillers.resolve_options("fd-cmkd", given))
    student, teacher, labels = batch(teacher_dim)
    terms = losses(distiller, student, teacher, labels)
    expected = reference.terms(student, teacher, labels)
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(value, rel=0, abs=1e-10), (name, given)


SWITCHES = [
    dict(zip(OFF, values, strict=True))
    for values in itertools.product([False, True], repeat=4)
    if values[0] or not values[3]
]


def combinations(**choices: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Every combination of one value for each name."""
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


@WIDTHS
def test_fd_cmkd_is_its_formulas_for_all_switches(teacher_dim: int) -> None:
    weights = {"weight_low": 2.0, "weight_high": 0.5, "weight_align": 3}
    for switches, reduction in itertools.product(SWITCHES, ("mean", "sum")):
        check(teacher_dim, **switches, reduction=reduction, **weights)


@WIDTHS
def test_fd_cmkd_is_its_formulas_for_all_losses(teacher_dim: int) -> None:
    kinds, on = ("mse", "logmse"), (False, True)
    for given in combinations(scale=on, low_loss=kinds, high_loss=(None, *kinds), logmse=on):
        check(teacher_dim, **given)


@WIDTHS
def test_fd_cmkd_is_its_formulas_for_cutoffs_heads_and_bases(teacher_dim: int) -> None:
    cutoffs, on, bases = (1 / 4, 1 / 3, 2 / 3, 3 / 4), (False, True), ("fourier", "random")
    for given in combinations(cutoff=cutoffs, band_heads=on, basis=bases, scale=on):
        check(teacher_dim, **given)


@WIDTHS
def test_fd_cmkd_is_its_formulas_for_a_learned_cutoff(teacher_dim: int) -> None:
    for chosen in combinations(basis=("fourier", "random"), scale=(False, True), epoch=(0, 1, 4)):
        epoch = chosen.pop("epoch")
        options: dict[str, Any] = {"cutoff": "learn", **chosen}
        distiller = build("fd-cmkd", teacher_dim, **options)
        distiller.get_parameter("cutoff.theta").data.fill_(-0.3)
        distiller.epoch, distiller.epochs = epoch, 5
        agree(distiller, teacher_dim, options)


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
        total = losses(distiller, student, teacher, labels)["total"]
        roots = [student.features, student.logits, *distiller.parameters()]
        results.append([total, *torch.autograd.grad(total, roots)])
    assert len(results[0]) == (3 if teacher_dim == DIM else 5)
    assert_close(results[0], results[1], rtol=0, atol=0)


@WIDTHS
@pytest.mark.parametrize("basis", ["fourier", "random"])
@pytest.mark.parametrize("cutoff", [0.5, "learn"])
def test_band_heads_classify_the_bands_of_unmapped_features(
    cutoff: float | str, basis: str, teacher_dim: int
) -> None:
    options: dict[str, Any] = {"basis": basis, "cutoff": cutoff}
    distiller = build("fd-cmkd", teacher_dim, **options)
    distiller.epoch, distiller.epochs = 1, 4
    student, _, _ = batch(teacher_dim)
    reference = Reference(distiller, distillers.resolve_options("fd-cmkd", options))
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
    assert list(terms) == ["low", "high", "align", "heads"]
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


@pytest.mark.parametrize("options", [{"basis": "random"}, {"cutoff": "learn"}])
def test_control_and_method_start_with_the_same_classifiers(options: dict[str, Any]) -> None:
    plain, other = build("fd-cmkd"), build("fd-cmkd", **options)
    for name, weight in plain.named_parameters():
        assert torch.equal(weight, other.get_parameter(name))


def test_equal_settings_are_spelt_equally() -> None:
    plain = distillers.resolve_options("fd-cmkd", {})
    assert plain == distillers.resolve_options("fd-cmkd", {"weight_low": 1, "freq": True})
    assert repr(plain) == repr(distillers.resolve_options("fd-cmkd", {"weight_low": 1}))
    assert "num_classes" not in plain


def test_stored_keys_stay_valid_as_the_defaults_are_spelt_as_ever() -> None:
    assert distillers.told_options("fd-cmkd", {}) == {
        "freq": True,
        "align": True,
        "scale": True,
        "logmse": True,
        "cutoff": 0.5,
        "weight_low": 1.0,
        "weight_high": 1.0,
        "weight_align": 1.0,
        "low_loss": "mse",
        "high_loss": None,
        "reduction": "mean",
        "band_heads": True,
        "basis": "fourier",
    }
    assert repr(distillers.resolve_options("fd-cmkd", {"cutoff": 1})["cutoff"]) == "1.0"


def test_axes_are_spelt_in_a_key_where_they_are_set() -> None:
    told = distillers.told_options
    assert told("fd-cmkd", {"axes": "channels"}) == told("fd-cmkd", {})
    assert told("fd-cmkd", {"axes": "positions"})["axes"] == "positions"
    assert told("kd+fd-cmkd", {}).keys() == {
        "kd.weight",
        "kd.temperature",
        *(f"fd-cmkd.{option}" for option in told("fd-cmkd", {})),
    }
    assert told("kd+fd-cmkd", {"fd-cmkd.axes": "positions"})["fd-cmkd.axes"] == "positions"
    assert distillers.resolve_options("fd-cmkd", {})["axes"] == "channels"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("fd-cmkd", {"freqs": True}, "unknown option of fd-cmkd 'freqs'. Choose from: align, "),
        ("fd-cmkd", {"freq": 1}, "freq of fd-cmkd: 1 is not a usable value. Give a bool."),
        ("fd-cmkd", {"cutoff": 1}, "cutoff: 1.0 does not cut the bins in two. Give a number betw"),
        ("fd-cmkd", {"cutoff": True}, "cutoff of fd-cmkd: True is not a usable value."),
        ("fd-cmkd", {"cutoff": "half"}, "cutoff: 'half' is neither a number nor learn. Give a "),
        ("fd-cmkd", {**OFF, "cutoff": "0.5"}, "'0.5' is neither a number nor learn. Give a numb"),
        ("fd-cmkd", {"low_loss": "l1"}, "low_loss: unknown value 'l1'. Choose from: logmse, mse."),
        ("fd-cmkd", {"high_loss": ""}, "high_loss: unknown value ''. Choose from: logmse, mse."),
        ("fd-cmkd", {"basis": "dct"}, "basis: unknown value 'dct'. Choose from: fourier, random."),
        ("fd-cmkd", {"reduction": "max"}, "reduction: unknown value 'max'. Choose from: mean, su"),
        ("fd-cmkd", {"weight_low": -1}, "weight_low: -1.0 is not a weight. Give a number of 0 or"),
        ("fd-cmkd", {"weight_high": -1}, "weight_high: -1.0 is not a weight. Give a number of 0 "),
        ("fd-cmkd", {"weight_align": -1}, "weight_align: -1.0 is not a weight. Give a number of "),
        ("fd-cmkd", {"axes": "rows"}, "axes: unknown value 'rows'. Choose from: channels, positio"),
        ("fd-cmkd", {"axes": "positions", "basis": "random"}, "fd-cmkd: a random basis and a lear"),
        ("fd-cmkd", {"axes": "positions", "cutoff": "learn"}, "learned cutoff are of channels. G"),
        ("fd-cmkd", {"freq": False}, "Give logmse=false (it is on by default)"),
        ("fd-cmkd", {**OFF, "high_loss": "logmse"}, "and no high_loss beside freq=false."),
    ],
)
def test_a_wrong_choice_is_answered_in_a_sentence(
    name: str, options: dict[str, Any], message: str
) -> None:
    assert message in refusal(build, name, **options)
