import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.tri import TriContourSet
from scipy import stats

from fdsweep.results import plots
from fdsweep.results.compute.tables import build_table
from fdsweep.results.plots import (
    cutoff_response,
    cutoff_rows,
    pictures,
    render,
    save,
    search_pictures,
)
from fdsweep.results.records import manifest as manifests
from fdsweep.results.records import searches
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.schema import Replicate
from fdsweep.results.records.searches import Dimension, Search, SearchTrial
from fdsweep.results.records.store import Store
from fdsweep.results.report import learnt_cutoffs

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
    axes = panel(search_pictures(search(weights(), LOW, HIGH, chosen=0))["best-so-far"])
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
    others = Path(plots.__file__).parent.parent.glob("*.py")
    assert "import style" in pictures["style.py"]
    assert not any("pyplot" in text.replace("without pyplot", "") for text in pictures.values())
    draws = re.compile(r"^ *(from|import) (matplotlib|results\.plots|results import .*plots)", re.M)
    sources = {path.name: path.read_text() for path in others}
    assert draws.search(pictures["search.py"])
    drawing = {name for name, text in sources.items() if draws.search(text)}
    assert drawing <= {"analysis_plots.py"}


Fill = Callable[..., Manifest]


@pytest.fixture
def fill(
    store: Store, manifest: Callable[..., Manifest], replicate: Callable[..., Replicate]
) -> Fill:
    """A stored sweep with the `options` of each row; a seed's accuracy is drawn at random."""

    def make(
        options: Mapping[str, dict[str, Any]], method: str = "fd-cmkd", **sweep: Any
    ) -> Manifest:
        made = manifest(names=list(options), **sweep)
        manifests.save(store, made)
        generator = np.random.default_rng(0)
        for row in made.rows:
            config = {"method": method, "options": options[row.row], "student": row.direction}
            for seed in made.seeds:
                one = replicate(
                    key=row.key,
                    seed=seed,
                    best_epoch=1 + seed % 2,
                    test_accuracy=generator.uniform(0.5, 0.7),
                    config=json.dumps(config),
                )
                learnt = [
                    {"epoch": epoch, "split": "train", "metric": metric, "value": value}
                    for epoch in range(3)
                    for metric, value in {"cutoff": 0.4 + seed / 100 + epoch / 10, "lr": 9}.items()
                    if options[row.row].get("cutoff") == "learn"
                ]
                store.put(one, learnt, [])
        return made

    return make


def response(store: Store, made: Manifest) -> Figure | None:
    replicates = store.replicates()
    rows = cutoff_rows(made, replicates)
    table = build_table(made, replicates)
    return cutoff_response(made, table, rows, learnt_cutoffs(store, replicates))


CUTOFFS = {
    "half": {"cutoff": 0.5},
    "quarter": {"cutoff": 0.25},
    "most": {"cutoff": 0.75},
    "learnt": {"cutoff": "learn"},
}


def test_the_response_is_the_mean_with_its_interval_in_each_direction(
    store: Store, fill: Fill
) -> None:
    made = fill(CUTOFFS)
    figure = response(store, made)
    assert figure is not None
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "accelerometer → gyroscope (n = 5 seeds)",
        "gyroscope → accelerometer (n = 5 seeds)",
    ]
    rows = store.replicates()
    percent = {key: 100 * own["test_accuracy"] for key, own in rows.groupby("key")}
    for axes, student in zip(figure.axes, ("gyroscope", "accelerometer"), strict=True):
        own = [percent[f"{name}.{student}"] for name in ("quarter", "half", "most")]
        means = [values.mean() for values in own]
        curve = line(axes, "mean over the seeds")
        np.testing.assert_allclose(curve, np.transpose([[0.25, 0.5, 0.75], means]))
        np.testing.assert_allclose(line(axes, "baseline: half")[:, 1], means[1])

        ends = [stats.ttest_1samp(values, 0).confidence_interval() for values in own]
        (band,) = (one for one in axes.collections if "CI" in str(one.get_label()))
        (path,) = band.get_paths()
        for cutoff, end in zip((0.25, 0.5, 0.75), ends, strict=True):
            edges = path.vertices[np.isclose(path.vertices[:, 0], cutoff), 1]
            assert (edges.min(), edges.max()) == pytest.approx((end.low, end.high))

        # at epochs 1, 2, 1, 2, 1: 0.50, 0.61, 0.52, 0.63, 0.54
        (learnt,) = axes.containers
        place = learnt.lines[0].get_xydata()[0]
        values = percent[f"learnt.{student}"]
        assert place == pytest.approx((0.56, values.mean()))
        across, upright = (bars.get_segments()[0] for bars in learnt.lines[2])
        end = stats.ttest_1samp(values, 0).confidence_interval()
        assert upright[:, 1] == pytest.approx((end.low, end.high))
        deviation = np.std([0.50, 0.61, 0.52, 0.63, 0.54], ddof=1)
        assert across[:, 0] == pytest.approx((0.56 - deviation, 0.56 + deviation))


