"""A table's cells as texts, from a CSV or a Parquet file, or a folder of Arrow files."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fdsweep.search_spaces.errors import DataError, clipped, first_line
from fdsweep.trainers.datasets.table.arrow import joined, read_columns

DELIMITERS = ",;\t|"
PARQUET = (".parquet", ".pq")
FIX = "Give a CSV file with a header, or a Parquet file"
MAX_CELL = 1_000_000
"""Letters of a cell in a CSV file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """The cells of each column of the table `path`, without blanks around them; empty for none.

    Attributes:
        numbers: of the line that each row ends on, or its place in a Parquet file, from 1.
        called: what the numbers count, "line" or "row".
    """

    path: Path
    columns: dict[str, list[str]]
    numbers: list[int]
    called: str

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def folder(self) -> Path:
        """What paths in the table are relative to, unless another folder is given."""
        return self.path if self.path.is_dir() else self.path.parent

    def place(self, row: int) -> str:
        """Where `row` (from 0) stands, for errors."""
        return f"{self.path}, {self.called} {self.numbers[row]}"

    def column(self, name: str, role: str) -> list[str]:
        """The cells of the column `name`, which holds each sample's `role`.

        Raises:
            DataError: the table has none of that name.
        """
        if name not in self.columns:
            raise DataError(
                f"has no column {clipped(name)!r} for the {role}",
                str(self.path),
                f"Its columns are: {clipped(', '.join(self.columns), 300)}",
            )
        return self.columns[name]


def read_rows(path: Path) -> Rows:
    """The table in `path`, a file or a folder that `datasets` of Hugging Face saved.

    Raises:
        DataError: it cannot be read, has no rows, or its rows and columns do not fit.
    """
    if path.is_dir():
        return _arrow(path)
    try:
        rows = _parquet(path) if path.suffix.lower() in PARQUET else _csv(path)
    except (OSError, UnicodeError, csv.Error, pa.ArrowException) as error:
        reason = (isinstance(error, OSError) and error.strerror) or first_line(error)
        raise DataError(f"cannot be read as a table ({reason})", str(path), FIX) from None
    if not len(rows):
        raise DataError("has no rows", str(path), FIX)
    return rows


def _csv(path: Path) -> Rows:
    """The rows of a CSV file whose cells are set apart by what its header has most of."""
    csv.field_size_limit(MAX_CELL)
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
        file.seek(0)
        delimiter = max(DELIMITERS, key=header.count)
        lines = csv.reader(file, delimiter=delimiter, strict=True)
        names = [name.strip() for name in next(lines, [])]
        _check_header(names, path)
        cells, numbers = [], []
        for line in lines:
            if not any(cell.strip() for cell in line):
                continue
            if len(line) != len(names):
                raise DataError(
                    f"has {len(line)} cells, while the header has {len(names)}",
                    f"{path}, line {lines.line_num}",
                    'Put what holds a separator or a line break in quotes: "so, or so"',
                )
            cells.append([cell.strip() for cell in line])
            numbers.append(lines.line_num)
    columns = {name: [line[place] for line in cells] for place, name in enumerate(names)}
    return Rows(path=path, columns=columns, numbers=numbers, called="line")


def _parquet(path: Path) -> Rows:
    table = pq.ParquetFile(path).read()
    _check_header(table.column_names, path)
    columns = {}
    for name in table.column_names:
        kind = table.schema.field(name).type
        if _is_list_of_names(kind):
            columns[name] = [_names(cell, f"{path}, column {name}") for cell in table[name]]
            continue
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise DataError(f"holds {kind} in column {name!r}", str(path), "Give texts or numbers")
        columns[name] = [_cell(value) for value in table[name].to_pylist()]
    return Rows(
        path=path, columns=columns, numbers=list(range(1, len(table) + 1)), called="row"
    )  # fmt: skip


def _arrow(path: Path) -> Rows:
    columns = read_columns(path, _cell)
    _check_header(list(columns), path)
    count = len(next(iter(columns.values())))
    if not count:
        raise DataError("has no rows", str(path), FIX)
    return Rows(path=path, columns=columns, numbers=list(range(1, count + 1)), called="row")


def _is_list_of_names(kind: pa.DataType) -> bool:
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return False
    one = kind.value_type
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer)
    return any(is_kind(one) for is_kind in kinds)


def _names(cell: pa.Scalar, where: str) -> str:
    """The names in a list as the text of a cell; DataError where one has the separator in it."""
    return joined(map(_cell, cell.as_py() or ()), where)


def _check_header(names: list[str], path: Path) -> None:
    twice = next(_repeated(names), None)
    if twice is not None:
        raise DataError(f"has two columns {clipped(twice)!r}", str(path), "Rename one of them")
    if not all(names) or len(names) < 2:
        what = "has a column without a name" if len(names) > 1 else "has no header of several names"
        raise DataError(what, str(path), FIX)


def _repeated(names: list[str]) -> Iterator[str]:
    seen = set()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)


def _cell(value: Any) -> str:  # noqa: ANN401
    if value is None or value != value:  # not a number
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # whole numbers beside missing ones are stored as floats
    return str(value).strip()
