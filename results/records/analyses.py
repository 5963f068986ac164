"""How alike the features of two modalities' networks are: the record of `fdsweep analyze`.

Kept at `reports/<analysis>/analysis.json`; the same record gives the same bytes.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from fdsweep.results.records import older
from fdsweep.results.records.record_file import RecordFile
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.configs import FeaturePoint, Protocol
from fdsweep.search_spaces.records import Record

SILHOUETTES = ("by_modality", "by_modality_within_class", "by_class", "by_class_student")
CONTROLS = ("shuffled", "permuted", "other_start")
BEFORE, AFTER = "before ReLU", "after ReLU"
STAGES: Mapping[FeaturePoint, str] = {"pre-relu": BEFORE, "post-relu": AFTER}
"""What a network's feature point is called here."""


class Estimate(Record):
    """A mean with the ends of its interval; both None where there is none."""

    mean: float
    low: float | None
    high: float | None


class Quantity(Record):
    """The cosine similarity of one part of the features, beside its controls.

    `energy` is the part's share, 0..1, in the squared norm of the features. `paired` and
    `shuffled` (with every other sample's partner) have bootstrap intervals over groups, and so
    have `excess`, their difference, and `other_start` (with the second network of another seed;
    None if there is one seed only). `permuted` goes from the smallest to the largest mean of any
    order of the channels.
    """

    name: str
    energy: float
    paired: Estimate
    shuffled: Estimate
    permuted: Estimate
    other_start: Estimate | None
    excess: Estimate

    @property
    def stands_out(self) -> bool | None:
        """Whether the controls do not explain how alike the pairs are; None if one is missing.

        If not, the interval of `excess` lies above 0, and those of `paired` and of `other_start`
        above all orders of the channels.
        """
        if self.other_start is None or self.permuted.high is None:
            return None
        lows = self.excess.low, self.paired.low, self.other_start.low
        if None in lows:
            return None
        bounds = 0.0, self.permuted.high, self.permuted.high
        return all(low > bound for low, bound in zip(lows, bounds, strict=True) if low is not None)


class Spectrum(Record):
    """The same for each bin 0 to K of the Fourier transform over the channels."""

    energy: tuple[float, ...]
    paired: tuple[Estimate, ...]
    shuffled: tuple[Estimate, ...]
    permuted: tuple[Estimate, ...]
    other_start: tuple[Estimate, ...] | None


class Comparison(Record):
    """Two modalities' features at one `stage` of their networks, on the same samples.

    `stage` is BEFORE or AFTER (what the classifier sees): where the last map is averaged. The low
    band ends with bin `last_low_bin`. `samples` are counted once for each seed that tests on them,
    `groups` (subjects or speakers) once. `same_start` is the share, 0..1, of the second network's
    weights that were the same numbers in the first one before training.
    """

    first: str
    second: str
    stage: str
    dim: int
    last_low_bin: int
    samples: int
    groups: int
    same_start: float
    quantities: tuple[Quantity, ...]
    spectrum: Spectrum


class Teacher(Record):
    """A trained network that was looked at; `test_score` is a fraction of 0..1."""

    modality: str
    seed: int
    key: str
    test_score: float


Point: TypeAlias = tuple[float, float]


class Panel(Record):
    """A teacher's features beside those of one student, on the same samples.

    `method` trained the student, `key` names its weights, `test_score` is its score, a fraction.
    `teacher` and `student` are each sample's place in the plane of t-SNE. Silhouettes are means
    over the features of both networks (by modality: over all, and over those of each class on
    their own; by class) or of the student alone, measured where the features come from and not in
    the plane; None where they are not defined.
    """

    method: str
    key: str
    test_score: float
    teacher: tuple[Point, ...]
    student: tuple[Point, ...]
    by_modality: float | None
    by_modality_within_class: float | None
    by_class: float | None
    by_class_student: float | None


