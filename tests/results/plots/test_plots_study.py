import dataclasses
import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from fdsweep.results.document import StoredSweep, SweepData
from fdsweep.results.plots import (
    confusions,
    forest,
    gap,
    learning_curves,
    matrix,
    output,
    paper,
    pictures,
    render,
)
from fdsweep.results.plots.style import DARK, GREY, Look, look
from fdsweep.results.records import manifest as manifests
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.schema import Replicate
from fdsweep.results.records.setting import Setting
from fdsweep.results.records.store import Store
from fdsweep.results.report import load
from fdsweep.search_spaces.presets import load_preset

Study: TypeAlias = Callable[..., Manifest]
LookOf: TypeAlias = Callable[[str], Look]
EPOCHS = 4
ONE_WAY = (("accelerometer", "gyroscope"),)
STUDENTS = ("gyroscope", "accelerometer")
PEOPLE, CLASSES = 4, 3


@pytest.fixture
def study(
    store: Store, manifest: Callable[..., Manifest], replicate: Callable[..., Replicate]
) -> Study:
    """A stored sweep of random numbers, or of `gains` with noise; (row, seed) may have failed.

    Curves and predictions are stored where they are asked for.
    """

    def make(
        failed: frozenset[tuple[str, int]] = frozenset(),
        prefix: str = "",
        curved: bool = False,
        predicted: bool = False,
        gains: Mapping[str, float] | None = None,
        **sweep: Any,
    ) -> Manifest:
        made = manifest(**sweep)
        made = made.replace(rows=[row.replace(key=prefix + row.key) for row in made.rows])
        manifests.save(store, made)
        generator = np.random.default_rng(len(prefix))
        for row, seed in itertools.product(made.rows, made.seeds):
            best, test, more = generator.integers(EPOCHS), *generator.uniform(0.3, 0.6, 2)
            if gains is not None:
                test = 0.4 + seed / 100 + gains.get(row.row, 0.0) + test / 1000
            if (row.row, seed) in failed:
                one = replicate(key=row.key, seed=seed, status="failed")
            else:
                one = replicate(
                    key=row.key,
                    seed=seed,
                    best_epoch=int(best),
                    test_score=test,
                    test_score_last=test,
                    test_score_best=test + more / 10,
                )
            curves = [
                {"epoch": epoch, "split": split, "metric": metric, "value": generator.uniform()}
                for epoch in range(EPOCHS)
                for split, metric in [("val", "accuracy"), ("test", "accuracy"), ("train", "loss")]
            ]
            predictions = [
                {
                    "sample_id": str(place),
                    "group": str(place % PEOPLE),
                    "label": place % CLASSES,
                    "prediction": generator.integers(CLASSES),
                }
                for place in range(12)
            ]
            store.put(one, curves if curved else [], predictions if predicted else [])
        return made

    return make


@pytest.fixture
def look_of(manifest: Callable[..., Manifest]) -> LookOf:
    """The look of a row in the sweeps of these tests."""
    return lambda name: look(name, manifest().looks)


def data_of(store: Store, made: Manifest) -> SweepData:
    return SweepData(StoredSweep(store, made), made.seeds)


def with_table(data: SweepData, **changes: Any) -> SweepData:
    """`data` whose table has other fields."""
    changed = dataclasses.replace(data)
    vars(changed)["table"] = dataclasses.replace(data.table, **changes)
    return changed


def points_by_seed(replicates: pd.DataFrame, key: str, column: str = "test_score") -> Any:
    done = replicates[(replicates["key"] == key) & (replicates["status"] == "done")]
    return 100 * done.set_index("seed")[column]


def lines(axes: Axes, label: str) -> list[Line2D]:
    return [one for one in axes.lines if one.get_label() == label]


def line(axes: Axes, label: str) -> Line2D:
    (found,) = lines(axes, label)
    return found


def seeds(axes: Axes) -> list[Any]:
    """Where the dots of each line lie."""
    return [np.sort(x.get_offsets()[:, 0]) for x in axes.collections if x.get_label() == "_seeds"]


