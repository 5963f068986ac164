import numpy as np
import pytest
import torch

from fdsweep.trainers.distillers import build
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.features.pixels import IGNORE, labels_at, resized, samples


def outputs(seed, size, dim=4):
    draw = torch.Generator().manual_seed(seed)
    features, logits = (torch.randn(2, c, *size, generator=draw) for c in (dim, 3))
    return Outputs(features, logits, (features,))


def test_labels_at_fewer_positions_are_those_of_the_nearest_pixels():
    labels = torch.arange(6 * 9).view(1, 6, 9)
    assert torch.equal(labels_at(labels, 2, 3), labels[:, 1::3, 1::3])
    assert labels_at(labels, 6, 9) is labels
    assert labels_at(labels, 4, 4).dtype == torch.int64


def test_resizing_a_plane_keeps_it_a_plane():
    y, x = torch.meshgrid(torch.arange(4.0), torch.arange(6.0), indexing="ij")
    plane = (2 * y + 3 * x + 1)[None, None]
    inner = resized(plane, 8, 12)[0, 0, 1:-1, 1:-1]
    steps = (inner.diff(dim=0), inner.diff(dim=1))
    assert torch.allclose(steps[0], torch.tensor(1.0))
    assert torch.allclose(steps[1], torch.tensor(1.5))
    assert resized(plane, 4, 6) is plane


@pytest.mark.parametrize("label_size", [(3, 5), (6, 10)])
def test_labelled_pixels_are_the_samples_picture_by_picture(label_size):
    student, teacher = outputs(0, (3, 5)), outputs(1, (6, 10), dim=2)
    labels = torch.randint(0, 3, (2, *label_size), generator=torch.Generator().manual_seed(2))
    labels[0, :, :2], labels[1, 0] = IGNORE, IGNORE
    seen, (taught,), known = samples(student, (teacher,), labels)
    at = labels_at(labels, 3, 5).numpy()
    places = [tuple(place) for place in np.argwhere(at != IGNORE)]
    assert known.tolist() == [at[place] for place in places]
    for x, whole in ((seen.features, student.features), (seen.logits, student.logits)):
        assert torch.equal(x, torch.stack([whole[n, :, y, x] for n, y, x in places]))
    coarse = teacher.features.view(2, 2, 3, 2, 5, 2).mean(dim=(3, 5))
    expected = torch.stack([coarse[n, :, y, x] for n, y, x in places])
    assert torch.allclose(taught.features, expected, atol=1e-6)
    assert seen.maps is student.maps


def test_a_method_sees_pixels_and_the_task_sees_maps():
    student, teacher = outputs(0, (3, 5)), outputs(1, (3, 5))
    labels = torch.zeros(2, 3, 5, dtype=torch.int64)
    labels[:, 1] = IGNORE
    shapes = []

    def task(outputs, labels):
        shapes.append((outputs.logits.shape, labels.shape))
        return outputs.logits.sum()

    feat = build("feat", num_classes=3, student_dim=4, teacher_dim=4)
    losses = feat.losses(student, (teacher,), labels, task)
    assert shapes == [(student.logits.shape, labels.shape)]
    known = (labels != IGNORE)[:, None].expand_as(student.features)
    errors = (student.features - teacher.features)[known]
    assert losses["feat"].item() == pytest.approx(errors.square().mean().item(), rel=1e-6)