class Embedding(Record):
    """A direction, from modality `teacher` to modality `student`, before distillation and after.

    `labels` are the samples' classes, by number. Both panels show the same samples and the same
    teacher, each in a plane of its own, of the same `perplexity`.
    """

    teacher: str
    student: str
    seed: int
    perplexity: float
    labels: tuple[int, ...]
    before: Panel
    after: Panel

    @property
    def panels(self) -> dict[str, Panel]:
        """Before distillation, and after."""
        return {"before": self.before, "after": self.after}

    @property
    def picture(self) -> str:
        """Name of its picture."""
        return f"tsne-{self.teacher}-to-{self.student}"


class Matrix(Record):
    """How alike every two of all networks of one seed are, on `samples` test samples.

    `values` are linear centred kernel alignments, a line for each of `networks`; None beside one
    whose features do not tell samples apart.
    """

    seed: int
    samples: int
    networks: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]


class Analysis(Record):
    """What `fdsweep analyze` found: teachers of `seeds`, each on the test split of its seed's fold.

    `features` says at which of the two stages networks give their features, which distillation
    works on. Scores are of `metric`. `orders` of the channels were drawn for each seed, and `draws`
    for the bootstrap. `classes` are named by number. `positions` are the places of each test
    picture that are the samples, at most; 0 where a network has one feature of an input. `notes`
    are sentences that a reader must not miss. `matrix` is None where two networks are not there.
    """

    name: str
    dataset: str
    data_fingerprint: str
    seeds: tuple[int, ...]
    epochs: int
    features: FeaturePoint
    protocol: Protocol
    metric: str
    cutoff: float
    orders: int
    draws: int
    classes: tuple[str, ...]
    positions: int
    teachers: tuple[Teacher, ...]
    comparisons: tuple[Comparison, ...]
    embeddings: tuple[Embedding, ...]
    notes: tuple[str, ...]
    matrix: Matrix | None = None


FILE = RecordFile(
    "analysis.json",
    Analysis,
    "fdsweep.analysis/3",
    "analysis",
    "Run it again",
    {"fdsweep.analysis/1": older.teachers_alone, "fdsweep.analysis/2": older.accuracies},
)


def save(store: Store, analysis: Analysis) -> None:
    """Write `analysis`, in place of what was there; StorageError if it cannot be written."""
    FILE.save(store, analysis.name, analysis)


def exists(store: Store, name: str) -> bool:
    """Whether there is an analysis `name`."""
    return FILE.exists(store, name)


def load(store: Store, name: str) -> Analysis:
    """The analysis `name`.

    Raises:
        StorageError: there is none, or its file is damaged or of another version.
    """
    return FILE.load(store, name)


def to_json(analysis: Analysis) -> dict[str, Any]:
    """`analysis` in JSON types; similarities and scores are fractions, null for none."""
    return {"schema": FILE.schema, **analysis.model_dump(mode="json")}


def numbers(analysis: Analysis) -> dict[str, float]:
    """Means of every part, paired and of the controls, and silhouettes, by a name for MLflow."""
    silhouettes = {
        f"{one.teacher}-to-{one.student}/{when}/silhouette {name.replace('_', ' ')}": value
        for one in analysis.embeddings
        for when, panel in one.panels.items()
        for name in SILHOUETTES
        if (value := getattr(panel, name)) is not None
    }
    return (
        silhouettes
        | _alignments(analysis.matrix)
        | {
            f"{one.first}-{one.second}/{one.stage}/{part.name}/{kind}": estimate.mean
            for one in analysis.comparisons
            for part in one.quantities
            for kind in ("paired", *CONTROLS, "excess")
            if (estimate := getattr(part, kind)) is not None
        }
    )


def _alignments(matrix: Matrix | None) -> dict[str, float]:
    """Each two networks of `matrix` once."""
    if matrix is None:
        return {}
    names = matrix.networks
    return {
        f"alignment/{first} - {names[place]}": value
        for line, first in enumerate(names)
        for place in range(line + 1, len(names))
        if (value := matrix.values[line][place]) is not None
    }
