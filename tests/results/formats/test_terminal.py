"""Tables for a terminal: everything fits, and what is left out is named."""

import dataclasses
from collections.abc import Callable

import pytest

from fdsweep.results.compute.tables import Table, TableRow
from fdsweep.results.document import Report
from fdsweep.results.formats import analysis as analyses
from fdsweep.results.formats.terminal import WIDEST, to_terminal
from fdsweep.results.records.analyses import Analysis


@pytest.mark.parametrize("width", [30, 40, 80, 100, 500])
def test_no_line_is_wider_than_the_terminal(full: Report, analysis: Analysis, width: int) -> None:
    for text in (to_terminal(full, width), analyses.to_terminal(analysis, width)):
        assert max(map(len, text.splitlines())) <= min(width, WIDEST)


def test_a_usual_study_fits_80_columns_a_line_each(line: Callable[..., TableRow]) -> None:
    numbers = {
        "n": 20,
        "asked": 20,
        "mean": 74.9,
        "std": 6.6,
        "last": 75.2,
        "test_selected": 77.0,
        "gap": 1.0,
    }
    gain = {"delta": 0.44, "delta_ci": (-0.8, 1.5), "p_adjusted": 1.0, "pairs": 20}
    rows = (
        line("Feat", **numbers),
        line(
            "Freq+Align+Scale+LogMSE", verdict="inconclusive", within_noise=True, **numbers | gain
        ),
        line("+Heads", verdict="improves", **numbers | gain),
    )
    text = to_terminal(Report("s", (Table("Components, watch", (), rows, ("A note.",)),)), 80)
    assert text.splitlines() == [
        "Components, watch",
        "",
        "- audio -> visual: +Heads (+0.4) improves on Feat; Freq+Align+Scale+LogMSE is",
        "  inconclusive.",
        "",
        "audio -> visual (Δ against Feat)",
        "",
        "Row                       n  Top-1 ± SD        Δ [95 % CI]  verdict",
        "-----------------------  --  ----------  -----------------  --------------",
        "Feat                     20  74.9 ± 6.6                  –  –",
        "Freq+Align+Scale+LogMSE  20  74.9 ± 6.6  +0.4 [-0.8, +1.5]  inconclusive ~",
        "+Heads                   20  74.9 ± 6.6  +0.4 [-0.8, +1.5]  improves",
        "",
        "- ~ within the noise floor: may be rounding alone.",
        "- A note.",
        "- Left out to fit: p Holm, last, test-sel., gap; see --format html.",
    ]


def test_names_break_before_anything_is_lost(full: Report) -> None:
    (table,) = full.tables
    rows = tuple(dataclasses.replace(row, row=f"{row.row} {'long ' * 12}") for row in table.rows)
    text = to_terminal(Report("s", (dataclasses.replace(table, rows=rows),)), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("+3.0 [+1.0, +5.0]") == 3
    assert "Row: " not in text


def test_where_columns_have_no_room_each_cell_has_a_line(full: Report) -> None:
    lines = to_terminal(full, 30).splitlines()
    start = lines.index("Row: [x] 100 % *Freq*|#1")
    assert lines[start + 1 : start + 5] == [
        *("  n: 8", "  Top-1 ± SD: 64.0 ± 1.6"),
        *("  Δ [95 % CI]: +3.0 [+1.0,", "    +5.0]"),
    ]
