"""The comparison and the list of methods, without Ray."""

import pytest

from fdsweep.orchestrator.studies import manifest as manifests
from fdsweep.orchestrator.studies import methods
from fdsweep.orchestrator.studies.compare import (
    BASELINE,
    GROUPS,
    LINES_OF_TABLE_3,
    comparison,
    info_of,
    papers_table,
)
from fdsweep.orchestrator.studies.plan import make_cells
from fdsweep.results.compute.provenance.published import look_up
from fdsweep.results.compute.provenance.setting import deviations
from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.trainers import datasets, distillers
from fdsweep.trainers.datasets import DataLocation
from fdsweep.trainers.preparation.catalog import Catalog
from fdsweep.trainers.preparation.manifest import make_manifest, save_manifest

PAPER = {
    "crema-d": ("crema-d", "lists of 6,698 train and 744 test clips", 6, ("audio", "visual")),
    "ave": (
        "ave@c2kd", "lists of 3,339 train, 402 val and 402 test events", 28, ("audio", "visual"),
    ),
    "vggsound": (
        "vggsound@c2kd", "lists of 25,835 train and 2,500 test clips", 50, ("audio", "visual"),
    ),
    "crisismmd": (
        "crisismmd@c2kd", "lists of 6,126 train, 998 val and 955 test pictures", 5,
        ("text", "visual"),
    ),
}  # fmt: skip
"""The paper's data sets: under which name, with which split, classes and modalities."""
METHODS = ["none", "kd", "dist", "dkd", "feat", "pkd", "c2kd", "fd-cmkd"]
WATCH = datasets.find("watch").info


def test_by_default_every_method_stands_in_its_group_behind_the_baseline():
    rows = comparison().rows
    assert rows[0].name == BASELINE
    usable = [name for name in distillers.names() if not distillers.specimen(name, {}).dense_only]
    assert sorted(row.method for row in rows) == sorted(usable)
    places = [GROUPS.index(row.group) for row in rows]
    assert places == sorted(places)
    assert {row.group for row in rows} == {"Uni", "Logit", "Feature", "Cross"}


def test_every_line_of_the_papers_table_is_linked_to_its_number():
    sweep = comparison()
    linked = {row.name: row.paper for row in sweep.rows if row.paper}
    found = {
        name: look_up(sweep.paper_table, where, "crema-d", "audio").value
        for name, where in linked.items()
    }
    assert found == {
        "none": 62.4, "kd": 61.7, "dist": 62.2, "dkd": 61.0, "feat": 60.9, "pkd": 60.4,
        "c2kd": 57.5, "fd-cmkd": 64.1,
    }  # fmt: skip


def test_chosen_methods_keep_the_baseline_and_may_be_added_up():
    rows = comparison(" feat, kd+fd-cmkd ").rows
    assert [row.name for row in rows] == ["none", "feat", "kd+fd-cmkd"]
    assert [row.group for row in rows] == ["Uni", "Feature", "Combined"]


@pytest.mark.parametrize("pairing", ["paired", "same-class", "unpaired"])
def test_the_pairing_reaches_every_row_with_a_teacher_and_no_other(pairing):
    cells = make_cells(comparison(pairing=pairing), WATCH)
    for cell in cells:
        expected = pairing if cell.config.teachers else "paired"
        assert cell.config.pairing == expected
    taught = [cell for cell in cells if cell.config.teachers]
    assert len(taught) == 2 * (len(comparison().rows) - 1)


def test_where_pixels_have_labels_the_rows_are_those_of_table_3():
    info = info_of("rooms", DataLocation())
    sweep = comparison(task=info.task, suited=info.suited)
    assert [row.method for row in sweep.rows] == list(LINES_OF_TABLE_3)
    found = {
        row.name: look_up(sweep.paper_table, row.paper, "nyu-depth-v2", "depth").value
        for row in sweep.rows
    }
    assert list(found.values()) == [30.9, 32.3, 32.5, 31.8, 33.2, 33.1, 35.1]
    plain = {"align": False, "band_heads": False}
    small = dict(info.suited["cirkd-v2"])
    options = {row.name: row.options for row in sweep.rows if row.options}
    assert options == {
        "fd-cmkd": plain,
        "cirkd-v2": small,
        "cirkd-v2+fd-cmkd": {
            **{f"cirkd-v2.{name}": value for name, value in small.items()},
            **{f"fd-cmkd.{name}": value for name, value in plain.items()},
        },
    }
    published = comparison(task=info.task)
    assert published.rows[5].options == {}
    assert published.rows[4:5] == sweep.rows[4:5]


