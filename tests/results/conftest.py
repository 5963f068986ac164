import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fdsweep.results.compute.tables import ClassRow, Table, TableRow
from fdsweep.results.document import Report
from fdsweep.results.records.manifest import Manifest, ManifestRow, save
from fdsweep.results.records.schema import Replicate
from fdsweep.results.records.searches import Dimension, Search, SearchTrial
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.configs import Option

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


@pytest.fixture
def fill(
    store: Store, manifest: Callable[..., Manifest], outcomes: Callable[..., list[Replicate]]
) -> Callable[..., None]:
    """Store a sweep of Feat and Freq, or of what is given, with the test accuracies `scores`."""

    def make(scores: Mapping[str, Sequence[float | None]], **sweep: Any) -> None:
        save(store, manifest(**{"names": ["Feat", "Freq"], **sweep}))
        for one in outcomes(scores):
            store.put(one, [], [])

    return make


@pytest.fixture
def line() -> Callable[..., TableRow]:
    """A line of a table that holds nothing but what is given."""

    def make(row: str, **changes: Any) -> TableRow:
        nothing = dict.fromkeys(field.name for field in dataclasses.fields(TableRow))
        plain = {
            "row": row,
            "teacher_modality": "audio",
            "student_modality": "visual",
            "n": 8,
            "asked": 8,
            "failed": 0,
        }
        return TableRow(**{**nothing, **plain, **changes})

    return make


@pytest.fixture
def full(line: Callable[..., TableRow], search: Search) -> Report:
    """A report with every field, every verdict, names that every markup must escape, a search."""
    measured = {
        "mean": 64.04,
        "std": 1.55,
        "ci_low": 62.7,
        "ci_high": 65.3,
        "last": 63.0,
        "test_selected": 66.2,
        "gap": 2.16,
        "paper": 68.7,
        "paper_note": "order read from flattened text",
        "paper_verdict": "above interval",
        "seconds": 150.0,
    }
    compared = {
        **measured,
        "delta": 3.0,
        "delta_ci": (1.04, 4.96),
        "pairs": 8,
        "rho": 0.8,
        "p_value": 0.0078,
        "p_adjusted": 0.0234,
        "verdict": "improves",
        "detectable": 2.14,
        "effect_size": 1.2,
        "p_better": 0.94,
        "worst_delta": -3.5,
        "people_delta": 2.9,
        "people_ci": (0.51, 5.49),
    }
    rows = (
        line("Feat & _co_ <b>", **measured),
        line("[x] 100 % *Freq*|#1", **compared),
        line("c~d^e\\f{g}$ é Δ", **{**compared, "verdict": "inconclusive", "p_adjusted": 0.0004}),
        line("none", n=0, failed=3),
        line("Feat & _co_ <b>", **measured, teacher_modality="visual", student_modality="audio"),
        line(
            "[x] 100 % *Freq*|#1",
            **{**compared, "n": 7, "failed": 1, "verdict": "worse"},
            teacher_modality="visual",
            student_modality="audio",
        ),
    )
    classes = tuple(
        ClassRow(
            row=row.row,
            student_modality=row.student_modality,
            teacher_modality=row.teacher_modality,
            label=label,
            n=80,
            accuracy=50.0 + label,
        )
        for row in rows
        if row.n
        for label in (0, 1)
    )
    table = Table(
        title="Components & <controls>, crema-d",
        columns=tuple(field.name for field in dataclasses.fields(TableRow)),
        rows=rows,
        notes=("Data 12 & 3 % <new>, a->b.", "† order read from flattened text."),
        per_class=classes,
        margin=1.0,
    )
    return Report("components_crema-d", (table,), (search,))


@pytest.fixture
def trial() -> Callable[..., SearchTrial]:
    """A trial that is complete with `values`, and pruned without."""

    def make(number: int, params: dict[str, Option], *values: float, **changes: Any) -> SearchTrial:
        plain = SearchTrial(
            number=number,
            state="complete" if values else "pruned",
            values=values,
            reached=0.5,
            params=params,
            epochs=9 if values else 3,
            seconds=40.0,
            source="trained",
        )
        return dataclasses.replace(plain, **changes)

    return make


@pytest.fixture
def search(trial: Callable[..., SearchTrial]) -> Search:
    default: dict[str, Option] = {"weight_low": 1.0, "freq": True, "cutoff": 0.5}
    return Search(
        name="fd-cmkd-1a2b",
        space="all",
        method="fd-cmkd",
        dataset="watch",
        directions=("accelerometer->gyroscope",),
        objectives=("accuracy",),
        sampler="TPE",
        prunes=True,
        seeds=(1000, 1001, 1002),
        epochs=900,
        asked=6,
        dimensions=(
            Dimension(name="weight_low", low=0.1, high=1e4, log=True, choices=()),
            Dimension(name="freq", low=None, high=None, log=False, choices=(True, False)),
            Dimension(name="cutoff", low=0.05, high=0.95, log=False, choices=()),
        ),
        importances={"freq": 0.125, "weight_low": 0.875},
        trials=(
            trial(0, default, 0.701),
            trial(1, default, 0.701, source="repeated"),
            trial(2, {"weight_low": 3.0, "freq": False}),
            trial(3, {"weight_low": 12345.6, "freq": False, "logmse": False}, 0.7449),
            trial(4, {}, state="failed", reached=None, epochs=1),
        ),
        chosen=3,
        front=(),
        infeasible=7,
        notes=("A note of its own.",),
    )
