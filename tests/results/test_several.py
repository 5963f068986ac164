import json
import shutil

import pytest
from typer.testing import CliRunner

from fdsweep.orchestrator.cli import app
from fdsweep.results.records.manifest import save
from fdsweep.results.records.store import Store
from fdsweep.results.several import load_several


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("several")


@pytest.fixture(scope="module")
def told(folder, manifest, outcomes):
    """What the command line says of two sweeps in one storage and one in another."""
    places = {"compare-a": "runs", "compare-b": "runs", "compare-c": "others"}
    for place, (sweep, root) in enumerate(places.items()):
        store = Store.create(str(folder / root))
        made = manifest(names=["none", "kd"], directions=[("audio", "visual")], seeds=(0, 1))
        rows = [row.replace(key=f"{row.key}.{sweep}") for row in made.rows]
        save(store, made.replace(sweep=sweep, dataset=f"set-{place}", rows=rows))
        scores = {rows[0].key: [0.5, 0.51], rows[1].key: [0.6, 0.62 + place / 100]}
        for one in outcomes(scores):
            store.put(one, [], [])
    runs = str(folder / "runs")
    return lambda *words: CliRunner().invoke(app, [*map(str, words), "--storage", runs])


def test_sweeps_of_several_storages_are_compared(told, folder):
    result = told("report", "compare-a", "compare-b", f"{folder}/others#compare-c")
    assert result.exit_code == 0, result.output
    assert "3 sweeps, 3 data sets" in result.stdout
    document = json.loads(told("report", "compare-a", "compare-b", "--json").stdout)
    assert [column["dataset"] for column in document["columns"]] == ["set-0", "set-1"]
    newest = json.loads(told("report", f"{folder}/others#", "--json").stdout)
    assert newest["sweep"] == "compare-c"


@pytest.mark.slow
def test_a_page_of_several_sweeps_has_their_pictures(told):
    page = told("report", "compare-a", "compare-b", "--format", "html").stdout
    assert "Differences to the baseline by method and data set." in page


def test_two_sweeps_are_told_apart(told):
    text = told("diff", "compare-a", "compare-b")
    assert text.exit_code == 0
    assert "set-0" in text.stdout
    document = json.loads(told("diff", "compare-a", "compare-b", "--json").stdout)
    assert document["sweeps"] == ["compare-a", "compare-b"]
    assert [one["word"] for one in document["outcomes"]] == ["equal to the bit", "within noise"]


def test_what_cannot_be_compared_is_one_sentence(told, folder):
    for words, needle in (
        (["report", "compare-a", "compare-a"], "given twice"),
        (["report", "compare-a", "compare-b", "--check", "x"], "of one sweep"),
        (["report", "compare-a", "compare-x"], "'compare-x'"),
        (["diff", "compare-a", f"{folder}/nowhere#x"], "no storage here"),
    ):
        result = told(*words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert needle in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_sweeps_of_one_name_are_called_by_their_places(told, folder):
    shutil.copytree(folder / "runs", folder / "copy")
    places = ["compare-a", f"{folder}/copy#compare-a"]
    assert [*load_several(places, f"{folder}/runs")] == places
    document = json.loads(told("diff", *places, "--json").stdout)
    assert document["setup"] == []
    assert {one["word"] for one in document["outcomes"]} == {"equal to the bit"}
