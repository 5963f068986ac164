"""An analysis as markdown: a table per comparison, and how to read it."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from fdsweep.results.compute.notes import spell_seeds
from fdsweep.results.formats.markdown import aligned
from fdsweep.results.formats.sections.grid import NOTHING, Grid
from fdsweep.results.records.analyses import (
    AFTER,
    CONTROLS,
    Analysis,
    Comparison,
    Estimate,
    Teacher,
)

MIN_GROUPS = 20
"""Subjects or speakers below which a percentile bootstrap is clearly too narrow."""


def to_markdown(analysis: Analysis) -> str:
    """`analysis` as markdown that also reads well in a terminal: a table per comparison."""
    return "\n".join(_lines(analysis))


def _lines(analysis: Analysis) -> Iterator[str]:
    yield f"## Cosine similarity of teacher features, {analysis.dataset}"
    yield ""
    for one in analysis.comparisons:
        yield f"**{one.first} and {one.second}, {one.stage}** ({one.dim} channels)"
        yield ""
        yield from aligned(_grid(one))
        yield ""
    yield from (f"- {note}" for note in (*_reading(analysis), *analysis.notes))
    yield ""


def _reading(analysis: Analysis) -> Iterator[str]:
    """What the numbers are and what to compare, written from the record alone."""
    one = analysis.comparisons[0]
    yield (
        f"Mean over {one.samples:,} test samples of {one.groups} subjects or speakers: the test "
        f"split of each seed's fold, seeds {spell_seeds(analysis.seeds)}."
    )
    yield f"Teachers ({analysis.epochs} epochs), test accuracy: {_accuracies(analysis.teachers)}."
    if one.groups < 2:
        yield "With a single subject or speaker there is no interval."
    else:
        narrow = f"; with {one.groups} of them it is too narrow" if one.groups < MIN_GROUPS else ""
        yield (
            f"[ ]: 95 % bootstrap interval over subjects or speakers ({analysis.draws:,} draws), "
            f"with seeds and networks held as they are{narrow}."
        )
    yield (
        "Shuffled pairs: each sample with every other sample's partner. Compare with them, not "
        "with 0: what all samples have in common, such as the sign of DC, is no knowledge of "
        f"the pair. {AFTER.replace('a', 'A')} no channel is negative, so DC always agrees."
    )
    yield (
        f"Permuted channels: mean, and in [ ] smallest and largest, of {analysis.orders} random "
        "orders of the second network's channels (others for each seed). A paired value in that "
        "range is what any order gives: it says nothing of frequencies."
    )
    if len(analysis.seeds) < 2:
        yield "Other start: takes two seeds."
    else:
        yield (
            "Other start: the second network is that of another seed, which may have been trained "
            "on these subjects or speakers. What is gone with it came from the start in common."
        )
    yield (
        "Stands out: the interval of paired - shuffled is above 0, and those of paired and of "
        "other start are above every order of the channels. The low band ends at "
        f"{analysis.cutoff:g} of the bins."
    )
    for pair in dict.fromkeys((x.first, x.second, x.same_start) for x in analysis.comparisons):
        first, second, share = pair
        if share > 0:
            yield (
                f"Before training {100 * share:.0f} % of the weights of {second} are the same "
                f"numbers as in {first} (same seed or checkpoint, same shapes). Their channels "
                "correspond from the start; those of a student and its teacher do not."
            )


def _accuracies(teachers: Sequence[Teacher]) -> str:
    """Mean test accuracy of each modality's teachers, with the smallest and the largest."""
    found: dict[str, list[float]] = {}
    for teacher in teachers:
        found.setdefault(teacher.modality, []).append(100 * teacher.test_accuracy)
    return ", ".join(
        f"{modality} {fmean(values):.1f} %"
        + (f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else "")
        for modality, values in found.items()
    )


def _grid(comparison: Comparison) -> Grid:
    headings: tuple[str, ...] = (
        "Part",
        "Energy %",
        "Paired",
        "Shuffled pairs",
        "Permuted channels",
        "Other start",
    )
    headings = (*headings, "Paired - shuffled", "Stands out")
    lines = tuple(
        (
            part.name,
            f"{100 * part.energy:.1f}",
            _spell(part.paired),
            *(_spell(getattr(part, control)) for control in CONTROLS),
            _spell(part.excess),
            {True: "yes", False: "no", None: NOTHING}[part.stands_out],
        )
        for part in comparison.quantities
    )
    words = (True, *(False for _ in headings[1:]))
    return Grid(title="", headings=headings, words=words, lines=lines)


def _spell(estimate: Estimate | None) -> str:
    if estimate is None:
        return NOTHING
    text = _number(estimate.mean)
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{_number(estimate.low)}, {_number(estimate.high)}]"


def _number(value: float) -> str:
    """Three decimals, without a sign before zero."""
    return f"{round(value, 3) + 0.0:.3f}"
