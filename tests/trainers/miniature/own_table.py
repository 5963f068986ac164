"""A table of one's own: rows by people, a text and a signal each, with a class they tell."""

import csv
from pathlib import Path

import numpy as np
import yaml

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
