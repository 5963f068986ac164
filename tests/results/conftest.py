import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fdsweep.results.compute.cells import collect
from fdsweep.results.compute.pooled import Source
from fdsweep.results.compute.tables import ClassRow, Table, TableRow
from fdsweep.results.compute.tables.build import build_table
from fdsweep.results.document import Report
from fdsweep.results.records.analyses import (
    AFTER,
    BEFORE,
    Analysis,
    Comparison,
    Embedding,
    Estimate,
    Panel,
    Quantity,
    Spectrum,
    Teacher,
)
from fdsweep.results.records.manifest import Manifest, ManifestRow, save
from fdsweep.results.records.schema import Replicate
from fdsweep.results.records.searches import Dimension, Search, SearchTrial
from fdsweep.results.records.setting import Setting
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.configs import Option

DIRECTIONS = (("accelerometer", "gyroscope"), ("gyroscope", "accelerometer"))
METHODS = (
    *("fd-cmkd", "kd", "feat", "c2kd", "dist", "pkd", "dkd", "afd", "unpaired", "figkd"),
    *("freekd", "freekd-pooled", "pkd-maps"),
)
COMPONENTS = (
    *("Freq+Align+Scale+LogMSE", "Freq", "Feat", "Align", "Freq+Align", "Freq+Scale"),
    "Freq+Align+Scale",
)
LOOKS = {
    name.casefold(): place for names in (COMPONENTS, METHODS) for place, name in enumerate(names)
}
AS_PUBLISHED = Setting(
    split="lists of 6,698 train and 744 test clips",
    variant="own",
    classes=6,
    batch_size=64,
    backbones={"audio": "resnet18", "visual": "resnet18"},
    pretraining={"audio": "none", "visual": "none"},
)
"""CREMA-D as the published code has it."""

