"""Methods where networks predict every pixel: labelled ones are samples, or maps are whole."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from reference import (
    Array,
    C,
    Sizes,
    build_on_maps,
    cross_entropy,
    divergence,
    haar,
    linear,
    softmax,
    weights,
)
from scipy.stats import kendalltau
from torch import Tensor, nn
from torch.testing import assert_close

from fdsweep.trainers import distillers, tasks
from fdsweep.trainers.distillers import Distiller, Outputs
from fdsweep.trainers.features.haar import from_haar_bands

H, W = 3, 4
DIM = 5
STUDENT: Sizes = ((3, 6, 8), (4, H, W), (6, 2, 2), (DIM, H, W))
VOID = 255

SMALL: dict[str, dict[str, Any]] = {"cirkd-v2": {"stride": 2, "channel_pool": 1}}
"""Options without which so few positions are too few."""

METHODS: list[tuple[str, dict[str, Any]]] = [
    *[(name, SMALL.get(name, {})) for name in distillers.names() if name != "unpaired"],
    ("c2kd", {"proxies": "features"}),
    ("fd-cmkd", {"cutoff": "learn", "basis": "random"}),
    ("fd-cmkd", {"align": False, "band_heads": False}),
    ("fd-cmkd", {"axes": "positions"}),
    ("freekd", {"prompts": 2, "whole": 5.0}),
    ("dist+fd-cmkd", {"fd-cmkd.axes": "positions"}),
]
EVERY_METHOD = pytest.mark.parametrize(("name", "options"), METHODS, ids=str)
WIDTHS = pytest.mark.parametrize("width", [DIM, 8])


def teacher_sizes(width: int) -> Sizes:
    return ((3, 6, 8), (5, H, W), (7, 2, 3), (width, H, W))


def build(name: str, width: int = DIM, **options: Any) -> Distiller:
    distiller = build_on_maps(name, STUDENT, teacher_sizes(width), **options)
    distiller.attach(SimpleNamespace(dim=width, classifier=nn.Linear(width, C)))
    return distiller


def outputs(sizes: Sizes, seed: int) -> Outputs:
    """Of two pictures; every tensor asks for gradients of its own."""
    draw = torch.Generator().manual_seed(seed)

    def tensor(*shape: int) -> Tensor:
        return torch.randn(2, *shape, generator=draw).requires_grad_()

    maps = tuple(tensor(*size) for size in sizes)
    features = maps[-1].detach().relu().requires_grad_()
    return Outputs(features, tensor(C, *sizes[-1][1:]), maps)


def batch(width: int = DIM) -> tuple[Outputs, Outputs, Tensor]:
    """Student, teacher and labels of twice as many rows and columns, some void."""
    draw = torch.Generator().manual_seed(7)
    labels = torch.randint(C, (2, 2 * H, 2 * W), generator=draw)
    labels[torch.rand(labels.shape, generator=draw) < 0.3] = VOID
    return outputs(STUDENT, 0), outputs(teacher_sizes(width), 1), labels


def labelled(labels: Tensor) -> list[tuple[int, int, int]]:
    """Picture, row and column of the positions whose nearest pixel has a class."""
    places = [(n, i, j) for n in range(2) for i in range(H) for j in range(W)]
    return [(n, i, j) for n, i, j in places if labels[n, 2 * i + 1, 2 * j + 1] != VOID]


def truth(labels: Tensor) -> Tensor:
    return torch.stack([labels[n, 2 * i + 1, 2 * j + 1] for n, i, j in labelled(labels)])


def gathered(x: Tensor, labels: Tensor) -> Array:
    """[M, C] of maps [N, C, H, W]."""
    return np.stack([x.detach().numpy()[n, :, i, j] for n, i, j in labelled(labels)])


def losses(distiller: Distiller, *given: Any) -> dict[str, Tensor]:
    student, teacher, labels = given
    return distiller.losses(student, (teacher,), labels, tasks.find("segmentation").loss)


def terms_of(distiller: Distiller, *given: Any) -> dict[str, float]:
    found = losses(distiller, *given)
    return {name: found[name].item() for name in distiller.weights}


def test_all_but_unpaired_can_be_used() -> None:
    refused = {
        name for name in distillers.names() if not distillers.registry.get(name).factory.on_maps
    }
    assert refused == {"unpaired"}
    assert not build("kd+unpaired").on_maps
    assert build("kd+pkd-maps").on_maps
    assert build("kd+fd-cmkd", **{"fd-cmkd.axes": "positions"}).dense_only
    assert not build("fd-cmkd").dense_only


@WIDTHS
@EVERY_METHOD
def test_terms_are_finite_and_reach_what_they_should(
    name: str, options: dict[str, Any], width: int
) -> None:
    distiller = build(name, width, **options)
    for weight in distiller.parameters():  # some start at 0, and nothing reaches what is behind
        weight.data += 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    student, teacher, labels = batch(width)
    found = losses(distiller, student, teacher, labels)
    assert list(found) == ["task", *distiller.weights, "total"]
    assert all(x.shape == () and x.isfinite() for x in found.values())
    weighted = sum(distiller.weights[term] * found[term] for term in distiller.weights)
    assert_close(found["total"], found["task"] + weighted)
    found["total"].backward()
    for weight_name, weight in distiller.named_parameters():
        assert weight.grad is not None, weight_name
        assert weight.grad.any(), weight_name
    assert teacher.maps is not None
    reached = [x.grad is not None for x in (*teacher[:2], *teacher.maps)]
    assert any(reached) == distiller.moves_teacher
    heads = distiller.eval().heads(student)
    assert all(x.shape == (2, C, H, W) and x.isfinite().all() for x in heads.values())


SEEN = {
    name: options
    for name, options in METHODS
    if distillers.registry.get(name.split("+")[0]).factory.on_maps == "pixels"
    and not options
    and name != "none"
}


@WIDTHS
@pytest.mark.parametrize(
    ("name", "options"), [*SEEN.items(), ("c2kd", {"proxies": "features"})], ids=str
)
def test_labelled_pixels_are_the_samples_of_a_batch(
    name: str, options: dict[str, Any], width: int
) -> None:
    distiller = build(name, width, **options)
    student, teacher, labels = batch(width)
    rows = (
        Outputs(*(torch.from_numpy(gathered(x, labels)) for x in (net.features, net.logits)))
        for net in (student, teacher)
    )
    expected = distiller(*rows, truth(labels))
    assert list(expected)
    for term, value in terms_of(distiller, student, teacher, labels).items():
        assert value == pytest.approx(expected[term].item(), rel=0, abs=1e-12), term


@pytest.mark.parametrize("name", [*SEEN, "c2kd", "dist+fd-cmkd"])
def test_void_pixels_count_in_no_term(name: str) -> None:
    distiller = build(name)
    student, teacher, labels = batch()
    found = losses(distiller, student, teacher, labels)
    sum(found[term] for term in distiller.weights).backward()
    void = labels[:, 1::2, 1::2] == VOID
    reached = [x.grad.movedim(1, -1) for x in student[:2] if x.grad is not None]
    assert reached
    for gradient in reached:
        assert gradient[~void].any()
        assert not gradient[void].any()


@pytest.mark.parametrize("name", ["pkd-maps", "afd", "freekd"])
def test_maps_are_compared_as_a_whole(name: str) -> None:
    """Their own tests hold them against numpy; labels, and what is void, they do not read."""
    distiller = build(name)
    student, teacher, labels = batch()
    assert_close(
        terms_of(distiller, student, teacher, labels),
        {k: x.item() for k, x in distiller(student, teacher, torch.zeros(2).long()).items()},
    )
    features = (x._replace(maps=None) for x in (student, teacher))
    last = (x._replace(maps=(x.features,)) for x in (student, teacher))
    alone = build_on_maps(name, STUDENT[-1:], STUDENT[-1:])
    assert_close(terms_of(alone, *features, labels), terms_of(alone, *last, labels))


def bilinear(x: Array) -> Array:
    """[N, C, H, W] from maps of other positions, pixel by pixel."""
    rows, columns = x.shape[2:]
    out = np.zeros((*x.shape[:2], H, W))
    for i in range(H):
        for j in range(W):
            a = min(max((i + 0.5) * rows / H - 0.5, 0), rows - 1)
            b = min(max((j + 0.5) * columns / W - 0.5, 0), columns - 1)
            for y in range(rows):
                for z in range(columns):
                    share = max(1 - abs(a - y), 0) * max(1 - abs(b - z), 0)
                    out[:, :, i, j] += share * x[:, :, y, z]
    return out


def third_stage(own: dict[str, Array], proxy: str, x: Array) -> Array:
    """The published proxy as 1 x 1 convolutions, with the weights `own`."""
    hidden = np.einsum("dc,nchw->ndhw", own[f"{proxy}.0.weight"], x)
    over = (0, 2, 3)
    hidden = (hidden - hidden.mean(over, keepdims=True)) / np.sqrt(
        hidden.var(over, keepdims=True) + 1e-5
    )
    scale, shift = (own[f"{proxy}.1.{name}"][:, None, None] for name in ("weight", "bias"))
    hidden = hidden * scale + shift
    hidden = np.where(hidden > 0, hidden, 0.1 * hidden)
    logits = np.einsum("cd,ndhw->nchw", own[f"{proxy}.3.weight"], hidden)
    return np.asarray(logits + own[f"{proxy}.3.bias"][:, None, None])


@WIDTHS
def test_c2kd_has_a_proxy_at_every_position_of_the_third_stage(width: int) -> None:
    distiller = build("c2kd", width)
    student, teacher, labels = batch(width)
    own = weights(distiller)
    z, r = {}, {}
    for role, net in (("student", student), ("teacher", teacher)):
        assert net.maps is not None
        proxy = third_stage(own, f"{role}_proxy", net.maps[2].detach().numpy())
        z[role] = gathered(net.logits, labels)
        r[role] = gathered(torch.from_numpy(bilinear(proxy)), labels)
    y = truth(labels)

    def both(a: Array, b: Array) -> Array:
        p, q = softmax(a), softmax(b)
        return divergence(p, q) + divergence(q, p)

    others = [np.where(np.eye(C)[y], 0, x) for x in (r["student"], r["teacher"])]
    agree = [
        kendalltau(s, t).statistic > 0 for s, t in zip(r["student"], r["teacher"], strict=True)
    ]
    assert 0 < sum(agree) < len(agree)
    expected = {
        "teacher_task": cross_entropy(z["teacher"], y),
        "student_proxy": both(z["student"], r["student"]).mean(),
        "teacher_proxy": both(z["teacher"], r["teacher"]).mean(),
        "cross": (np.array(agree) * both(*others)).mean(),
    }
    found = terms_of(distiller, student, teacher, labels)
    assert found == pytest.approx(expected, rel=0, abs=1e-10)


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_c2kd_takes_a_last_stage_after_its_relu(stages: int) -> None:
    distiller = build_on_maps("c2kd", STUDENT[4 - stages :], STUDENT[4 - stages :])
    student, _, labels = batch()
    cut = [student._replace(maps=(student.maps or ())[4 - stages :])] * 2
    features = [x._replace(maps=None) for x in cut]  # which are that map after its ReLU
    found = terms_of(distiller, *cut, labels)
    assert found == pytest.approx(terms_of(distiller, *features, labels), rel=0, abs=1e-12)
    assert found["student_proxy"] > 0


def position_bands(x: Array, cutoff: float, keep_dc: bool) -> tuple[Array, Array]:
    spectrum = np.fft.fft2(x)
    fy = np.abs(np.fft.fftfreq(H) * H)[:, None] / (H / 2)
    fx = np.abs(np.fft.fftfreq(W) * W)[None] / (W / 2)
    low = (np.maximum(fy, fx) <= cutoff).astype(float)
    high = 1 - low
    low[0, 0] = keep_dc
    return np.fft.ifft2(spectrum * low).real, np.fft.ifft2(spectrum * high).real


@WIDTHS
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"align": False, "band_heads": False, "cutoff": 0.7, "reduction": "sum"},
        {"scale": False, "logmse": False, "cutoff": 0.7},
        {"freq": False, "logmse": False},
    ],
    ids=str,
)
def test_fd_cmkd_over_positions_is_its_formula(options: dict[str, Any], width: int) -> None:
    distiller = build("fd-cmkd", width, axes="positions", **options)
    given = distillers.resolve_options("fd-cmkd", options)
    student, teacher, labels = batch(width)
    own, y = weights(distiller), truth(labels)
    x_s, x_t = student.features.detach().numpy(), teacher.features.detach().numpy()

    def everywhere(layer: str, x: Array) -> Array:
        return np.moveaxis(linear(own, layer, np.moveaxis(x, 1, -1)), -1, 1)

    def bands(x: Array) -> dict[str, Array]:
        if not given["freq"]:
            return {"low": x}
        parts = position_bands(x, given["cutoff"], not given["scale"])
        return dict(zip(("low", "high"), parts, strict=True))

    def prepared(x: Array, compress: bool) -> Array:
        if given["scale"]:
            x = x - x.mean((2, 3), keepdims=True)
            x = x / np.sqrt((x**2).sum((2, 3), keepdims=True))
        return np.sign(x) * np.log1p(np.abs(x)) if compress else x

    def error(layer: str, band: Array) -> float:
        logits = everywhere(layer, np.maximum(band, 0))
        return cross_entropy(gathered(torch.from_numpy(logits), labels), y)

    mapped = everywhere("project", x_s)
    expected = {"low": 0.0, "high": 0.0, "align": 0.0}
    for part, band in bands(mapped).items():
        target = bands(x_t)[part]
        compress = part == "high" and given["logmse"]
        squares = (prepared(band, compress) - prepared(target, compress)) ** 2
        expected[part] = squares.mean() * (H * W if given["reduction"] == "sum" else 1)
        if given["align"]:
            expected["align"] += error(f"classifiers.{part}", band)
            expected["align"] += error(f"classifiers.{part}", target)
    if given["freq"] and given["band_heads"]:
        parts = bands(x_s)
        expected["heads"] = sum(error(f"band_heads.{part}", x) for part, x in parts.items())
        for part, logits in distiller.heads(student).items():
            if part != "logits":
                wanted = everywhere(f"band_heads.{part}", np.maximum(parts[part], 0))
                assert_close(logits.detach().numpy(), wanted, rtol=0, atol=1e-10)
    found = terms_of(distiller, student, teacher, labels)
    assert found == pytest.approx(expected, rel=0, abs=1e-10)


@pytest.mark.parametrize("basis", ["fourier", "random"])
def test_band_heads_predict_every_pixel_from_its_own_channels(basis: str) -> None:
    distiller = build("fd-cmkd", 8, basis=basis)
    student, _, labels = batch()
    pixels = Outputs(*(torch.from_numpy(gathered(x, labels)) for x in student[:2]))
    expected = distiller.heads(pixels)
    found = distiller.heads(student)
    assert list(found) == ["logits", "low", "high"]
    for part, logits in found.items():
        assert_close(gathered(logits, labels), expected[part].detach().numpy())


@pytest.mark.parametrize(
    ("features", "logits"), [((6, 8), (H, W)), ((H, W), (6, 8))], ids=["finer", "coarser"]
)
def test_features_of_other_positions_are_brought_to_those_of_the_logits(
    features: tuple[int, int], logits: tuple[int, int]
) -> None:
    def moved(net: Outputs, to: tuple[int, int]) -> Tensor:
        return nn.functional.interpolate(net.features.detach(), to, mode="bilinear")

    distiller = build("fd-cmkd", axes="positions", align=False, band_heads=False)
    student, teacher, labels = batch()
    student, teacher = (
        x._replace(features=moved(x, features), logits=torch.zeros(2, C, *logits))
        for x in (student, teacher)
    )
    there = [x._replace(features=moved(x, logits)) for x in (student, teacher)]
    found = terms_of(distiller, student, teacher, labels)
    assert found == pytest.approx(terms_of(distiller, *there, labels), rel=0, abs=1e-12)


@WIDTHS
@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("prompts", [1, 3])
def test_freekd_learns_its_masks(prompts: int, dense: bool, width: int) -> None:
    options: dict[str, Any] = {"prompts": prompts, "levels": 2, "whole": 5.0}
    distiller = build("freekd", width, **options)
    distiller.get_parameter("prompts.vectors").data.normal_()
    student, teacher, labels = batch(width)
    if not dense:
        labels = torch.tensor([3, 1])
    own = weights(distiller)
    assert student.maps is not None
    assert teacher.maps is not None
    target = teacher.maps[-1].detach().numpy()
    last = student.maps[-1].detach().numpy()
    guess = np.moveaxis(linear(own, "projects.0", np.moveaxis(last, 1, -1)), -1, 1)

    (low_s, high_s), (low_t, high_t) = (haar(x, 2) for x in (guess, target))
    distances, kept, overlap = [], [], 0.0
    for level, (band_s, band_t) in enumerate(zip([low_s, *high_s], [low_t, *high_t], strict=True)):
        scores = np.einsum("tc,nchw->nthw", own["prompts.vectors"][level], band_t.sum(0))
        masks = 1 / (1 + np.exp(-scores))
        errors = [np.abs(masks[:, t, None] * (band_s - band_t)).mean() for t in range(prompts)]
        distances.append(np.mean(errors))
        kept.append(torch.from_numpy(band_t * masks.sum(1)[:, None]))
        pairs = [
            2 * (a * b).sum() / ((a * a).sum() + (b * b).sum())
            for n in range(2)
            for t, a in enumerate(masks[n])
            for u, b in enumerate(masks[n])
            if t != u
        ]
        overlap += np.mean(pairs) if pairs else 0
    rebuilt = from_haar_bands(kept[0], kept[1:], target.shape[2:]).relu()
    seen = gathered(rebuilt, labels) if dense else rebuilt.mean((2, 3)).numpy()
    logits = seen @ own["teacher_weight"].T + own["teacher_bias"]
    expected = {
        "low": distances[0],
        "high": sum(distances[1:]),
        "whole": ((guess - target) ** 2).mean(),
        "prompt": cross_entropy(logits, truth(labels) if dense else labels) + overlap,
    }
    given = distiller(student, teacher, labels)
    assert {k: x.item() for k, x in given.items()} == pytest.approx(expected, rel=0, abs=1e-10)
    vectors = distiller.get_parameter("prompts.vectors")
    for term, value in given.items():
        (gradient,) = torch.autograd.grad(value, vectors, retain_graph=True, allow_unused=True)
        assert (gradient is not None) == (term == "prompt")
