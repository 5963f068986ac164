"""Which samples of a table train, validate and test."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

from fdsweep.search_spaces.errors import DataError, clipped
from fdsweep.trainers.datasets.table.description import Described
from fdsweep.trainers.datasets.table.rows import Rows
from fdsweep.trainers.preparation.catalog import Split, of_lists
from fdsweep.trainers.preparation.splits import SPLITS, carve_val, deal, shared_groups, turn

WORDS: dict[str, Split] = {
    **{split: split for split in get_args(Split)},
    **{"training": "train", "valid": "val", "validation": "val", "dev": "val", "testing": "test"},
}
"""What tables call the splits."""

VAL, TEST = 0.15, 0.2
"""Shares of the samples that validate and test where nothing else is said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A row: `row` counts from 0, `cells` are by modality.

    `label` is what stands in the shard, `classes` are those that it has, often one, and `stratum`
    the one whose share every split should have: of several the rarest, of none another number.
    """

    row: int
    sample_id: str
    group: str
    label: int
    classes: tuple[int, ...]
    stratum: int
    cells: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Splitting:
    """The split of each sample; `said` says it in a few words, `notes` in sentences.

    Where splits rotate with the seed, these are seed 0's, and `parts` has every group's.
    """

    splits: list[Split]
    said: str
    notes: tuple[str, ...]
    parts: dict[str, int] = field(default_factory=dict)


def split_samples(
    described: Described, rows: Rows, samples: Sequence[Sample], classes: Sequence[str]
) -> Splitting:
    """Which of `samples` train, validate and test, as the table says, or chosen here.

    Raises:
        DataError: the table's splits cannot be used, or there is too little to choose from.
    """
    cells = None if described.said.folds else described.cells(rows, "split")
    if cells is not None:
        splitting = _of_table(cells, rows, samples)
    elif described.said.folds:
        splitting = _folds(described.said.folds, described, rows, samples, classes)
    else:
        splitting = _ours(described, rows, samples, classes)
    _check_trained(splitting.splits, samples, classes, rows)
    notes = list(splitting.notes)
    for name in SPLITS[1:]:
        have = _classes_in(name, splitting.splits, samples)
        if lacking := [classes[label] for label in set(range(len(classes))) - have]:
            notes.append(f"No sample of {name} is of {', '.join(sorted(lacking))}.")
    return replace(splitting, notes=tuple(notes))


def _of_table(cells: Sequence[str], rows: Rows, samples: Sequence[Sample]) -> Splitting:
    """The splits that stand in `cells`; validation is carved from train where there is none."""
    splits = [_said(cells[sample.row], rows.place(sample.row)) for sample in samples]
    groups = [sample.group for sample in samples]
    count = Counter(splits)
    for name in ("train", "test"):
        if name not in count:
            fix = "Leave the column out for a split of fdsweep's own"
            raise DataError(f"no sample is in the {name} split", str(rows.path), fix)
    _check_groups(splits, groups, rows)
    notes = ["Splits are those of the table."]
    if "val" not in count:
        splits = carve_val(splits, groups, [sample.stratum for sample in samples], VAL)
        notes.append("Validation is carved from train.")
    return Splitting(splits=splits, said=of_lists(count, "samples"), notes=tuple(notes))


def _folds(
    folds: int,
    described: Described,
    rows: Rows,
    samples: Sequence[Sample],
    classes: Sequence[str],
) -> Splitting:
    """Parts of which each seed tests another; the splits are those of seed 0."""
    _check_enough(described, rows, samples, classes)
    groups = [sample.group for sample in samples]
    strata = [sample.stratum for sample in samples]
    if len(set(groups)) < folds:
        what = f"{len(set(groups))} groups cannot fill {folds} folds"
        raise DataError(what, str(rows.path), "Ask for fewer `folds`")
    parts = deal(groups, strata, folds)
    for seed in range(folds):
        _check_trained([turn(parts[g], seed, folds) for g in groups], samples, classes, rows)
    of = f"groups (column {described.said.group})" if len(set(groups)) < len(samples) else "samples"
    alike = " of like classes" if len(classes) > 1 else ""
    notes = (
        f"The {of} are dealt into {folds} parts{alike}: each of {folds} seeds in a row "
        "tests another part and validates on the next; counts are those of seed 0.",
        "Vocabularies, scales and lengths, where there are any to learn, are learnt from all "
        "samples, without their labels.",
    )
    return Splitting(
        splits=[turn(parts[group], 0, folds) for group in groups],
        said=f"{folds} folds that rotate with the seed",
        notes=notes,
        parts=parts,
    )


def _ours(
    described: Described, rows: Rows, samples: Sequence[Sample], classes: Sequence[str]
) -> Splitting:
    """Whole groups test, then validate, so that each class keeps its share as far as that goes."""
    _check_enough(described, rows, samples, classes)
    groups = [sample.group for sample in samples]
    strata = [sample.stratum for sample in samples]
    held = carve_val(["train"] * len(samples), groups, strata, TEST)
    splits = carve_val(
        ["test" if where == "val" else where for where in held], groups, strata, VAL / (1 - TEST)
    )
    count = Counter(splits)
    shares = " / ".join(f"{100 * count[split] / len(splits):.0f}" for split in SPLITS)
    if len(set(groups)) < len(samples):
        name = described.said.group
        note = (
            f"Train, validation and test have different groups (column {name}), {shares} % of the "
            "samples"
        )
        if len(classes) > 1:
            note += "; whole groups are placed so that classes keep their shares as far as they can"
        note += "."
        return Splitting(splits=splits, said=f"groups apart, {shares} %", notes=(note,))
    alike = ", of each class alike" if len(classes) > 1 else ""
    note = (
        f"{shares} % of the samples train, validate and test{alike}; the table names "
        "no groups, so samples of one person or recording may stand in two splits."
    )
    return Splitting(splits=splits, said=f"samples at random, {shares} %", notes=(note,))


def _check_enough(
    described: Described, rows: Rows, samples: Sequence[Sample], classes: Sequence[str]
) -> None:
    """DataError where a class has too few groups for every split to have one."""
    members: dict[int, set[str]] = defaultdict(set)
    for sample in samples:
        for label in sample.classes:
            members[label].add(sample.group)
    is_grouped = len({sample.group for sample in samples}) < len(samples)
    for label, own in members.items():
        if len(own) < len(SPLITS) and described.said.mask is None:
            of = f"{'group' if is_grouped else 'sample'}{'s' * (len(own) > 1)}"
            who = f"the class {clipped(classes[label])!r}" if len(classes) > 1 else "the table"
            raise DataError(
                f"{who} has {len(own)} {of}, too few to train, validate and test",
                str(rows.path),
                "Give three or more, leave the class out, or give a column `split`",
            )


def _said(cell: str, place: str) -> Split:
    if cell.lower() not in WORDS:
        what = f"{clipped(cell)!r} is no split" if cell else "has no split"
        raise DataError(what, place, f"Write {', '.join(SPLITS[:-1])} or {SPLITS[-1]}")
    return WORDS[cell.lower()]


def _check_groups(splits: Sequence[Split], groups: Sequence[str], rows: Rows) -> None:
    for pair, count in shared_groups(splits, groups).items():
        if count:
            own = {
                split: {
                    group for group, where in zip(groups, splits, strict=True) if where == split
                }
                for split in pair
            }
            name = min(own[pair[0]] & own[pair[1]])
            more = f", and {count - 1:,} more do" if count > 1 else ""
            raise DataError(
                f"the group {clipped(name)!r} stands in both {pair[0]} and {pair[1]}{more}",
                str(rows.path),
                "Keep a group in one split, or say `group: null` where that is meant",
            )


def _classes_in(name: Split, splits: Sequence[Split], samples: Sequence[Sample]) -> set[int]:
    """The classes that samples of a split have."""
    pairs = zip(samples, splits, strict=True)
    return {label for sample, split in pairs if split == name for label in sample.classes}


def _check_trained(
    splits: Sequence[Split], samples: Sequence[Sample], classes: Sequence[str], rows: Rows
) -> None:
    trained = _classes_in("train", splits, samples)
    for label, name in enumerate(classes):
        if label not in trained:
            what = f"no training sample is of the class {clipped(name)!r}"
            raise DataError(what, str(rows.path), "Give some, or leave the class out")
