from collections import Counter

import numpy as np
import pytest
import torch

from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.search_spaces.fields import Direction
from fdsweep.trainers import datasets
from fdsweep.trainers.datasets import watch


@pytest.fixture(scope="module")
def folds():
    return datasets.find("watch").folds()


def test_the_recordings_give_the_known_windows(folds):
    fold = folds(0)
    assert {name: tuple(x.values.shape) for name, x in fold.inputs.items()} == {
        "accelerometer": (4677, 3, 100),
        "gyroscope": (4677, 3, 100),
    }
    assert fold.labels.unique().tolist() == list(range(7))
    assert len(set(fold.sample_ids)) == 4677
    assert len(set(fold.groups)) == 10


def test_windows_overlap_by_half(folds):
    fold = folds(0)
    first, second = fold.inputs["gyroscope"].values[:2]
    assert fold.sample_ids[:2] == ("000-00000", "000-00050")
    assert torch.equal(first[:, 50:], second[:, :50])


@pytest.mark.parametrize("seed", [0, 3, 7, 123])
def test_splits_share_no_subject_and_cover_all(folds, seed):
    fold = folds(seed)
    subjects = [{fold.groups[i] for i in part} for part in (fold.train, fold.val, fold.test)]
    assert [len(part) for part in subjects] == [6, 2, 2]
    assert len(set.union(*subjects)) == 10
    assert sorted(torch.cat([fold.train, fold.val, fold.test]).tolist()) == list(range(4677))


@pytest.mark.parametrize("first", [0, 5, 40])
def test_five_seeds_in_a_row_test_and_validate_every_subject_once(first):
    splits = [watch.split_subjects(seed) for seed in range(first, first + 5)]
    for part in (1, 2):
        assert Counter(s for split in splits for s in split[part]) == dict.fromkeys(range(1, 11), 1)


def test_later_seeds_pair_the_subjects_anew():
    assert {tuple(sorted(watch.split_subjects(seed)[2])) for seed in range(5)} != {
        tuple(sorted(watch.split_subjects(seed)[2])) for seed in range(5, 10)
    }


def test_inputs_are_standardised_with_training_statistics(folds):
    fold = folds(1)
    for x in (inputs.values for inputs in fold.inputs.values()):
        train = x[fold.train].double()
        assert torch.allclose(train.mean(dim=(0, 2)), torch.zeros(3).double(), atol=1e-5)
        assert torch.allclose(train.std(dim=(0, 2)), torch.ones(3).double(), atol=1e-5)
        assert abs(x[fold.test].mean()) > 1e-4


def test_only_the_known_file_is_unpickled(tmp_path):
    path = tmp_path / "watch_dataset.npy"
    np.save(path, np.array({"X": []}, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"has sha256 .* not eb122f23cdf0"):
        watch.read_recordings(path)
    with pytest.raises(DataError, match="cannot be read"):
        watch.read_recordings(tmp_path / "gone.npy")


def test_directions_and_modalities_are_checked():
    info = datasets.find("watch").info
    both = (
        Direction(("accelerometer",), "gyroscope"),
        Direction(("gyroscope",), "accelerometer"),
    )
    assert info.directions() == both
    assert info.directions(("gyroscope->accelerometer",)) == both[1:]
    with pytest.raises(ConfigError, match="unknown direction 'a->b'. Choose from: acc"):
        info.directions(("a->b",))
    with pytest.raises(ConfigError, match="unknown modality 'audio'. Choose from: acc"):
        info.modality("audio")
