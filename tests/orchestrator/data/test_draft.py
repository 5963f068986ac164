"""`fdsweep init data`: what a table's columns seem to be, written as a description."""

import json

import numpy as np
import pytest
from miniature import own_table
from miniature.media_files import numbered, write_video
from typer.testing import CliRunner

from fdsweep.orchestrator.cli import app
from fdsweep.orchestrator.data.draft import make_draft
from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers.datasets.table.importer import read_table
from fdsweep.trainers.datasets.table.rows import Rows


def guess(label=None, **columns):
    cells = {name: list(values) for name, values in columns.items()}
    count = len(next(iter(cells.values())))
    return make_draft(Rows(path=own_table.Path("t.csv"), columns=cells, numbers=[*range(count)],
                           called="line"), label)  # fmt: skip


def paths(ending, count=6):
    return [f"{i}{ending}" for i in range(count)]


def init(*words):
    return CliRunner().invoke(app, ["init", "data", *map(str, words)])


def test_a_draft_is_prepared_as_it_stands(tmp_path):
    own_table.build(tmp_path)
    out = tmp_path / "sub" / "mine.yaml"
    out.parent.mkdir()
    done = init(tmp_path / "table.csv", "--out", out, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["roles"] == {"sample_id": "sample_id", "label": "label", "group": "person"}
    assert told["modalities"] == {
        "note": {"kind": "text"},
        "motion": {"kind": "signal", "length": 21, "channels": 3},
    }
    assert (told["samples"], told["left_out"], told["remarks"]) == (24, [], [])
    table, raw = read_table(out, None, ".")
    assert (table.name, raw.resolve()) == ("mine", tmp_path.resolve())
    assert len(table.listed.items) == 24
    assert "# split: split" in out.read_text()
    assert {*table.declared.parts.values()} == {0, 1, 2, 3, 4}
    again = init(tmp_path / "table.csv", "--out", out)
    assert again.exit_code == 2
    assert "is there already. Delete it" in again.stderr


def test_endings_and_names_tell_kinds_and_roles():
    draft = guess(
        id=paths(""), emotion=["sad", "glad"] * 3, speaker=["a", "b", "c"] * 2, set=["train"] * 6,
        sound=paths(".WAV"), clip=paths(".mp4"), face=paths(".jpeg"), words=paths(".txt"),
        said=["some words of it"] * 6, age=["3", "4", "5"] * 2,
    )  # fmt: skip
    assert draft.roles == {
        "sample_id": "id", "label": "emotion", "group": "speaker", "split": "set",
    }  # fmt: skip
    kinds = {name: said["kind"] for name, said in draft.modalities.items()}
    assert kinds == {
        "sound": "audio", "clip": "video", "face": "picture", "words": "text-file", "said": "text",
    }  # fmt: skip
    assert draft.left_out == ["age"]
    assert draft.modalities["face"] == {"kind": "picture", "size": 64, "backbone": "cnn2d"}
    assert "6 of the first 6 files of 'sound' are not below" in draft.remarks[0]


def test_the_sound_of_videos_is_a_modality_of_its_own(tmp_path):
    frames, sound = [numbered(3, 16, 16)] * 4, np.sin(np.arange(44100) / 9)
    write_video(tmp_path / "0.mp4", frames, 4, "mpeg4", audio=sound)
    cells = {"label": list("abab"), "clip": ["0.mp4"] * 4}
    rows = Rows(path=tmp_path / "t.csv", columns=cells, numbers=[*range(4)], called="line")
    assert make_draft(rows).modalities == {
        "clip": {"kind": "video", "size": 64, "backbone": "cnn2d"},
        "clip-sound": {
            "kind": "audio", "column": "clip", "window": 256, "step": 256, "backbone": "cnn2d",
            "rate": 16000, "seconds": 1.0,
        },
    }  # fmt: skip


def test_a_mask_makes_scenes_and_odd_names_become_usable():
    draft = guess(**{"Mask": paths(".png"), "left eye!": paths(".png"), "label_map": paths(".png")})
    assert draft.roles == {"mask": "Mask"}
    assert draft.modalities["left-eye"] == {"kind": "scene", "column": "left eye!"}
    assert draft.modalities["label_map-2"] == {"kind": "scene", "column": "label_map"}


def test_what_a_table_lacks_is_told():
    with pytest.raises(
        DataError, match="hold a label. Name it: --label .* by hand, with `task: retrieval`"
    ):
        guess(a=paths(".wav"), b=paths(".jpg"))
    with pytest.raises(DataError, match=r"holds 1 modalities \(a\), and one learns from another"):
        guess(a=paths(".wav"), kind=["x", "y"] * 3)
    with pytest.raises(DataError, match="no column 'kin' for the label"):
        guess("kin", a=paths(".wav"), kind=["x", "y"] * 3)
