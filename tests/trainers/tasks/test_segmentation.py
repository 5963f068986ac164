import base64
import io

import numpy as np
import pytest
import torch
from conftest import small_fold
from PIL import Image
from sklearn.metrics import accuracy_score, jaccard_score

from fdsweep.search_spaces.palette import palette
from fdsweep.trainers import tasks
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.features.pixels import IGNORE

TASK = tasks.find("segmentation")
CLASSES = 5


@pytest.fixture
def split():
    """Logits [6, 5, 4, 7] and labels of 6 pictures: no pixel is of class 3, many have no label.

    Class 4 is never predicted, and the last picture has no labelled pixel at all.
    """
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6, CLASSES, 4, 7))
    logits[:, 4] = -9
    labels = rng.choice([0, 1, 2, 4, IGNORE], size=(6, 4, 7))
    labels[-1] = IGNORE
    return torch.from_numpy(logits), torch.from_numpy(labels)


def overlap(labels, guess):
    """mIoU of known pixels, class by class in plain Python."""
    shares = []
    for one in range(CLASSES):
        right = sum(a == one == b for a, b in zip(labels, guess, strict=True))
        either = sum(one in pair for pair in zip(labels, guess, strict=True))
        if either:
            shares.append(right / either)
    return sum(shares) / len(shares)


def test_scores_are_those_of_all_labelled_pixels_together(split):
    logits, labels = split
    found = TASK.measure(TASK.predict(logits, labels), torch.zeros(6))
    known = (labels != IGNORE).numpy()
    truth, guess = labels.numpy()[known], logits.numpy().argmax(1)[known]
    assert found["miou"] == pytest.approx(overlap(truth.tolist(), guess.tolist()), rel=1e-12)
    present = np.union1d(truth, guess)
    assert 3 in present  # predicted but never there: it counts, with an overlap of 0
    assert found["miou"] == pytest.approx(jaccard_score(truth, guess, average="macro"), rel=1e-12)
    assert found["pixel_accuracy"] == pytest.approx(accuracy_score(truth, guess), rel=1e-12)
    assert TASK.metric == "miou"


def test_a_class_that_is_nowhere_is_left_out():
    labels = torch.tensor([[[0, 0, 1, 1]]])
    logits = torch.eye(3)[torch.tensor([[[0, 1, 1, 1]]])].permute(0, 3, 1, 2)
    scores = TASK.measure(TASK.predict(logits, labels), labels)
    assert scores == {"miou": pytest.approx((1 / 2 + 2 / 3) / 2), "pixel_accuracy": 0.75}


def test_void_pixels_change_nothing_whatever_they_are_taken_for(split):
    logits, labels = split
    other = torch.where((labels == IGNORE)[:, None], -logits, logits)
    assert not torch.equal(other, logits)
    assert torch.equal(TASK.predict(logits, labels), TASK.predict(other, labels))
    losses = [TASK.loss(Outputs(x, x), labels) for x in (logits, other)]
    assert losses[0] == losses[1]


def test_nothing_labelled_gives_numbers_all_the_same(split):
    logits, labels = (x[-1:] for x in split)
    assert TASK.loss(Outputs(logits, logits), labels) == 0
    counts = TASK.predict(logits, labels)
    assert not counts.any()
    assert TASK.measure(counts, labels) == {"miou": 0.0, "pixel_accuracy": 0.0}


def test_the_loss_is_the_mean_cross_entropy_of_labelled_pixels(split):
    logits, labels = split
    p = np.exp(logits.numpy())
    p /= p.sum(1, keepdims=True)
    n, y, x = np.nonzero(labels.numpy() != IGNORE)
    expected = -np.log(p[n, labels.numpy()[n, y, x], y, x]).mean()
    assert TASK.loss(Outputs(logits, logits), labels).item() == pytest.approx(expected)


def test_coarse_logits_are_judged_at_the_size_of_the_labels():
    """Half the size, constant: each logit is spread over its pixels."""
    logits = torch.zeros(1, 2, 2, 3)
    logits[:, 1] = 1
    labels = torch.ones(1, 4, 6, dtype=torch.int64)
    assert TASK.predict(logits, labels).tolist() == [[[0, 0, 0], [24, 24, 24]]]
    assert TASK.loss(Outputs(logits, logits), labels).item() == pytest.approx(
        np.log(1 + np.exp(-1)), rel=1e-6
    )


def test_kept_rows_are_of_pictures_and_classes_and_add_up_to_the_score(split):
    logits, labels = split
    fold = small_fold()
    fold = type(fold)(**{**{k: getattr(fold, k) for k in fold.__slots__}, "test": fold.test[:6]})
    counts = TASK.predict(logits, labels)
    kept = TASK.keep(counts, fold)
    assert [*kept] == ["sample_id", "group", "label", "intersection", "union", "labelled"]
    assert {*kept["sample_id"]} == {fold.sample_ids[i] for i in fold.test[:5]}
    assert min(kept["union"]) > 0
    sums = np.zeros((CLASSES, 2))
    np.add.at(sums, kept["label"], np.array([kept["intersection"], kept["union"]]).T)
    miou = TASK.measure(counts, labels)["miou"]
    assert (sums[:, 0] / sums[:, 1]).mean() == pytest.approx(miou, rel=1e-12)
    assert sum(kept["labelled"]) == int((labels != IGNORE).sum())


def test_an_illustration_shows_input_truth_and_prediction():
    inputs = torch.linspace(-1, 1, 24).view(1, 1, 4, 6)
    labels = torch.tensor([[[0, 1, 2, IGNORE, 0, 1]] * 4])
    logits = torch.eye(3)[torch.tensor([[[2, 1, 2, 0, 0, 0]] * 4])].permute(0, 3, 1, 2)
    (picture,) = TASK.illustrate(inputs, labels, logits)
    with Image.open(io.BytesIO(base64.b64decode(picture))) as strip:
        pixels = np.asarray(strip)
    assert pixels.shape == (4, 6 + 4 + 6 + 4 + 6, 3)
    colours = np.array([*palette(3), (0, 0, 0)])
    assert (pixels[0, 0], pixels[-1, 5]) == (pytest.approx([0] * 3), pytest.approx([255] * 3))
    assert (pixels[:, 6:10] == 255).all()
    assert (pixels[2, 10:16] == colours[[0, 1, 2, 3, 0, 1]]).all()
    assert (pixels[2, 20:] == colours[[2, 1, 2, 0, 0, 0]]).all()


def test_a_tall_picture_is_shown_smaller():
    (picture,) = TASK.illustrate(
        torch.zeros(1, 3, 300, 20), torch.zeros(1, 300, 20).long(), torch.zeros(1, 2, 75, 5)
    )
    with Image.open(io.BytesIO(base64.b64decode(picture))) as strip:
        assert strip.size == (3 * 7 + 2 * 4, 100)
