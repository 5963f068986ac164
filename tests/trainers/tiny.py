"""A prepared data set in the true format without a raw tree: 39 samples of two classes."""

from pathlib import Path
from typing import Any

from fdsweep.search_spaces.configs import NetworkConfig, OptimConfig, StudentConfig
from fdsweep.search_spaces.trials import TrialConfig
from fdsweep.trainers.datasets.prepared import Prepared
from fdsweep.trainers.preparation.catalog import Catalog, Item, Options
from fdsweep.trainers.preparation.decoding import Job, Part, find_outcome, make_shard
from fdsweep.trainers.preparation.manifest import make_manifest, save_manifest
from fdsweep.trainers.replicate import run_replicate

SHARDS, PER_SHARD = 3, 13


class Tiny(Prepared):
    """What is left to say are the modalities, their payloads and what `decode` gives."""

    name = "tiny"
    optim = OptimConfig(epochs=1, batch_size=8)

    def catalog(self, raw: Path, options: Options) -> Catalog:
        splits = ["train", "train", "val", "test"]
        items = tuple(
            Item(sample_id=f"s{i:02d}", group=str(i), label=i % 2, split=splits[i % 4], parts={})
            for i in range(SHARDS * PER_SHARD)
        )
        return Catalog(items=items, missing=(), classes=("no", "yes"))


def store(dataset: Tiny, storage: str) -> None:
    """Write the shards of `dataset` as workers do, and its manifest."""
    job = Job(
        dataset=dataset, payloads=dataset.payloads, raw=Path(), storage=storage, folder="f",
        assets={},
    )  # fmt: skip
    catalog = dataset.catalog(Path(), Options())
    outcomes = []
    for number in range(SHARDS):
        items = catalog.items[number * PER_SHARD : (number + 1) * PER_SHARD]
        part = Part(number, items, files="")
        make_shard(job, part)
        outcomes.append(find_outcome(job, part))
    manifest = make_manifest(
        "tiny", catalog, dataset.payloads, outcomes, folder="f", version=1, decoders={}, options={}
    )
    save_manifest(storage, manifest)


def train(dataset: Tiny, storage: str, student: str, teacher: str) -> dict[str, Any]:
    """One replicate of `feat` from an untrained teacher, each with its modality's backbone."""

    def network(modality: str) -> NetworkConfig:
        return NetworkConfig(
            dataset="tiny", data_fingerprint="", modality=modality,
            backbone=dataset.info.modality(modality).backbone, backbone_version=1, loop_version=1,
            optim=dataset.optim,
        )  # fmt: skip

    config = StudentConfig(
        network=network(student), method="feat", method_version=1, options={"weight": 1.0},
        teachers=(network(teacher),), teacher_state="random",
    )  # fmt: skip
    trial = TrialConfig(
        kind="student", key="k", config=config, seeds=(0,), group="g", storage=storage
    )
    return run_replicate(trial, dataset.info, dataset.folds(config.modalities)(0), 0)
