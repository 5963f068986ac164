import numpy as np
import pytest
from scipy import stats

from fdsweep.results.compute.statistics import holm, sign_flip_ps
from fdsweep.results.compute.verdicts import MARGIN, against_paper, decide

STUDIES, SEEDS, FAMILY = 1_000, 8, 5


def verdicts(differences: np.ndarray) -> list[list[str]]:
    """The words for studies [studies, family, seeds], by the rule that reports go by."""
    studies, family, seeds = differences.shape
    p_values = sign_flip_ps(differences.reshape(-1, seeds)).reshape(studies, family)
    return [
        [decide(d, p, MARGIN) for d, p in zip(rows, holm(list(ps)), strict=True)]
        for rows, ps in zip(differences, p_values, strict=True)
    ]


def against_baseline(effect: float, family: int, rho: float) -> np.ndarray:
    """Differences of studies whose arms have SD 1, correlate by `rho`, and gain `effect`."""
    generator = np.random.default_rng(0)
    shared = np.sqrt(rho) * generator.normal(size=(STUDIES, 1, SEEDS))
    arms = shared + np.sqrt(1 - rho) * generator.normal(size=(STUDIES, 1 + family, SEEDS))
    return arms[:, 1:] + effect - arms[:, :1]


def test_no_effect_is_called_an_improvement_in_few_families() -> None:
    words = verdicts(against_baseline(0.0, FAMILY, rho=0.8))
    improved = np.mean(["improves" in family for family in words])
    firm = np.mean([bool({"improves", "worse"} & set(family)) for family in words])
    error = np.sqrt(0.05 * 0.95 / STUDIES)
    assert 0.005 < improved <= 0.05
    assert firm <= 0.05 + 2 * error


def test_an_effect_of_one_deviation_is_found_in_most_studies() -> None:
    words = verdicts(against_baseline(1.0, 1, rho=0.8))
    found = np.mean([family == ["improves"] for family in words])
    differences = against_baseline(1.0, 1, rho=0.8)[:, 0]
    t_test = (stats.ttest_1samp(differences, 0, axis=1).pvalue < 0.05).mean()
    assert found > 0.85
    assert found == pytest.approx(t_test, abs=0.06)
    lost = verdicts(against_baseline(-1.0, 1, rho=0.8))
    assert np.mean([family == ["worse"] for family in lost]) > 0.85


def test_a_difference_as_large_as_the_margin_is_rarely_called_equivalent() -> None:
    words = verdicts(against_baseline(MARGIN, 1, rho=0.95))
    alike = verdicts(against_baseline(0.0, 1, rho=0.95))
    assert np.mean([family == ["equivalent"] for family in words]) < 0.06
    assert np.mean([family == ["equivalent"] for family in alike]) > 0.9


# differences of three seeds: mean 1, SD 0.1, so the 95 % interval is 1 ± 0.248
FIRM = [0.9, 1.0, 1.1]


@pytest.mark.parametrize(
    ("differences", "p_adjusted", "margin", "word"),
    [
        (FIRM, 0.049, 1.0, "improves"),
        (FIRM, 0.049, 9.0, "improves"),
        (FIRM, 0.05, 1.0, "inconclusive"),
        (FIRM, 0.05, 2.0, "equivalent"),
        ([-d for d in FIRM], 0.01, 1.0, "worse"),
        ([-d for d in FIRM], 0.5, 2.0, "equivalent"),
        ([0.0, 0.5, 1.0], 0.01, 1.0, "inconclusive"),
        ([0.0, -0.5, -1.0], 0.01, 1.0, "inconclusive"),
        ([0.0, 0.0, 0.0], 1.0, 1.0, "equivalent"),
        ([0.1], 0.01, 1.0, "inconclusive"),
    ],
)
def test_the_rule(differences: list[float], p_adjusted: float, margin: float, word: str) -> None:
    assert decide(differences, p_adjusted, margin) == word


def test_the_paper_is_held_against_the_interval_of_ours() -> None:
    ours = [60.0, 61.0, 62.0]  # 61 ± 2.484
    assert against_paper(63.4, ours) == against_paper(58.6, ours) == "within interval"
    assert against_paper(63.5, ours) == "above interval"
    assert against_paper(58.5, ours) == "below interval"
    assert against_paper(61.0, [61.0]) is None
