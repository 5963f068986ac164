"""The paper's Table 3 on embedded data: every row, both directions, one epoch of it.

In this process and on a third of the images: that a row of it trains through Ray, NYU-Depth V2
shows in tests/orchestrator/data/.
"""

import base64
import io
import json
import re

import numpy as np
import pytest
from chaos import calm
from PIL import Image
from typer.testing import CliRunner

from fdsweep.orchestrator.cli import app
from fdsweep.orchestrator.studies.compare import LINES_OF_TABLE_3
from fdsweep.results.records.store import Store
from fdsweep.trainers.datasets import rooms

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The storage, and the table's rows."""
    storage = str(tmp_path_factory.mktemp("rooms"))
    words = ["compare", "--dataset", "rooms", "--seeds", "1", "--epochs", "1", "--json"]
    split = rooms.split_rooms
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rooms, "split_rooms", lambda seed: (split(seed)[0][::3], *split(seed)[1:]))
        patch.setattr("fdsweep.trainers.trials.probe.STEPS", 1)
        calm.here(patch.setattr)
        made = CliRunner().invoke(app, [*words, "--storage", storage])
    assert made.exit_code == 0, made.output
    (table,) = json.loads(made.stdout)["tables"]
    return storage, table["rows"]


def test_all_rows_are_trained_in_both_directions(study):
    _, rows = study
    assert [(row["row"], row["student_modality"]) for row in rows] == [
        (method, student) for student in ("depth", "rgb") for method in LINES_OF_TABLE_3
    ]
    assert all(row["n"] == 1 for row in rows)
    floor = 100 / 12 / 12  # all pixels taken for one of the twelve classes; untrained 1.4 to 2
    assert min(row["mean"] for row in rows) > 4 * floor


def test_the_rows_of_test_images_add_up_to_the_scores(study):
    storage, _ = study
    store = Store.open(storage)
    scores = store.replicates().set_index("key").test_score
    pictures = store.predictions()
    assert set(scores.index) == set(pictures.key.unique())
    for key, own in pictures.groupby("key"):
        sums = own.groupby("label")[["intersection", "union"]].sum()
        miou = (sums.intersection / sums.union).mean()
        assert miou == pytest.approx(scores[key], rel=1e-9)
        assert own.labelled.sum() == 150 * 48 * 64
        strips = own.picture.dropna()
        assert len(strips) == 4
        with Image.open(io.BytesIO(base64.b64decode(strips.iloc[0]))) as strip:
            assert strip.size == (3 * 64 + 2 * 4, 48)
            assert len(np.unique(np.asarray(strip)[:, 68:132].reshape(-1, 3), axis=0)) > 3


def test_the_page_shows_what_each_row_makes_of_the_first_images(study):
    storage, _ = study
    page = CliRunner().invoke(app, ["report", "--storage", storage, "--format", "html"]).stdout
    figures = re.findall("data:image/svg[+]xml;base64,([A-Za-z0-9+/=]+)", page)
    shown = sum(base64.b64decode(figure).count(b"<image") for figure in figures)
    assert shown == 2 * 4 * len(LINES_OF_TABLE_3)  # in both directions
    assert all(name in page for name in ("floor", "appliance", "cirkd-v2+fd-cmkd"))
