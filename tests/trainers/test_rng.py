import torch

from fdsweep.trainers import rng


def test_streams_differ_by_seed_and_by_name_and_repeat():
    draws = {
        names: torch.rand(3, generator=rng.generator(*names)).tolist()
        for names in [(0, "a"), (1, "a"), (0, "b"), (0, "a", 1)]
    }
    assert len({tuple(values) for values in draws.values()}) == 4
    assert torch.rand(3, generator=rng.generator(0, "a")).tolist() == draws[0, "a"]


def test_a_number_is_pinned():
    """All results rest on these numbers."""
    assert rng.derive(3, "batch-order", 7) == 8970234101653669945


def test_seeded_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    with rng.seeded(5, "x"):
        torch.rand(7)
    assert torch.equal(torch.rand(2), expected)
