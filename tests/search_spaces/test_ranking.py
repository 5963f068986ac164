import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from fdsweep.search_spaces.ranking import average_precisions, mean_average_precision


@pytest.mark.parametrize("decimals", [1, 8])  # few scores, many of them equal; and none equal
def test_average_precisions_are_scikit_learns(decimals):
    rng = np.random.default_rng(0)
    scores, truths = rng.random((40, 3)).round(decimals), rng.random((40, 3)) < (0.1, 0.5, 0.9)
    weights = rng.integers(0, 3, (4, 40)).astype(float)
    found = average_precisions(truths, scores, weights)
    for draw, own in zip(found, weights, strict=True):
        expected = [
            average_precision_score(truths[:, i], scores[:, i], sample_weight=own) for i in range(3)
        ]
        assert draw == pytest.approx(expected, rel=1e-12)
    once = average_precisions(truths, scores)
    assert once.shape == (1, 3)
    assert np.array_equal(once, average_precisions(truths, scores, np.ones((1, 40))))


def test_a_class_that_no_sample_has_is_left_out():
    truths = np.array([[True, False], [False, False]])
    found = average_precisions(truths, np.array([[0.2, 0.5], [0.9, 0.1]]))
    assert found[0, 0] == 0.5
    assert np.isnan(found[0, 1])
    assert mean_average_precision(found).tolist() == [0.5]
    nothing = average_precisions(truths, np.zeros((2, 2)), np.zeros((1, 2)))
    assert mean_average_precision(nothing).tolist() == [0.0]
