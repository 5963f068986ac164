import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.tri import TriContourSet

from fdsweep.results import plots
from fdsweep.results.plots import drawn, render, save, search_pictures
from fdsweep.results.records.searches import Dimension, Search, SearchTrial
from fdsweep.results.records.store import Store

LOW = Dimension(name="weight_low", low=0.1, high=1e4, log=True, choices=())
HIGH = Dimension(name="weight_high", low=0.1, high=1e4, log=True, choices=())
FREQ = Dimension(name="freq", low=None, high=None, log=False, choices=(True, False))
CUTOFF = Dimension(name="cutoff", low=0.05, high=0.95, log=False, choices=())
POINTS = [(1.0, 1.0), (0.2, 30.0), (5e3, 2.0), (40.0, 900.0), (3.0, 0.3), (700.0, 6e3)]
VALUES = [0.70, 0.66, 0.74, 0.71, 0.78, 0.69]
WAY = ("accelerometer", "gyroscope")


def trial(number: int, params: Mapping[str, Any], *values: float, **changes: Any) -> SearchTrial:
    plain: dict[str, Any] = {
        "number": number,
        "state": "complete" if values else "pruned",
        "values": values,
        "reached": values[0] if values else 0.6,
        "params": dict(params),
        "epochs": 9 if values else 3,
        "seconds": 1.0,
        "source": "trained",
    }
    return SearchTrial(**{**plain, **changes})


def search(trials: Sequence[SearchTrial], *dimensions: Dimension, **changes: Any) -> Search:
    plain: dict[str, Any] = {
        "name": "fd-cmkd-1a2b",
        "space": "loss-weights",
        "method": "fd-cmkd",
        "dataset": "watch",
        "directions": ("->".join(WAY),),
        "objectives": ("accuracy",),
        "sampler": "TPE",
        "prunes": True,
        "seeds": (1000, 1001),
        "epochs": 9,
        "asked": len(trials),
        "dimensions": dimensions,
        "importances": {},
        "trials": tuple(trials),
        "chosen": None,
        "front": (),
        "infeasible": 0,
    }
    return Search(**{**plain, **changes})


def weights(prefix: str = "", points: Sequence[tuple[float, float]] = POINTS) -> list[SearchTrial]:
    return [
        trial(n, {f"{prefix}weight_low": low, f"{prefix}weight_high": high}, value)
        for n, ((low, high), value) in enumerate(zip(points, VALUES, strict=False))
    ]


def panel(figure: Figure) -> Axes:
    return figure.axes[0]


def points(axes: Axes) -> dict[str, Any]:
    """Label -> where the points of a scatter with that label lie."""
    return {str(dots.get_label()): dots.get_offsets() for dots in axes.collections}


def line(axes: Axes, label: str) -> Any:
    (found,) = (one for one in axes.lines if one.get_label() == label)
    return found.get_xydata()


def test_what_there_is_decides_what_is_drawn() -> None:
    trials = weights()
    assert list(search_pictures(search(trials, LOW, HIGH))) == [
        *("best-so-far", "slice-weight_low", "slice-weight_high", "contour")
    ]
    both = search(trials, LOW, HIGH, importances={"weight_low": 1.0})
    assert "importance" in search_pictures(both)
    constant = [trial(n, {"cutoff": 0.5}, 0.7) for n in range(3)]
    assert list(search_pictures(search(constant, CUTOFF))) == ["best-so-far"]
    without_values = [trial(0, {"cutoff": 0.5}, reached=None), trial(1, {}, state="failed")]
    assert search_pictures(search(without_values, CUTOFF)) == {}