def labels(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def entries(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def drawn(figure: Figure | None) -> Figure:
    assert figure is not None
    return figure


def test_a_forest_has_the_difference_its_interval_and_its_seeds(store: Store, study: Study) -> None:
    data = data_of(store, study(failed=frozenset({("Align", 2)})))
    table, replicates = data.table, data.replicates
    figure = drawn(forest(data))
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "accelerometer → gyroscope",
        "gyroscope → accelerometer",
    ]
    assert labels(figure.axes[0]) == ["Freq  (n = 5)", "Align  (n = 4 of 5)"]
    assert labels(figure.axes[1]) == ["", ""]
    for axes, student in zip(figure.axes, STUDENTS, strict=True):
        base = points_by_seed(replicates, f"Feat.{student}")
        assert axes.get_xlabel() == "Δ test accuracy against Feat [points]"
        assert len(seeds(axes)) == 2
        for place, name in enumerate(("Freq", "Align")):
            gained = (points_by_seed(replicates, f"{name}.{student}") - base).dropna()
            row = next(x for x in table.rows if (x.row, x.student_modality) == (name, student))
            (spot,) = line(axes, f"_{name}").get_xydata()
            assert spot == pytest.approx((gained.mean(), place))
            assert spot[0] == row.delta
            low, high = stats.ttest_1samp(gained, 0).confidence_interval()
            interval = lines(axes, "_interval")[place].get_xydata()
            np.testing.assert_allclose(interval, [(low, place), (high, place)])
            np.testing.assert_allclose(seeds(axes)[place], np.sort(gained))
            numbers = f"{gained.mean():+.1f} [{low:+.1f}, {high:+.1f}]".replace("-", "−")
            assert texts(axes)[place] == numbers
        bottom, top = axes.get_ylim()
        assert bottom > top


def test_a_marker_is_filled_where_something_is_decided(
    store: Store, study: Study, look_of: Callable[[str], Look]
) -> None:
    data = data_of(store, study(directions=ONE_WAY))
    decided: dict[Any, bool] = {"improves": True, "worse": True}
    for verdict, is_filled in (decided | {"equivalent": False, "inconclusive": False}).items():
        rows = tuple(
            dataclasses.replace(row, verdict=verdict if row.row == "Freq" else None)
            for row in data.table.rows
        )
        figure = drawn(forest(with_table(data, rows=rows)))
        (axes,) = figure.axes
        freq, align = (line(axes, f"_{name}") for name in ("Freq", "Align"))
        assert freq.get_markerfacecolor() == (look_of("Freq").colour if is_filled else "white")
        assert align.get_markerfacecolor() == "white"
        assert freq.get_color() == look_of("Freq").colour
        assert ("improves or worse" in entries(figure)) == is_filled
        assert "equivalent or inconclusive" in entries(figure)


def colours(axes: Axes, names: list[str]) -> list[str]:
    return [str(line(axes, f"_{name}").get_color()) for name in names]


def test_other_pairs_than_the_datas_are_grey(
    store: Store, study: Study, look_of: Callable[[str], Look]
) -> None:
    pairings = {"b": "paired", "c": "shuffled", "d": "same-class"}
    names = ["a", "b", "c", "d"]
    made = study(names=names, pairings=pairings, paper_table=None, directions=ONE_WAY)
    figure = drawn(forest(data_of(store, made)))
    assert colours(figure.axes[0], ["b", "c", "d"]) == [look_of("b").colour, GREY, GREY]
    assert "control" in entries(figure)


def test_controls_are_grey_but_the_method_that_they_control_is_not(
    store: Store, study: Study, look_of: Callable[[str], Look]
) -> None:
    names = ["none", "FD-CMKD", "random teacher"]
    made = study(names=names, study="controls", paper_table=None, directions=ONE_WAY)
    figure = drawn(forest(data_of(store, made)))
    assert colours(figure.axes[0], names[1:]) == [look_of("fd-cmkd").colour, GREY]
    figure = drawn(forest(data_of(store, made.replace(study="mine"))))
    assert GREY not in colours(figure.axes[0], names[1:])
    assert "control" not in entries(figure)


def test_the_margin_of_equivalence_lies_behind_the_effects(store: Store, study: Study) -> None:
    data = data_of(store, study(directions=ONE_WAY))
    figure = drawn(forest(with_table(data, margin=2.5)))
    for axes in figure.axes:
        (band,) = axes.patches
        assert (band.get_x(), band.get_width()) == (-2.5, 5.0)
    assert "within ±2.5 points" in entries(figure)


def test_aa_is_a_control_and_gives_the_noise_floor_its_band(
    store: Store, study: Study, look_of: Callable[[str], Look]
) -> None:
    names = ["Feat", "Freq", "Aa"]
    made = study(names=names, controls={"Aa": "aa"}, paper_table=None)
    data = data_of(store, made)
    figure = drawn(forest(data))
    for axes, student in zip(figure.axes, STUDENTS, strict=True):
        gained = points_by_seed(data.replicates, f"Aa.{student}") - points_by_seed(
            data.replicates, f"Feat.{student}"
        )
        low, high = stats.ttest_1samp(gained, 0).confidence_interval()
        margin, noise = axes.patches
        assert (noise.get_x(), noise.get_width()) == pytest.approx(((low - high) / 2, high - low))
        assert (margin.get_hatch(), noise.get_hatch() is None) == (None, False)
        assert colours(axes, ["Freq", "Aa"]) == [look_of("Freq").colour, GREY]
        assert line(axes, "_Aa").get_markerfacecolor() == "white"
    assert {"noise floor (A/A)", "control", "within ±1 points"} <= {*entries(figure)}
    without = drawn(forest(data_of(store, study(names=names[:2], prefix="x"))))
    assert "noise floor (A/A)" not in entries(without)


def test_a_legend_is_no_wider_than_its_figure(store: Store, study: Study) -> None:
    names = ["Feat", "Freq", "Aa"]
    made = study(names=names, controls={"Aa": "aa"}, paper_table=None, directions=ONE_WAY)
    figure = drawn(forest(data_of(store, made)))
    assert len(entries(figure)) == 6
    figure.draw_without_rendering()
    (legend,) = figure.legends
    extent = legend.get_window_extent()
    assert 0 <= extent.x0 < extent.x1 <= figure.bbox.width


def test_under_the_published_protocol_no_picture_judges(store: Store, study: Study) -> None:
    made = study(
        curved=True,
        protocol="published",
        controls={"Align": "aa"},
        paper={"Feat": {"row": 1}},
        dataset="crema-d",
        directions=[("audio", "visual")],
    )
    data = data_of(store, made)
    figure = drawn(forest(data))
    assert figure.axes[0].patches[:] == []
    assert entries(figure) == ["not judged", "control", "95 % CI", "one seed"]
    assert gap(data) is None
    beside = drawn(paper(data))
    assert lines(beside.axes[0], "_validation") == []
    assert "ours, selected on validation" not in entries(beside)
    curves = learning_curves(data)["curves-audio-to-visual"]
    assert len(curves.axes) == 3
    told = [figure.get_suptitle(), beside.get_suptitle(), curves.get_suptitle()]
    assert all("(published protocol: epoch and head chosen on test" in title for title in told)


def test_comparisons_of_two_protocols_do_not_meet(store: Store, study: Study) -> None:
    sweep = {"names": ["none", "kd"], "study": "compare", "directions": ONE_WAY}
    own = study(sweep="compare-watch", **sweep)
    study(sweep="compare-ave", dataset="ave", protocol="published", prefix="p", **sweep)
    assert matrix(data_of(store, own)) is None
    study(sweep="compare-more", dataset="ave", prefix="o", **sweep)
    assert matrix(data_of(store, own)) is not None


def test_no_forest_without_a_difference(store: Store, study: Study) -> None:
    assert forest(data_of(store, study(names=["Feat"], seeds=[0]))) is None
    every = frozenset(("Feat", seed) for seed in range(5))
    assert forest(data_of(store, study(failed=every, prefix="x"))) is None


def test_a_row_without_a_seed_of_the_baseline_says_so(store: Store, study: Study) -> None:
    made = study(failed=frozenset(("Freq", seed) for seed in range(5)))
    figure = drawn(forest(data_of(store, made)))
    assert labels(figure.axes[0])[0] == "Freq  (n = 0 of 5)"
    assert [texts(axes)[0] for axes in figure.axes] == ["no seed in common"] * 2
    assert lines(figure.axes[0], "_Freq") == []


def test_one_seed_is_a_marker_without_interval(store: Store, study: Study) -> None:
    figure = drawn(forest(data_of(store, study(seeds=[3]))))
    assert len(lines(figure.axes[0], "_Freq")) == 1
    assert lines(figure.axes[0], "_interval") == []
    assert "95 % CI" not in entries(figure)


def edges(band: Any, epoch: int) -> tuple[float, float]:
    (path,) = band.get_paths()
    values = path.vertices[path.vertices[:, 0] == epoch, 1]
    return values.min(), values.max()


def test_curves_are_means_between_the_extremes_with_the_selected_epoch(
    store: Store, study: Study
) -> None:
    data = data_of(store, study(failed=frozenset({("Align", 2)}), curved=True))
    replicates, stored = data.replicates, data.stored.curves
    figures = learning_curves(data)
    assert list(figures) == [
        "curves-accelerometer-to-gyroscope",
        "curves-gyroscope-to-accelerometer",
    ]
    for figure, student in zip(figures.values(), STUDENTS, strict=True):
        assert len(figure.axes) == 2 * 3
        for place, name in enumerate(("Feat", "Freq", "Align")):
            done = replicates[
                (replicates["key"] == f"{name}.{student}") & (replicates["status"] == "done")
            ]
            panels = figure.axes[2 * place : 2 * place + 2]
            assert panels[0].get_title(loc="left") == f"{name}\n(n = {len(done)})"
            for split, axes in zip(("val", "test"), panels, strict=True):
                own = stored[
                    (stored["key"] == f"{name}.{student}")
                    & stored["seed"].isin(done["seed"])
                    & (stored["split"] == split)
                ]
                values = 100 * own.pivot(index="epoch", columns="seed", values="value")
                mean = line(axes, "_mean").get_xydata()
                np.testing.assert_allclose(mean[:, 0], range(EPOCHS))
                np.testing.assert_allclose(mean[:, 1], values.mean(axis=1))
                (band,) = axes.collections
                for epoch in range(EPOCHS):
                    ends = values.loc[epoch].min(), values.loc[epoch].max()
                    assert edges(band, epoch) == pytest.approx(ends)
                selected = done["best_epoch"].mean()
                assert line(axes, "_selected").get_xdata()[0] == pytest.approx(selected)
                (spot,) = line(axes, "_at selected").get_xydata()
                height = np.interp(selected, range(EPOCHS), values.mean(axis=1))
                assert spot == pytest.approx((selected, height))
                behind = lines(axes, "_baseline")
                assert len(behind) == (name != "Feat")
                for one in behind:
                    baseline = line(figure.axes[("val", "test").index(split)], "_mean")
                    np.testing.assert_array_equal(one.get_xydata(), baseline.get_xydata())
    assert "lowest to highest seed" in entries(figure)


def test_no_curves_no_picture(store: Store, study: Study) -> None:
    made = study(directions=ONE_WAY, curved=True)
    for key in ("Feat.gyroscope", "Align.gyroscope"):
        for seed in made.seeds:
            store.delete_file(f"curves/{key}-{seed}.parquet")
    (figure,) = learning_curves(data_of(store, made)).values()
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Freq\n(n = 5)", ""]
    store.delete_folder("curves")
    assert learning_curves(data_of(store, made)) == {}
    every = frozenset((row.row, seed) for row in made.rows for seed in made.seeds)
    failed = study(failed=every, directions=ONE_WAY, prefix="x", curved=True)
    assert learning_curves(data_of(store, failed)) == {}


def test_the_papers_number_stands_beside_ours_selected_on_test(store: Store, study: Study) -> None:
    made = study(
        paper={"Feat": {"row": 1}, "Freq": {"row": 2}},
        dataset="crema-d",
        directions=[("audio", "visual"), ("visual", "audio")],
    )
    data = data_of(store, made)
    table, replicates = data.table, data.replicates
    figure = drawn(paper(data))
    for axes, student in zip(figure.axes, ("visual", "audio"), strict=True):
        rows = [row for row in table.rows if row.student_modality == student][:2]
        assert None not in [row.paper for row in rows]
        crosses = [one.get_xydata()[0].tolist() for one in lines(axes, "_paper")]
        assert crosses == [[row.paper, place] for place, row in enumerate(rows)]
        for place, row in enumerate(rows):
            key = f"{row.row}.{student}"
            own = points_by_seed(replicates, key, "test_score_best")
            (spot,) = line(axes, f"_{row.row}").get_xydata()
            assert spot == pytest.approx((own.mean(), place))
            ends = stats.ttest_1samp(own, 0).confidence_interval()
            interval = lines(axes, "_interval")[place].get_xydata()
            np.testing.assert_allclose(interval, [(ends.low, place), (ends.high, place)])
            validation = lines(axes, "_validation")[place].get_xdata()
            np.testing.assert_allclose(validation, points_by_seed(replicates, key).mean())
        assert lines(axes, "_Align") == []
    assert labels(figure.axes[0]) == ["Feat  (n = 5)", "Freq  (n = 5)"]


def test_a_paper_of_another_task_is_grey(store: Store, study: Study, as_published: Setting) -> None:
    sweep = {
        **{"paper": {"Feat": {"row": 1}}, "dataset": "crema-d"},
        **{"directions": [("audio", "visual")], "epochs": 100},
    }
    for split, colour, entry in (
        (as_published.split, DARK, "paper"),
        ("speakers apart", GREY, "paper, ‡ of another task"),
    ):
        made = study(setting=as_published.replace(split=split), **sweep)
        figure = drawn(paper(data_of(store, made)))
        assert line(figure.axes[0], "_paper").get_color() == colour
        assert entries(figure)[0] == entry
        assert texts(figure.axes[0])[0].endswith("‡") == (colour == GREY)


def test_no_paper_no_picture(store: Store, study: Study) -> None:
    assert paper(data_of(store, study(seeds=[0]))) is None


def test_a_gap_is_what_selection_on_test_gains(store: Store, study: Study) -> None:
    data = data_of(store, study())
    table, replicates = data.table, data.replicates
    figure = drawn(gap(data))
    for axes, student in zip(figure.axes, STUDENTS, strict=True):
        rows = [row for row in table.rows if row.student_modality == student]
        assert [bar.get_width() for bar in axes.patches] == [row.gap for row in rows]
        for place, row in enumerate(rows):
            key = f"{row.row}.{student}"
            best = points_by_seed(replicates, key, "test_score_best")
            gains = best - points_by_seed(replicates, key)
            np.testing.assert_allclose(seeds(axes)[place], np.sort(gains))
            assert row.gap == pytest.approx(gains.mean())
        assert axes.get_xlim()[0] == 0
    store.delete_folder("results")
    assert gap(data_of(store, data.manifest)) is None


def compare(study: Study, dataset: str, **sweep: Any) -> Manifest:
    plain = {
        "names": ["none", "kd", "feat"],
        "study": "compare",
        "dataset": dataset,
        "sweep": f"compare-{dataset}",
        "prefix": dataset,
        "paper_table": None,
    }
    return study(**{**plain, **sweep})


def test_a_matrix_has_the_difference_and_n_of_every_method_and_data_set(
    store: Store, study: Study
) -> None:
    first = compare(study, "watch")
    assert matrix(data_of(store, first)) is None
    second = compare(study, "phone", names=["none", "feat", "pkd"], seeds=[0, 1])
    other = study(prefix="other", dataset="third", sweep="components-third", seeds=[0, 1])
    assert matrix(data_of(store, other)) is None
    compare(study, "fourth", metric="miou", seeds=[0, 1])
    figure = drawn(matrix(data_of(store, first)))
    axes = figure.axes[0]
    assert labels(axes) == ["feat", "pkd", "kd"]
    columns = [label.get_text().replace("\n", " ") for label in axes.get_xticklabels()]
    assert columns == [
        f"{dataset} {way}"
        for dataset in ("phone", "watch")
        for way in ("accelerometer → gyroscope", "gyroscope → accelerometer")
    ]
    tables = [data_of(store, one).table for one in (second, first)]
    rows = [
        {row.row: row for row in table.rows if row.student_modality == student}
        for table in tables
        for student in STUDENTS
    ]
    (image,) = axes.images
    shown = np.ma.filled(image.get_array(), np.nan)
    wanted = [
        [own[name].delta if name in own else np.nan for own in rows]
        for name in ("feat", "pkd", "kd")
    ]
    np.testing.assert_allclose(shown, wanted)
    assert image.norm.vmin == -image.norm.vmax == -np.nanmax(np.abs(shown))
    assert sorted(set(re.findall("n = .", "".join(texts(axes))))) == ["n = 2", "n = 5"]
    assert len(axes.texts) == np.isfinite(shown).sum() == 8


def test_of_two_comparisons_on_a_data_set_the_fuller_counts(store: Store, study: Study) -> None:
    compare(study, "phone", seeds=[0, 1])
    full = compare(study, "watch")
    quick = compare(study, "watch", sweep="compare-quick", prefix="quick", seeds=[0])
    shuffled = {"kd": "shuffled", "feat": "shuffled"}
    compare(study, "watch", sweep="zzz", prefix="shuffled", seeds=range(9), pairings=shuffled)
    table = data_of(store, full).table
    rows = {row.row: row for row in table.rows if row.direction[1] == "gyroscope"}
    shown = drawn(matrix(data_of(store, quick))).axes[0].images[0].get_array()[:, 2]
    np.testing.assert_allclose(shown, [rows[name].delta for name in ("kd", "feat")])


def test_a_star_marks_what_holm_lets_pass(store: Store, study: Study) -> None:
    for dataset in ("phone", "watch"):
        made = compare(study, dataset, seeds=range(9), gains={"kd": 0.05, "feat": 0.0})
    axes = drawn(matrix(data_of(store, made))).axes[0]
    assert labels(axes) == ["kd", "feat"]
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert [cells[column, 0].endswith("*\nn = 9") for column in range(4)] == [True] * 4
    assert not any("*" in cells[column, 1] for column in range(4))


def confusion_of(store: Store, key: str) -> Any:
    own = store.predictions({key})
    counts = pd.crosstab(own["label"], own["prediction"]).reindex(
        index=range(CLASSES), columns=range(CLASSES), fill_value=0
    )
    return (100 * counts.div(counts.sum(axis=1), axis=0)).to_numpy()


def test_confusions_are_of_the_baseline_and_the_greatest_gain(store: Store, study: Study) -> None:
    made = study(
        names=["a", "b", "c", "d"], pairings={"d": "shuffled"}, paper_table=None, predicted=True
    )
    data = data_of(store, made)
    table = data.table
    figure = drawn(confusions(data))
    panels = [axes for axes in figure.axes if axes.get_xlabel() == "prediction"]
    assert len(panels) == 4
    for (left, right), student in zip((panels[:2], panels[2:]), STUDENTS, strict=True):
        deltas = {
            row.row: row.delta
            for row in table.rows
            if row.student_modality == student and row.row in "bc"
        }
        best = max(deltas, key=lambda name: deltas[name] or 0.0)
        assert left.get_title(loc="left").endswith(", baseline\na")
        assert right.get_title(loc="left").endswith(f"\n{best}")
        for axes, name in ((left, "a"), (right, best)):
            shares = axes.images[0].get_array()
            np.testing.assert_allclose(shares, confusion_of(store, f"{name}.{student}"))
            assert texts(axes) == [f"{share:.0f}" for share in shares.ravel()]


def test_confusions_need_predictions(store: Store, study: Study) -> None:
    made = study(seeds=[0, 1], predicted=True)
    assert confusions(data_of(store, made)) is not None
    assert confusions(data_of(store, made.replace(rows=made.rows[:2]))) is None
    assert confusions(data_of(store, made.replace(task="counting"))) is None
    for seed in made.seeds:
        store.delete_file(f"predictions/Feat.gyroscope-{seed}.parquet")
    assert confusions(data_of(store, made)) is None
    store.delete_folder("predictions")
    assert confusions(data_of(store, made)) is None


@pytest.mark.parametrize("greater", STUDENTS)
def test_every_seed_of_a_gap_lies_inside_its_panel(
    store: Store, study: Study, replicate: Callable[..., Replicate], greater: str
) -> None:
    made = study(names=["Feat", "Freq"], paper_table=None, seeds=[0, 1])
    key = f"Freq.{greater}"
    store.delete_file(f"results/{key}-0.parquet")
    store.put(replicate(key=key, seed=0, test_score=0.1, test_score_best=0.9), [], [])
    for axes in drawn(gap(data_of(store, made))).axes:
        left, right = axes.get_xlim()
        assert left == 0
        assert all(max(spots) <= right for spots in seeds(axes))


def test_two_rows_of_the_same_results_have_a_panel_each(store: Store, study: Study) -> None:
    """As where a search chose the default: both rows of its table have one key."""
    made = study(names=["default", "tuned"], paper_table=None, directions=ONE_WAY, predicted=True)
    default, tuned = made.rows
    made = made.replace(rows=(default, tuned.replace(key=default.key)))
    figure = drawn(confusions(data_of(store, made)))
    titles = [axes.get_title(loc="left").splitlines()[-1] for axes in figure.axes[:2]]
    assert titles == ["default", "tuned"]


def test_a_method_has_one_colour_in_every_picture(
    store: Store, study: Study, look_of: Callable[[str], Look]
) -> None:
    made = study(
        names=["none", "kd", "my method"], paper_table=None, directions=ONE_WAY, curved=True
    )
    data = data_of(store, made)
    effects, gaps = (drawn(draw(data)) for draw in (forest, gap))
    curves = learning_curves(data)["curves-accelerometer-to-gyroscope"]
    for place, name in enumerate(("none", "kd", "my method")):
        own = {
            to_hex(gaps.axes[0].patches[place].get_facecolor()),
            to_hex(line(curves.axes[2 * place], "_mean").get_color()),
            *(to_hex(one.get_color()) for one in lines(effects.axes[0], f"_{name}")),
        }
        assert own == {look_of(name).colour.lower()}


def test_a_declared_place_decides_the_look_and_else_the_name(
    look_of: Callable[[str], Look],
) -> None:
    places = {str(place): place for place in range(48)}
    assert len({look(name, places) for name in places}) == 48
    assert len({look(str(place), places).colour for place in range(12)} | {DARK}) == 13
    assert look("a", {"a": 3}) == look("A", {"a": 51}) == look("3", places)
    assert look("3", {}) == look("3", {"4": 1}) != look("3", places)
    assert len({look(str(number), {}) for number in range(2000)}) == 48
    assert look("none", {"none": 3}) == Look(DARK, "o")
    assert look_of("FD-CMKD") == look_of("fd-cmkd")
    assert look_of("fd-cmkd, tuned") == Look(look_of("fd-cmkd").colour, "*")
    assert look("fd-cmkd, tuned", {}).marker != "*"
    assert look_of("low: MSE, high: MSE") != look_of("low: MSE, high: logMSE")
    components = load_preset("components")
    assert len({look_of(row.name) for row in components.rows}) == len(components.rows)


@pytest.mark.slow
def test_pictures_come_in_the_order_in_which_people_look_at_them(
    store: Store, study: Study
) -> None:
    compare(study, "phone", seeds=[0, 1])
    made = compare(
        study,
        "crisismmd",
        seeds=[0, 1],
        paper={"none": {"method": "w/o KD"}},
        paper_table="table1_classification",
        directions=[("text", "visual"), ("visual", "text")],
        curved=True,
        predicted=True,
    )
    figures = pictures(load(store, made.sweep))
    assert list(figures) == [
        *("forest", "curves-text-to-visual", "curves-visual-to-text", "matrix", "paper", "gap"),
        "confusion",
    ]
    study(prefix="own", directions=ONE_WAY, seeds=[0])
    assert "matrix" not in pictures(load(store, "components"))


@pytest.mark.slow
def test_the_same_study_gives_the_same_bytes(
    store: Store, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(output.KINDS, "png")
    made = study(
        directions=ONE_WAY,
        names=["Feat", "Freq"],
        failed=frozenset({("Freq", 2)}),
        curved=True,
        predicted=True,
    )
    data, again = (load(store, made.sweep) for _ in range(2))
    drawn_first = pictures(data)
    assert set(drawn_first) == {"forest", "curves-accelerometer-to-gyroscope", "gap", "confusion"}
    first = render({name: drawn_first[name] for name in ("forest", "gap")})
    second = render({"forest": drawn(forest(again)), "gap": drawn(gap(again))})
    assert set(first) == {"forest.svg", "gap.svg"}
    assert first == second


def some_pictures(data: SweepData) -> dict[str, Figure]:
    (curves,) = learning_curves(data).values()
    others = {"forest": forest(data), "gap": gap(data), "confusion": confusions(data)}
    return {"curves": curves, **{name: drawn(figure) for name, figure in others.items()}}


@pytest.mark.slow
def test_seeds_that_are_not_the_sweeps_are_not_drawn(store: Store, study: Study) -> None:
    sweep = {"directions": ONE_WAY, "names": ["Feat", "Freq"], "curved": True, "predicted": True}
    made = study(**sweep)
    before = some_pictures(data_of(store, made))
    many = study(**sweep, seeds=range(9), sweep="larger")
    after, larger = (some_pictures(data_of(store, one)) for one in (made, many))
    fewer = some_pictures(data_of(store, many).of(made.seeds))
    for name in ("forest", "gap"):
        spots, same, more = (seeds(figures[name].axes[0])[0] for figures in (before, after, larger))
        np.testing.assert_array_equal(spots, same)
        assert (len(spots), len(more)) == (5, 9)
    titles = [
        figures["curves"].axes[0].get_title(loc="left") for figures in (before, after, larger)
    ]
    assert titles == ["Feat\n(n = 5)", "Feat\n(n = 5)", "Feat\n(n = 9)"]
    shares = [
        figures["confusion"].axes[0].images[0].get_array() for figures in (before, after, fewer)
    ]
    np.testing.assert_array_equal(shares[0], shares[1])
    np.testing.assert_array_equal(shares[0], shares[2])
    spots = [seeds(figures["gap"].axes[0])[0] for figures in (before, fewer)]
    np.testing.assert_array_equal(*spots)


def test_words_between_dollars_are_no_formula():
    figure = Figure()
    figure.subplots().set_yticks([0, 1], labels=[r"$\frac$", "5 $ or $\\ 6"])
    drawn = render({"one": figure})["one.svg"].decode()
    assert r"$\frac$" in drawn
