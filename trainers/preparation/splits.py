"""Which samples train, validate and test, where nobody published it; the same on every machine."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers.preparation.catalog import Split

SPLITS: tuple[Split, ...] = ("train", "val", "test")


def by_group(groups: Sequence[str], shares: Mapping[Split, float]) -> list[Split]:
    """A split for every sample so that no group stands in two of them.

    `groups` [N] names each sample's group; `shares` are the wanted parts of the samples. Large
    groups are placed first, each where most samples are lacking. Depends on the groups' names and
    sizes only, not on their order.

    Raises:
        DataError: there are fewer groups than splits.

    Example:
        >>> by_group(["a", "a", "b", "c"], {"train": 0.5, "val": 0.25, "test": 0.25})
        ['train', 'train', 'val', 'test']
    """
    sizes = Counter(groups)
    wanted = [split for split in SPLITS if shares.get(split, 0) > 0]
    if len(sizes) < len(wanted):
        raise DataError(
            f"{len(sizes)} groups (speakers, subjects or videos) cannot fill {len(wanted)} splits",
            "splits",
            "More of the data set is needed",
        )
    total = sum(shares[split] for split in wanted)
    target = {split: shares[split] / total * len(groups) for split in wanted}
    lacking = dict(target)
    placed: dict[Split, list[str]] = {split: [] for split in wanted}
    for group in sorted(sizes, key=lambda group: (-sizes[group], _rank(group))):
        split = max(wanted, key=lambda s: (round(lacking[s], 6), lacking[s] / target[s]))
        placed[split].append(group)
        lacking[split] -= sizes[group]
    for split in wanted:
        if not placed[split]:
            fullest = max(wanted, key=lambda s: len(placed[s]))
            placed[split].append(placed[fullest].pop())
    of_group = {group: split for split in wanted for group in placed[split]}
    return [of_group[group] for group in groups]


def carve_val(
    splits: Sequence[Split], groups: Sequence[str], labels: Sequence[int], share: float = 0.1
) -> list[Split]:
    """The same splits with `share` of the training samples moved to validation.

    Validation resembles testing: whole groups are moved if most of the training groups are not
    tested, else single samples of every class. Every class stays in training. The three sequences
    [N] are in the order of the sample ids.

    Raises:
        DataError: no sample can be moved without emptying a class.
    """
    train = [i for i, split in enumerate(splits) if split == "train"]
    trained = {groups[i] for i in train}
    tested = {groups[i] for i, split in enumerate(splits) if split == "test"}
    moved: set[int] = set()
    if 2 * len(trained & tested) < len(trained):
        moved = _whole_groups(train, groups, labels, share)
    moved = moved or _of_every_class(train, groups, labels, share)
    if not moved:
        raise DataError(
            f"{len(train)} training samples are too few to take validation from",
            "splits",
            "More of the data set is needed",
        )
    return ["val" if i in moved else split for i, split in enumerate(splits)]


def deal(groups: Sequence[str], labels: Sequence[int], parts: int) -> dict[str, int]:
    """The part, from 0, of every group, so that all parts have as many samples of each class.

    `groups` and `labels` [N] are of each sample. Large groups are placed first, each where its
    classes are rarest. Depends on the groups' names and samples only, not on their order.

    Example:
        >>> deal(["a", "a", "b", "c", "d"], [0, 0, 1, 0, 1], 2)
        {'a': 0, 'd': 1, 'b': 0, 'c': 1}
    """
    classes: dict[str, Counter[int]] = defaultdict(Counter)
    for group, label in zip(groups, labels, strict=True):
        classes[group][label] += 1
    held = [Counter[int]() for _ in range(parts)]
    placed: dict[str, int] = {}

    def crowding(part: int, own: Counter[int]) -> tuple[int, int]:
        return sum(held[part][label] * count for label, count in own.items()), held[part].total()

    for group in sorted(classes, key=lambda group: (-classes[group].total(), _rank(group))):
        own = classes[group]
        placed[group] = min(range(parts), key=lambda part: crowding(part, own))
        held[placed[group]] += own
    return placed


def turn(part: int, seed: int, parts: int) -> Split:
    """What the part `part` of `parts` is for under `seed`: each tests and validates in its turn."""
    place = (part - seed) % parts
    return "test" if place == 0 else "val" if place == 1 else "train"


def shared_groups(splits: Sequence[Split], groups: Sequence[str]) -> dict[tuple[Split, Split], int]:
    """How many groups stand in both of two splits, for each pair of the splits that occur."""
    members: dict[Split, set[str]] = defaultdict(set)
    for split, group in zip(splits, groups, strict=True):
        members[split].add(group)
    there = [split for split in SPLITS if split in members]
    return {pair: len(members[pair[0]] & members[pair[1]]) for pair in combinations(there, 2)}


def _rank(*names: object) -> str:
    """A fixed, arbitrary place in the order of things that have names."""
    return hashlib.sha256("/".join(map(str, ("split", *names))).encode()).hexdigest()


def _whole_groups(
    train: Iterable[int], groups: Sequence[str], labels: Sequence[int], share: float
) -> set[int]:
    """Whole groups of `train`: first those that keep every class at its share, then any."""
    members: dict[str, list[int]] = defaultdict(list)
    for i in train:
        members[groups[i]].append(i)
    classes = {group: Counter(labels[i] for i in samples) for group, samples in members.items()}
    left = Counter(label for own in classes.values() for label in own.elements())
    quota = Counter({label: max(1, round(share * count)) for label, count in left.items()})
    lacking = share * left.total()
    chosen: set[str] = set()

    def keeps_classes(group: str) -> bool:
        return all(left[label] > count for label, count in classes[group].items())

    def within_quota(group: str) -> bool:
        fits = len(members[group]) <= lacking
        return fits and all(n <= quota[label] for label, n in classes[group].items())

    def comes_closer(group: str) -> bool:
        return abs(lacking - len(members[group])) < abs(lacking)

    order = sorted(members, key=_rank)
    for is_wanted in (within_quota, comes_closer):
        for group in order:
            if group not in chosen and is_wanted(group) and keeps_classes(group):
                chosen.add(group)
                lacking -= len(members[group])
                quota.subtract(classes[group])
                left.subtract(classes[group])
    if not chosen:
        possible = [group for group in order if keeps_classes(group)]
        chosen = set(sorted(possible, key=lambda group: len(members[group]))[:1])
    return {i for group in chosen for i in members[group]}


def _of_every_class(
    train: Iterable[int], groups: Sequence[str], labels: Sequence[int], share: float
) -> set[int]:
    """The same share of every class of `train`, but at least one sample and never all."""
    peers = Counter[tuple[int, str]]()
    ranked: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for i in train:
        key = labels[i], groups[i]
        peers[key] += 1
        ranked[labels[i]].append((_rank(*key, peers[key]), i))
    return {
        i
        for samples in ranked.values()
        for _, i in sorted(samples)[: min(len(samples) - 1, max(1, round(share * len(samples))))]
    }