def test_best_so_far_runs_over_the_epochs_trained() -> None:
    trials = [
        trial(0, {"cutoff": 0.5}, 0.70),
        trial(2, {"cutoff": 0.1}, reached=0.55),
        trial(1, {"cutoff": 0.2}, 0.65),
        trial(4, {"cutoff": 0.4}, 0.80, source="results", epochs=0),
        trial(3, {"cutoff": 0.3}, state="failed", epochs=2),
        trial(5, {"cutoff": 0.9}, 0.75, reached=None),
    ]
    axes = panel(search_pictures(search(trials, CUTOFF, chosen=4))["best-so-far"])
    spent = np.cumsum([9, 9, 3, 2, 0, 9])
    (step,) = axes.lines
    corners = [(9, 70), (18, 70), (spent[4], 70), (spent[4], 80), (spent[5], 80)]
    assert {tuple(corner) for corner in step.get_path().vertices} == set(corners)
    there = points(axes)
    np.testing.assert_allclose(there["complete"], [(9, 70), (18, 65), (23, 80), (32, 75)])
    np.testing.assert_allclose(there["pruned (where it ended)"], [(21, 55)])
    np.testing.assert_allclose(there["default"], [(9, 70)])
    np.testing.assert_allclose(there["chosen"], [(23, 80)])
    assert axes.get_ylabel() == "validation accuracy [%]"
    assert "accelerometer → gyroscope" in axes.get_title(loc="left")


def test_a_default_that_is_chosen_has_one_mark() -> None:
    axes = panel(search_pictures(search(weights(), chosen=0))["best-so-far"])
    assert set(points(axes)) == {"complete", "default, chosen"}


def test_importances_are_bars_and_the_greatest_is_on_top() -> None:
    shares = {"cutoff": 0.1, "weight_low": 0.7, "lr": 0.2}
    axes = panel(search_pictures(search([], importances=shares))["importance"])
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["cutoff", "lr", "weight_low"]
    assert [bar.get_width() for bar in axes.patches] == [0.1, 0.2, 0.7]
    bottoms = [bar.get_y() for bar in axes.patches]
    assert bottoms == sorted(bottoms)
    assert not axes.yaxis_inverted()


def test_a_slice_has_its_scale_and_those_trials_that_have_the_parameter() -> None:
    trials = [
        trial(0, {"freq": True, "cutoff": 0.5, "weight_low": 1.0}, 0.7),
        trial(1, {"freq": False, "weight_low": 100.0}, 0.6),
        trial(2, {"freq": True, "cutoff": 0.2, "weight_low": 10.0}, reached=0.5),
        trial(3, {"freq": True, "cutoff": 0.9, "weight_low": 10.0}, state="failed"),
    ]
    drawn = search_pictures(search(trials, FREQ, CUTOFF, LOW, chosen=0, default=None))
    cutoff, weight = panel(drawn["slice-cutoff"]), panel(drawn["slice-weight_low"])
    assert (cutoff.get_xscale(), weight.get_xscale()) == ("linear", "log")
    assert {name: at.tolist() for name, at in points(cutoff).items()} == {
        "complete": [[0.5, 70]],
        "pruned (where it ended)": [[0.2, 50]],
        "chosen": [[0.5, 70]],
    }
    np.testing.assert_allclose(points(weight)["complete"], [(1, 70), (100, 60)])

    choices = panel(drawn["slice-freq"])
    assert [label.get_text() for label in choices.get_xticklabels()] == ["true", "false"]
    places = points(choices)["complete"]
    assert np.abs(places[:, 0] - [0, 1]).max() <= 0.25
    np.testing.assert_array_equal(points(choices)["chosen"][0], places[0])


def surfaces(figure: Figure) -> list[TriContourSet]:
    return [item for item in panel(figure).collections if isinstance(item, TriContourSet)]


