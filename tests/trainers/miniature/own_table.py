"""A table of one's own: rows by people, a text and a signal each, with a class they tell."""

import csv
import pickle
from pathlib import Path

import numpy as np
import yaml

from fdsweep.orchestrator.data.plan import make_plan
from fdsweep.trainers.datasets.table.importer import read_table
from fdsweep.trainers.preparation.catalog import Options
from fdsweep.trainers.preparation.decoding import find_outcome, make_shard
from fdsweep.trainers.preparation.manifest import Manifest, make_manifest, save_manifest
from fdsweep.trainers.preparation.shards import write_assets

HEADER = ("sample_id", "label", "person", "note", "motion")
WORDS = {"walk": "steps on a long road", "rest": "a quiet evening at home"}
TIMES, CHANNELS = 20, 3


def rows(count: int = 24) -> list[list[str]]:
    """Rows of six people in turn, of two classes."""
    labels = list(WORDS)
    return [
        [f"s{i:02d}", labels[i % 2], f"p{i // 2 % 6}", f"{WORDS[labels[i % 2]]}, {i}", f"{i}.npy"]
        for i in range(count)
    ]


def description(**changes: object) -> dict[str, object]:
    """What stands in the YAML file; a field that is None is left out."""
    said = {
        "table": "table.csv",
        "group": "person",
        "modalities": {
            "text": {"kind": "text", "column": "note", "length": 8, "vocabulary": 100},
            "motion": {"kind": "signal"},
        },
        "training": {"epochs": 2, "batch_size": 8},
        **changes,
    }
    return {name: value for name, value in said.items() if value is not None}


def signal(i: int) -> np.ndarray:
    """[times, channels], of class i % 2: quicker and larger for walks; some are longer."""
    draw = np.random.default_rng(i)
    times = np.arange(TIMES + i % 3)[:, None]
    return np.sin(times * (1.0, 0.3)[i % 2] + draw.uniform(0, 6, CHANNELS)) * 3 + 5


def write_csv(path: Path, header: tuple[str, ...], cells: list[list[str]]) -> None:
    """A CSV file of `cells` below `header`."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *cells])


def write_yaml(path: Path, said: dict[str, object]) -> Path:
    """The description `said` as the YAML file `path`."""
    path.write_text(yaml.safe_dump(said, sort_keys=False))
    return path


def build(folder: Path) -> Path:
    """The table with its files and its description, whose path it gives."""
    cells = rows()
    for i in range(len(cells)):
        np.save(folder / f"{i}.npy", signal(i))
    write_csv(folder / "table.csv", HEADER, cells)
    return write_yaml(folder / "steps.yaml", description())


def label_sets(i: int) -> list[str]:
    """Labels of row `i`, of any number: "walk" where it is one, "late" for each third, or none."""
    return ["walk"] * (i % 2 == 0) + ["late"] * (i % 3 == 0)


def build_with_sets(folder: Path, **changes: object) -> Path:
    """The same table with sets of labels in place of labels."""
    cells = [[row[0], ";".join(label_sets(i)), *row[2:]] for i, row in enumerate(rows())]
    for i in range(len(cells)):
        np.save(folder / f"{i}.npy", signal(i))
    write_csv(folder / "table.csv", ("sample_id", "labels", *HEADER[2:]), cells)
    return write_yaml(folder / "steps.yaml", description(labels="labels", **changes))


def build_pairs(folder: Path, **changes: object) -> Path:
    """The same table without labels, for a retrieval."""
    cells = [[row[0], *row[2:]] for row in rows()]
    for i in range(len(cells)):
        np.save(folder / f"{i}.npy", signal(i))
    write_csv(folder / "table.csv", ("sample_id", *HEADER[2:]), cells)
    return write_yaml(folder / "steps.yaml", description(task="retrieval", **changes))


def prepare(described: Path, storage: Path) -> Manifest:
    """What `fdsweep prepare` does, in this process."""
    table, raw = read_table(described, None, str(storage))
    catalog = table.catalog(raw, Options())
    job, parts = make_plan(table, raw, str(storage), Options(), catalog, 128)
    write_assets(str(storage), table.name, job.folder, catalog.assets)
    for part in parts:
        make_shard(pickle.loads(pickle.dumps(job)), part)
    outcomes = [find_outcome(job, part) for part in parts]
    manifest = make_manifest(
        table.name, catalog, job.payloads, outcomes,
        folder=job.folder, version=table.version, decoders={}, options={}, declared=table.declared,
    )  # fmt: skip
    save_manifest(str(storage), manifest)
    return manifest
