"""What holds on a GPU: `pytest tests/trainers/test_gpu.py` on a machine that has one."""

import io
import subprocess
import sys
import warnings
from dataclasses import replace

import pytest
import torch
from conftest import DENSE, INFO, dense_fold, dense_trial, small_fold, small_trial

from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.trainers import distillers, distributed, environment
from fdsweep.trainers.datasets import Dataset, DatasetInfo, Modality
from fdsweep.trainers.distributed import recording
from fdsweep.trainers.distributed.recording import Recording
from fdsweep.trainers.loaders import Plain
from fdsweep.trainers.loop import make_recorder, train_epoch
from fdsweep.trainers.replicate import make_roles, run_replicate
from fdsweep.trainers.trials import costs

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")

GPU = torch.device("cuda")
SETUPS = {
    "samples": (small_fold, small_trial, INFO),
    "pixels": (dense_fold, dense_trial, DENSE),
}
COMBINED = ["kd+fd-cmkd", "cirkd-v2+fd-cmkd"]


def usable():
    """Every method, and two sums of methods, on whatever they can be used on."""
    for method in [*distillers.names(), *COMBINED]:
        distiller = distillers.specimen(method, {})
        if not distiller.dense_only:
            yield "samples", method
        if distiller.on_maps:
            yield "pixels", method


@pytest.fixture(autouse=True)
def exact():
    environment.repeat(GPU)
    yield
    torch.use_deterministic_algorithms(False)


def trained(setup, method, storage, device=GPU, optim=None, **given):
    make_fold, make_trial, info = SETUPS[setup]
    trial = make_trial(str(storage), method=method, **optim or {})
    outcome = run_replicate(trial, info, make_fold().to(device), 0, **given)
    outcome.pop("seconds", None)
    return outcome


@pytest.mark.parametrize(("setup", "method"), list(usable()))
def test_going_on_from_a_checkpoint_changes_no_bit(setup, method, tmp_path):
    taken = {}

    def keep(history, snapshot):
        file = io.BytesIO()
        torch.save(snapshot(), file)
        file.seek(0)
        taken[history.epochs] = torch.load(file, map_location="cpu", weights_only=True)

    whole = trained(setup, method, tmp_path, on_epoch=keep)
    assert trained(setup, method, tmp_path) == whole
    for stop in (1, 2):
        assert trained(setup, method, tmp_path, resume=taken[stop]) == whole


@pytest.mark.parametrize("method", [name for setup, name in usable() if setup == "samples"])
def test_recorded_steps_give_the_bits_of_those_asked_for_one_by_one(method, tmp_path, monkeypatch):
    """17 batches of 4 and one of 2, with a rate of its own at each step but in inner steps."""
    played = []
    play = Recording.play
    monkeypatch.setattr(Recording, "play", lambda *args: played.append(1) or play(*args))
    schedule = "polynomial" if method == "unpaired" else "cosine"
    optim = {"batch_size": 4, "schedule": schedule}
    recorded = trained("samples", method, tmp_path, optim=optim)
    assert bool(played) == distillers.specimen(method, {}).same_steps
    monkeypatch.setattr(recording, "RECORDS", False)
    assert trained("samples", method, tmp_path, optim=optim) == recorded


TEXTS = DatasetInfo(
    name="texts",
    modalities=(Modality("left", 50, "bert-small"), Modality("right", 50, "bert-small")),
    classes=("a", "b", "c"),
    fingerprint="texts",
    optim=OptimConfig(epochs=3, batch_size=4),
    source="drawn at random",
)


def test_recorded_steps_of_a_network_that_drops_out_give_the_same_bits(tmp_path, monkeypatch):
    """A BERT, whose dropout draws in every step, in evaluation mode as the teacher."""
    draw = torch.Generator().manual_seed(0)
    texts = torch.randint(1, 50, (120, 9), generator=draw)
    fold = small_fold()
    fold = replace(fold, inputs=dict.fromkeys(fold.inputs, Plain(texts, augmented=True))).to(GPU)
    trial = small_trial(str(tmp_path), method="kd", batch_size=4)

    def outcome():
        def read(one):
            return replace(one, backbone="bert-small", dataset="texts")

        config = replace(
            trial.config,
            network=read(trial.config.network),
            teachers=tuple(map(read, trial.config.teachers)),
        )
        found = run_replicate(replace(trial, config=config, key=config.key), TEXTS, fold, 0)
        return {name: x for name, x in found.items() if name != "seconds"}

    recorded = outcome()
    monkeypatch.setattr(recording, "RECORDS", False)
    assert outcome() == recorded


@pytest.mark.parametrize(("setup", "method"), list(usable()))
def test_losses_in_float32_are_those_of_a_cpu(setup, method, tmp_path, monkeypatch):
    monkeypatch.setattr(distributed, "GPU_DTYPE", torch.float32)

    def losses(device):
        curves = trained(setup, method, tmp_path, device)["curves"]
        return {
            name: value
            for epoch, split, name, value in curves
            if epoch == 0 and split == "train" and name.startswith("loss")
        }

    on_cpu, on_gpu = losses(torch.device("cpu")), losses(GPU)
    assert on_gpu == pytest.approx(on_cpu, rel=1e-3, abs=1e-5)


BROKEN = """
import torch
from fdsweep.trainers.distributed import is_usable
gpu = torch.device("cuda")
assert is_usable(gpu)
try:
    torch.zeros(3, device=gpu)[torch.tensor([7], device=gpu)].tolist()
except RuntimeError:
    print(is_usable(gpu), is_usable(torch.device("cpu")))
"""


def test_a_gpu_is_of_no_use_to_a_process_after_an_error_of_its_own():
    done = subprocess.run(
        [sys.executable, "-c", BROKEN], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize("method", [name for setup, name in usable() if setup == "samples"])
def test_the_host_waits_for_the_gpu_a_few_times_an_epoch(method, tmp_path):
    """Of 5 steps and of 18: as often."""

    def waits(batch_size):
        fold, trial = small_fold().to(GPU), small_trial(str(tmp_path), method=method)
        optim = replace(trial.config.network.optim, batch_size=batch_size)
        config = replace(trial.config, network=replace(trial.config.network, optim=optim))
        runtime = distributed.Runtime.here(GPU)
        roles = make_roles(config, INFO, fold, 0, storage=str(tmp_path), runtime=runtime)
        optimizer = torch.optim.SGD(roles.trained().parameters(), lr=0.01)
        recorder = make_recorder(config, roles)
        train_epoch(config, 0, 0, fold, roles, optimizer, recorder=recorder)
        torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            train_epoch(config, 0, 1, fold, roles, optimizer, recorder=recorder)
            torch.cuda.set_sync_debug_mode("default")
        return sum("synchroniz" in str(one.message) for one in caught)

    assert waits(16) == waits(4) <= 5


class Small:
    info = INFO
    view = Dataset.view

    def folds(self, modalities=None):
        return small_fold


def test_a_prediction_takes_the_flops_that_it_takes_on_a_cpu(tmp_path):
    """In whole batches of the training, whatever they take."""
    config = small_trial(str(tmp_path), method="none").config.network
    gpu, cpu = (
        costs._measure(config, Small(), str(tmp_path), device)
        for device in (GPU, torch.device("cpu"))
    )
    assert (gpu.parameters, gpu.flops) == (cpu.parameters, cpu.flops)
    assert gpu.batch == config.optim.batch_size
    assert gpu.device == torch.cuda.get_device_name()
    assert 0 < gpu.latency < 1