def keys_of(made: Manifest, *names: str) -> set[str]:
    return {row.key for row in made.rows if row.row in names}


def test_rows_of_a_curve_differ_in_the_cutoff_alone(store: Store, fill: Fill) -> None:
    made = fill({**CUTOFFS, "loud": {"cutoff": 0.9, "weight_low": 2.0}, "none": {}})
    found = cutoff_rows(made, store.replicates())
    assert set(found) == keys_of(made, *CUTOFFS)
    assert found["quarter.gyroscope"] == 0.25
    assert found["learnt.gyroscope"] == "learn"


@pytest.mark.parametrize(
    "options",
    [
        {name: CUTOFFS[name] for name in ("half", "quarter", "learnt")},
        {"half": {"cutoff": 0.5}, "same": {"cutoff": 0.5}, "third": {"cutoff": 1 / 3}},
        {name: {"cutoff": n / 8, "weight_low": n} for n, name in enumerate("abcde", 1)},
        {f"{w}{n}": {"cutoff": n / 8, "weight_low": w} for w in (1, 2) for n in (1, 2, 3)},
    ],
    ids=["two numbers", "two different ones", "more differs", "two curves"],
)
def test_what_is_no_one_curve_is_not_drawn(
    store: Store, fill: Fill, options: dict[str, dict[str, Any]]
) -> None:
    made = fill(options)
    assert cutoff_rows(made, store.replicates()) == {}
    assert response(store, made) is None


def test_a_composition_has_its_cutoff_under_the_parts_name(store: Store, fill: Fill) -> None:
    numbers = {f"at {n}": n / 8 for n in (2, 4, 6)}
    made = fill({name: {"fd-cmkd.cutoff": x} for name, x in numbers.items()}, method="kd+fd-cmkd")
    assert set(cutoff_rows(made, store.replicates()).values()) == {0.25, 0.5, 0.75}
    other = fill({name: {"cutoff": x} for name, x in numbers.items()}, method="mine", seeds=[9])
    rows = store.replicates()
    assert cutoff_rows(other, rows[rows["seed"] == 9]) == {}


def test_cutoffs_without_data_are_no_curve(
    store: Store, fill: Fill, manifest: Callable[..., Manifest]
) -> None:
    made = fill({name: CUTOFFS[name] for name in ("half", "quarter", "most")}, seeds=[0])
    assert response(store, made) is not None
    rows = store.replicates()
    failed = rows.assign(status=rows["status"].mask(rows["key"].str.startswith("most"), "failed"))
    table = build_table(made, failed)
    assert cutoff_response(made, table, cutoff_rows(made, failed), {}) is None


def test_pictures_of_several_searches_carry_their_names(store: Store, fill: Fill) -> None:
    fill(CUTOFFS)
    one = search(weights(), LOW)
    searches.save(store, "components-watch", [one])
    assert list(pictures(store, "components-watch")) == [
        *("forest", "best-so-far", "slice-weight_low", "cutoff-response", "gap")
    ]
    back = search(weights(), LOW, directions=("gyroscope->accelerometer",))
    searches.save(store, "components-watch", [one, back])
    assert set(pictures(store, "components-watch")) == {
        *("forest", "gap"),
        "fd-cmkd-accelerometer-to-gyroscope-best-so-far",
        "fd-cmkd-accelerometer-to-gyroscope-slice-weight_low",
        "fd-cmkd-gyroscope-to-accelerometer-best-so-far",
        "fd-cmkd-gyroscope-to-accelerometer-slice-weight_low",
        "cutoff-response",
    }


def test_a_sweep_without_search_and_cutoffs_has_pictures_of_its_rows_alone(
    store: Store, fill: Fill
) -> None:
    fill({"Feat": {"freq": False}, "Freq": {"freq": True}})
    assert list(pictures(store, "components-watch")) == ["forest", "gap"]


def test_a_sweep_without_replicates_has_no_pictures(
    store: Store, manifest: Callable[..., Manifest]
) -> None:
    manifests.save(store, manifest())
    assert pictures(store, "components-watch") == {}
