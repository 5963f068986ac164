"""The list of data sets and their contact sheets."""

import numpy as np
import pytest
import tiles
from PIL import Image

from fdsweep.orchestrator.data import overview, preview
from fdsweep.search_spaces.fields import parse_variant
from fdsweep.search_spaces.palette import palette
from fdsweep.trainers import datasets

EMBEDDED = {"room-kinds", "rooms", "watch"}


def test_every_data_set_says_where_it_is_to_be_had(tmp_path):
    listed = {one["dataset"]: one for one in overview.overview(str(tmp_path))}
    assert tuple(listed) == datasets.names()
    assert {name for name, one in listed.items() if one["ready"]} == EMBEDDED
    for name, one in listed.items():
        for fact in ("about", "licence", "url", "source", "modalities"):
            assert one[fact], (name, fact)
    for name in set(listed) - EMBEDDED:
        assert f"fdsweep prepare {parse_variant(name)[0]} RAW_DIR" in listed[name]["why_not"]
        for line in listed[name]["expects"].splitlines():
            assert line in overview.to_text([listed[name]])
    text = overview.to_text(list(listed.values()))
    assert "pictures of 48 x 64; synthetic" in text
    assert "classes: PEN, ABD, FEL, IR, ER, TRAP, ROW" in text
    assert (listed["rooms"]["task"], listed["watch"]["task"]) == ("segmentation", "classification")
    assert "  task: segmentation, scored by miou\n  classes: floor, wall" in text
    assert "  scenes: bedroom" in text


@pytest.mark.slow
def test_a_contact_sheet_shows_every_class_and_modality(tmp_path):
    path = preview.draw(datasets.find("watch"), tmp_path / "watch.png")
    with Image.open(path) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 1000
        assert len(sheet.convert("RGB").reduce(8).getcolors(2**24)) > 50  # something is drawn


def test_samples_go_round_the_classes():
    fold = datasets.find("watch").folds()(0)
    chosen = preview.pick(fold)
    assert fold.labels[chosen].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    assert set(chosen.tolist()) <= set(fold.train.tolist())
    assert len(set(chosen.tolist())) == 8


@pytest.mark.slow
def test_label_maps_are_shown_in_the_colours_of_their_classes(tmp_path):
    path = preview.draw(tiles.Tiles(), tmp_path / "tiles.png")
    with Image.open(path) as sheet:
        found = {colour for _, colour in sheet.convert("RGB").getcolors(2**24)}
    assert {*palette(2), (0, 0, 0)} <= found


def test_shares_of_pixels_are_counted_without_those_of_no_class():
    fold = tiles.Tiles().folds()(0)
    labels = fold.label_maps.values.numpy()
    shares, unlabelled = preview.shares_of_pixels(fold, fold.label_maps)
    assert unlabelled == pytest.approx(np.mean(labels == 255))
    for split, found in shares.items():
        mine = labels[getattr(fold, split).numpy()]
        assert found == pytest.approx([100 * np.mean(mine[mine < 255] == k) for k in (0, 1)])
