import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from fdsweep.results.records.manifest import (
    Manifest,
    add,
    find,
    list_sweeps,
    load,
    load_all,
    look_up,
    merge,
    save,
)
from fdsweep.results.records.setting import Setting
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.errors import ConfigError, StorageError

Make = Callable[..., Manifest]


def names(manifest: Manifest) -> list[tuple[str, str]]:
    return [(row.row, row.student_modality) for row in manifest.rows]


def test_a_manifest_comes_back_as_it_was(store: Store, manifest: Make) -> None:
    saved = manifest(paper={"Feat": {"row": 1}}, seed_history=((0, 1), (0, 1, 2, 3, 4)))
    save(store, saved)
    assert load(store, "components-watch") == saved
    assert store.exists("reports/components-watch/sweep.json")


def test_drivers_that_write_it_at_once_lose_nothing(store: Store, manifest: Make) -> None:
    ready = threading.Barrier(8)

    def drive(seed: int) -> None:
        mine = manifest(seeds=(seed,))
        ready.wait()
        add(Store.open(store.root), mine)

    with ThreadPoolExecutor(8) as drivers:
        list(drivers.map(drive, range(8)))
    assert load(store, "components-watch").seeds == tuple(range(8))


OLD = {
    "schema": "fdsweep.sweep/1",
    "sweep": "cutoffs-watch",
    "study": "cutoffs",
    "title": "Cutoffs",
    "dataset": "watch",
    "paper_table": None,
    "epochs": 30,
    "seeds": [0, 1],
    "seed_history": [[0, 1]],
    "rows": [
        {
            "row": method,
            "method": method,
            "teacher_modality": "accelerometer",
            "student_modality": "gyroscope",
            "key": f"key of {method}",
            "teacher_key": "" if method == "none" else "tt",
            "paper": {"row": 1},
            "group": "",
            "pairing": "paired",
        }
        for method in ("none", "fd-cmkd", "kd+fd-cmkd")
    ],
    "teachers": {"accelerometer": "tt"},
    "data_fingerprint": "dd",
    "data_notes": ["A note."],
}
"""As the fdsweep before schema 2 wrote it."""


def test_what_an_older_fdsweep_wrote_is_read(store: Store) -> None:
    store.write_text("reports/cutoffs-watch/sweep.json", json.dumps(OLD))
    found = load(store, "cutoffs-watch")
    assert [row.teacher_keys for row in found.rows] == [(), ("tt",), ("tt",)]
    assert found.rows[1].key == "key of fd-cmkd"
    assert (found.seeds, found.seed_history, found.data_notes) == ((0, 1), ((0, 1),), ("A note.",))
    assert (found.task, found.metric, found.looks) == ("classification", "accuracy", {})
    assert (found.protocol, found.features, found.setting) == ("ours", "", Setting())
    assert {row.control for row in found.rows} == {""}
    assert found.response_options == {"fd-cmkd": "cutoff", "kd+fd-cmkd": "fd-cmkd.cutoff"}
    save(store, found)
    assert load(store, "cutoffs-watch") == found
    assert '"schema": "fdsweep.sweep/2"' in store.read_text("reports/cutoffs-watch/sweep.json")


