"""`--study teachers` on embedded data of three modalities: one student, one epoch of it."""

import json

import pytest
from typer.testing import CliRunner

from fdsweep.orchestrator.cli import app
from fdsweep.results.records.store import Store

MODALITIES = ("rgb", "normals")
pytestmark = [pytest.mark.ray, pytest.mark.slow]


def typed(storage, *words):
    asked = ["ablation", "--dataset", "room-kinds", "--study", "teachers", "--epochs", "1"]
    made = CliRunner().invoke(app, [*asked, "--seeds", "1", "--storage", storage, *words, "--json"])
    assert made.exit_code == 0, made.output
    return json.loads(made.stdout)


def test_nobody_each_alone_and_all_together_stand_in_one_table(cluster, tmp_path):
    storage = str(tmp_path)
    (table,) = typed(storage, "--direction", "*->depth")["tables"]
    names = ["w/o KD", "only rgb", "only normals", "all together"]
    assert [row["row"] for row in table["rows"]] == names
    assert [row["taught_by"] for row in table["rows"]] == [None, *MODALITIES, "rgb + normals"]
    assert {row["n"] for row in table["rows"]} == {1}

    rows = Store.open(storage).replicates().set_index("row")
    assert len(rows.teacher_keys["all together"]) == 2
    assert {*rows.teacher_keys["all together"]} == {
        key for name in names[1:3] for key in rows.teacher_keys[name]
    }
    curves = Store.open(storage).curves({rows.key["all together"]})
    terms = {metric for metric in curves.metric if metric.startswith("loss_rgb")}
    assert {"loss_rgb.low", "loss_rgb.high", "loss_rgb.align"} <= terms

    plan = typed(storage, "--direction", "*->depth", "--teacher-weight", "rgb=1", "--dry-run")
    assert plan["replicates"] == {"total": 3, "done": 3}  # a teacher without weight is none
