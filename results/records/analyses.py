"""How alike the teachers' features of two modalities are: the record of `fdsweep analyze`.

Kept at `reports/<analysis>/analysis.json`; the same record gives the same bytes.
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from fdsweep.results.compute.notes import spell_seeds
from fdsweep.results.formats.grid import NOTHING, Grid
from fdsweep.results.formats.markdown import aligned
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError

SCHEMA = "fdsweep.analysis/1"
FILE = "analysis.json"
CONTROLS = ("shuffled", "permuted", "other_start")
BEFORE, AFTER = "before ReLU", "after ReLU"

FEW_GROUPS = 20
"""Subjects or speakers below which a percentile bootstrap is clearly too narrow."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A mean with the ends of its interval; both None where there is none."""

    mean: float
    low: float | None
    high: float | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Quantity:
    """The cosine similarity of one part of the features, beside its controls.

    `energy` is the part's share, 0..1, in the squared norm of the features. `paired` and
    `shuffled` (with every other sample's partner) have bootstrap intervals over groups, and so
    have `excess`, their difference, and `other_start` (with the second network of another seed;
    None if there is one seed only). `permuted` goes from the smallest to the largest mean of any
    order of the channels.
    """

    name: str
    energy: float
    paired: Estimate
    shuffled: Estimate
    permuted: Estimate
    other_start: Estimate | None
    excess: Estimate

    @property
    def stands_out(self) -> bool | None:
        """Whether the controls do not explain how alike the pairs are; None if one is missing.

        If not, the interval of `excess` lies above 0, and those of `paired` and of `other_start`
        above all orders of the channels.
        """
        if self.other_start is None or self.permuted.high is None:
            return None
        lows = self.excess.low, self.paired.low, self.other_start.low
        if None in lows:
            return None
        bounds = 0.0, self.permuted.high, self.permuted.high
        return all(low > bound for low, bound in zip(lows, bounds, strict=True) if low is not None)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Spectrum:
    """The same for each bin 0 to K of the Fourier transform over the channels."""

    energy: tuple[float, ...]
    paired: tuple[Estimate, ...]
    shuffled: tuple[Estimate, ...]
    permuted: tuple[Estimate, ...]
    other_start: tuple[Estimate, ...] | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two modalities' features at one `stage` of their networks, on the same samples.

    `stage` is BEFORE (the features that distillation works on) or AFTER (what the classifier
    sees). The low band ends with bin `last_low_bin`. `samples` are counted once for each seed that
    tests on them, `groups` (subjects or speakers) once. `same_start` is the share, 0..1, of the
    second network's weights that were the same numbers in the first one before training.
    """

    first: str
    second: str
    stage: str
    dim: int
    last_low_bin: int
    samples: int
    groups: int
    same_start: float
    quantities: tuple[Quantity, ...]
    spectrum: Spectrum


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Teacher:
    """A trained network that was looked at; `test_accuracy` is a fraction of 0..1."""

    modality: str
    seed: int
    key: str
    test_accuracy: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Analysis:
    """What `fdsweep analyze` found: teachers of `seeds`, each on the test split of its seed's fold.

    `orders` of the channels were drawn for each seed, and `draws` for the bootstrap. `notes` are
    sentences that a reader must not miss.
    """

    name: str
    dataset: str
    data_fingerprint: str
    seeds: tuple[int, ...]
    epochs: int
    cutoff: float
    orders: int
    draws: int
    teachers: tuple[Teacher, ...]
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]


def save(store: Store, analysis: Analysis) -> None:
    """Write `analysis`, in place of what was there; StorageError if it cannot be written."""
    text = json.dumps(to_json(analysis), indent=1, allow_nan=False)
    store.write_text(layout.report_file(analysis.name, FILE), text + "\n")


def exists(store: Store, name: str) -> bool:
    """Whether there is an analysis `name`."""
    return store.exists(layout.report_file(name, FILE))


def load(store: Store, name: str) -> Analysis:
    """The analysis `name`.

    Raises:
        StorageError: there is none, or its file is damaged or of another version.
    """
    text = store.read_text(layout.report_file(name, FILE))
    try:
        content = json.loads(text)
        if content.pop("schema") != SCHEMA:
            raise ValueError(f"not {SCHEMA}")
        return Analysis(
            **{
                **content,
                "seeds": tuple(content["seeds"]),
                "teachers": tuple(Teacher(**one) for one in content["teachers"]),
                "comparisons": tuple(_comparison(one) for one in content["comparisons"]),
                "notes": tuple(content["notes"]),
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        place = store.uri(layout.report_file(name, FILE))
        raise StorageError(f"is no analysis ({error})", place, "Run it again") from None


def to_json(analysis: Analysis) -> dict[str, Any]:
    """`analysis` in JSON types; similarities and accuracies are fractions, null for none."""
    content: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(analysis)))
    return {"schema": SCHEMA, **content}


def to_markdown(analysis: Analysis) -> str:
    """`analysis` as markdown that also reads well in a terminal: a table per comparison."""
    return "\n".join(_lines(analysis))


def numbers(analysis: Analysis) -> dict[str, float]:
    """The means of every part, paired and of the controls, by a name that MLflow allows."""
    return {
        f"{one.first}-{one.second}/{one.stage}/{part.name}/{kind}": estimate.mean
        for one in analysis.comparisons
        for part in one.quantities
        for kind in ("paired", *CONTROLS, "excess")
        if (estimate := getattr(part, kind)) is not None
    }


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
        narrow = f"; with {one.groups} of them it is too narrow" if one.groups < FEW_GROUPS else ""
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


def _comparison(content: dict[str, Any]) -> Comparison:
    spectrum = content["spectrum"]
    kinds = ("paired", *CONTROLS)
    lists = {kind: spectrum[kind] and tuple(map(_estimate, spectrum[kind])) for kind in kinds}
    return Comparison(
        **{
            **content,
            "quantities": tuple(_quantity(one) for one in content["quantities"]),
            "spectrum": Spectrum(**{**spectrum, **lists, "energy": tuple(spectrum["energy"])}),
        }
    )


def _quantity(content: dict[str, Any]) -> Quantity:
    kinds = ("paired", *CONTROLS, "excess")
    return Quantity(**{**content, **{kind: _estimate(content[kind]) for kind in kinds}})


def _estimate(content: dict[str, Any] | None) -> Estimate | None:
    return None if content is None else Estimate(**content)