def test_fd_cmkd_aligns_pixels_where_that_is_asked_for():
    sweep = comparison("kd,dist+fd-cmkd,fd-cmkd", task="segmentation", align=True)
    assert [row.name for row in sweep.rows] == ["none", "kd", "dist+fd-cmkd", "fd-cmkd"]
    assert [row.paper for row in sweep.rows[1:3]] == [None, None]
    assert sweep.rows[2].options == {"fd-cmkd.align": True, "fd-cmkd.band_heads": False}
    assert sweep.rows[3].options == {"align": True, "band_heads": False}
    assert sweep.title == "Methods compared, aligned by pixel"


def test_the_papers_table_of_segmentation_is_its_table_3(tmp_path):
    split = "lists of 795 train and 654 test frames"
    location = prepared(tmp_path, "nyu-depth-v2", split, 1)
    sweep = papers_table("nyu-depth-v2", location)
    assert (sweep.study, sweep.title) == ("table-3", "The paper's Table 3")
    assert [row.method for row in sweep.rows] == list(LINES_OF_TABLE_3)
    assert (sweep.protocol, sweep.epochs, sweep.batch_size) == ("published", 1600, 16)
    assert sweep.pretrained == dict.fromkeys(("rgb", "depth"), "microsoft/resnet-18")
    info = datasets.find("nyu-depth-v2", location).info
    cells = make_cells(sweep, info, dict.fromkeys(sweep.pretrained, "digest"))
    made = manifests.make_manifest(sweep, cells, info)
    assert made.class_names == info.classes
    found = deviations(made)
    assert (found.task, found.setting, found.unstated) == ((), (), ())
    assert len(found.assumed) == 13  # two modalities' networks and checkpoints among them


def test_a_composition_has_the_options_of_its_parts_in_its_key():
    (cell, *_) = make_cells(comparison("kd+feat"), WATCH)[1:]
    assert set(cell.config.options) == {
        "kd.weight", "kd.temperature", "feat.weight", "feat.reduction",
    }  # fmt: skip
    assert cell.config.method_version == sum(distillers.version(x) for x in ("kd", "feat"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"methods": "kd,kd"}, "'kd' stands twice"),
        ({"methods": "kd,"}, "unknown method ''"),
        ({"methods": "kd+kdd"}, "unknown method 'kdd'. Choose from: "),
        ({"methods": "kd", "pairing": "loose"}, "'loose'"),
        ({"align": True}, "--align: is for data sets whose pixels have labels"),
    ],
)
def test_a_wrong_choice_is_answered_in_a_sentence(words, message):
    with pytest.raises(ConfigError) as caught:
        comparison(**words)
    assert message in str(caught.value)


def test_the_list_tells_what_each_method_is():
    table = {one["method"]: one for one in methods.overview()}
    assert tuple(table) == distillers.names()
    assert [name for name, one in table.items() if one["moves_teacher"]] == ["c2kd"]
    assert [name for name, one in table.items() if not one["needs_pairs"]] == ["none", "unpaired"]
    assert [name for name, one in table.items() if not one["needs_teacher"]] == ["none"]
    assert table["kd"]["trains"] == []
    assert table["feat"]["trains_if_widths_differ"] == ["project"]
    assert table["fd-cmkd"]["trains"] == ["classifiers", "band_heads"]
    about, defaults = methods.to_text(list(table.values())).split("\n\n")
    for name, one in table.items():
        (line,) = [line for line in about.splitlines() if line.startswith(f"| {name} ")]
        assert one["paper"] in line
        assert one["level"] in line
        lines = [line for line in defaults.splitlines() if line.startswith(f"| {name} ")]
        for line, (option, known) in zip(lines, one["options"].items(), strict=True):
            assert f" {option} " in line
            assert known["source"] is None or known["source"] in line
    assert {one["on_maps"] for one in table.values()} <= {"pixels", "maps", ""}
    assert table["kd"]["on_maps"] == "pixels"
    assert not table["kd"]["dense_only"]
    dense = {**table["kd"], "on_maps": "maps", "dense_only": True}
    assert "| maps, only these |" in methods.to_text([dense])
    assert table["dkd"]["options"]["beta"]["default"] == 8.0
    assert table["none"]["options"] == {}


