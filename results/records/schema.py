"""The columns of the three Parquet tables, and one replicate as a value."""

from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field, model_validator

from fdsweep.search_spaces.records import Record

REPLICATES = pa.schema(
    [
        ("sweep", pa.string()),
        ("study", pa.string()),
        ("row", pa.string()),
        ("method", pa.string()),
        ("dataset", pa.string()),
        ("task", pa.string()),
        ("teacher_modality", pa.string()),
        ("student_modality", pa.string()),
        ("seed", pa.int64()),
        ("key", pa.string()),
        ("teacher_keys", pa.list_(pa.string())),
        ("status", pa.string()),
        ("epochs", pa.int64()),
        ("best_epoch", pa.int64()),
        ("best_head", pa.string()),
        ("metric", pa.string()),
        ("val_score", pa.float64()),
        ("test_score", pa.float64()),
        ("test_score_last", pa.float64()),
        ("test_score_best", pa.float64()),
        ("wall_seconds", pa.float64()),
        ("devices", pa.float64()),
        ("device", pa.string()),
        ("fdsweep_version", pa.string()),
        ("data_fingerprint", pa.string()),
        ("environment", pa.string()),
        ("config", pa.string()),
        ("files", pa.list_(pa.string())),
    ]
)
"""`results/`: one row per replicate, the fields of `Replicate` and where the rest of it is stored.

`files` are the places of its curves and predictions: what they name and the storage lacks is lost,
what they do not name never was there.
"""

CURVES = pa.schema(
    [
        ("key", pa.string()),
        ("seed", pa.int64()),
        ("epoch", pa.int64()),
        ("split", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
    ]
)
"""`curves/`: one row per epoch, split and metric."""

SAMPLES = pa.schema(
    [
        ("key", pa.string()),
        ("seed", pa.int64()),
        ("sample_id", pa.string()),
        ("group", pa.string()),
    ]
)
"""What `predictions/` holds whatever the task; `group` is the subject or speaker."""

CLASSIFICATION = "classification"
PREDICTIONS = pa.schema([*SAMPLES, ("label", pa.int32()), ("prediction", pa.int32())])
"""`predictions/` of a classification: the test split at the selected epoch."""

SEGMENTATION = "segmentation"
REGIONS = pa.schema(
    [
        *SAMPLES,
        ("label", pa.int32()),
        ("intersection", pa.int64()),
        ("union", pa.int64()),
        ("labelled", pa.int64()),
        ("picture", pa.string()),
    ]
)
"""`predictions/` of a segmentation: a row per test image and class at the selected epoch.

Pixels whose label and prediction are the class (`intersection`), that have it as either (`union`,
above 0) and as label (`labelled`). `picture` is a PNG file in base64 in the first row of the images
that are shown, null in all others: input, truth and prediction side by side.
"""

MULTILABEL = "multilabel"
LABEL_SETS = pa.schema(
    [*SAMPLES, ("labels", pa.list_(pa.int32())), ("scores", pa.list_(pa.float32()))]
)
"""`predictions/` where samples have any number of labels: those of each test sample (`labels`), and
the probability of every class (`scores`) at the selected epoch."""

RETRIEVAL = "retrieval"
RANKS = pa.schema([*SAMPLES, ("rank", pa.int32()), ("rank_back", pa.int32())])
"""`predictions/` of a retrieval: at which place each test sample finds its own of the teacher's
modality, and back, from 1, at the selected epoch."""

KEPT = {
    **{CLASSIFICATION: PREDICTIONS, SEGMENTATION: REGIONS},
    **{MULTILABEL: LABEL_SETS, RETRIEVAL: RANKS},
}
"""Task -> columns of `predictions/`; other tasks keep what they like beside `SAMPLES`."""

Fraction = Annotated[float, Field(ge=0, le=1)]


class Replicate(Record):
    """What a row of `results/` says: a point of the study in one direction with one seed.

    `metric` names what the scores are, fractions of 0..1. `test_score` is read at the epoch and
    head that validation chose, `test_score_last` at the last epoch, `test_score_best` at the epoch
    and head that test itself would choose; None where a failed run has no number. `devices` is how
    many GPUs, or cores where there was none, it took for `wall_seconds`; an older fdsweep did not
    say (1 as a rule). `environment` is JSON of the versions that numbers depend on (empty where
    unknown), `config` JSON too.

    Raises:
        ValueError: an unknown status, a score outside 0..1, or a done replicate without
            `test_score`.
    """

    sweep: str
    study: str
    row: str
    method: str
    dataset: str
    task: str
    teacher_modality: str
    student_modality: str
    seed: int
    key: str
    teacher_keys: tuple[str, ...]
    status: Literal["done", "failed"]
    epochs: int
    best_epoch: int | None
    best_head: str | None
    metric: str
    val_score: Fraction | None
    test_score: Fraction | None
    test_score_last: Fraction | None
    test_score_best: Fraction | None
    wall_seconds: float
    devices: float = 1.0
    device: str
    fdsweep_version: str
    data_fingerprint: str
    environment: str
    config: str

    @model_validator(mode="after")
    def _is_whole(self) -> "Replicate":
        if self.status == "done" and self.test_score is None:
            raise ValueError("a done replicate needs its test_score")
        return self
