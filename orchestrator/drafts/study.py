"""`fdsweep init study`: a study in YAML to begin with, every field beside what it says."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fdsweep.orchestrator.drafts import words
from fdsweep.orchestrator.studies import methods
from fdsweep.search_spaces.documents import spell_yaml
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.sweep import DATASET, Row, Sweep
from fdsweep.trainers import datasets
from fdsweep.trainers.datasets import DataLocation

BASELINE = "none"
METHODS = ("kd", "feat", "fd-cmkd")
"""Of a draft that names none: one of each kind."""

SPELT = {"title", "rows", "dataset", "directions", "seeds"}
"""Fields of a sweep that a draft says; the others stand in comments."""

HEAD = """\
# A study: every row in every direction, each with the same seeds. To train it, type:
#   fdsweep run {path}
# For an editor that knows YAML schemas: fdsweep schema sweep > sweep.schema.json
# and then, as the first line of this file:
#   # yaml-language-server: $schema=sweep.schema.json"""


def write_study(
    path: Path, storage: str, dataset: str | None = None, names: Sequence[str] = METHODS
) -> Path:
    """Write a study of the methods `names` on `dataset` into the file `path`; gives its path.

    Raises:
        ConfigError: there is such a file already, it cannot be written, or there is no such
            method or data set.
    """
    if path.exists():
        raise ConfigError("is there already", str(path), "Delete it, or give another name")
    text = to_yaml(path, storage, dataset or DATASET, names)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be written ({error.strerror})", str(path)) from None
    return path


def to_yaml(path: Path, storage: str, dataset: str, names: Sequence[str]) -> str:
    """The text of such a file; ConfigError as `write_study`."""
    told = {name: methods.describe(name) for name in dict.fromkeys((BASELINE, *names))}
    found = datasets.find(dataset, DataLocation(storage))
    modalities = [modality.name for modality in found.modalities]
    pairs = [f"{teacher}->{student}" for teacher in modalities for student in modalities]
    directions = [pair for pair in pairs if len(set(pair.split("->"))) > 1]
    title = path.stem.replace("_", " ").replace("-", " ").capitalize()
    return "\n".join([HEAD.format(path=path), *_lines(title, dataset, directions, told)]) + "\n"


def _lines(
    title: str, dataset: str, directions: Sequence[str], told: Mapping[str, Any]
) -> Iterator[str]:
    yield from _field("title", title)
    yield from _field("dataset", dataset)
    yield f"# {words.SWEEP['directions']}"
    yield "directions:"
    yield from (f"  - {spell_yaml(pair)}" for pair in directions)
    yield from _field("seeds", list(Sweep.model_fields["seeds"].default))
    yield f"# {words.SWEEP['rows']}"
    yield "rows:"
    for name, method in told.items():
        yield f"  - name: {spell_yaml(name)}"
        yield f"    method: {spell_yaml(name)}"
        if method["options"]:
            yield "    # options:"
        for option, known in method["options"].items():
            source = f"  # {known['source']}" if known["source"] else ""
            yield f"    #   {option}: {spell_yaml(known['default'])}{source}"
    yield "    # Any row may have these too:"
    for name, said in words.ROW.items():
        if name in Row.model_fields and name not in ("name", "method", "options"):
            yield f"    # {name}: {spell_yaml(_default(Row, name))}  # {said}"
    yield "# Other fields of a study, as they are where they are left out:"
    for name, said in words.SWEEP.items():
        if name in Sweep.model_fields and name not in {*SPELT, "study"}:
            yield f"# {name}: {spell_yaml(_default(Sweep, name))}  # {said}"


def _field(name: str, value: object) -> Iterator[str]:
    yield f"# {words.SWEEP[name]}"
    yield f"{name}: {spell_yaml(value)}"


def _default(model: type[Sweep] | type[Row], name: str) -> object:
    field = model.model_fields[name]
    return field.get_default(call_default_factory=True)
