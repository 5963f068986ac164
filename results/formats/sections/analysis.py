"""The sections of an analysis: a table per comparison, silhouettes, and how to read them."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from fdsweep.results.compute.notes import spell_seeds
from fdsweep.results.compute.words import of_metric, of_samples
from fdsweep.results.formats.sections.grid import NOTHING, Grid, Section
from fdsweep.results.records.analyses import (
    AFTER,
    CONTROLS,
    SILHOUETTES,
    STAGES,
    Analysis,
    Comparison,
    Embedding,
    Estimate,
    Teacher,
)

MIN_GROUPS = 20
"""Subjects or speakers below which a percentile bootstrap is clearly too narrow."""


def analysis_sections(analysis: Analysis) -> tuple[Section, ...]:
    """The similarities, and what goes with the planes of t-SNE where there are some."""
    similarities = Section(
        title=f"Cosine similarity of teacher features, {analysis.dataset}",
        level=2,
        grids=tuple(_grid(one, analysis) for one in analysis.comparisons),
        notes=(*_reading(analysis), *analysis.notes),
    )
    alike = (_alignment_section(analysis),) if analysis.matrix else ()
    if not analysis.embeddings:
        return similarities, *alike
    silhouettes = Section(
        title=f"Teacher and student before and after distillation, {analysis.dataset}",
        level=2,
        grids=(_silhouettes(analysis),),
        notes=tuple(_reading_planes(analysis)),
    )
    return similarities, *alike, silhouettes


def _alignment_section(analysis: Analysis) -> Section:
    """A line and a numbered column for each network."""
    found, words = analysis.matrix, of_samples(analysis.positions)
    assert found is not None
    numbers = tuple(str(number) for number in range(1, len(found.networks) + 1))
    return Section(
        title=f"Similarity of all networks, {analysis.dataset}",
        level=2,
        grids=(
            Grid(
                title="Linear centred kernel alignment",
                headings=("Network", "", *numbers),
                words=(True, *(False for _ in range(len(numbers) + 1))),
                lines=tuple(
                    (name, number, *(NOTHING if x is None else f"{x:.2f}" for x in values))
                    for name, number, values in zip(
                        found.networks, numbers, found.values, strict=True
                    )
                ),
            ),
        ),
        notes=(
            f"Seed {found.seed}, {found.samples:,} test {words.samples}; features "
            f"{STAGES[analysis.features]}. 1: both networks hold the same {words.samples} to be "
            "alike, whatever their channels; 0: they have nothing in common.",
            "Networks that tell the classes apart have that in common: compare what a student "
            "shares with its teachers with what the one that learnt alone shares with them.",
        ),
    )


def _reading(analysis: Analysis) -> Iterator[str]:
    """What the numbers are and what to compare, written from the record alone."""
    one, words = analysis.comparisons[0], of_samples(analysis.positions)
    yield (
        f"Mean over {one.samples:,} test {words.samples} of {one.groups} {words.groups}: the "
        f"test split of each seed's fold, seeds {spell_seeds(analysis.seeds)}."
    )
    if analysis.positions:
        yield (
            f"Positions: {analysis.positions} of each picture at most, one drawn in each of as "
            "many tiles, the same in all pictures of a seed. Both networks' maps are read there "
            "bilinearly, as if brought to the picture's size; unlabelled pixels are left out."
        )
    yield (
        f"Teachers ({analysis.epochs} epochs), test {of_metric(analysis.metric).name}: "
        f"{_scores(analysis.teachers)}."
    )
    if analysis.protocol == "published":
        yield "Their epoch was chosen on the test split, as published: that is optimistic."
    if one.groups < 2:
        yield f"With a single {words.group} there is no interval."
    else:
        narrow = f"; with {one.groups} of them it is too narrow" if one.groups < MIN_GROUPS else ""
        yield (
            f"[ ]: 95 % bootstrap interval over {words.groups} ({analysis.draws:,} draws), "
            f"with seeds and networks held as they are{narrow}."
        )
    yield (
        f"Shuffled pairs: {words.shuffled}. Compare with them, not with 0: what all "
        f"{words.samples} have in common, such as the sign of DC, is no knowledge of the pair. "
        f"{AFTER.replace('a', 'A')} no channel is negative, so DC always agrees."
    )
    if analysis.positions:
        yield (
            "So what a position has in common with itself in other pictures (floors lie below, "
            "edges are padded) counts as shuffled, and paired - shuffled is what both networks "
            "know of this picture there."
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
            f"on these {words.groups}. What is gone with it came from the start in common."
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
                f"numbers as in {first} (same checkpoint, same shapes). Their channels "
                "correspond from the start; those of a student and its teacher need not."
            )


def _reading_planes(analysis: Analysis) -> Iterator[str]:
    """How the planes and the silhouettes were made, and what not to take from them."""
    one, words = analysis.embeddings[0], of_samples(analysis.positions)
    yield (
        f"Seed {one.seed}, {len(one.labels):,} {words.samples} of its test split, each in both "
        f"networks; features {STAGES[analysis.features]}. Before: a student that learnt alone "
        f"({one.before.method}); after: one that learnt from this teacher by {one.after.method}."
    )
    yield (
        "Silhouettes (-1 to 1) are taken in the space of the features, not in the plane, from "
        "Euclidean distances of features with mean 0 and length 1: shift and scale count nothing. "
        "By modality: 1 where the two networks' features lie apart, 0 where they are mixed, but "
        "also where a network's own classes lie far apart. So look at it in a class: each class on "
        "its own, their mean by size."
    )
    if of_metric(analysis.metric).sets:
        yield (
            "A class is here the whole set of a sample's labels: samples that share some of them "
            "and not all are of two classes."
        )
    yield (
        "The order of a network's channels is arbitrary, so networks that were trained apart lie "
        "apart whatever they know. A loss that pulls the student's features to the teacher's may "
        "bring them together: whether it did stands here, not whether anything was learnt by it."
    )
    yield f"t-SNE: {spell_tsne(one)}. Distances between groups and their sizes mean nothing there."


def spell_tsne(one: Embedding) -> str:
    """How the planes of `one` were made."""
    return f"perplexity {one.perplexity:.3g}, started from two principal components"


def _scores(teachers: Sequence[Teacher]) -> str:
    """Mean test score of each modality's teachers, with the smallest and the largest."""
    found: dict[str, list[float]] = {}
    for teacher in teachers:
        found.setdefault(teacher.modality, []).append(100 * teacher.test_score)
    return ", ".join(
        f"{modality} {fmean(values):.1f} %"
        + (f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else "")
        for modality, values in found.items()
    )


