import random
from collections import Counter

import pytest

from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers.preparation.splits import by_group, carve_val, deal, shared_groups, turn

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


def uneven(seed: int = 0, groups: int = 91) -> list[str]:
    draw = random.Random(seed)
    samples = [f"{1001 + g}" for g in range(groups) for _ in range(draw.randint(40, 90))]
    draw.shuffle(samples)
    return samples


def test_groups_are_never_cut_and_shares_are_met():
    groups = uneven()
    splits = by_group(groups, SHARES)
    assert set(shared_groups(splits, groups).values()) == {0}
    counts = Counter(splits)
    for split, share in SHARES.items():
        assert counts[split] / len(groups) == pytest.approx(share, abs=0.01)


def test_the_order_of_samples_does_not_matter():
    groups = uneven()
    of_group = dict(zip(groups, by_group(groups, SHARES), strict=True))
    backwards = groups[::-1]
    assert dict(zip(backwards, by_group(backwards, SHARES), strict=True)) == of_group


def test_equal_groups_divide_evenly():
    groups = [f"{i // 60:02d}" for i in range(24 * 60)]
    splits = by_group(groups, {"train": 4 / 6, "val": 1 / 6, "test": 1 / 6})
    assert Counter(splits) == {"train": 960, "val": 240, "test": 240}


def test_no_split_stays_empty_however_few_the_groups():
    assert Counter(by_group(["a"] * 90 + ["b", "c"], SHARES)) == {"train": 90, "val": 1, "test": 1}
    assert set(by_group(list("abcde"), SHARES)) == {"train", "val", "test"}
    with pytest.raises(DataError, match="2 groups .* cannot fill 3 splits"):
        by_group(["a", "b", "b"], SHARES)


def test_the_split_is_pinned():
    # When this changes, every prepared data set with a split of ours changes: raise its version.
    actors = [f"{1001 + i // 80}" for i in range(91 * 80)]
    of_actor = dict(zip(actors, by_group(actors, SHARES), strict=True))
    assert [a for a, split in of_actor.items() if split == "val"] == [
        "1028", "1033", "1039", "1045", "1051", "1057", "1064", "1083", "1086",
    ]  # fmt: skip


def test_validation_takes_whole_groups_where_testing_does():
    groups = [f"{i // 30:02d}" for i in range(900)]
    labels = [i % 6 for i in range(900)]
    before = by_group(groups, {"train": 0.8, "test": 0.2})
    after = carve_val(before, groups, labels)
    assert set(shared_groups(after, groups).values()) == {0}
    assert [s == "test" for s in after] == [s == "test" for s in before]
    assert Counter(after)["val"] == pytest.approx(0.1 * before.count("train"), abs=30)
    assert {label for s, label in zip(after, labels, strict=True) if s == "train"} == set(range(6))


def test_validation_takes_every_class_where_groups_are_tested_too():
    groups = [str(i % 10) for i in range(1000)]
    labels = [0] * 800 + [1] * 150 + [2] * 50
    before = ["test" if i // 10 % 5 == 0 else "train" for i in range(1000)]
    after = carve_val(before, groups, labels)
    taken = Counter(label for s, label in zip(after, labels, strict=True) if s == "val")
    assert taken == {0: 64, 1: 12, 2: 4}
    assert shared_groups(after, groups)["train", "val"] == 10
    assert [s == "test" for s in after] == [s == "test" for s in before]


def test_one_tested_group_of_many_does_not_cut_the_others():
    groups = [f"v{i // 2}" for i in range(2000)]
    labels = [i // 2 % 20 for i in range(2000)]
    before = ["test" if i >= 1799 else "train" for i in range(2000)]
    after = carve_val(before, groups, labels)
    assert shared_groups(before, groups) == {("train", "test"): 1}
    assert shared_groups(after, groups)["train", "val"] == 0
    taken = Counter(label for s, label in zip(after, labels, strict=True) if s == "val")
    assert set(taken) == set(range(20))
    assert max(taken.values()) <= 14


def test_a_class_never_leaves_training():
    groups = list("aabbccdd")
    labels = [0, 0, 0, 1, 0, 0, 0, 2]
    after = carve_val(["train"] * 8, groups, labels, share=0.9)
    assert {label for s, label in zip(after, labels, strict=True) if s == "train"} == {0, 1, 2}
    assert "val" in after
    with pytest.raises(DataError, match="2 training samples are too few"):
        carve_val(["train", "train"], ["a", "b"], [0, 1])


def test_large_groups_still_give_a_validation():
    after = carve_val(["train"] * 90, [str(i // 30) for i in range(90)], [i % 2 for i in range(90)])
    assert Counter(after) == {"train": 60, "val": 30}


def test_parts_have_like_classes_and_every_seed_tests_another():
    groups = uneven(groups=40)
    labels = [int(group) % 3 for group in groups]
    parts = deal(groups, labels, 5)
    assert parts == deal(groups[::-1], labels[::-1], 5)
    for label in range(3):
        counts = Counter(parts[g] for g, own in zip(groups, labels, strict=True) if own == label)
        assert len(counts) == 5
        assert max(counts.values()) < 2 * min(counts.values())
    turns = [[turn(part, seed, 5) for part in range(5)] for seed in range(6)]
    assert turns[0] == ["test", "val", "train", "train", "train"]
    assert turns[1] == ["train", "test", "val", "train", "train"]
    assert turns[5] == turns[0]
    assert {seed for seed in range(5) if turns[seed][3] == "test"} == {3}
