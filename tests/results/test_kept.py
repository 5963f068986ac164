"""What was computed of a sweep counts only while all that it depends on is as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fdsweep.results import kept
from fdsweep.results.compute.tables import build as building
from fdsweep.results.records import costs
from fdsweep.results.records import manifest as manifests
from fdsweep.results.records.store import Store
from fdsweep.results.report import load, report, to_text
from fdsweep.search_spaces import layout

SCORES = {"Feat": [0.60, 0.62], "Freq": [0.63, 0.66]}
Fill = Callable[..., None]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Sweeps whose tables are computed."""
    names: list[str] = []
    build_table = building.build_table

    def build(manifest: Any, *given: Any, **named: Any) -> Any:
        names.append(manifest.sweep)
        return build_table(manifest, *given, **named)

    monkeypatch.setattr(building, "build_table", build)
    return names


@pytest.fixture
def scores(manifest: Callable[..., Any]) -> dict[str, list[float]]:
    """Of each key of a sweep of Feat and Freq with two seeds."""
    rows = manifest(names=["Feat", "Freq"]).rows
    return {row.key: SCORES[row.row] for row in rows}


def texts(store: Store) -> list[str]:
    found = report(store)
    return [to_text(found, form) for form in ("markdown", "csv", "json", "latex")]


def test_a_report_of_what_is_as_it_was_is_read(
    store: Store, fill: Fill, scores: Any, built: list[str]
) -> None:
    fill(scores, seeds=[0, 1])
    first = texts(store)
    assert len(built) == 1
    assert texts(store) == first
    assert load(store).table == load(store).table
    assert len(built) == 1


def test_whatever_decides_it_makes_it_anew(
    store: Store, fill: Fill, scores: Any, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill({key: values[:1] for key, values in scores.items()}, seeds=[0, 1])
    changes: list[Callable[[], Any]] = [
        lambda: None,
        lambda: fill(scores, seeds=[0, 1]),  # other files
        lambda: manifests.save(store, manifests.find(store).replace(title="Other")),
        lambda: store.write_text(
            layout.teacher_record(next(iter(manifests.find(store).teachers.values())), 0),
            '{"test_score": 0.5}',
        ),
        lambda: costs.add(store, manifests.find(store).sweep, costs.Costs(students={"x": "y"})),
        lambda: monkeypatch.setattr(kept, "code_key", lambda: "newer"),
        lambda: monkeypatch.setattr(kept, "version", lambda name: "newer"),
    ]
    for number, change in enumerate(changes, 1):
        change()
        shown = report(store)
        assert len(built) == number
        store.delete_folder(layout.TABLES)
        assert report(store) == shown  # made of nothing but what is stored
        built.pop()
    assert load(store, seeds=[0]).table != load(store).table


def test_what_lost_a_file_is_told_each_time(
    store: Store, fill: Fill, scores: Any, built: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fill(scores, seeds=[0, 1])
    Path(store.root, layout.CURVES, layout.replicate_file(next(iter(scores)), 0)).unlink()
    report(store)
    assert "missing" in capsys.readouterr().err
    report(store)
    assert len(built) == 2


def test_a_damaged_copy_is_set_aside(
    store: Store, fill: Fill, scores: Any, built: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fill(scores, seeds=[0, 1])
    first = texts(store)
    (place,) = store.sizes(layout.TABLES)
    store.write(place, store.read(place)[:-9])
    assert texts(store) == first
    assert "is damaged (no table that was computed)" in capsys.readouterr().err
    store.write(place, b"garbage")  # of another time
    assert texts(store) == first
    assert len(built) == 3
