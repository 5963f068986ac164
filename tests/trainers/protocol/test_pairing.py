import pytest
import torch

from fdsweep.trainers.protocol.pairing import teacher_batches

LABELS = torch.tensor([0, 1, 2] * 40)
BATCHES = torch.randperm(120, generator=torch.Generator().manual_seed(0))[:96].view(6, 16)


def partners(pairing, seed=0):
    return teacher_batches(BATCHES, LABELS, pairing, torch.Generator().manual_seed(seed))


def test_paired_is_the_sample_itself():
    assert torch.equal(partners("paired"), BATCHES)


def test_shuffled_permutes_within_each_batch():
    drawn = partners("shuffled")
    assert torch.equal(drawn.sort(dim=1).values, BATCHES.sort(dim=1).values)
    assert (drawn == BATCHES).float().mean() < 0.2


def test_same_class_draws_from_the_class_and_the_training_samples():
    drawn = partners("same-class")
    assert torch.equal(LABELS[drawn], LABELS[BATCHES])
    assert set(drawn.flatten().tolist()) <= set(BATCHES.flatten().tolist())
    assert (drawn == BATCHES).float().mean() < 0.2


def test_unpaired_ignores_the_class():
    drawn = partners("unpaired")
    assert set(drawn.flatten().tolist()) <= set(BATCHES.flatten().tolist())
    assert 0.2 < (LABELS[drawn] == LABELS[BATCHES]).float().mean() < 0.5


@pytest.mark.parametrize("pairing", ["shuffled", "same-class", "unpaired"])
def test_the_stream_decides(pairing):
    assert torch.equal(partners(pairing), partners(pairing))
    assert not torch.equal(partners(pairing), partners(pairing, seed=1))
