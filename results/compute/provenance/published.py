"""Numbers that the paper published, from the tables in `results/paper/`."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from fdsweep.search_spaces.errors import ConfigError, unknown
from fdsweep.search_spaces.fields import parse_variant

FOLDER = resources.files("fdsweep.results") / "paper"
SETTING = "setting"
"""Not a table of the paper's, but how its numbers were made: see `provenance.setting`."""


SCORES = ("top1_accuracy", "miou")
"""Columns of the tables, or units in a column `value`."""


@dataclass(frozen=True, slots=True)
class Published:
    """A published accuracy or mIoU in percent; `doubt` says what is not certain about its row."""

    value: float
    doubt: str | None


def look_up(
    table: str, where: Mapping[str, object], dataset: str, student_modality: str
) -> Published | None:
    """The score of one student in the paper's `table`; None if it has none.

    `where` names the line by columns of the table, such as {"row": 7} or {"method": "DKD"};
    `dataset` may be a variant.

    Raises:
        ConfigError: no such table, no such column, or several lines that match.
    """
    tables = sorted({item.name.removesuffix(".csv") for item in FOLDER.iterdir()} - {SETTING})
    if table not in tables:
        raise unknown("paper table", table, tables, "paper_table")
    lines = read(table)
    for column in where:
        if column not in lines[0]:
            raise unknown("column", column, lines[0], f"paper table {table}")
    base, _ = parse_variant(dataset)
    wanted = {**where, "dataset": base, "student_modality": student_modality}
    found = [
        line
        for line in lines
        if all(line[column] == str(value) for column, value in wanted.items())
    ]
    if len(found) > 1:
        raise ConfigError(
            f"{dict(where)} matches {len(found)} lines", f"paper table {table}", "Name more columns"
        )
    return _published(found[0]) if found else None


@cache
def read(name: str) -> list[dict[str, str]]:
    """The lines of `results/paper/<name>.csv`."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _published(line: Mapping[str, str]) -> Published | None:
    named = next(filter(None, map(line.get, SCORES)), None)
    value = line["value"] if line.get("unit") in SCORES else named
    certain = line.get("components_certain", "yes")
    return Published(float(value), None if certain == "yes" else certain) if value else None
