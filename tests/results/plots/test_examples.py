import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import AxesImage
from numpy.typing import NDArray
from PIL import Image

from fdsweep.results.plots import confusions, examples
from fdsweep.results.records import manifest as manifests
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.schema import Replicate
from fdsweep.results.records.store import Store
from fdsweep.results.report import load
from fdsweep.search_spaces.palette import VOID, palette, spell

IMAGES = ("a", "b")
CLASSES = ("floor", "lamp")
ROWS = ("none", "kd")


def strip(row: str, image: str, seed: int) -> NDArray[np.uint8]:
    """A picture that is not another's."""
    return np.full((2, 6, 3), [40 * ROWS.index(row), 90 * IMAGES.index(image), 60 * seed], np.uint8)


def encoded(picture: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.fixture
def segmented(
    store: Store, manifest: Callable[..., Manifest], replicate: Callable[..., Replicate]
) -> Callable[..., None]:
    """Store two rows of which only the seeds `drawn` have pictures; (row, seed) may have failed."""

    def make(drawn: tuple[int, ...], failed: tuple[tuple[str, int], ...] = (), **more: Any) -> None:
        sweep = {"task": "segmentation", "metric": "miou", "class_names": CLASSES, "seeds": (3, 4)}
        made = manifest(ROWS, paper_table=None, **{**sweep, **more})
        manifests.save(store, made)
        for row in made.rows:
            for seed in made.seeds:
                kept = [
                    {
                        **{"sample_id": image, "group": image, "label": label},
                        **{"intersection": 1, "union": 2, "labelled": 2},
                        "picture": encoded(strip(row.row, image, seed))
                        if seed in drawn and label == 0
                        else None,
                    }
                    for image in IMAGES
                    for label in (0, 1)
                ]
                is_lost = (row.row, seed) in failed
                one = replicate(
                    key=row.key,
                    seed=seed,
                    task="segmentation",
                    metric="miou",
                    status="failed" if is_lost else "done",
                )
                store.put(one, [], [] if is_lost else kept)

    return make


def test_every_row_shows_the_first_images_of_the_lowest_seed(
    store: Store, segmented: Callable[..., None]
) -> None:
    segmented(drawn=(3, 4))
    figures = examples(load(store))
    assert confusions(load(store)) is None  # of whole images none are taken for others
    ways = ("accelerometer-to-gyroscope", "gyroscope-to-accelerometer")
    assert list(figures) == [f"examples-{way}" for way in ways]
    figure = figures["examples-accelerometer-to-gyroscope"]
    assert "seed 3" in figure.get_suptitle()
    panels = np.array(figure.axes).reshape(len(ROWS), len(IMAGES))
    for line, row in zip(panels, ROWS, strict=True):
        assert [text.get_text() for text in line[0].texts] == [row]
        for axes, image in zip(line, IMAGES, strict=True):
            (shown,) = (one for one in axes.get_children() if isinstance(one, AxesImage))
            assert np.array_equal(shown.get_array(), strip(row, image, 3))
    assert [axes.get_title(loc="left") for axes in panels[0]] == list(IMAGES)
    (legend,) = figure.legends
    told = {
        text.get_text(): to_hex(patch.get_facecolor())
        for text, patch in zip(legend.get_texts(), legend.get_patches(), strict=True)
    }
    floor, lamp = map(spell, palette(2))
    assert told == {"floor": floor, "lamp": lamp, "no class": spell(VOID)}


def test_a_seed_without_pictures_and_a_failed_row_are_passed_over(
    store: Store, segmented: Callable[..., None]
) -> None:
    segmented(drawn=(4,), failed=(("kd", 4),), class_names=())
    for figure in examples(load(store)).values():
        assert "seed 4" in figure.get_suptitle()
        assert [axes.texts[0].get_text() for axes in figure.axes if axes.texts] == ["none"]
        assert figure.legends == []


def test_nothing_is_drawn_where_there_is_no_picture(
    store: Store, segmented: Callable[..., None]
) -> None:
    segmented(drawn=())
    assert examples(load(store)) == {}
    store.delete_folder("predictions")
    assert examples(load(store)) == {}
