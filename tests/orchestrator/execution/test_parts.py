"""Which part of a GPU a trial takes: by a probe, or as if nothing were said, and why."""

from dataclasses import replace

import pytest
import torch

from fdsweep.orchestrator.execution import parts
from fdsweep.orchestrator.execution.cluster import ResourceRequest, local_resources, plan_resources
from fdsweep.orchestrator.studies import study as studies
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.search_spaces.presets import load_preset
from fdsweep.search_spaces.sweep import override
from fdsweep.trainers.trials import probe
from fdsweep.trainers.trials.probe import GpuNeed

AUTO = ResourceRequest(gpus_per_trial="auto")
NEED = GpuNeed(nbytes=5 * 10**9, busy=0.22, room=79 * 10**9)


@pytest.fixture
def planned(tmp_path):
    sweep = override(load_preset("components"), seeds=(0, 1), epochs=2)

    def plan(request=AUTO, **options):
        return studies.prepare(
            sweep, StudyOptions(storage=str(tmp_path), request=request, **options)
        )

    return plan


@pytest.fixture
def on_gpus(monkeypatch):
    """As if this machine had `gpus`, on which a probe gives `need`; what is probed."""
    probed = []

    def have(need=NEED, gpus=2, cores=32):
        def give(configs, *_):
            probed.extend(configs)
            if isinstance(need, Exception):
                raise need
            return need

        monkeypatch.setattr(parts, "local_device", lambda _: torch.device("cuda"))
        monkeypatch.setattr(
            parts, "local_resources", lambda request: plan_resources(request, cores, gpus)
        )
        monkeypatch.setattr(probe, "gpu_need", give)
        return probed

    return have


def test_a_part_is_chosen_and_told(planned, on_gpus):
    """Each method is tried once with its networks, and the networks of teachers."""
    probed = on_gpus()
    study = studies.fitted(planned())
    assert study.options.request == replace(AUTO, gpus_per_trial=0.25)
    assert study.fit == (
        "--gpus-per-trial auto: 4 trials on each GPU (limit: its time); by a probe one takes "
        "5.0 GB of 79.0 and keeps the GPU at work 22 % of the time"
    )
    methods = [config.method for config in probed]
    assert len(methods) == len({*map(str, probed)}) < 16
    assert {cell.config.method for cell in study.plan.cells} <= {*methods}


@pytest.mark.parametrize(
    ("options", "held", "count"),
    [({"seeds_per_trial": 8}, 1, 2), ({}, 4, 1), ({}, 2, 3)],
)
def test_few_trials_spread_and_large_ones_share_less(planned, on_gpus, options, held, count):
    on_gpus()
    study = studies.fitted(planned(**options), held=held)
    assert int(1 / study.options.request.given) == count


@pytest.mark.parametrize(
    ("need", "why"),
    [
        (RuntimeError("CUDA out of memory\nmore"), "the probe failed (CUDA out of memory)"),
        (replace(NEED, busy=0.0), "profiler cannot see how busy"),
    ],
)
def test_what_cannot_be_probed_is_shared_by_nobody(planned, on_gpus, need, why):
    on_gpus(need)
    study = studies.fitted(planned())
    assert study.options.request.gpus_per_trial is None
    assert "no part is chosen" in study.fit
    assert why in study.fit


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (replace(AUTO, gpus=0), "no GPU is used here"),
        (replace(AUTO, address="10.0.0.1:1"), "nodes of a cluster are not probed"),
    ],
)
def test_without_a_gpu_of_its_own_nothing_is_probed(planned, monkeypatch, request_, why):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    study = studies.fitted(planned(request_))
    assert study.options.request == replace(request_, gpus_per_trial=None)
    assert why in study.fit


def test_a_number_is_left_as_it_is_and_no_key_knows_of_any(planned):
    given = planned(ResourceRequest(gpus_per_trial=0.5))
    assert studies.fitted(given) is given
    assert planned().plan == given.plan
    undecided, unsaid = AUTO, ResourceRequest()
    assert local_resources(undecided).shape == local_resources(unsaid).shape
    assert (undecided.workers, undecided.devices) == (unsaid.workers, unsaid.devices)
