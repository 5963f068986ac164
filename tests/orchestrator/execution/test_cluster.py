import pytest

from fdsweep.orchestrator.execution.cluster import ResourceRequest, check, plan_resources
from fdsweep.search_spaces.errors import ClusterError, ConfigError


@pytest.mark.parametrize(
    ("request_", "cpus", "gpus", "concurrent", "gpus_per_worker"),
    [
        (ResourceRequest(), 2, 0, 2, 0),
        (ResourceRequest(workers_per_trial=2), 5, 0, 2, 0),
        (ResourceRequest(), 64, 8, 8, 1),
        (ResourceRequest(gpus=4), 64, 8, 4, 1),
        (ResourceRequest(gpus=0), 64, 8, 64, 0),
        (ResourceRequest(gpus_per_trial=0.25), 64, 2, 8, 0.25),
        (ResourceRequest(workers_per_trial=4), 64, 8, 2, 1),
        (ResourceRequest(workers_per_trial=2, gpus_per_trial=1), 64, 8, 8, 0.5),
        (ResourceRequest(), 4, 8, 4, 1),
    ],
)
def test_trials_fill_the_cluster(request_, cpus, gpus, concurrent, gpus_per_worker):
    resources = plan_resources(request_, cpus, gpus)
    assert (resources.concurrent, resources.gpus_per_worker) == (concurrent, gpus_per_worker)
    used = resources.concurrent * (0.01 + resources.workers * resources.cpus_per_worker)
    assert used <= cpus + 1e-9
    assert resources.concurrent * resources.workers * gpus_per_worker <= gpus


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (ResourceRequest(gpus=8), "8 GPUs asked for, Ray sees 1"),
        (ResourceRequest(workers_per_trial=3), "a trial of 3 workers and 3 GPUs does not fit"),
        (
            ResourceRequest(gpus=0, workers_per_trial=3),
            "a trial of 3 workers and 0 GPUs does not",
        ),
    ],
)
def test_a_trial_that_fits_nowhere_is_refused_at_once(request_, message):
    with pytest.raises(ClusterError, match=message):
        plan_resources(request_, 2, 1)


@pytest.mark.parametrize(
    "request_",
    [
        ResourceRequest(workers_per_trial=0),
        ResourceRequest(gpus=-1),
        ResourceRequest(gpus_per_trial=-0.5),
    ],
)
def test_numbers_without_sense_are_refused(request_):
    with pytest.raises(ConfigError, match="Give"):
        check(request_)