def without(name: str) -> str:
    return json.dumps({field: value for field, value in OLD.items() if field != name})


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[]", "{}", '{"schema": "fdsweep.sweep/1", "x": 1}', b"\xff\xfe", without("rows")),
        *(without("epochs"), json.dumps({**OLD, "rows": [{"row": "a"}]})),
        json.dumps({**OLD, "schema": "fdsweep.sweep/2"}),  # teacher_key is no field of today's
        json.dumps({**OLD, "rows": [1]}),
    ],
)
def test_a_damaged_manifest_is_a_missing_one(
    store: Store, manifest: Make, text: str | bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    save(store, manifest())
    place, content = "reports/mine/sweep.json", text if isinstance(text, bytes) else text.encode()
    store.write(place, content)
    assert [found.sweep for found in load_all(store)] == ["components-watch"]
    assert find(store).sweep == "components-watch"
    assert look_up(store, "mine") is None
    with pytest.raises(StorageError, match=r"reports/mine/sweep\.json: there is no sweep here"):
        load(store, "mine")
    assert store.read(f"damaged/{place}.damaged") == content
    assert capsys.readouterr().err.count("is damaged (no sweep: ") == 1


def test_what_another_version_wrote_is_left_where_it_is(
    store: Store, manifest: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    save(store, manifest())
    later = {"reports/later/sweep.json": {"schema": "fdsweep.sweep/9"}}
    later["reports/wider/sweep.json"] = {**OLD, "unheard": 1}
    for place, fields in later.items():
        store.write_text(place, json.dumps(fields))
    assert [found.sweep for found in load_all(store)] == ["components-watch"]
    assert capsys.readouterr().err.count("is no sweep of this version") == 2
    assert all(store.exists(place) for place in later)
    with pytest.raises(StorageError, match="Use the fdsweep that wrote it"):
        look_up(store, "later")


def test_another_version_is_refused(store: Store, manifest: Make) -> None:
    save(store, manifest())
    place = "reports/components-watch/sweep.json"
    store.write_text(place, store.read_text(place).replace("sweep/2", "sweep/3"))
    with pytest.raises(
        StorageError, match=r"as fdsweep\.sweep/3, while .* fdsweep\.sweep/2 and fdsweep\.sweep/1"
    ):
        load(store, "components-watch")


def test_directions_and_seeds_are_added(manifest: Make) -> None:
    there, back = ("a", "b"), ("b", "a")
    old = manifest(["Feat", "Freq"], [there], seeds=[0, 1])
    new = manifest(["Feat", "Freq"], [back], seeds=[3, 0])
    both = merge(old, new)
    assert names(both) == [("Feat", "b"), ("Freq", "b"), ("Feat", "a"), ("Freq", "a")]
    assert both.seeds == (0, 1, 3)
    assert both.seed_history == ((0, 1), (3, 0))
    assert both.teachers == {"a": "teacher.a", "b": "teacher.b"}


@pytest.mark.parametrize("seeds", [(0, 1, 2, 3, 4), (0, 1), (4,)])
def test_seeds_that_add_nothing_leave_no_trace(manifest: Make, seeds: tuple[int, ...]) -> None:
    old = manifest()
    assert merge(old, manifest(seeds=seeds)) == old


def test_what_methods_say_of_themselves_is_added(manifest: Make) -> None:
    old = manifest(looks={"kd": 1, "feat": 2}, response_options={"kd": "t"})
    new = manifest(looks={"kd": 3}, response_options={"feat": "x"})
    assert merge(old, new).looks == {"kd": 3, "feat": 2}
    assert merge(old, new).response_options == {"kd": "t", "feat": "x"}
    crossing = new.replace(factors=("a", "b"))
    assert (merge(old, crossing).factors, merge(crossing, new).factors) == (("a", "b"), ())


def test_networks_of_directions_are_added_to_the_setting(manifest: Make) -> None:
    old = manifest(setting=Setting(classes=7, backbones={"a": "cnn1d"}, pretraining={"a": "none"}))
    new = manifest(setting=Setting(classes=7, backbones={"b": "cnn1d"}, pretraining={"b": "none"}))
    both = merge(old, new).setting
    assert (both.classes, both.backbones) == (7, {"a": "cnn1d", "b": "cnn1d"})
    assert both.pretraining == {"a": "none", "b": "none"}


def test_a_row_under_a_new_key_takes_the_place_of_the_old(manifest: Make) -> None:
    old = manifest(["Feat", "Freq"], [("a", "b")])
    changed = manifest(["Feat"], [("a", "b")])
    changed = changed.replace(rows=(changed.rows[0].replace(key="other"),))
    assert [row.key for row in merge(old, changed).rows] == ["other", "Freq.b"]


@pytest.mark.parametrize(
    "changes",
    [
        *({"epochs": 1}, {"dataset": "ave"}, {"data_fingerprint": "x"}, {"study": "mine"}),
        *({"task": "segmentation"}, {"metric": "miou"}),
        *({"protocol": "published"}, {"features": "pre-relu"}),
    ],
)
def test_what_cannot_be_compared_is_not_merged(manifest: Make, changes: dict[str, object]) -> None:
    new = manifest(["Feat"], seeds=[7], **changes)
    assert merge(manifest(), new) == new


def test_the_newest_sweep_comes_first(store: Store, manifest: Make) -> None:
    for age, name in enumerate(["b", "c", "a"]):
        save(store, manifest(sweep=name))
        os.utime(store.uri(f"reports/{name}/sweep.json"), (1000 - age, 1000 - age))
    store.write_text("reports/c/report.md", "later, and no sweep")
    assert list_sweeps(store) == ["b", "c", "a"]
    assert find(store).sweep == find(store, "last").sweep == "b"


def test_a_sweep_is_found_by_its_name_or_its_beginning(store: Store, manifest: Make) -> None:
    for name in ("losses-watch", "components-watch", "components-watch-2"):
        save(store, manifest(sweep=name))
    assert find(store, "components-watch").sweep == "components-watch"
    assert find(store, "loss").sweep == "losses-watch"
    with pytest.raises(
        ConfigError, match=r"begins several.*: components-watch, components-watch-2\."
    ):
        find(store, "comp")
    with pytest.raises(ConfigError, match="unknown sweep 'cutoffs'.*losses-watch"):
        find(store, "cutoffs")


@pytest.mark.parametrize("name", [None, "last", "components"])
def test_an_empty_storage_says_what_to_type(store: Store, name: str | None) -> None:
    with pytest.raises(StorageError, match=r"no sweep here yet\. Type: fdsweep ablation\."):
        find(store, name)
