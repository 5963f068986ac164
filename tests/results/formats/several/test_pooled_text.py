import csv
import io
import json

import numpy as np
import pytest

from fdsweep.results.compute.pooled import pool
from fdsweep.results.formats.several.pooled import to_csv, to_html, to_json, to_latex, to_markdown
from fdsweep.results.plots.pooled import pooled_pictures

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def scores():
    return {
        dataset: {
            name: RNG.normal(0.5 + gain, 0.02, 5) for name, gain in (("none", 0), ("kd", 0.1))
        }
        for dataset in ("a|b", "c", "d", "e", "f")
    }


@pytest.fixture(scope="module")
def pooled(source, scores):
    return pool([source(dataset, rows) for dataset, rows in scores.items()])


def test_markdown_fits_a_terminal_and_has_every_number(pooled):
    text = to_markdown(pooled)
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert max(map(len, tables)) <= 120
    assert "5 sweeps, 5 data sets" in text
    assert "Of 1 row that all 5 data sets have, kd gains most over none: +" in text
    column, kd = pooled.columns[1], pooled.columns[1].row("kd")
    assert column.heading == "c"
    half = (kd.ci_high - kd.ci_low) / 2
    assert f"{kd.mean:.1f} ± {half:.1f}" in text
    assert f"{kd.delta:+.1f} [{kd.delta_ci[0]:+.1f}, {kd.delta_ci[1]:+.1f}]" in text
    over = pooled.rows[1]
    assert f"{over.p_better:.2f} [{over.p_better_ci[0]:.2f}, {over.p_better_ci[1]:.2f}]" in text
    assert "a\\|b" in text


def test_csv_has_a_line_per_number(pooled):
    lines = list(csv.DictReader(io.StringIO(to_csv(pooled))))
    counts = {
        name: sum(one["quantity"] == name for one in lines)
        for name in ("score", "delta", "iqm", "p_better", "profile")
    }
    assert counts == {"score": 10, "delta": 6, "iqm": 2, "p_better": 1, "profile": 202}
    over = next(one for one in lines if one["quantity"] == "delta" and not one["dataset"])
    assert [float(over[end]) for end in ("low", "value", "high")] == [
        pooled.rows[1].delta_ci[0],
        pooled.rows[1].delta,
        pooled.rows[1].delta_ci[1],
    ]


def test_json_has_every_field(pooled):
    document = json.loads(to_json(pooled))
    assert document["schema"] == "fdsweep.pooled/1"
    assert document["rows"][1]["iqm"] == pooled.rows[1].iqm
    assert document["columns"][0]["rows"][1]["delta"] == pooled.columns[0].rows[1].delta
    assert document["profiles"][0]["share"] == [*pooled.profiles[0].share]


def test_latex_and_pages_hold_the_tables(pooled):
    latex = to_latex(pooled)
    assert latex.isascii()
    assert latex.count("\\begin{table}") == latex.count("\\end{table}") == 4
    page = to_html(pooled, {"profiles.svg": b"<svg/>"})
    assert "Share of runs whose normalised score" in page
    assert "compare-a|b + compare-c" in page


@pytest.mark.slow
def test_pictures_are_drawn_of_what_is_there(pooled, source, scores):
    figures = pooled_pictures(pooled, {"kd": 1})
    assert [*figures] == ["matrix", "profiles"]
    axes = figures["profiles"].axes[0]
    assert [line.get_label() for line in axes.lines[1:]] == ["none", "kd"]
    assert axes.lines[2].get_ydata() == pytest.approx(pooled.profiles[1].share)
    few = pool([source(dataset, scores[dataset]) for dataset in ("c", "d")])
    assert [*pooled_pictures(few, {})] == ["matrix"]
