import dataclasses
import json

import pytest

from fdsweep.results import plots
from fdsweep.results.plots import similarity as analysis_plots
from fdsweep.results.records import analyses
from fdsweep.results.records.analyses import (
    AFTER,
    BEFORE,
    Analysis,
    Comparison,
    Estimate,
    Quantity,
    Spectrum,
    Teacher,
)
from fdsweep.search_spaces.errors import StorageError

NAMES = ("raw", "low with DC", "low without DC", "high", "DC alone")


def estimate(mean, spread=0.01):
    return Estimate(mean=mean, low=mean - spread, high=mean + spread)


def quantity(name="raw", **changes):
    found = {
        "energy": 0.5,
        "paired": estimate(0.3),
        "shuffled": estimate(0.1),
        "permuted": estimate(0.1),
        "other_start": estimate(0.25),
        "excess": estimate(0.2),
    }
    return Quantity(name=name, **{**found, **changes})


def comparison(stage=BEFORE, second="gyroscope", **changes):
    bins = tuple(estimate(0.1 * k) for k in range(5))
    found = Comparison(
        first="accelerometer",
        second=second,
        stage=stage,
        dim=8,
        last_low_bin=2,
        samples=1234,
        groups=4,
        same_start=1.0,
        quantities=tuple(quantity(name) for name in NAMES),
        spectrum=Spectrum(
            energy=(0.2,) * 5, paired=bins, shuffled=bins, permuted=bins, other_start=bins
        ),
    )
    return dataclasses.replace(found, **changes)


@pytest.fixture
def record():
    return Analysis(
        name="analysis-watch-aaaaaa",
        dataset="watch",
        data_fingerprint="dd",
        seeds=(0, 1),
        epochs=5,
        cutoff=0.5,
        orders=39,
        draws=2000,
        teachers=tuple(
            Teacher(modality=modality, seed=seed, key="tt", test_accuracy=accuracy)
            for modality, seed, accuracy in [
                ("accelerometer", 0, 0.8),
                ("accelerometer", 1, 0.9),
                ("gyroscope", 0, 0.7),
            ]
        ),
        comparisons=(comparison(), comparison(AFTER)),
        notes=("Subjects are few.",),
    )


def alone(record):
    """The record of one seed and one person: no other start, no interval."""

    def bare(found):
        return dataclasses.replace(found, low=None, high=None)

    kinds = ("paired", "shuffled", "excess")
    quantities = tuple(
        dataclasses.replace(
            part, other_start=None, **{kind: bare(getattr(part, kind)) for kind in kinds}
        )
        for part in comparison().quantities
    )
    spectrum = dataclasses.replace(
        comparison().spectrum,
        other_start=None,
        paired=tuple(map(bare, comparison().spectrum.paired)),
    )
    one = comparison(quantities=quantities, spectrum=spectrum, groups=1)
    return dataclasses.replace(record, seeds=(3,), comparisons=(one,))


def test_a_record_comes_back_as_it_was_saved(store, record):
    for one in (record, alone(record)):
        analyses.save(store, one)
        assert analyses.load(store, record.name) == one


def test_the_same_record_gives_the_same_bytes_of_plain_json(store, record):
    analyses.save(store, record)
    first = store.read_text("reports/analysis-watch-aaaaaa/analysis.json")
    analyses.save(store, analyses.load(store, record.name))
    assert store.read_text("reports/analysis-watch-aaaaaa/analysis.json") == first
    assert json.loads(first) == analyses.to_json(record)
    assert json.loads(first)["schema"] == "fdsweep.analysis/1"


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "fdsweep.analysis/2"}', '{"name": 1}'])
def test_a_damaged_record_says_so(store, text):
    store.write_text("reports/broken/analysis.json", text)
    with pytest.raises(StorageError, match="is no analysis"):
        analyses.load(store, "broken")


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, True),
        ({"excess": estimate(0.005)}, False),
        ({"permuted": estimate(0.3)}, False),
        ({"other_start": estimate(0.11)}, False),
        ({"other_start": None}, None),
        ({"excess": Estimate(mean=0.2, low=None, high=None)}, None),
    ],
)
def test_what_stands_out_is_explained_by_no_control(changes, verdict):
    assert quantity(**changes).stands_out is verdict


def test_markdown_shows_every_part_with_its_controls_and_what_to_compare(record):
    text = analyses.to_markdown(record)
    (line, _) = (line for line in text.splitlines() if line.startswith("| low without DC"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == [
        "low without DC",
        "50.0",
        "0.300 [0.290, 0.310]",
        "0.100 [0.090, 0.110]",
        "0.100 [0.090, 0.110]",
        "0.250 [0.240, 0.260]",
        "0.200 [0.190, 0.210]",
        "yes",
    ]
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(row) for row in rows}) == 1
    for words in (
        "1,234 test samples of 4 subjects or speakers",
        "seeds 0, 1.",
        "accelerometer 85.0 % (80.0 to 90.0), gyroscope 70.0 %.",
        "2,000 draws",
        "with 4 of them it is too narrow",
        "39 random orders",
        "100 % of the weights of gyroscope are the same numbers as in accelerometer",
        "- Subjects are few.",
    ):
        assert words in text
    assert text.count("Before training") == 1


def test_markdown_says_what_is_missing(record):
    text = analyses.to_markdown(alone(record))
    assert "With a single subject or speaker there is no interval." in text
    assert "Other start: takes two seeds." in text
    assert " 0.300 |" in text
    assert "None" not in text


def test_nothing_is_said_of_networks_that_start_apart(record):
    one = comparison(same_start=0.0, groups=30)
    text = analyses.to_markdown(dataclasses.replace(record, comparisons=(one,)))
    assert "Before training" not in text
    assert "too narrow" not in text


def test_numbers_have_names_that_mlflow_takes(record):
    found = analyses.numbers(record)
    assert found["accelerometer-gyroscope/after ReLU/high/paired"] == 0.3
    assert len(found) == 2 * 5 * 5
    assert all(c.isalnum() or c in "/_- ." for name in found for c in name)
    assert len(analyses.numbers(alone(record))) == 5 * 4


def drawn_lines(figure):
    return {line.get_label(): line for line in figure.axes[0].lines}


def test_the_spectrum_shows_the_means_of_pairs_and_controls(record):
    figures = analysis_plots.spectrum(record)
    assert list(figures) == ["similarity-spectrum", "similarity-bands"]
    lines = drawn_lines(figures["similarity-spectrum"])
    for label in ("paired", "shuffled pairs", "permuted channels", "other start"):
        assert lines[label].get_ydata() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    ticks = [text.get_text() for text in figures["similarity-bands"].axes[0].get_yticklabels()]
    assert [tick.split("\n")[0] for tick in ticks] == list(NAMES)


def test_pictures_are_the_same_bytes_each_time(record):
    figures = [analysis_plots.spectrum(record) for _ in range(2)]
    first, second = (plots.render({"x": drawn["similarity-bands"]}) for drawn in figures)
    assert first == second


def test_what_is_not_known_is_not_drawn(record):
    figures = analysis_plots.spectrum(alone(record))
    assert "other start" not in drawn_lines(figures["similarity-spectrum"])
    plots.render(figures)


def test_each_pair_of_modalities_has_its_own_pictures(record):
    several = dataclasses.replace(record, comparisons=(comparison(), comparison(second="sound")))
    assert set(analysis_plots.spectrum(several)) == {
        f"similarity-{kind}-accelerometer-{second}"
        for kind in ("spectrum", "bands")
        for second in ("gyroscope", "sound")
    }
