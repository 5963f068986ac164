"""What a study varies: rows of method and options, in directions, over seeds."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fdsweep.search_spaces.configs import Option, Pairing, TeacherChannels, TeacherState
from fdsweep.search_spaces.errors import ConfigError, unknown

SWITCHES = {"freq": "Freq", "align": "Align", "scale": "Scale", "logmse": "LogMSE"}
PRESETS = Path(__file__).parent / "presets"


class Model(BaseModel):
    """Fields that a person writes: no unknown one, none of another type, none changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Row(Model):
    """One line of a table: a method with its options, and what is done to its teacher.

    `lr` is the student's learning rate, the sweep's by default; its teacher keeps that of the
    sweep. A row stands in all directions of the sweep, or only in `directions`. `paper` names the
    same line in the paper's published table, as columns of that table; `group` is a heading that it
    shares with its neighbours. Neither changes a result.
    """

    name: Annotated[str, Field(min_length=1)]
    method: str = "fd-cmkd"
    options: dict[str, Option] = {}
    pairing: Pairing = "paired"
    teacher: TeacherState = "trained"
    teacher_channels: TeacherChannels = "ordered"
    lr: Annotated[float, Field(gt=0)] | None = None
    directions: Annotated[tuple[str, ...], Field(strict=False)] = ()
    paper: dict[str, str | int] | None = None
    group: str = ""


class Sweep(Model):
    """A study: every row in every direction, each with the same seeds.

    The first row is the one that the others are compared with. What is None is the data set's
    own default; empty `directions` are all ordered pairs of its modalities. `pretrained` names a
    checkpoint (folder, or name on the hub) to start a modality's network from.

    Example:
        >>> Sweep(study="mine", title="Mine", rows=[Row(name="Feat", method="feat")]).dataset
        'watch'
    """

    study: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: str
    rows: Annotated[tuple[Row, ...], Field(min_length=1, strict=False)]
    paper_table: str | None = None
    dataset: str = "watch"
    directions: Annotated[tuple[str, ...], Field(strict=False)] = ()
    seeds: Annotated[tuple[int, ...], Field(min_length=1, strict=False)] = tuple(range(8))
    backbones: dict[str, str] = {}
    pretrained: dict[str, str] = {}
    epochs: Annotated[int, Field(ge=1)] | None = None
    batch_size: Annotated[int, Field(ge=1)] | None = None
    lr: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for row, other in itertools.combinations(self.rows, 2):
            apart = (
                row.directions and other.directions and not {*row.directions} & {*other.directions}
            )
            if row.name == other.name and not apart:
                raise ValueError(f"row {row.name!r} stands twice")
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"seeds must be different and not negative, not {self.seeds}")
        return self


def parse_names(text: str, where: str) -> tuple[str, ...]:
    """Different names joined by commas; ConfigError for one that stands twice."""
    names = tuple(name.strip() for name in text.split(","))
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ConfigError(f"{twice[0]!r} stands twice", where, "Name each once")
    return names


def parse_seeds(text: str, where: str = "--seeds") -> tuple[int, ...]:
    """Seeds from a count (`5` is 0 to 4) or from a list (`0,3,7`).

    Raises:
        ConfigError: neither, none at all, or one twice.
    """
    fix = "Give a count of 1 or more, or a list such as 0,3,7"
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ConfigError(f"{text!r} is no count and no list of seeds", where, fix)
    numbers = tuple(int(part) for part in parts)
    if len(parts) == 1:
        numbers = tuple(range(numbers[0]))
    if not numbers:
        raise ConfigError("0 seeds asked for", where, fix)
    if len(set(numbers)) < len(numbers):
        raise ConfigError(f"a seed stands twice in {text!r}", where, fix)
    return numbers


