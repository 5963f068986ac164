"""`fdsweep export-model`: a kept student as a folder that needs no storage. No torch."""

from pathlib import Path
from typing import Any

from fdsweep.orchestrator.models.overview import Model
from fdsweep.results.compute.statistics import mean_interval
from fdsweep.results.records.schema import RETRIEVAL
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.storage import Storage
from fdsweep.trainers.students.assets import stored_assets
from fdsweep.trainers.students.record import ASSETS, CONFIG, SCHEMA, WEIGHTS, StudentRecord

CARD = "README.md"


def export(store: Store, model: Model, folder: Path) -> dict[str, Any]:
    """Write the student of `model` to a new `folder`; what was written as a document.

    Raises:
        ConfigError: there is something else in the folder.
        DataError: a file that raw samples are read with is not there any more.
        StorageError: its weights cannot be read, or the folder cannot be written.
    """
    told, target = model.record, Storage(str(folder))
    if target.listing("") and not target.exists(CONFIG):
        raise ConfigError("holds other files", str(folder), "Name a new folder")
    scores = test_scores(store, told)
    assets = stored_assets(store.root, told)
    target.write(WEIGHTS, store.read(layout.student_weights(told.key, told.seed)))
    for name, content in assets.items():
        target.write(f"{ASSETS}/{name}", content)
    target.write_text(CARD, card(model, scores, folder))
    target.write_text(CONFIG, told.to_text(SCHEMA))
    interval = mean_interval(scores)
    return {
        **model.to_json(),
        "folder": str(folder),
        "files": sorted(target.listing("")),
        "seeds": len(scores),
        "mean_test_score": sum(scores) / len(scores) if scores else None,
        "mean_ci": None if interval is None else list(interval),
    }


def test_scores(store: Store, told: StudentRecord) -> list[float]:
    """Of all finished seeds of the student's configuration, itself included."""
    rows = store.replicates({told.key})
    scores: list[float] = rows[rows["status"] == "done"]["test_score"].tolist()
    return scores


def card(model: Model, scores: list[float], folder: Path) -> str:
    """What to know of the student, in Markdown."""
    told = model.record
    network = told.network
    head = "its own" if told.head is None else f"{told.head.name} of {told.head.method}"
    embeds = told.task == RETRIEVAL
    gives = f"embeddings of {network.outputs}" if embeds else ", ".join(told.classes)
    licence = told.licence or "not stated; ask who gave you the data"
    shape = " x ".join(map(str, told.payload.shape)) or "as trained"
    val = "none was held out" if told.val_score is None else f"{100 * told.val_score:.1f} %"
    lines = [
        f"# {model.title}",
        "",
        f"A student of {told.dataset} that takes {told.modality}, trained by fdsweep "
        f"{told.fdsweep_version}: `{told.name}`.",
        "",
        "| | |",
        "| --- | --- |",
        f"| test {told.metric} of this seed | {100 * told.test_score:.1f} % |",
        f"| test {told.metric} of the row | {_interval(scores)} |",
        f"| validation {told.metric} of this seed, by which it was chosen | {val} |",
        f"| network | {network.backbone}, {network.channels} input channels |",
        f"| head that predicts | {head} |",
        f"| {'gives' if embeds else 'classes'} | {gives} |",
        f"| input | raw files as in {told.dataset}, read as {told.payload.kind} ({shape}) |",
        f"| data | {told.source} (fingerprint {told.data_fingerprint}) |",
        f"| licence of the data | {licence} |",
        f"| weights | {WEIGHTS}, {told.size / 1e6:.1f} MB, with what inputs are standardised by |",
        "",
        "The best seed of several scores higher than the row does: expect the row's number.",
        "",
        "```python",
        "from fdsweep.trainers.students import load",
        f'student = load("{folder.name}")',
        f'student.{"embed" if embeds else "predict"}(["a-raw-file"])',
        "```",
        "",
    ]
    if not embeds:
        lines += [f"Or: `fdsweep predict {folder.name} FILES...`", ""]
    return "\n".join(lines)


def _interval(scores: list[float]) -> str:
    """The mean of `scores` with its interval over seeds, in percent."""
    if not scores:
        return "its results are no longer in the storage"
    mean, n = 100 * sum(scores) / len(scores), len(scores)
    interval = mean_interval(scores)
    if interval is None:
        return f"{mean:.1f} % (one seed)"
    low, high = (100 * end for end in interval)
    return f"{mean:.1f} % [95 % CI {low:.1f}, {high:.1f}] over {n} seeds"
