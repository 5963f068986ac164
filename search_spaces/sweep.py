"""What a study varies: rows of method and options, in directions, over seeds."""

import itertools
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, ValidationError, model_validator

from fdsweep.search_spaces.configs import (
    ClassWeights,
    FeaturePoint,
    Option,
    Pairing,
    Protocol,
    Sampling,
    TeacherChannels,
    TeacherState,
)
from fdsweep.search_spaces.fields import (
    MAX_SEEDS,
    SEED_LIMIT,
    Count,
    Fields,
    Heading,
    Words,
    read_fields,
    refusal,
)

Control = Literal["", "aa"]
TaughtBy = Literal["all", "each"]
Weight = Annotated[float, Field(ge=0, le=1e9)]
DATASET = "watch"
"""What is studied unless another data set is named."""

MAX_ROWS = 1000
"""Of one sweep."""

AA = "A/A"
"""Name of the row that repeats the baseline."""

FOR_ALL, FOR_EACH = "all", "each"
"""How messages call a number for all modalities, and numbers by modality."""


def _is_for(value: object) -> str:
    return FOR_EACH if isinstance(value, dict) else FOR_ALL


_Share = Annotated[float, Field(ge=0, le=1)]
_Rank = Annotated[int, Field(ge=0)]
Shares = Annotated[
    Annotated[_Share, Tag(FOR_ALL)] | Annotated[dict[str, _Share], Tag(FOR_EACH)],
    Discriminator(_is_for),
]
Ranks = Annotated[
    Annotated[_Rank, Tag(FOR_ALL)] | Annotated[dict[str, _Rank], Tag(FOR_EACH)],
    Discriminator(_is_for),
]


class Row(Fields):
    """One line of a table: a method with its options, and what is done to its teacher.

    `lr` is the student's learning rate, the sweep's by default; its teacher keeps that of the
    sweep. A row stands in all directions of the sweep, or only in `directions`. Where a direction
    has several teachers, `teacher_weights` gives those that the row learns from by modality, and
    what their terms weigh, as parts of their sum; all weigh the same unless some are named here or
    in the sweep. `pairings` are those of single teachers that differ from `pairing`. With
    `taught_by: each` there is a row for each of the several teachers alone, whose name follows the
    row's: "only" makes "only rgb". `paper` names the
    same line in the paper's published table, as columns of that table; `group` is a heading that it
    shares with its neighbours. Neither changes a result. A row with `control: aa` repeats the first
    row of the sweep, whatever it says of a method, from weights changed by a relative 1e-7: its
    difference to the first row is rounding noise.
    """

    name: Annotated[Words, Field(min_length=1)]
    method: str = "fd-cmkd"
    options: dict[str, Option] = Field(default_factory=dict)
    pairing: Pairing = "paired"
    teacher: TeacherState = "trained"
    teacher_channels: TeacherChannels = "ordered"
    taught_by: TaughtBy = "all"
    teacher_weights: dict[str, Weight] = Field(default_factory=dict)
    pairings: dict[str, Pairing] = Field(default_factory=dict)
    lr: Annotated[float, Field(gt=0)] | None = None
    directions: Annotated[tuple[str, ...], Field(strict=False)] = ()
    paper: dict[str, str | int] | None = None
    group: Heading = ""
    control: Control = ""


class Sweep(Fields):
    """A study: every row in every direction, each with the same seeds.

    The first row is the one that the others are compared with. What is None is the data set's
    own default; empty `directions` are all ordered pairs of its modalities. `pretrained` names a
    checkpoint (folder, or name on the hub) to start a modality's network from, `teachers` the
    folder of an exported student that teaches as it is in a modality, `teacher_weights` what each
    of several teachers weighs in rows that do not say so themselves. Of a network `hf:NAME` the
    share `freeze` of its blocks, from the input on, stays as it starts, and `adapters` of that rank
    train in place of its weights: one number for all modalities, or one by modality. The fields
    from `epochs` to `accumulate` are as in `OptimConfig`, for students and teachers; `features`,
    `protocol`, `gradient_checkpointing`, `class_weights` and `sampling` are as in `NetworkConfig`.

    Example:
        >>> Sweep(study="mine", title="Mine", rows=[Row(name="Feat", method="feat")]).dataset
        'watch'
    """

    study: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=100)]
    title: Words
    rows: Annotated[tuple[Row, ...], Field(min_length=1, max_length=MAX_ROWS, strict=False)]
    paper_table: str | None = None
    dataset: str = DATASET
    directions: Annotated[tuple[str, ...], Field(strict=False)] = ()
    seeds: Annotated[
        tuple[Annotated[int, Field(lt=SEED_LIMIT)], ...],
        Field(min_length=1, max_length=MAX_SEEDS, strict=False),
    ] = tuple(range(8))
    backbones: dict[str, str] = Field(default_factory=dict)
    pretrained: dict[str, str] = Field(default_factory=dict)
    freeze: Shares = 0.0
    adapters: Ranks = 0
    gradient_checkpointing: bool = False
    teachers: dict[str, str] = Field(default_factory=dict)
    teacher_weights: dict[str, Weight] = Field(default_factory=dict)
    epochs: Count | None = None
    batch_size: Count | None = None
    lr: Annotated[float, Field(gt=0)] | None = None
    final_lr: Annotated[float, Field(gt=0)] | None = None
    power: Annotated[float, Field(ge=0)] | None = None
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    optimizer: str | None = None
    schedule: str | None = None
    warmup_epochs: Annotated[float, Field(ge=0)] | None = None
    accumulate: Count | None = None
    features: FeaturePoint = "post-relu"
    protocol: Protocol = "ours"
    class_weights: ClassWeights = "none"
    sampling: Sampling = "shuffled"

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for row, other in itertools.combinations(self.rows, 2):
            apart = (
                row.directions and other.directions and not {*row.directions} & {*other.directions}
            )
            if row.name == other.name and not apart:
                raise ValueError(f"row {row.name!r} stands twice")
        if self.rows[0].control:
            raise ValueError("an A/A row repeats the first row, so it cannot be the first")
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds must be different and not negative, not {self.seeds}")
        return self


def override(sweep: Sweep, **given: object) -> Sweep:
    """`sweep` with the fields `given` that are not None; ConfigError for a wrong value."""
    changes = {name: value for name, value in given.items() if value is not None}
    return validated({**sweep.model_dump(), **changes}, "options")


def with_aa(sweep: Sweep) -> Sweep:
    """`sweep` with an A/A row at its end, unless it has one."""
    if any(row.control for row in sweep.rows):
        return sweep
    row = Row(name=AA, control="aa", group=sweep.rows[0].group)
    return sweep.model_copy(update={"rows": (*sweep.rows, row)})


def load_sweep(path: Path) -> Sweep:
    """The study that the YAML file `path` describes; its name is the default for `study`.

    Raises:
        ConfigError: no such file, not YAML, or a field that is missing, misspelt or wrong.
    """
    content = read_fields(path, Sweep)
    content.setdefault("study", path.stem.lower().replace("_", "-"))
    content.setdefault("title", str(content["study"]))
    return validated(content, str(path))


def validated(content: dict[str, Any], where: str) -> Sweep:
    """`content` as a Sweep; ConfigError with the first fault in one sentence."""
    try:
        return Sweep.model_validate(content)
    except ValidationError as error:
        raise refusal(error, where, Sweep, {"rows": Row}) from None
