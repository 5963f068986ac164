"""What says that all its steps are the same is taken at its word by a GPU."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from conftest import small_fold, small_roles, small_trial
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from fdsweep.trainers import backbones, distillers
from fdsweep.trainers.distributed.recording import Recorder, recordable
from fdsweep.trainers.loop import train_epoch

SAME = [name for name in distillers.names() if distillers.specimen(name, {}).same_steps]
OPTIONS: dict[str, dict[str, Any]] = {
    "kd+fd-cmkd": {},
    "fd-cmkd, cutoff learned": {"cutoff": "learn"},
    "dkd, warming up": {"warmup_share": 1.0},
}
NETWORKS = {
    "cnn1d": (4, 3, 40),
    "cnn2d": (4, 3, 20, 20),
    "resnet18": (4, 3, 40, 40),
    "mobilenet-v2": (4, 3, 40, 40),
    "bert-small": (4, 9),
    "unet": (2, 3, 16, 24),
    "deeplab-mobilenet-v2": (2, 3, 32, 48),
}


class Asked(TorchDispatchMode):
    """The operations that are asked for, with the shapes of tensors and all that is none."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations.append((str(func), spelt(args), spelt(kwargs or {})))
        return func(*args, **(kwargs or {}))


def spelt(x: Any) -> str:
    if isinstance(x, Tensor):
        return f"{x.dtype} {tuple(x.shape)}"
    if isinstance(x, list | tuple):
        return f"[{', '.join(map(spelt, x))}]"
    return repr({name: spelt(one) for name, one in x.items()}) if isinstance(x, dict) else repr(x)


def test_most_methods_say_so():
    assert {*distillers.names()} - {*SAME} == {"c2kd", "cirkd-v2"}


@pytest.mark.parametrize("method", [*SAME, *OPTIONS])
def test_all_steps_of_an_epoch_are_the_same_operations(method, tmp_path, monkeypatch):
    """Of three, each with numbers of its own; and of all epochs, if it says so."""
    options, method = OPTIONS.get(method, {}), method.partition(",")[0]
    trial = small_trial(str(tmp_path), method=method, options=options, batch_size=22)
    fold = small_fold()
    roles = small_roles(trial, fold)
    seen = []
    once = roles.distiller.losses

    def losses(*given):
        with Asked() as asked:
            found = once(*given)
            found["total"].backward(retain_graph=True)
        seen.append(asked.operations)
        return found

    monkeypatch.setattr(roles.distiller, "losses", losses)
    optimizer = torch.optim.SGD(roles.trained().parameters(), lr=0.01)
    for number in (0, 1):
        train_epoch(trial.config, 0, number, fold, roles, optimizer)
    first, second, third, last, *later = seen
    assert len(last) > 10
    assert first == second == third
    assert later[0] == later[1] == later[2]
    assert first == later[0] or not roles.distiller.same_epochs
    assert first != later[0] or not options


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_the_same_operations_for_all_inputs(name):
    shape, is_text = NETWORKS[name], name.startswith("bert")
    with torch.random.fork_rng():
        network = backbones.build(name, channels=50 if is_text else 3, num_classes=3).train()
    assert network.same_steps
    seen = []
    for number in range(3):
        draw = torch.Generator().manual_seed(number)
        inputs = torch.randint(number, 50, shape, generator=draw)
        with Asked() as asked, torch.random.fork_rng():
            network(inputs if is_text else inputs.float()).logits.sum().backward()
        seen.append(asked.operations)
    assert len(seen[0]) > 10
    assert all(one == other for one, other in pairwise(seen[1:]))  # the first makes gradients


def test_a_gpu_alone_is_given_recordings_of_what_says_that_it_is_the_same():
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    network, method, other = (
        backbones.build("cnn1d", channels=3, num_classes=2),
        distillers.specimen("kd", {}),
        distillers.specimen("c2kd", {}),
    )
    assert recordable(gpu, 1, network, method)
    assert not recordable(cpu, 1, network, method)
    assert not recordable(gpu, 2, network, method)
    assert not recordable(gpu, 1, network, other)
    assert not recordable(gpu, 1, torch.nn.Linear(2, 2))


def test_what_has_other_shapes_than_the_first_is_computed():
    recorder = Recorder()
    for rows in (3, 2, 5):
        assert recorder(lambda given: given[0] + 1, [torch.ones(rows)]).tolist() == [2] * rows
    assert recorder.recording is None