def test_the_text_of_a_method_says_what_the_method_says():
    for name in distillers.names():
        assert methods.describe(name) == methods.ask(name), name


def test_a_method_that_names_no_source_is_listed_all_the_same(monkeypatch):
    monkeypatch.delattr(distillers.registry.get("kd").factory, "sources")
    kd = {"method": "kd", **methods.ask("kd")}
    assert kd["options"]["temperature"] == {"default": 4.0, "source": None}
    assert [cell.strip() for cell in methods.to_text([kd]).splitlines()[-1].split("|")] == [
        "", "kd", "temperature", "4", "–", "",
    ]  # fmt: skip


def prepared(storage, name, split, classes, **options):
    """The manifest of an empty data set, as if it was prepared."""
    found = datasets.find(name)
    catalog = Catalog(
        items=(), missing=(), classes=tuple(map(str, range(classes))), split=split
    )  # fmt: skip
    manifest = make_manifest(
        name, catalog, found.payloads, (), folder="f", version=2, decoders={}, options=options
    )
    save_manifest(str(storage), manifest)
    return DataLocation(str(storage))


@pytest.mark.parametrize("base", PAPER)
def test_the_papers_table_has_its_methods_data_and_protocol(tmp_path, base):
    name, split, classes, modalities = PAPER[base]
    location = prepared(tmp_path, name, split, classes)
    sweep = papers_table(base, location)
    assert [row.method for row in sweep.rows] == METHODS
    assert (sweep.dataset, sweep.protocol, sweep.features) == (name, "published", "post-relu")
    assert (sweep.epochs, sweep.batch_size) == (100, 64)
    assert sweep == papers_table(name, location)
    is_text = "text" in modalities
    assert sweep.pretrained == ({"text": "bert-base-uncased"} if is_text else {})
    info = datasets.find(name, location).info
    cells = make_cells(sweep, info)
    assert len(cells) == 2 * len(METHODS)
    assert {c.config.network.backbone for c in cells} == {
        "bert-base" if is_text else "resnet18", "resnet18"
    }  # fmt: skip
    assert {c.config.network.protocol for c in cells} == {"published"}
    for row in sweep.rows:
        for modality in modalities:
            assert look_up(sweep.paper_table, row.paper, sweep.dataset, modality)


@pytest.mark.parametrize(
    ("base", "changes", "what", "type_this"),
    [
        ("ave", None, "ave@c2kd is not prepared", "prepare ave RAW_DIR --variant c2kd"),
        (
            "crema-d", {"split": "speakers apart"}, "split: speakers apart, but lists of 6,698",
            "prepare crema-d RAW_DIR --split-dir LISTS, where LISTS holds the published train.csv",
        ),
        (
            "vggsound", {"split": "lists of 183,730 train and 15,446 test clips", "classes": 309},
            "split: lists of 183,730", "prepare vggsound RAW_DIR --variant c2kd --split-dir LISTS",
        ),
        (
            "crisismmd", {"task": "damage"}, "labelling: damage, but humanitarian",
            "prepare crisismmd RAW_DIR --variant c2kd",
        ),
    ],
)  # fmt: skip
def test_other_data_than_the_papers_say_what_to_type(tmp_path, base, changes, what, type_this):
    name, split, classes, _ = PAPER[base]
    if changes is not None:
        prepared(tmp_path, **{"name": name, "split": split, "classes": classes, **changes})
    if base == "ave":
        prepared(tmp_path, base, split, classes)  # the data set's own way is not the paper's
    with pytest.raises(DataError) as error:
        papers_table(base, DataLocation(str(tmp_path)))
    assert what in str(error.value)
    assert f"Type: fdsweep {type_this}" in str(error.value)


def test_data_that_the_paper_lacks_are_refused(tmp_path):
    for name in ("watch", "ravdess"):
        with pytest.raises(
            ConfigError, match=f"{name} is not in the paper's Tables 1 and 3, which"
        ):
            papers_table(name, DataLocation(str(tmp_path)))