RESPONSES = {"fd-cmkd": "cutoff", "kd+fd-cmkd": "fd-cmkd.cutoff"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(str(tmp_path / "runs"))


@pytest.fixture(scope="session")
def replicate() -> Callable[..., Replicate]:
    plain = Replicate(
        sweep="components-watch",
        study="components",
        row="Feat",
        method="fd-cmkd",
        dataset="watch",
        task="classification",
        teacher_modality="accelerometer",
        student_modality="gyroscope",
        seed=0,
        key="aa",
        teacher_keys=("tt",),
        status="done",
        epochs=3,
        best_epoch=2,
        best_head="logits",
        metric="accuracy",
        val_score=0.7,
        test_score=0.6,
        test_score_last=0.5,
        test_score_best=0.65,
        wall_seconds=1.5,
        device="cpu",
        fdsweep_version="0.1.0",
        data_fingerprint="dd",
        environment="",
        config="{}",
    )

    def make(**changes: Any) -> Replicate:
        if changes.get("status") == "failed":
            numbers = [name for name in Replicate.model_fields if "score" in name]
            changes = {**dict.fromkeys(numbers), "best_epoch": None, "best_head": None, **changes}
        return plain.replace(**changes)

    return make


@pytest.fixture
def as_published() -> Setting:
    return AS_PUBLISHED


@pytest.fixture(scope="session")
def manifest() -> Callable[..., Manifest]:
    """A sweep of `names` in `directions`; the key of a row is `<name>-<student modality>`."""

    def make(
        names: Sequence[str] = ("Feat", "Freq", "Align"),
        directions: Sequence[tuple[str, str]] = DIRECTIONS,
        seeds: Sequence[int] = (0, 1, 2, 3, 4),
        paper: Mapping[str, dict[str, Any]] | None = None,
        groups: Mapping[str, str] | None = None,
        pairings: Mapping[str, str] | None = None,
        taught_by: Mapping[str, str] | None = None,
        controls: Mapping[str, str] | None = None,
        method: str = "fd-cmkd",
        **changes: Any,
    ) -> Manifest:
        rows = [
            ManifestRow(
                row=name,
                method=method,
                teacher_modality=teacher,
                student_modality=student,
                key=f"{name}.{student}",
                teacher_keys=(f"teacher.{teacher}",),
                paper=(paper or {}).get(name),
                group=(groups or {}).get(name, ""),
                pairing=(pairings or {}).get(name, ""),
                taught_by=(taught_by or {}).get(name, ""),
                control=(controls or {}).get(name, ""),
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
            looks=LOOKS,
            response_options=RESPONSES,
        )
        return plain.replace(**changes)

    return make


@pytest.fixture(scope="session")
def outcomes(replicate: Callable[..., Replicate]) -> Callable[..., list[Replicate]]:
    """Replicates with the test scores `scores`: key -> one per seed, None for a failure."""

    def make(scores: Mapping[str, Sequence[float | None]]) -> list[Replicate]:
        return [
            replicate(key=key, seed=seed, status="failed")
            if score is None
            else replicate(
                key=key,
                seed=seed,
                test_score=score,
                test_score_last=score - 0.01,
                test_score_best=score + 0.02,
            )
            for key, values in scores.items()
            for seed, score in enumerate(values)
        ]

    return make


@pytest.fixture(scope="session")
def frame() -> Callable[[Sequence[Replicate]], pd.DataFrame]:
    def make(replicates: Sequence[Replicate]) -> pd.DataFrame:
        rows = [one.model_dump() for one in replicates]
        return pd.DataFrame(rows, columns=list(Replicate.model_fields))

    return make


@pytest.fixture
def build(
    manifest: Callable[..., Manifest],
    outcomes: Callable[..., list[Replicate]],
    frame: Callable[[Sequence[Replicate]], pd.DataFrame],
) -> Callable[..., Table]:
    """The table of a sweep with the test scores `scores`, over the seeds `only`."""

    def make(
        scores: Mapping[str, Sequence[float | None]],
        only: Sequence[int] | None = None,
        predictions: pd.DataFrame | None = None,
        teachers: Mapping[str, Sequence[float]] | None = None,
        **sweep: Any,
    ) -> Table:
        rows = frame(outcomes(scores))
        made = manifest(**sweep)
        return build_table(made, rows, only, teachers=teachers, predictions=predictions)

    return make


@pytest.fixture
def fill(
    store: Store, manifest: Callable[..., Manifest], outcomes: Callable[..., list[Replicate]]
) -> Callable[..., None]:
    """Store a sweep of Feat and Freq, or of what is given, with the test scores `scores`."""

    def make(scores: Mapping[str, Sequence[float | None]], **sweep: Any) -> None:
        save(store, manifest(**{"names": ["Feat", "Freq"], **sweep}))
        for one in outcomes(scores):
            store.put(one, [], [])

    return make


@pytest.fixture(scope="session")
def source(
    manifest: Callable[..., Manifest],
    outcomes: Callable[..., list[Replicate]],
    frame: Callable[[Sequence[Replicate]], pd.DataFrame],
) -> Callable[..., Source]:
    """A sweep on `dataset` with the test scores `scores`: row -> one per seed, its first way."""

    def make(
        dataset: str,
        scores: Mapping[str, Sequence[float | None]],
        ways: Sequence[tuple[str, str]] = DIRECTIONS[:1],
        **sweep: Any,
    ) -> Source:
        seeds = range(max(map(len, scores.values())))
        told = {"dataset": dataset, "sweep": f"compare-{dataset}", "paper_table": None, **sweep}
        made = manifest(names=list(scores), directions=ways, seeds=seeds, **told)
        rows = frame(outcomes({row.key: scores[row.row] for row in made.rows}))
        cells = {(one.row.row, one.row.direction): one for one in collect(made, rows, made.seeds)}
        table = build_table(made, rows)
        return Source(name=made.sweep, manifest=made, table=table, cells=cells)

    return make


@pytest.fixture
def crossed(manifest: Callable[..., Manifest]) -> Callable[..., Manifest]:
    """A sweep of the combinations `names` of `switches`: "-" is all off, "ab" has a and b on."""

    def make(
        names: Sequence[str] = ("-", "a", "b", "ab"), switches: str = "ab", **sweep: Any
    ) -> Manifest:
        made = manifest(names=names, **sweep)
        rows = [
            row.replace(options={"weight": 1.0, **{one: one in row.row for one in switches}})
            for row in made.rows
        ]
        return made.replace(rows=rows, factors=tuple(switches))

    return make


@pytest.fixture
def fill_crossed(
    store: Store, crossed: Callable[..., Manifest], outcomes: Callable[..., list[Replicate]]
) -> Callable[..., Manifest]:
    """Store a sweep that crosses switches, with the test scores `scores` of each combination."""

    def make(scores: Mapping[str, Sequence[float | None]], **sweep: Any) -> Manifest:
        made = crossed(**{"names": list(scores), **sweep})
        save(store, made)
        students = dict.fromkeys(row.student_modality for row in made.rows)
        keyed = {f"{on}.{one}": values for on, values in scores.items() for one in students}
        for one in outcomes(keyed):
            store.put(one, [], [])
        return made

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
            score=50.0 + label,
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
        return plain.replace(**changes)

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


NAMES = ("raw", "low with DC", "low without DC", "high", "DC alone")


def estimate(mean: float, spread: float = 0.01) -> Estimate:
    return Estimate(mean=mean, low=mean - spread, high=mean + spread)


@pytest.fixture
def quantity() -> Callable[..., Quantity]:
    """A part of the features that no control explains."""

    def make(name: str = "raw", **changes: Any) -> Quantity:
        plain = Quantity(
            name=name,
            energy=0.5,
            paired=estimate(0.3),
            shuffled=estimate(0.1),
            permuted=estimate(0.1),
            other_start=estimate(0.25),
            excess=estimate(0.2),
        )
        return plain.replace(**changes)

    return make


@pytest.fixture
def comparison(quantity: Callable[..., Quantity]) -> Callable[..., Comparison]:
    def make(stage: str = BEFORE, **changes: Any) -> Comparison:
        bins = tuple(estimate(0.1 * k) for k in range(5))
        plain = Comparison(
            first="accelerometer",
            second="gyroscope",
            stage=stage,
            dim=8,
            last_low_bin=2,
            samples=1234,
            groups=4,
            same_start=1.0,
            quantities=tuple(quantity(name) for name in NAMES),
            spectrum=Spectrum(
                energy=(0.2,) * 5, paired=bins, shuffled=bins, permuted=bins, other_start=bins
            ),
        )
        return plain.replace(**changes)

    return make


@pytest.fixture
def panel() -> Callable[..., Panel]:
    """Teacher and student of four samples, apart in the plane."""

    def make(method: str, **changes: Any) -> Panel:
        corners = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
        plain = Panel(
            method=method,
            key="ss",
            test_score=0.625,
            teacher=corners,
            student=tuple((x + 5, y) for x, y in corners),
            by_modality=0.61,
            by_modality_within_class=0.7,
            by_class=-0.0449,
            by_class_student=None,
        )
        return plain.replace(**changes)

    return make


@pytest.fixture
def embedding(panel: Callable[..., Panel]) -> Embedding:
    return Embedding(
        teacher="accelerometer",
        student="gyroscope",
        seed=0,
        perplexity=7 / 3,
        labels=(0, 1, 1, 0),
        before=panel("none"),
        after=panel("fd-cmkd", by_modality=0.08),
    )


@pytest.fixture
def analysis(comparison: Callable[..., Comparison], embedding: Embedding) -> Analysis:
    return Analysis(
        name="analysis-watch-aaaaaa",
        dataset="watch",
        data_fingerprint="dd",
        seeds=(0, 1),
        epochs=5,
        features="post-relu",
        protocol="ours",
        metric="accuracy",
        cutoff=0.5,
        orders=39,
        draws=2000,
        classes=("walk", "run"),
        positions=0,
        teachers=tuple(
            Teacher(modality=modality, seed=seed, key="tt", test_score=score)
            for modality, seed, score in [
                ("accelerometer", 0, 0.8),
                ("accelerometer", 1, 0.9),
                ("gyroscope", 0, 0.7),
            ]
        ),
        comparisons=(comparison(), comparison(AFTER)),
        embeddings=(embedding,),
        notes=("Subjects are few.",),
    )


@pytest.fixture
def alone(analysis: Analysis, comparison: Callable[..., Comparison]) -> Analysis:
    """The analysis of one seed and one person: no other start, no interval, no plane."""

    def bare(found: Estimate) -> Estimate:
        return found.replace(low=None, high=None)

    whole = comparison()
    quantities = tuple(
        part.replace(
            other_start=None,
            **{kind: bare(getattr(part, kind)) for kind in ("paired", "shuffled", "excess")},
        )
        for part in whole.quantities
    )
    paired = tuple(map(bare, whole.spectrum.paired))
    spectrum = whole.spectrum.replace(other_start=None, paired=paired)
    one = whole.replace(quantities=quantities, spectrum=spectrum, groups=1)
    return analysis.replace(seeds=(3,), comparisons=(one,), embeddings=())
