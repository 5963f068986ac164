import traceback

import pytest
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


def test_a_stream_is_set_without_a_look_at_the_stack(monkeypatch):
    """Which torch notes down where a GPU may be used later: milliseconds, each time."""
    monkeypatch.setattr(traceback, "format_stack", lambda: pytest.fail("the stack was noted down"))
    with rng.seeded(5, "x"):
        assert torch.equal(torch.rand(2), torch.rand(2, generator=rng.generator(5, "x")))


def test_a_gpu_that_is_not_in_use_is_left_alone(monkeypatch):
    """To read its generator would claim memory on every GPU of the machine."""

    def claimed(device="cuda"):
        raise AssertionError(f"{device} was initialised")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(torch.cuda, "get_rng_state", claimed)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    with rng.seeded(5, "x"):
        found = torch.rand(2)
    assert torch.equal(found, torch.rand(2, generator=rng.generator(5, "x")))


def test_the_generator_of_the_gpu_in_use_is_put_back(monkeypatch):
    read, written = [], []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: read.append(device) or "state")
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: written.append(device))
    with rng.seeded(5, "x"):
        assert (read, written) == ([3], [])
    assert written == [3]