def test_the_contour_lies_below_its_points_on_logarithmic_axes() -> None:
    figure = search_pictures(search(weights(), LOW, HIGH))["contour"]
    axes = panel(figure)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("weight_low", "weight_high")
    np.testing.assert_allclose(points(axes)["complete"], POINTS)
    dots = next(item for item in axes.collections if item.get_label() == "complete")
    np.testing.assert_allclose(dots.get_array(), np.multiply(100, VALUES))

    (surface,) = surfaces(figure)
    figure.draw_without_rendering()
    corners = np.concatenate([path.vertices for path in surface.get_paths()])
    drawn, wanted = surface.get_transform(), axes.transData
    np.testing.assert_allclose(drawn.transform(np.log10(POINTS)), wanted.transform(POINTS))
    np.testing.assert_allclose(corners.min(axis=0), np.log10(POINTS).min(axis=0))
    np.testing.assert_allclose(corners.max(axis=0), np.log10(POINTS).max(axis=0))
    assert min(surface.levels) <= 66 <= 78 <= max(surface.levels)
    inside = np.array(axes.get_xlim()) / [LOW.low, LOW.high]
    assert inside[0] < 1 < inside[1]


@pytest.mark.parametrize(
    "places",
    [
        POINTS[:5],
        [(10.0**n, 10.0 ** (n / 2)) for n in range(6)],
        [*POINTS[:3], *POINTS[:3]],
        [POINTS[0]] * 6,
    ],
    ids=["few", "on a line", "twice the same", "once the same"],
)
def test_nothing_is_interpolated_where_that_says_nothing(
    places: list[tuple[float, float]],
) -> None:
    pruned, half = {"weight_low": 2.0, "weight_high": 3.0}, {"weight_low": 2.0}
    trials = [*weights(points=places), trial(9, pruned), trial(10, half, 0.7)]
    figure = search_pictures(search(trials, LOW, HIGH))["contour"]
    assert surfaces(figure) == []
    np.testing.assert_allclose(points(panel(figure))["complete"], places)
    np.testing.assert_allclose(points(panel(figure))["pruned"], [(2, 3)])


def test_weights_that_no_complete_trial_has_are_no_contour() -> None:
    trials = [trial(n, t.params) for n, t in enumerate(weights())]
    assert list(search_pictures(search(trials, LOW, HIGH))) == [
        *("slice-weight_low", "slice-weight_high")
    ]


def test_equal_accuracies_can_be_drawn() -> None:
    trials = [trial(n, t.params, 0.7) for n, t in enumerate(weights())]
    figure = search_pictures(search(trials, LOW, HIGH))["contour"]
    figure.draw_without_rendering()
    np.testing.assert_allclose(points(panel(figure))["complete"], POINTS)


def renamed(dimension: Dimension, part: str) -> Dimension:
    return Dimension(
        name=f"{part}.{dimension.name}", low=0.1, high=1e4, log=dimension.log, choices=()
    )


def test_weights_of_a_composition_have_a_contour_for_each_part() -> None:
    pairs = {part: (renamed(LOW, part), renamed(HIGH, part)) for part in ("fd-cmkd", "freekd")}
    one = search(weights("fd-cmkd."), *pairs["fd-cmkd"])
    assert "contour" in search_pictures(one)

    both = [
        trial(n, {**t.params, **u.params}, VALUES[n])
        for n, (t, u) in enumerate(zip(weights("fd-cmkd."), weights("freekd."), strict=True))
    ]
    drawn = search_pictures(search(both, *pairs["fd-cmkd"], *pairs["freekd"]))
    assert [name for name in drawn if "contour" in name] == ["contour-fd-cmkd", "contour-freekd"]
    mixed = search(both, pairs["fd-cmkd"][0], pairs["freekd"][1])
    assert not [name for name in search_pictures(mixed) if "contour" in name]