def parse_pairs(texts: Sequence[str], where: str) -> dict[str, str]:
    """A dictionary from texts such as `visual=NAME`.

    Raises:
        ConfigError: one without "=", or a name twice.
    """
    pairs = dict(text.partition("=")[::2] for text in texts)
    if len(pairs) < len(texts) or not all(name and value for name, value in pairs.items()):
        fix = "Give each modality once, such as visual=NAME"
        raise ConfigError(f"{' '.join(texts)!r} cannot be read", where, fix)
    return pairs


def presets() -> tuple[str, ...]:
    """Names of the studies that come with fdsweep."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def load_preset(name: str) -> Sweep:
    """The study `name` of `presets()`; ConfigError for another name."""
    if name not in presets():
        raise unknown("study", name, presets(), "--study")
    return load_sweep(PRESETS / f"{name}.yaml")


def every_component() -> Sweep:
    """The component study with every valid combination of the four switches.

    LogMSE acts on the high band, so it needs Freq: 12 of the 16 combinations are valid. Those of
    the paper keep their names and their places in its table.
    """
    published = load_preset("components")
    known = {tuple(row.options.values()): row for row in published.rows}
    rows = []
    for switches in itertools.product((True, False), repeat=4):
        options: dict[str, Option] = dict(zip(SWITCHES, switches, strict=True))
        if options["logmse"] and not options["freq"]:
            continue
        words = [SWITCHES[name] for name, on in options.items() if on]
        rows.append(known.get(switches) or Row(name="+".join(words), options=options))
    rows.sort(key=lambda row: sum(bool(on) for on in row.options.values()))
    title = f"{published.title}, every combination"
    return published.model_copy(
        update={"study": "components-full", "title": title, "rows": tuple(rows)}
    )


def with_cutoff(sweep: Sweep, cutoff: float | str) -> Sweep:
    """`sweep` with this `cutoff` in each row of fd-cmkd that has bands and names no cutoff.

    Raises:
        ConfigError: there is no such row.
    """
    rows = [
        row.model_copy(update={"options": {**row.options, "cutoff": cutoff}})
        if row.method == "fd-cmkd" and row.options.get("freq", True) and "cutoff" not in row.options
        else row
        for row in sweep.rows
    ]
    if rows == list(sweep.rows):
        raise ConfigError(f"no row of {sweep.study} takes a cutoff", "--cutoff", "Leave it out")
    return sweep.model_copy(update={"rows": tuple(rows)})


def override(sweep: Sweep, **given: Any) -> Sweep:
    """`sweep` with the fields `given` that are not None; ConfigError for a wrong value."""
    changes = {name: value for name, value in given.items() if value is not None}
    return validated({**sweep.model_dump(), **changes}, "options")


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


def read_fields(
    path: Path, model: type[Model], loader: type[yaml.SafeLoader] = yaml.SafeLoader
) -> dict[str, Any]:
    """What stands in the YAML file `path`, the fields of a `model`.

    Raises:
        ConfigError: no such file, not YAML, or no fields in it.
    """
    try:
        content = yaml.load(path.read_text(), loader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read ({error})", str(path), "Give a YAML file") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"is not YAML: {' '.join(str(error).split())}", str(path)) from None
    if not isinstance(content, dict):
        fields = ", ".join(model.model_fields)
        raise ConfigError("holds no fields", str(path), f"Give some of: {fields}")
    return content


def refusal(
    error: ValidationError, where: str, model: type[Model], parts: Mapping[str, type[Model]]
) -> ConfigError:
    """The first fault that pydantic found, in one sentence.

    Args:
        error: what it raised.
        where: the file or command that the content came from.
        model: what the content was to be.
        parts: the model of what stands in a field of `model`, by that field's name.
    """
    fault = error.errors()[0]
    field = ".".join(str(part) for part in fault["loc"]) or model.__name__.lower()
    place = f"{where}, {field}"
    if fault["type"] == "extra_forbidden":
        owner = parts.get(str(fault["loc"][0]), model)
        return unknown("field", fault["loc"][-1], owner.model_fields, place)
    value = "" if isinstance(fault["input"], dict | list) else f", not {fault['input']!r}"
    return ConfigError(f"{fault['msg']}{value}", place)
