import csv
import dataclasses
import io
from collections.abc import Callable

from fdsweep.results.compute.tables import Table, TableRow
from fdsweep.results.document import Report
from fdsweep.results.formats.csv import COSTS, to_csv


def read(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(report), newline="")))


def test_every_field_of_every_row_is_there(full: Report) -> None:
    found = read(full)
    (table,) = full.tables
    assert len(found) == len(table.rows) == 6
    for line, row in zip(found, table.rows, strict=True):
        content = dataclasses.asdict(row)
        for name in ("delta_ci", "people_ci"):
            content[f"{name}_low"], content[f"{name}_high"] = content.pop(name) or (None, None)
        content["missing"] = row.asked - row.n - row.failed
        content |= {"sweep": "components_crema-d", "table": table.title, **dict.fromkeys(COSTS)}
        assert line == {name: "" if v is None else str(v) for name, v in content.items()}


def test_numbers_are_whole(line: Callable[..., TableRow]) -> None:
    third = 200 / 3
    table = Table("t", (), (line("a", mean=third, n=3, failed=1),), ())
    (found,) = read(Report("s", (table,)))
    assert float(found["mean"]) == third
    assert (found["n"], found["failed"], found["missing"], found["asked"]) == ("3", "1", "4", "8")


def test_lines_end_and_quote_as_in_rfc_4180(line: Callable[..., TableRow]) -> None:
    table = Table('a "b", c', (), (line("x,y\nz"),), ())
    text = to_csv(Report("s", (table,)))
    heading, rest = text.split("\r\n", 1)
    assert heading.startswith("sweep,table,row,group,pairing,teacher_modality,student_modality,n,")
    assert rest.startswith('s,"a ""b"", c","x,y\nz",')
    assert text.endswith("\r\n")
    assert read(Report("s", ())) == []
