import json
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fdsweep.results.compute.cells import SCORES, Cell
from fdsweep.results.compute.differences import Side, differences
from fdsweep.results.compute.statistics import paired_difference
from fdsweep.results.compute.tables import Table, TableRow

WAY = ("accelerometer", "gyroscope")
BEFORE = {"none": [0.5, 0.52, 0.51, 0.5, 0.53], "kd": [0.6, 0.61, 0.58, 0.6, 0.62]}
AFTER = {"none": BEFORE["none"], "kd": [0.66, 0.66, 0.65, 0.69, 0.7], "feat": [0.5] * 5}


@pytest.fixture(scope="module")
def side(manifest):
    """A sweep called `name`; `config` and `version` are those of all its replicates."""

    def make(name, scores, config=None, version="1", floor=None, **sweep):
        told = {"sweep": name, "seeds": range(5), "paper_table": None, **sweep}
        made = manifest(names=list(scores), directions=[WAY], **told)
        cells = {(row.row, WAY): Cell(row, frame(scores[row.row]), (), ()) for row in made.rows}
        replicates = pd.DataFrame(
            {
                "key": [row.key for row in made.rows],
                "status": "done",
                "config": json.dumps(config or {}),
                "environment": json.dumps({"torch": version}),
                "fdsweep_version": "1",
                "device": "cpu",
            }
        )
        nothing = dict.fromkeys(field.name for field in fields(TableRow))
        way = {"teacher_modality": WAY[0], "student_modality": WAY[1]}
        rows = (TableRow(**{**nothing, "row": "A/A", "noise_floor": floor, **way}),)
        table = Table(name, (), rows, (), (), margin=1.0)
        return Side(name=name, manifest=made, replicates=replicates, table=table, cells=cells)

    return make


def frame(scores):
    """A cell's replicates, a seed for each of `scores` that is not None."""
    done = {seed: score for seed, score in enumerate(scores) if score is not None}
    return pd.DataFrame(dict.fromkeys(SCORES, done), index=[*done])


def other_keys(side):
    """`side` with other keys of its rows, as another configuration has."""
    rows = [row.replace(key=f"x{row.key}") for row in side.manifest.rows]
    side.replicates["key"] = "x" + side.replicates["key"]
    return replace(side, manifest=side.manifest.replace(rows=rows))


def test_a_sweep_and_its_copy_differ_in_nothing(side):
    found = differences(side("a", BEFORE), side("b", BEFORE))
    assert (found.setup, found.only_first, found.only_second) == ((), (), ())
    assert {one.word for one in found.outcomes} == {"equal to the bit"}
    assert [one.delta for one in found.outcomes] == [0, 0]


def test_facts_are_told_once_and_with_their_rows(side):
    plain = {"options": {"temperature": 4.0}, "network": {"optim": {"epochs": 30}}}
    changed = {"options": {"temperature": 2.0}, "network": {"optim": {"epochs": 50}}}
    first = side("a", BEFORE, plain, version="1")
    second = other_keys(side("b", AFTER, changed, version="2", epochs=50))
    found = differences(first, second)
    assert {(one.part, one.what, str(one.first), str(one.second)) for one in found.setup} == {
        ("sweep", "epochs", "30", "50"),
        ("rows", "options.temperature", "4.0", "2.0"),
        ("environment", "torch", "['1']", "['2']"),
    }
    (options,) = (one for one in found.setup if one.part == "rows")
    assert options.lines == found.shared == (("none", *WAY), ("kd", *WAY))
    assert found.only_second == (("feat", *WAY),)


def test_what_only_one_row_has_is_that_rows(side):
    first, second = side("a", BEFORE), other_keys(side("b", BEFORE))
    second.replicates.loc[second.replicates["key"] == "xkd.gyroscope", "config"] = '{"pairing": 1}'
    told = [one for one in differences(first, second).setup if one.part == "rows"]
    assert [(one.what, one.first, one.second, one.lines) for one in told] == [
        ("key", "none.gyroscope", "xnone.gyroscope", (("none", *WAY),)),
        ("pairing", None, 1, (("kd", *WAY),)),
    ]


def test_results_are_paired_over_shared_seeds(side):
    none, kd = differences(side("a", BEFORE), side("b", AFTER)).outcomes
    plain = paired_difference(100 * np.array(AFTER["kd"]), 100 * np.array(BEFORE["kd"]))
    assert (kd.n, kd.paired, kd.word) == (5, True, "differs")
    assert kd.delta == plain.delta
    assert kd.delta_ci == (plain.ci_low, plain.ci_high)
    assert none.word == "equal to the bit"


def test_without_shared_seeds_the_interval_is_welchs(side):
    after = {"kd": [None] * 5 + AFTER["kd"], "none": [None] * 5 + BEFORE["none"]}
    (kd,) = (one for one in differences(side("a", BEFORE), side("b", after)).outcomes
             if one.row == "kd")  # fmt: skip
    x, y = 100 * np.array(BEFORE["kd"]), 100 * np.array(AFTER["kd"])
    welch = stats.ttest_ind(y, x, equal_var=False).confidence_interval()
    assert not kd.paired
    assert kd.delta == pytest.approx(y.mean() - x.mean())
    assert kd.delta_ci == pytest.approx((welch.low, welch.high))


def test_words_for_what_says_little(side):
    near = {"none": [0.52, 0.5, 0.51, 0.51, 0.52], "kd": [0.6]}
    found = {one.row: one.word for one in differences(side("a", near), side("b", BEFORE)).outcomes}
    assert found == {"none": "within noise", "kd": "equal to the bit"}
    lone = differences(side("a", {"kd": [0.6]}), side("b", {"kd": [0.7]}))
    assert [one.word for one in lone.outcomes] == ["too few seeds"]
    found = differences(side("a", BEFORE, floor=8.0), side("b", AFTER, floor=7.0))
    assert {one.row: one.word for one in found.outcomes}["kd"] == "within the noise floor"


def test_no_row_in_common_is_said(side):
    found = differences(side("a", {"kd": [0.5]}), side("b", {"feat": [0.5]}))
    assert found.outcomes == found.shared == ()
    assert "No row of one" in found.notes[0]


def test_scores_of_two_metrics_are_not_compared(side):
    other = side("b", BEFORE)
    found = differences(
        side("a", BEFORE), replace(other, table=replace(other.table, metric="miou"))
    )
    assert (found.outcomes, found.untried) == ((), ())
    assert found.notes == ("Scores are not compared: accuracy in one, miou in the other.",)


def test_what_was_not_written_down_is_no_difference(side):
    first, second = side("a", BEFORE), side("b", BEFORE)
    first.replicates["environment"] = ""
    assert differences(first, second).setup == ()


def test_rows_that_one_has_not_trained_are_told_from_their_options(side):
    first, second = side("a", BEFORE, {"lr": 1.0}), other_keys(side("b", BEFORE, {"lr": 1.0}))
    empty = replace(second, replicates=second.replicates[:0])
    assert differences(first, empty).setup == ()
    rows = [row.replace(options={"t": 2.0}) for row in empty.manifest.rows]
    (told,) = differences(first, replace(empty, manifest=empty.manifest.replace(rows=rows))).setup
    assert (told.what, told.first, told.second) == ("options.t", None, 2.0)