def _silhouettes(analysis: Analysis) -> Grid:
    """A line for each student."""
    found = (
        (f"{one.teacher}->{one.student}", f"{when} ({panel.method})", panel)
        for one in analysis.embeddings
        for when, panel in one.panels.items()
    )
    return Grid(
        title="Silhouettes",
        headings=(
            *("Direction", "Student", f"Test {of_metric(analysis.metric).name} %"),
            *("By modality", "By modality in a class", "By class", "By class, student alone"),
        ),
        words=(True, True, *(False for _ in range(5))),
        lines=tuple(
            (
                direction,
                student,
                f"{100 * panel.test_score:.1f}",
                *(_spell_silhouette(getattr(panel, name)) for name in SILHOUETTES),
            )
            for direction, student, panel in found
        ),
    )


def _spell_silhouette(value: float | None) -> str:
    return NOTHING if value is None else _number(value)


def _grid(comparison: Comparison, analysis: Analysis) -> Grid:
    one = comparison
    distilled = "; what distillation compares" if one.stage == STAGES[analysis.features] else ""
    headings: tuple[str, ...] = (
        "Part",
        "Energy %",
        "Paired",
        "Shuffled pairs",
        "Permuted channels",
        "Other start",
    )
    headings = (*headings, "Paired - shuffled", "Stands out")
    parts = tuple(
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
    title = f"{one.first} and {one.second}, {one.stage} ({one.dim} channels{distilled})"
    return Grid(title=title, headings=headings, words=words, lines=parts)


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
