import pytest
import torch

from fdsweep.trainers.protocol.pairing import teacher_batches

LABELS = torch.tensor([0, 1, 2] * 40)
POOL = torch.randperm(120, generator=torch.Generator().manual_seed(0))[:90]
BATCHES = POOL.split(16)
"""Five of 16 samples, and one of 10."""


def partners(pairing, seed=0):
    drawn = teacher_batches(BATCHES, LABELS, pairing, torch.Generator().manual_seed(seed))
    assert [len(batch) for batch in drawn] == [16] * 5 + [10]
    return torch.cat(drawn)


def test_paired_is_the_sample_itself():
    assert torch.equal(partners("paired"), POOL)


def test_shuffled_permutes_within_each_batch():
    drawn = partners("shuffled")
    for mine, own in zip(drawn.split(16), BATCHES, strict=True):
        assert torch.equal(mine.sort().values, own.sort().values)
    assert (drawn == POOL).float().mean() < 0.2


def test_same_class_draws_from_the_class_and_the_training_samples():
    drawn = partners("same-class")
    assert torch.equal(LABELS[drawn], LABELS[POOL])
    assert set(drawn.tolist()) <= set(POOL.tolist())
    assert (drawn == POOL).float().mean() < 0.2


def test_unpaired_ignores_the_class():
    drawn = partners("unpaired")
    assert set(drawn.tolist()) <= set(POOL.tolist())
    assert 0.2 < (LABELS[drawn] == LABELS[POOL]).float().mean() < 0.5


@pytest.mark.parametrize("pairing", ["shuffled", "same-class", "unpaired"])
def test_the_stream_decides(pairing):
    assert torch.equal(partners(pairing), partners(pairing))
    assert not torch.equal(partners(pairing), partners(pairing, seed=1))
