"""The effects of crossed switches, as each format shows them."""

import csv
import dataclasses
import html
import io
import json
import re
from collections.abc import Callable

import pytest

from fdsweep.results.document import Report
from fdsweep.results.formats.sections.effects import effects_section
from fdsweep.results.records.manifest import Manifest, save
from fdsweep.results.records.store import Store
from fdsweep.results.report import FORMATS, report, to_json, to_text

NONE = [0.60, 0.61, 0.59, 0.62, 0.60, 0.61]
FREQ = [0.62, 0.64, 0.60, 0.65, 0.63, 0.63]
HEADS = [0.64, 0.65, 0.63, 0.67, 0.65, 0.65]


@pytest.fixture
def found(store: Store, fill_crossed: Callable[..., Manifest]) -> Report:
    """Freq, and Heads that need it, over six seeds."""
    made = fill_crossed(
        {"-": NONE, "a": FREQ, "ab": HEADS},
        directions=[("accelerometer", "gyroscope")],
        seeds=range(6),
    )
    names = {"a": "fd-cmkd.freq", "b": "fd-cmkd.band_heads"}
    rows = [
        row.replace(options={names.get(name, name): on for name, on in row.options.items()})
        for row in made.rows
    ]
    save(store, made.replace(rows=rows, factors=tuple(names.values())))
    return report(store)


def test_a_line_per_component_and_their_sum(found: Report) -> None:
    assert found.effects is not None
    section = effects_section(found.effects)
    assert (section.title, section.level) == ("Effects of the components: Components, watch", 3)
    assert section.notes == found.effects.notes
    (grid,) = section.grids  # no pair has an interaction
    assert grid.title == "accelerometer -> gyroscope"
    assert grid.headings == (
        *("Component", "Main effect [95 % CI]", "p Holm", "Shapley value [95 % CI]", "p Holm"),
        "share",
    )
    # Freq 2 3 1 3 3 2: mean 2.33, SD 0.816, half-width SD / 6 ** 0.5 times t(5, .975) = 2.571
    # Heads 2 1 3 2 2 2 beyond it: mean 2, SD 0.632; Shapley values Freq + Heads / 2 and Heads / 2
    assert grid.lines == (
        ("Freq", "+2.3 [+1.5, +3.2]", "0.062", "+3.3 [+2.7, +4.0]", "0.062", "77 %"),
        ("Heads", "+2.0 [+1.3, +2.7]", "0.062", "+1.0 [+0.7, +1.3]", "0.062", "23 %"),
        ("all on − all off", "–", "–", "+4.3 [+3.8, +4.9]", "–", "–"),
    )


def test_interactions_have_a_grid_and_columns_without_numbers_none(
    store: Store, fill_crossed: Callable[..., Manifest]
) -> None:
    scores = {"-": NONE[:2], "a": FREQ[:2], "b": NONE[:2], "ab": [0.64, 0.61]}
    fill_crossed(scores, seeds=range(2))
    effects = report(store).effects
    assert effects is not None
    there, pairs, _, back = effects_section(effects).grids
    assert there.headings == ("Component", "Main effect [95 % CI]", "Shapley value [95 % CI]")
    assert (pairs.title, back.title) == (
        "accelerometer -> gyroscope, interactions",
        "gyroscope -> accelerometer, interactions",
    )
    assert pairs.headings == ("Interaction", "Estimate [95 % CI]")
    assert [line[0] for line in pairs.lines] == ["a × b"]
    assert pairs.lines[0][1].startswith("-0.5 [")


def test_every_format_has_them(found: Report) -> None:
    for form in set(FORMATS) - {"csv", "json"}:
        text = html.unescape(to_text(found, form)).replace("\\", "")
        assert "Effects of the components: Components, watch" in text
        assert "Holm-adjusted within each family of a direction" in text
        assert re.search(r"Heads.*\+2\.0.*\+1\.3.*\+2\.7.*0\.062.*\+1\.0.*23 %", text)
        assert text.index("Effects of") > text.index("Δ" if form != "latex" else "Delta")


def test_a_page_names_its_lines_by_component(found: Report) -> None:
    assert '<th scope="row" class="words">Heads</th>' in to_text(found, "html")


def test_json_has_every_number(found: Report) -> None:
    assert found.effects is not None
    told = to_json(found)["effects"]
    assert told == json.loads(json.dumps(dataclasses.asdict(found.effects)))
    assert told["effects"][0] | {"ci": None} == {
        **{"kind": "main effect", "switches": ["fd-cmkd.freq"], "seeds": list(range(6))},
        **{"teacher_modality": "accelerometer", "student_modality": "gyroscope"},
        **{"values": pytest.approx([2, 3, 1, 3, 3, 2]), "estimate": pytest.approx(14 / 6)},
        **{"p_value": 2 / 2**6, "p_adjusted": 4 / 2**6, "share": None, "ci": None},
    }
    assert "effects" not in to_json(dataclasses.replace(found, effects=None))


def test_csv_has_them_as_lines_of_a_table_of_their_own(found: Report) -> None:
    assert found.effects is not None
    lines = list(csv.DictReader(io.StringIO(to_text(found, "csv"), newline="")))
    own = [line for line in lines if line["table"] == found.effects.title]
    assert len(own) == len(lines) - 3 == len(found.effects.effects)
    for line, one in zip(own, found.effects.effects, strict=True):
        assert one.ci is not None
        expected = {
            **{"sweep": "components-watch", "table": found.effects.title, "group": one.kind},
            **{"row": one.name, "teacher_modality": one.teacher_modality, "n": "6", "pairs": "6"},
            **{"student_modality": one.student_modality, "delta": str(one.estimate)},
            **{"delta_ci_low": str(one.ci[0]), "delta_ci_high": str(one.ci[1])},
            **{"p_value": str(one.p_value), "p_adjusted": str(one.p_adjusted)},
        }
        filled = {name: text for name, text in line.items() if text}
        assert filled == {name: text for name, text in expected.items() if text != "None"}
