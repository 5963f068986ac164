"""A small data set in memory, on which a replicate trains in well under a second."""

import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from packages import write_installed

from fdsweep.search_spaces.configs import NetworkConfig, OptimConfig, StudentConfig
from fdsweep.search_spaces.trials import TrialConfig
from fdsweep.trainers import distillers
from fdsweep.trainers.datasets import DatasetInfo, Fold, Modality
from fdsweep.trainers.distillers import resolve_options
from fdsweep.trainers.distributed import Runtime
from fdsweep.trainers.features.pixels import IGNORE
from fdsweep.trainers.loaders import Plain
from fdsweep.trainers.loop import Roles
from fdsweep.trainers.replicate import make_roles

INFO = DatasetInfo(
    name="small",
    modalities=(Modality("left", 2, "cnn1d"), Modality("right", 3, "cnn1d")),
    classes=("a", "b", "c"),
    fingerprint="small",
    optim=OptimConfig(epochs=3, batch_size=16),
    source="drawn at random",
)


def small_fold(seed: int = 0) -> Fold:
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(120) % 3
    inputs = {
        m.name: Plain(
            torch.randn(120, m.channels, 24, generator=draw) + labels[:, None, None] * 0.4
        )
        for m in INFO.modalities
    }
    order = torch.randperm(120, generator=draw)
    return Fold(
        num_classes=3,
        inputs=inputs,
        labels=labels,
        groups=tuple(str(i % 10) for i in range(120)),
        sample_ids=tuple(f"s{i}" for i in range(120)),
        train=order[:70],
        val=order[70:95],
        test=order[95:],
    )


DENSE = DatasetInfo(
    name="drawn",
    modalities=(Modality("left", 2, "unet"), Modality("right", 3, "unet")),
    classes=("a", "b", "c", "nowhere"),
    fingerprint="drawn",
    optim=OptimConfig(epochs=3, batch_size=8),
    source="drawn at random",
    task="segmentation",
    scenes=("all",),
)


def dense_fold() -> Fold:
    """30 pictures of 8 x 12: two blocks, class 0 or 1, around a block of class 2 or void."""
    draw = torch.Generator().manual_seed(0)
    maps = torch.randint(0, 2, (30, 2, 2), generator=draw)
    maps = maps.repeat_interleave(4, 1).repeat_interleave(6, 2)
    maps[::2, 2:6, 4:8], maps[1::2, 2:5, 4:7] = 2, IGNORE
    inputs = {
        m.name: Plain(torch.randn(30, m.channels, 8, 12, generator=draw) + 0.5 * maps[:, None] % 5)
        for m in DENSE.modalities
    }
    return Fold(
        num_classes=4,
        inputs=inputs,
        labels=torch.zeros(30, dtype=torch.int64),
        groups=tuple(str(i % 10) for i in range(30)),
        sample_ids=tuple(f"p{i}" for i in range(30)),
        train=torch.arange(19),
        val=torch.arange(19, 24),
        test=torch.arange(24, 30),
        label_maps=Plain(maps),
    )


def dense_trial(storage: str, method: str = "none", **changes) -> TrialConfig:
    """As `small_trial`, on the pictures of `dense_fold`."""
    trial = small_trial(storage, method=method, **changes)

    def drawn(one: NetworkConfig) -> NetworkConfig:
        optim = replace(one.optim, batch_size=DENSE.optim.batch_size)
        return replace(one, dataset="drawn", backbone="unet", task="segmentation", optim=optim)

    config = replace(
        trial.config,
        network=drawn(trial.config.network),
        teachers=tuple(map(drawn, trial.config.teachers)),
    )
    return replace(trial, config=config, key=config.key)


def network(modality: str, **optim: Any) -> NetworkConfig:
    return NetworkConfig(
        dataset="small",
        data_fingerprint="small",
        modality=modality,
        backbone="cnn1d",
        backbone_version=1,
        loop_version=1,
        optim=replace(INFO.optim, **optim),
    )


def small_trial(storage: str, kind: str = "student", method: str = "fd-cmkd", **changes):
    """A trial from left to right; `changes` are fields of its StudentConfig or of its optim."""
    names = {field.name for field in fields(OptimConfig)} & changes.keys()
    optim = {name: changes.pop(name) for name in names}
    teachers = (network("left"),) * (method != "none")
    options = resolve_options(method, changes.pop("options", {}))
    config = StudentConfig(
        network=network("right", **optim),
        method=method,
        method_version=1,
        options=options,
        teachers=teachers,
        **{"teacher_state": "random" if teachers else "trained", **changes},
    )
    return TrialConfig(
        kind=kind, key=config.key, config=config, seeds=(0,), group="g", storage=storage
    )


def small_roles(trial: TrialConfig, fold: Fold, seed: int = 0) -> Roles:
    """Networks and method of `trial` on the CPU, as `run_replicate` makes them."""
    runtime = Runtime.here(torch.device("cpu"))
    return make_roles(trial.config, INFO, fold, seed, storage=trial.storage, runtime=runtime)


@pytest.fixture
def fold() -> Fold:
    return small_fold()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a package of one module that offers `name` through a real entry point."""

    def install(package: str, module: str, name: str, code: str, group: str) -> None:
        files, points = {f"{module}.py": code}, {name: module}
        site = write_installed(tmp_path / package, package, files, points, group)
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.syspath_prepend(str(site))

    return install


@pytest.fixture
def methods_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Methods registered by a test are forgotten after it."""
    distillers.names()  # imports ours first
    monkeypatch.setattr(distillers.registry, "_entries", dict(distillers.registry._entries))
