import numpy as np
import pytest
import torch

from fdsweep.trainers.features.analysis.embedding import (
    comparable,
    perplexity,
    plane,
    silhouette,
    silhouette_within,
)


def by_hand(points, labels):
    """One silhouette after the other, as Rousseeuw writes them."""
    found = []
    for i, (point, label) in enumerate(zip(points, labels, strict=True)):
        distances = [float(np.sqrt(((point - other) ** 2).sum())) for other in points]
        others = {
            name: [d for j, d in enumerate(distances) if labels[j] == name and j != i]
            for name in set(labels)
        }
        if not others[label]:
            found.append(0.0)
            continue
        own = np.mean(others.pop(label))
        nearest = min(np.mean(distances) for distances in others.values())
        found.append((nearest - own) / max(nearest, own))
    return np.mean(found)


@pytest.mark.parametrize("labels", [[0, 0, 0, 1, 1, 1, 1], [0, 1, 2, 0, 1, 2, 2], [5, 0, 0, 0] * 2])
def test_silhouettes_equal_those_by_hand(labels):
    points = np.random.default_rng(len(labels)).normal(size=(len(labels), 3))
    points[:, 0] += labels
    assert silhouette(points, labels) == pytest.approx(by_hand(points, labels), abs=1e-12)


def test_a_label_alone_counts_nothing():
    points = np.array([[0.0], [1.0], [5.0]])
    # 0: own 1, other 5; 1: own 1, other 4; the third is alone
    assert silhouette(points, [0, 0, 1]) == pytest.approx((4 / 5 + 3 / 4 + 0) / 3)


@pytest.mark.parametrize("labels", [[1, 1, 1], [0, 1, 2]])
def test_where_nothing_can_be_told_apart_there_is_no_silhouette(labels):
    assert silhouette(np.eye(3), labels) is None


def test_within_groups_a_spread_of_the_groups_hides_nothing():
    points = np.array([[x + y] for x in (0.0, 100.0) for y in (0.0, 1.0, 7.0, 8.0)])
    labels, groups = [0, 0, 1, 1] * 2, [0] * 4 + [1] * 4
    assert silhouette(points, labels) < 0.1
    # in each group: own 1; other (7 + 8) / 2 or (6 + 7) / 2
    by_hand = (6.5 / 7.5 + 5.5 / 6.5) / 2
    assert silhouette_within(points, labels, groups) == pytest.approx(by_hand)


def test_within_groups_means_go_by_size_and_what_is_not_defined_is_left_out():
    points = np.random.default_rng(0).normal(size=(13, 3))
    labels, groups = [0, 1] * 6 + [0], [0] * 4 + [1] * 6 + [2] * 2 + [3]
    first, second = silhouette(points[:4], labels[:4]), silhouette(points[4:10], labels[4:10])
    expected = (4 * first + 6 * second) / 10
    assert silhouette_within(points, labels, groups) == pytest.approx(expected)
    assert silhouette_within(points[:2], [0, 1], [5, 5]) is None


def test_neither_shift_nor_scale_sets_features_apart():
    x = torch.randn(6, 16, generator=torch.Generator().manual_seed(0))
    plain = comparable(x)
    np.testing.assert_allclose(comparable(5 * x + 3), plain, atol=1e-6)
    correlation = np.corrcoef(x.double().numpy())
    squares = ((plain[:, None] - plain[None]) ** 2).sum(-1)
    np.testing.assert_allclose(squares, 2 - 2 * correlation, atol=1e-6)


def test_perplexity_is_30_where_there_are_points_enough():
    assert perplexity(1000) == 30
    assert perplexity(60) == pytest.approx(59 / 3)


def test_the_plane_keeps_groups_together_and_is_the_same_each_time():
    drawn = np.random.default_rng(0)
    features = np.concatenate([drawn.normal(size=(30, 8)), drawn.normal(size=(30, 8)) + 6])
    first, second = plane(features), plane(features)
    assert first.tobytes() == second.tobytes()
    assert first.shape == (60, 2)
    assert silhouette(first, [0] * 30 + [1] * 30) > 0.5
