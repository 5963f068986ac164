import json

import pytest

from fdsweep.results.records import analyses
from fdsweep.results.records.analyses import Estimate
from fdsweep.search_spaces.errors import StorageError


def estimate(mean):
    return Estimate(mean=mean, low=mean - 0.01, high=mean + 0.01)


def test_a_record_comes_back_as_it_was_saved(store, analysis, alone):
    for one in (analysis, alone):
        analyses.save(store, one)
        assert analyses.load(store, analysis.name) == one


def test_the_same_record_gives_the_same_bytes_of_plain_json(store, analysis):
    analyses.save(store, analysis)
    first = store.read_text("reports/analysis-watch-aaaaaa/analysis.json")
    analyses.save(store, analyses.load(store, analysis.name))
    assert store.read_text("reports/analysis-watch-aaaaaa/analysis.json") == first
    assert json.loads(first) == analyses.to_json(analysis)
    assert json.loads(first)["schema"] == "fdsweep.analysis/3"


def of_accuracies(analysis):
    """The fields that it had when scores were accuracies, and samples were whole."""
    fields = analysis.model_dump(mode="json")
    del fields["metric"], fields["positions"]
    for teacher in fields["teachers"]:
        teacher["test_accuracy"] = teacher.pop("test_score")
    return fields


def test_what_an_older_fdsweep_wrote_is_read(store, analysis):
    text = json.dumps({"schema": "fdsweep.analysis/2", **of_accuracies(analysis)})
    store.write_text(f"reports/{analysis.name}/analysis.json", text)
    assert analyses.load(store, analysis.name) == analysis


def test_what_the_first_fdsweep_wrote_is_read(store, analysis):
    """Its features were those before the ReLU; it looked at no student."""
    new = {"features", "protocol", "classes", "embeddings"}
    fields = {k: v for k, v in of_accuracies(analysis).items() if k not in new}
    text = json.dumps({"schema": "fdsweep.analysis/1", **fields})
    store.write_text(f"reports/{analysis.name}/analysis.json", text)
    assert analyses.load(store, analysis.name) == analysis.replace(
        features="pre-relu", protocol="ours", classes=(), embeddings=()
    )


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "fdsweep.analysis/4"}', '{"name": 1}'])
def test_a_damaged_record_is_a_missing_one(store, text, capsys):
    place = "reports/broken/analysis.json"
    store.write_text(place, text)
    with pytest.raises(StorageError, match=r"broken/analysis\.json: (is|there is) no analysis"):
        analyses.load(store, "broken")
    is_other = "analysis/4" in text
    assert store.exists(place) == is_other != store.exists(f"damaged/{place}.damaged")
    assert ("is damaged (no analysis: " in capsys.readouterr().err) != is_other


def test_fields_that_this_fdsweep_does_not_know_are_refused(store, analysis):
    analyses.save(store, analysis)
    place = f"reports/{analysis.name}/analysis.json"
    store.write_text(place, store.read_text(place).replace('"stage"', '"step": 1, "stage"', 1))
    with pytest.raises(StorageError, match=r"no analysis of this version \(comparisons\.0\.step"):
        analyses.load(store, analysis.name)


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
def test_what_stands_out_is_explained_by_no_control(quantity, changes, verdict):
    assert quantity(**changes).stands_out is verdict


def test_numbers_have_names_that_mlflow_takes(analysis, alone):
    found = analyses.numbers(analysis)
    assert found["accelerometer-gyroscope/after ReLU/high/paired"] == 0.3
    assert len(found) == 2 * 5 * 5 + 2 * 3
    assert found["accelerometer-to-gyroscope/after/silhouette by modality"] == 0.08
    assert all(c.isalnum() or c in "/_- ." for name in found for c in name)
    assert len(analyses.numbers(alone)) == 5 * 4
