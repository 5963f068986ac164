from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from fdsweep.results.compute.pooled import pool
from fdsweep.results.compute.statistics import mean_interval
from fdsweep.search_spaces.errors import ConfigError

SETS = ("a", "b", "c", "d", "e")
RNG = np.random.default_rng(0)
SCORES = {
    dataset: {
        "none": RNG.normal(0.5 + 0.08 * place, 0.02, 5 + place % 2),
        "kd": RNG.normal(0.53 + 0.08 * place, 0.02, 5 + place % 2),
    }
    for place, dataset in enumerate(SETS)
}
BOTH_WAYS = (("audio", "visual"), ("visual", "audio"))


@pytest.fixture(scope="module")
def sources(source):
    return [source(dataset, rows) for dataset, rows in SCORES.items()]


def test_few_data_sets_are_taken_as_they_are_and_the_note_says_why(sources):
    pooled = pool(sources[:2])
    assert [column.heading for column in pooled.columns] == ["a", "b"]
    assert [column.rows for column in pooled.columns] == [one.table.rows for one in sources[:2]]
    kd = pooled.rows[1]
    deltas = [100 * (SCORES[one]["kd"] - SCORES[one]["none"]) for one in "ab"]
    assert kd.delta == pytest.approx(np.mean([each.mean() for each in deltas]))
    welch = stats.ttest_ind(deltas[0], -deltas[1], equal_var=False).confidence_interval()
    assert kd.delta_ci == pytest.approx((welch.low / 2, welch.high / 2))
    assert (kd.datasets, kd.over, kd.iqm, kd.p_better) == (2, "seeds", None, None)
    assert pooled.profiles == ()
    assert any("2 data sets say nothing of others" in note for note in pooled.notes)
    (alone,) = (pool(sources[:1]).rows[1],)
    assert alone.delta_ci == pytest.approx(mean_interval(deltas[0]))


def test_five_data_sets_are_pooled_as_plain_numpy_pools_them(sources):
    pooled = pool(sources)
    none, kd = pooled.rows
    deltas = [100 * (rows["kd"] - rows["none"]) for rows in SCORES.values()]
    assert kd.delta == pytest.approx(np.mean([each.mean() for each in deltas]))
    assert kd.delta_ci[0] < kd.delta < kd.delta_ci[1]
    assert kd.p_better == pytest.approx(np.mean([np.mean(each > 0) for each in deltas]))
    normal = [
        (rows["kd"] - rows["none"].mean()) / (1 - rows["none"].mean()) for rows in SCORES.values()
    ]
    repeated = np.concatenate([np.repeat(each, 4 * 30 // len(each)) for each in normal])
    assert kd.iqm == pytest.approx(stats.trim_mean(repeated, 0.25))
    assert none.delta is None
    assert none.iqm_ci[0] < 0 < none.iqm_ci[1]
    profile = pooled.profiles[1]
    above = [[np.mean(each > at) for at in profile.thresholds] for each in normal]
    assert profile.share == pytest.approx(np.mean(above, axis=0))
    for low, share, high in zip(profile.low, profile.share, profile.high, strict=True):
        assert low <= share <= high


def test_directions_of_a_data_set_are_one_run_of_a_seed(source, sources):
    pooled = pool([source("a", SCORES["a"], BOTH_WAYS), sources[1]])
    assert [one.heading for one in pooled.columns] == ["a: visual", "a: audio", "b"]
    assert pooled.rows[1] == pool(sources[:2]).rows[1]  # both directions have the same scores


def test_a_seed_that_two_sweeps_have_counts_once(sources):
    copied = replace(sources[0], name="copy")
    twice = pool([sources[0], copied])
    assert [one.heading for one in twice.columns] == ["compare-a: gyroscope", "copy: gyroscope"]
    assert twice.rows[1] == pool(sources[:1]).rows[1]
    more = [cell.done.set_axis(cell.done.index + 9) for cell in copied.cells.values()]
    cells = {
        place: replace(cell, done=done)
        for (place, cell), done in zip(copied.cells.items(), more, strict=True)
    }
    union = pool([sources[0], replace(copied, cells=cells)]).rows[1]
    deltas = np.tile(100 * (SCORES["a"]["kd"] - SCORES["a"]["none"]), 2)
    assert union.delta_ci == pytest.approx(mean_interval(deltas))


def test_what_cannot_be_pooled_is_said(source, sources):
    lacking = source("f", {"none": [0.5] * 4, "dkd": [0.6, None, 0.6, 0.6]})
    pooled = pool([*sources, lacking])
    assert [row.datasets for row in pooled.rows] == [6, 5, 1]
    assert pooled.rows[1].over == "data sets and seeds"
    assert pooled.rows[2].over == "seeds"
    told = " ".join(pooled.notes)
    assert "f has 4 seeds" in told
    assert "Not on all 6 data sets: kd (5), dkd (1)." in told
    assert "1 of 62 replicates are not in these numbers: 1 failed, 0 are not there." in told


def test_a_perfect_baseline_leaves_no_scale(sources):
    cells = {
        place: replace(cell, done=cell.done.copy()) for place, cell in sources[4].cells.items()
    }
    next(iter(cells.values())).done["test_score"] = 1.0
    pooled = pool([*sources[:4], replace(sources[4], cells=cells)])
    assert "on e the baseline is perfect" in " ".join(pooled.notes)
    assert pooled.rows[1].iqm is None


def test_rows_of_one_name_with_other_options_are_told(sources):
    rows = [row.replace(options={"t": 2.0}) for row in sources[1].manifest.rows]
    other = replace(sources[1], manifest=sources[1].manifest.replace(rows=rows))
    told = "kd is not the same everywhere: t None in compare-a, 2.0 in compare-b."
    assert told in pool([sources[0], other]).notes


def test_sweeps_that_cannot_be_compared_are_refused(sources):
    table = sources[1].table
    for changed, told in (
        (replace(table, metric="miou"), "metric: compare-a has accuracy, compare-b has miou"),
        (replace(table, protocol="published"), "protocol"),
        (replace(table, rows=table.rows[1:]), "baseline: compare-a has none, compare-b has kd"),
    ):
        with pytest.raises(ConfigError, match=f"differ in their {told}"):
            pool([sources[0], replace(sources[1], table=changed)])


def test_a_row_with_few_seeds_on_a_data_set_is_not_pooled_across(source, sources):
    kd = [*SCORES["e"]["kd"][:4], *([None] * 4)]
    few = source("e", {"none": SCORES["e"]["none"], "kd": kd[: len(SCORES["e"]["none"])]})
    none, row = pool([*sources[:4], few]).rows
    assert none.iqm is not None
    assert (row.iqm, row.p_better, row.datasets) == (None, None, 5)
