import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from fdsweep.results.compute.responses import alike
from fdsweep.results.document import StoredSweep, SweepData
from fdsweep.results.plots import option_responses, pictures
from fdsweep.results.records import manifest as manifests
from fdsweep.results.records import searches
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.schema import Replicate
from fdsweep.results.records.searches import Search
from fdsweep.results.records.store import Store
from fdsweep.results.report import load
from fdsweep.search_spaces import layout

Fill = Callable[..., Manifest]
WAY = ("accelerometer", "gyroscope")


@pytest.fixture
def fill(
    store: Store, manifest: Callable[..., Manifest], replicate: Callable[..., Replicate]
) -> Fill:
    """A stored sweep with the `options` of each row; a seed's accuracy is drawn at random."""

    def make(
        options: Mapping[str, dict[str, Any]], method: str = "fd-cmkd", **sweep: Any
    ) -> Manifest:
        made = manifest(names=list(options), method=method, **sweep)
        manifests.save(store, made)
        generator = np.random.default_rng(0)
        for row in made.rows:
            config = {"method": method, "options": options[row.row], "student": row.direction}
            for seed in made.seeds:
                one = replicate(
                    key=row.key,
                    seed=seed,
                    best_epoch=1 + seed % 2,
                    test_score=generator.uniform(0.5, 0.7),
                    config=json.dumps(config),
                )
                learns = [name for name, value in options[row.row].items() if value == "learn"]
                learnt = [
                    {"epoch": epoch, "split": "train", "metric": metric, "value": value}
                    for epoch in range(3)
                    for metric, value in [
                        *((name, 0.4 + seed / 100 + epoch / 10) for name in learns),
                        ("lr", 9.0),
                    ]
                    if learns
                ]
                store.put(one, learnt, [])
        return made

    return make


def line(axes: Axes, label: str) -> Any:
    (found,) = (one for one in axes.lines if one.get_label() == label)
    return found.get_xydata()


def data_of(store: Store, made: Manifest) -> SweepData:
    return SweepData(StoredSweep(store, made), made.seeds)


def response(store: Store, made: Manifest) -> Figure | None:
    return option_responses(data_of(store, made)).get("cutoff-response")


def values(store: Store, made: Manifest) -> dict[str, float | str]:
    return alike(made, data_of(store, made).replicates).get("cutoff", {})


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
    percent = {key: 100 * own["test_score"] for key, own in rows.groupby("key")}
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
    made = fill({**CUTOFFS, "loud": {"cutoff": 0.9, "weight_low": 2.0}, "none": {}}, seeds=[0])
    found = values(store, made)
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
    made = fill(options, seeds=[0, 1])
    assert values(store, made) == {}
    assert response(store, made) is None


def test_a_composition_has_its_cutoff_under_the_parts_name(store: Store, fill: Fill) -> None:
    numbers = {f"at {n}": n / 8 for n in (2, 4, 6)}
    options = {name: {"fd-cmkd.cutoff": x} for name, x in numbers.items()}
    made = fill(options, method="kd+fd-cmkd", seeds=[0, 1])
    assert set(values(store, made).values()) == {0.25, 0.5, 0.75}
    other = fill({name: {"cutoff": x} for name, x in numbers.items()}, method="mine", seeds=[9])
    assert values(store, other) == {}


def test_another_method_has_its_own_option(store: Store, fill: Fill) -> None:
    rows = {f"at {n}": {"tau": float(n)} for n in (1, 2, 4)}
    rows["learnt"] = {"tau": "learn"}
    options = {"mine": "tau"}
    made = fill(rows, "mine", metric="miou", response_options=options, directions=[WAY])
    ((name, figure),) = option_responses(data_of(store, made)).items()
    assert name == "tau-response"
    axes = figure.axes[0]
    np.testing.assert_array_equal(line(axes, "mean over the seeds")[:, 0], [1, 2, 4])
    assert axes.get_xlim()[1] > 4
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("tau", "test mIoU [%]")
    assert "across: SD of the tau" in str(axes.containers[0].get_label())
    notes = data_of(store, made).table.notes
    way = "direction accelerometer -> gyroscope"
    assert f"Tau learnt ({way}): 0.56 ± 0.06 at the chosen epoch (n = 5)." in notes
    silent = made.replace(response_options={})
    assert option_responses(data_of(store, silent)) == {}
    assert not [note for note in data_of(store, silent).table.notes if "learnt" in note]


def test_cutoffs_without_data_are_no_curve(store: Store, fill: Fill) -> None:
    made = fill({name: CUTOFFS[name] for name in ("half", "quarter", "most")}, seeds=[0])
    assert response(store, made) is not None
    data = data_of(store, made)
    store.delete_folder(layout.TABLES)  # which are of what is stored
    rows = data.replicates
    is_lost = rows["key"].str.startswith("most")
    vars(data)["replicates"] = rows.assign(status=rows["status"].mask(is_lost, "failed"))
    assert option_responses(data) == {}


def test_the_picture_stands_behind_those_of_the_search(
    store: Store, fill: Fill, search: Search
) -> None:
    fill(CUTOFFS, seeds=[0, 1])
    searches.save(store, "components-watch", [search])
    names = list(pictures(load(store)))
    assert names[:2] == ["forest", "best-so-far"]
    assert names[-3:] == ["slice-freq", "cutoff-response", "gap"]


def test_a_sweep_without_search_and_cutoffs_has_pictures_of_its_rows_alone(
    store: Store, fill: Fill
) -> None:
    fill({"Feat": {"freq": False}, "Freq": {"freq": True}}, seeds=[0, 1])
    assert list(pictures(load(store))) == ["forest", "gap"]


def test_a_sweep_without_replicates_has_no_pictures(
    store: Store, manifest: Callable[..., Manifest]
) -> None:
    manifests.save(store, manifest())
    assert pictures(load(store)) == {}
