"""The sentences that open a report, from tables made by hand."""

from collections.abc import Callable

import pytest

from fdsweep.results.compute.tables import Table, TableRow
from fdsweep.results.formats.sections.lead import lead

Line = Callable[..., TableRow]


def said(*rows: TableRow, **table: str) -> tuple[str, ...]:
    return lead(Table("t", (), rows, (), **table))


def judged(line: Line, name: str, verdict: str, delta: float, **changes: object) -> TableRow:
    return line(name, **{"verdict": verdict, "delta": delta, "pairs": 8, **changes})


def test_every_verdict_has_its_words_and_the_largest_gain_comes_first(line: Line) -> None:
    assert said(
        line("none"),
        judged(line, "a", "improves", 1.04),
        judged(line, "b", "equivalent", 0.3),
        judged(line, "c", "worse", -2.0),
        judged(line, "d", "improves", 3.0, within_noise=True),
        judged(line, "e", "inconclusive", 0.5),
        judged(line, "f", "worse", -7.0),
        line("A/A", control="aa", delta=0.1, pairs=8),
        line("g"),
    ) == (
        "audio -> visual: d (+3.0, within the noise floor) and a (+1.0) improve on none; f (-7.0) "
        "and c (-2.0) are worse; b is equivalent to it within ±1 point; e is inconclusive.",
    )


def test_each_direction_has_a_sentence(line: Line) -> None:
    back = {"teacher_modality": "visual", "student_modality": "audio"}
    assert said(
        line("none"),
        judged(line, "kd", "improves", 2.0),
        line("none", **back),
        judged(line, "kd", "inconclusive", 2.0, **back),
    ) == (
        "audio -> visual: kd (+2.0) improves on none.",
        "visual -> audio: kd is inconclusive against none.",
    )


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("improves", "kd (-2.0) improves on none"),
        ("worse", "kd (-2.0) is worse than none"),
        ("equivalent", "kd is equivalent to none within ±1 point"),
        ("inconclusive", "kd is inconclusive against none"),
    ],
)
def test_a_single_comparison_is_named_beside_its_baseline(
    line: Line, verdict: str, words: str
) -> None:
    assert said(line("none"), judged(line, "kd", verdict, -2.0)) == (f"audio -> visual: {words}.",)


def test_of_many_rows_the_rest_is_counted(line: Line) -> None:
    rows = [judged(line, name, "equivalent", 0.0) for name in "abcdef"]
    (sentence,) = said(line("none"), *rows[:5])
    assert "a, b, c, d and e are equivalent" in sentence
    (sentence,) = said(line("none"), *rows)
    assert "a, b, c, d and 2 others are equivalent" in sentence


def test_too_few_seeds_are_named(line: Line) -> None:
    rows = [judged(line, name, "inconclusive", 1.0, pairs=5) for name in "ab"]
    # 2^(1-n) · 2 comparisons below 0.05 takes n = 7
    assert said(line("none"), *rows)[1:] == (
        "5 seeds are too few for any row to improve or be worse: that takes 7.",
    )
    enough = [judged(line, name, "inconclusive", 1.0, pairs=7) for name in "ab"]
    assert said(line("none"), *enough)[1:] == ()


def test_nothing_is_judged_that_was_chosen_on_test(line: Line) -> None:
    rows = line("none"), line("a", delta=1.0, pairs=8), line("b", delta=2.04, pairs=8)
    assert said(*rows, protocol="published") == (
        "audio -> visual: of 2 rows b gains most over none (+2.0 points).",
        "Epoch and head were chosen on test, so nothing is decided here.",
    )
    lost = said(line("none"), line("a", delta=-1.0, pairs=8), protocol="published")
    assert lost[0] == "audio -> visual: a loses least against none (-1.0 points)."


def test_a_table_without_comparisons(line: Line) -> None:
    assert said(line("none"), line("a")) == ("audio -> visual: there is nothing to compare yet.",)
    assert said(line("none")) == ("audio -> visual: none stands alone.",)