@pytest.mark.parametrize(
    ("objectives", "scale", "better"),
    [(("accuracy", "cost"), 1, -1), (("accuracy a->b", "accuracy b->a"), 100, 1)],
)
def test_no_trial_lies_beyond_the_pareto_front(
    objectives: tuple[str, str], scale: float, better: int
) -> None:
    values = np.random.default_rng(1).uniform(0.3, 0.9, (25, 2))
    gains = values * [1, better]
    is_better = (gains[:, None] >= gains).all(axis=2) & ~np.eye(25, dtype=bool)
    front = tuple(np.flatnonzero(~is_better.any(axis=0)).tolist())
    trials = [trial(n, {"cutoff": n / 25}, *map(float, pair)) for n, pair in enumerate(values)]
    chosen = front[-1]
    made = search(trials, CUTOFF, objectives=objectives, front=front, chosen=chosen)
    axes = panel(search_pictures(made)["pareto"])
    there, places = points(axes), values[:, ::-1] * [scale, 100]
    assert 2 < len(front) < 25
    np.testing.assert_allclose(there["chosen"], [places[chosen]])
    np.testing.assert_allclose(
        sorted([*there["Pareto front"].tolist(), *there["not on the front"].tolist()]),
        sorted(places.tolist()),
    )
    assert len(there["Pareto front"]) == len(front)

    (step,) = axes.lines
    corners = step.get_path().vertices
    assert len(corners) == 2 * len(front) - 1
    gained, reached = (at * [better, 1] + 1e-9 for at in (places, corners))
    for corner in reached:
        assert (gained >= corner - 2e-9).all(axis=1).any()
    for place in gained:
        assert not (place - 2e-9 > reached).all(axis=1).any()


def bytes_of(store: Store, sweep: str, figures: Mapping[str, Figure]) -> dict[str, bytes]:
    paths = save(store, sweep, render(figures))
    return {Path(path).name: Path(store.uri(path)).read_bytes() for path in paths}


@pytest.mark.slow
def test_the_same_search_gives_the_same_bytes_whatever_the_settings(store: Store) -> None:
    made = search([], importances={"cutoff": 1.0})
    first = bytes_of(store, "mine", search_pictures(made))
    assert list(first) == ["importance.svg", "importance.png"]
    assert set(store.listing("reports/mine")) == {f"reports/mine/{name}" for name in first}
    assert first["importance.png"].startswith(b"\x89PNG")
    assert b"<svg" in first["importance.svg"]
    for content in first.values():
        assert not any(word in content for word in (b"atplotlib v", b"Software", b"<dc:date"))

    own = {"font.size": 30.0, "svg.hashsalt": "other", "xtick.direction": "in", "figure.dpi": 50.0}
    with matplotlib.rc_context(own):
        assert bytes_of(store, "other", search_pictures(made)) == first
        assert {name: matplotlib.rcParams[name] for name in own} == own


def test_a_report_needs_no_matplotlib_and_a_picture_no_pyplot() -> None:
    pictures = {path.name: path.read_text() for path in Path(plots.__file__).parent.glob("*.py")}
    room = Path(plots.__file__).parent.parent
    others = [path for path in room.rglob("*.py") if path.parent.name != "plots"]
    assert "import style" in pictures["style.py"]
    assert not any("pyplot" in text.replace("without pyplot", "") for text in pictures.values())
    draws = re.compile(r"^ *(from|import) (matplotlib|fdsweep\.results.*plots)", re.M)
    sources = {path.name: path.read_text() for path in others}
    assert len(sources) > 20
    assert draws.search(pictures["search.py"])
    assert not {name for name, text in sources.items() if draws.search(text)}


def test_pictures_of_one_among_several_searches_carry_its_name() -> None:
    one = search(weights(), LOW)
    back = search(weights(), LOW, directions=("gyroscope->accelerometer",))
    assert list(drawn([one])) == ["best-so-far", "slice-weight_low"]
    assert set(drawn([one, back])) == {
        "fd-cmkd-accelerometer-to-gyroscope-best-so-far",
        "fd-cmkd-accelerometer-to-gyroscope-slice-weight_low",
        "fd-cmkd-gyroscope-to-accelerometer-best-so-far",
        "fd-cmkd-gyroscope-to-accelerometer-slice-weight_low",
    }
    assert drawn([]) == {}


def test_other_metrics_have_their_own_words() -> None:
    figures = search_pictures(search(weights(), LOW, objectives=("miou",)))
    axes = panel(figures["best-so-far"])
    assert axes.get_ylabel() == "validation mIoU [%]"
    assert "Best validation mIoU so far" in [text.get_text() for text in axes.texts]
