import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from results.manifest import Manifest, ManifestRow
from results.schema import Replicate
from results.store import Store

DIRECTIONS = (("accelerometer", "gyroscope"), ("gyroscope", "accelerometer"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(str(tmp_path / "runs"))


@pytest.fixture
def replicate() -> Callable[..., Replicate]:
    plain = Replicate(
        sweep="components-watch",
        study="components",
        row="Feat",
        method="fd-cmkd",
        dataset="watch",
        teacher_modality="accelerometer",
        student_modality="gyroscope",
        seed=0,
        key="aa",
        teacher_key="tt",
        status="done",
        epochs=3,
        best_epoch=2,
        best_head="logits",
        val_accuracy=0.7,
        test_accuracy=0.6,
        test_accuracy_last=0.5,
        test_accuracy_best=0.65,
        wall_seconds=1.5,
        device="cpu",
        fdsweep_version="0.1.0",
        data_fingerprint="dd",
        config="{}",
    )

    def make(**changes: Any) -> Replicate:
        if changes.get("status") == "failed":
            numbers = [f.name for f in dataclasses.fields(Replicate) if "accuracy" in f.name]
            changes = {**dict.fromkeys(numbers), "best_epoch": None, "best_head": None, **changes}
        return dataclasses.replace(plain, **changes)

    return make


@pytest.fixture
def manifest() -> Callable[..., Manifest]:
    """A sweep of `names` in `directions`; the key of a row is `<name>-<student modality>`."""

    def make(
        names: Sequence[str] = ("Feat", "Freq", "Align"),
        directions: Sequence[tuple[str, str]] = DIRECTIONS,
        seeds: Sequence[int] = (0, 1, 2, 3, 4),
        paper: Mapping[str, dict[str, Any]] | None = None,
        groups: Mapping[str, str] | None = None,
        pairings: Mapping[str, str] | None = None,
        **changes: Any,
    ) -> Manifest:
        rows = [
            ManifestRow(
                row=name,
                method="fd-cmkd",
                teacher_modality=teacher,
                student_modality=student,
                key=f"{name}.{student}",
                teacher_key=f"teacher.{teacher}",
                paper=(paper or {}).get(name),
                group=(groups or {}).get(name, ""),
                pairing=(pairings or {}).get(name, ""),
            )
            for name in names
            for teacher, student in directions
        ]
        plain = Manifest(
            sweep="components-watch",
            study="components",
            title="Components",
            dataset="watch",
            paper_table="table2_components",
            epochs=30,
            seeds=tuple(seeds),
            seed_history=(tuple(seeds),),
            rows=tuple(rows),
            teachers={teacher: f"teacher.{teacher}" for teacher, _ in directions},
            data_fingerprint="dd",
        )
        return dataclasses.replace(plain, **changes)

    return make


@pytest.fixture
def outcomes(replicate: Callable[..., Replicate]) -> Callable[..., list[Replicate]]:
    """Replicates with the test accuracies `scores`: key -> one per seed, None for a failure."""

    def make(scores: Mapping[str, Sequence[float | None]]) -> list[Replicate]:
        return [
            replicate(key=key, seed=seed, status="failed")
            if score is None
            else replicate(
                key=key,
                seed=seed,
                test_accuracy=score,
                test_accuracy_last=score - 0.01,
                test_accuracy_best=score + 0.02,
            )
            for key, values in scores.items()
            for seed, score in enumerate(values)
        ]

    return make


@pytest.fixture
def frame() -> Callable[[Sequence[Replicate]], pd.DataFrame]:
    def make(replicates: Sequence[Replicate]) -> pd.DataFrame:
        names = [field.name for field in dataclasses.fields(Replicate)]
        return pd.DataFrame([dataclasses.asdict(one) for one in replicates], columns=names)

    return make
