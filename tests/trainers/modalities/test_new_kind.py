"""A kind that fdsweep does not know, in one file of another package: it needs nothing else."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from PIL import Image

from fdsweep.orchestrator.data import preview
from fdsweep.search_spaces.trials import Loading
from fdsweep.trainers import modalities
from fdsweep.trainers.datasets import DataLocation, Modality
from fdsweep.trainers.loaders.streaming import Streamed
from fdsweep.trainers.modalities import Payload
from fdsweep.trainers.preparation.catalog import Item
from fdsweep.trainers.preparation.reading import read_table

POINT_CLOUD = '''
import numpy as np
import pyarrow as pa
from fdsweep.trainers.modalities import registry
from fdsweep.trainers.modalities.arrays import ArrayKind

@registry.register("point-cloud")
class PointCloud(ArrayKind):
    """Points [3, n] as a list of numbers, and the name of the thing they are of."""

    column = pa.list_(pa.float32())
    beside = {"thing": pa.string()}
    dtype = np.float32

    def encode(self, value):
        return value.ravel().tolist()

    def size(self, cell):
        return 4 * len(cell)

    def array(self, cells):
        return np.asarray(cells, np.float32).reshape(len(cells), *self.shape)

    def show(self, axes, sample):
        axes.scatter(sample[0], sample[1])
'''


class Things(tiny.Tiny):
    """Points of things, and a signal beside."""

    modalities = (Modality("cloud", 3, "cnn1d"), Modality("motion", 2, "cnn1d"))
    payloads = {  # noqa: RUF012
        "cloud": Payload("point-cloud", (3, 24)),
        "motion": Payload("signal", (2, 30)),
    }

    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        rng = np.random.default_rng(int(item.sample_id[1:]))
        return {
            "cloud": rng.normal(item.label, 1, (3, 24)).astype(np.float32),
            "motion": rng.normal(item.label, 1, (2, 30)),
            "thing": f"thing {item.sample_id}",
        }


@pytest.fixture
def storage(tmp_path: Path, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> str:
    """Shards of `Things`, whose kind a package offers while the test lasts."""
    known = dict(modalities.registry._entries)
    monkeypatch.setattr(modalities.registry, "_entries", known)
    install("clouds", "clouds_kind", "point-cloud", POINT_CLOUD, "fdsweep.modalities")
    tiny.store(Things(), str(tmp_path / "runs"))
    return str(tmp_path / "runs")


def test_a_new_kind_is_stored_loaded_shown_and_trained_on(storage: str, tmp_path: Path) -> None:
    held, streamed = (
        Things(DataLocation(storage, Loading(mode=mode))) for mode in ("resident", "streaming")
    )
    table = read_table(storage, held.manifest, ["cloud", "thing"]).to_pydict()
    assert table["thing"][20] == "thing s20"
    assert len(table["cloud"][20]) == 72

    order = [torch.tensor([38, 0, 13]), torch.tensor([5, 5])]
    mine, theirs = (one.folds()(0).inputs["cloud"] for one in (held, streamed))
    assert isinstance(theirs, Streamed)
    for one, other in zip(mine.batches(order), theirs.batches(order), strict=True):
        assert one.shape[1:] == (3, 24)
        assert torch.equal(one, other)
    decoded = held.decode(Path(), Item(sample_id="s38", group="", label=0, split="test", parts={}),
                          {})  # fmt: skip
    assert torch.equal(next(mine.batches(order))[0], torch.tensor(decoded["cloud"]))

    with Image.open(preview.draw(streamed, tmp_path / "sheet.png")) as sheet:
        assert len(sheet.convert("RGB").getcolors(2**24)) > 50

    curves = [
        tiny.train(one, storage, student="cloud", teacher="motion")["curves"]
        for one in (held, streamed)
    ]
    assert curves[0] == curves[1] != []
