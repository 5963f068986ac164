"""What trackers are told of replicates and of the lines of a table."""

import json
import math

import pytest

from fdsweep.orchestrator.tracking.runs import (
    VIEWS,
    Held,
    Run,
    replicate_run,
    starting_run,
    summaries,
)
from fdsweep.results.compute.tables import Table, TableRow
from fdsweep.results.document import Report

ROW = {
    **{"row": "Feat", "method": "feat", "dataset": "watch", "seed": 0, "key": "k"},
    **{"teacher_modality": "a", "student_modality": "b", "teacher_keys": ("t",)},
    **{"status": "done", "study": "components", "epochs": 3, "device": "cpu", "config": "{}"},
    **{"val_score": 0.5, "test_score": 0.4, "test_score_last": 0.3, "test_score_best": 0.6},
    "wall_seconds": 1.0,
}


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_a_score_that_is_not_there_is_not_told(nothing):
    """Without a validation split a row has no val_score: None, or NaN where pandas read it."""
    told = {name for name, _, _ in replicate_run({**ROW, "val_score": nothing}, [], "x").metrics}
    assert told == {"final_test_score", "final_test_score_last", "final_test_score_best"}
    assert ("final_val_score", 0.5, 0) in replicate_run(ROW, [], "x").metrics


def test_the_run_of_a_replicate_in_training_tells_nothing_of_its_end():
    row = {**ROW, "val_score": None, "test_score": None, "status": "failed", "device": ""}
    run = starting_run({**row, "test_score_last": None, "test_score_best": None}, "x", "http://ray")
    ended = replicate_run(ROW, [], "x")
    assert (run.identity, run.name, run.done) == (ended.identity, ended.name, False)
    assert run.metrics == []
    assert run.tags["fdsweep.dashboard"] == "http://ray"
    assert {*ended.tags} - {*run.tags} == {"fdsweep.status"}
    assert run.params.items() <= ended.params.items()
    assert {*ended.params} - {*run.params} == {"device"}


HELD = Held({"epochs": "2"}, {}, {("val_x", 0): 0.5, ("val_x", 1): math.nan, ("system/x", 0): 9.0})


@pytest.mark.parametrize(
    ("done", "params", "metrics", "fits"),
    [
        (True, {"epochs": "2"}, [("val_x", 0.5, 0), ("val_x", math.nan, 1)], True),
        (True, {"epochs": "2"}, [("val_x", 0.5, 0)], False),  # it never had a second epoch
        (True, {"epochs": "2"}, [("val_x", 0.25, 0), ("val_x", math.nan, 1)], False),
        (True, {"epochs": "3"}, [("val_x", 0.5, 0), ("val_x", math.nan, 1)], False),
        (False, {"new": "1"}, [("val_x", 0.5, 0)], True),
        (False, {}, [("val_x", 0.25, 0)], False),
        (False, {}, [("val_x", 0.25, 1)], False),  # not a number, before
        (False, {}, [], True),
    ],
)
def test_a_run_goes_on_if_what_is_held_is_its_beginning(done, params, metrics, fits):
    run = Run(
        identity=("k", "0"), name="", tags={}, params={}, metrics=metrics, seconds=1.0, done=done
    )
    assert HELD.fits(run, params) == fits


def line_of(teacher, student):
    return TableRow(
        **{"row": "Feat", "group": None, "pairing": None, "n": 1, "asked": 1, "failed": 0},
        **{"teacher_modality": teacher, "student_modality": student, "mean": 60.0, "std": None},
        **dict.fromkeys(("ci_low", "ci_high", "last", "test_selected", "gap", "paper")),
        paper_note=None,
    )


def test_of_several_teachers_each_stands_under_its_modality():
    config = {"teachers": [{"modality": m, "backbone": "cnn1d"} for m in "ac"], "options": {}}
    run = replicate_run({**ROW, "config": json.dumps(config)}, [], "x")
    assert run.params["teachers.c.backbone"] == "cnn1d"
    assert "teachers" not in run.params


@pytest.mark.parametrize("protocol", ["ours", "published"])
def test_a_line_of_a_table_says_by_which_protocol_it_was_chosen(protocol):
    table = Table("t", (), (line_of("a", "b"),), (), protocol=protocol)
    (line,) = summaries(Report("s", (table,)))
    assert line.tags == {"fdsweep.protocol": protocol}
    assert line.metrics == {"n": 1.0, "mean": 60.0}


def test_views_show_what_is_told():
    """Every column of the views is a metric or a tag of the runs that the view is of."""
    row = TableRow(
        **{"row": "FD", "group": None, "pairing": None, "n": 2, "asked": 2, "failed": 0},
        **{"teacher_modality": "a", "student_modality": "b", "gap": 0.1, "paper": None},
        **dict.fromkeys(("mean", "std", "ci_low", "ci_high", "last", "test_selected"), 1.0),
        **{"delta": 1.0, "delta_ci": (0.0, 2.0), "p_adjusted": 1.0, "verdict": "inconclusive"},
        paper_note=None,
    )
    (line,) = summaries(Report("s", (Table("t", (), (row,), ()),)))
    replicate = replicate_run(ROW, [], "x")
    own = {"fdsweep.row", "fdsweep.direction", "fdsweep.kind"}  # of every summary
    there = {
        "answer": ({*line.metrics}, {*line.tags} | own),
        "replicates": ({name for name, _, _ in replicate.metrics}, {*replicate.tags}),
    }
    assert there.keys() == VIEWS.keys()
    for name, (metrics, tags) in there.items():
        view = VIEWS[name]
        for column in (*view.columns, view.by):
            kind, _, rest = column.partition(".")
            assert rest in {"metrics": metrics, "tags": tags, "attributes": {"Dataset"}}[kind]
        assert {*view.tags} <= tags
        assert view.where.split(" ")[0].removeprefix("tags.") in tags
