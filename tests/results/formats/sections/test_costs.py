"""The networks and what they cost, as each format and the picture show them."""

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Sequence

import pytest

from fdsweep.results import plots
from fdsweep.results.formats.sections.costs import costs_sections
from fdsweep.results.formats.sections.grid import spell_amount
from fdsweep.results.records import costs
from fdsweep.results.records.costs import Costs, NetworkCost
from fdsweep.results.records.store import Store
from fdsweep.results.report import FORMATS, load, report, to_text
from fdsweep.search_spaces import layout

ONE_WAY = [("accelerometer", "gyroscope")]
SCORES = [0.60, 0.61, 0.59, 0.62, 0.60]
TEACHER = [0.70, 0.72, 0.71, 0.73, 0.72]


def put(store: Store, flops: int = 48_000_000) -> None:
    """Costs of the student of both rows, and of their teacher, whose scores are there too."""
    plain = {"backbone": "cnn1d", "latency": 0.00123, "device": "one thread of a chip"}
    networks = {
        "g": NetworkCost(modality="gyroscope", parameters=9_876, flops=flops // 10, batch=8,
                         batch_latency=0.08, **plain),
        "teacher.accelerometer": NetworkCost(modality="accelerometer", parameters=102_663,
                                             flops=flops, batch=64, batch_latency=0.64, **plain),
    }  # fmt: skip
    students = {"Feat.gyroscope": "g", "Freq.gyroscope": "g"}
    costs.add(store, "components-watch", Costs(networks=networks, students=students))
    for seed, score in enumerate(TEACHER):
        record = layout.teacher_record("teacher.accelerometer", seed)
        store.write_text(record, json.dumps({"test_score": score}))


@pytest.fixture
def stored(store: Store, fill: Callable[..., None]) -> Store:
    fill({"Feat.gyroscope": SCORES, "Freq.gyroscope": [0.5] * 5}, directions=ONE_WAY)
    return store


def test_the_section_has_a_line_for_each_network(stored: Store) -> None:
    assert costs_sections(report(stored)) == []
    put(stored)
    (section,) = costs_sections(report(stored))
    (grid,) = section.grids
    assert grid.lines == (
        ("gyroscope, cnn1d", "–", "50.0–60.4", "9.88 k", "4.80 M", "1.23 ms", "10.0 ms"),
        ("accelerometer, cnn1d", "71.6 ± 1.1", "–", "103 k", "48.0 M", "1.23 ms", "10.0 ms"),
    )
    assert section.notes[-1] == (
        "Latency of accelerometer: the median of one sample alone; batched: per sample in a batch "
        "of 64; on one thread of a chip."
    )


def test_a_batch_that_was_too_slow_to_measure_is_not_there(stored: Store) -> None:
    put(stored)
    found = report(stored)
    alone = dataclasses.replace(found.networks[0], batch=1)
    (section,) = costs_sections(dataclasses.replace(found, networks=(alone,)))
    assert section.grids[0].lines[0][-2:] == ("1.23 ms", "–")
    assert section.notes[-1].endswith("the median of one sample alone; on one thread of a chip.")


@pytest.mark.parametrize("form", sorted(set(FORMATS) - {"csv", "json"}))
def test_what_people_read_has_it(form: str, stored: Store) -> None:
    without = to_text(report(stored), form)
    put(stored)
    text = to_text(report(stored), form)
    for part in ("What a prediction costs", "48.0 M", "torch.utils.flop"):
        assert part in text.replace("\\_", "_")
        assert part not in without


def test_what_programs_read_has_whole_numbers(stored: Store) -> None:
    assert "networks" not in json.loads(to_text(report(stored), "json"))
    put(stored)
    found = report(stored)
    rows = list(csv.DictReader(io.StringIO(to_text(found, "csv"))))
    assert [row["flops"] for row in rows] == ["4800000", "4800000"]
    assert [(row["parameters"], row["batch"]) for row in rows] == [("9876", "8")] * 2
    student, teacher = json.loads(to_text(found, "json"))["networks"]
    assert (student["parameters"], student["as_teacher"]) == (9_876, None)
    assert [one["row"] for one in student["as_student"]] == ["Feat", "Freq"]
    assert teacher["as_teacher"]["mean"] == pytest.approx(71.6)


@pytest.mark.parametrize(
    ("flops", "x"), [(48_000_000, [4_800_000, 48_000_000]), (0, [9_876, 102_663])]
)
def test_the_picture_has_rows_and_teachers_with_their_intervals(
    flops: int, x: Sequence[int], stored: Store
) -> None:
    """By parameters where no FLOPs are known; rows of one network stand around its cost."""
    put(stored, flops)
    data = load(stored)
    figure = plots.cost(data)
    assert figure is not None
    (axes,) = figure.axes
    by_name = {str(line.get_label()): line for line in axes.lines}
    (teacher,) = by_name["_teacher, accelerometer"].get_xydata()
    assert teacher == pytest.approx([x[1], 71.6])
    feat, freq = (by_name[f"_{name}"].get_xydata()[0] for name in ("Feat", "Freq"))
    assert feat[0] < x[0] < freq[0]
    assert (feat[0] * freq[0]) ** 0.5 == pytest.approx(x[0])
    row = data.table.rows[0]
    ends = [line.get_ydata() for line in axes.lines if line.get_label() == "_interval"]
    assert list(ends[0]) == [row.ci_low, row.ci_high]
    assert len(ends) == 3


def test_without_costs_there_is_no_picture(stored: Store) -> None:
    assert plots.cost(load(stored)) is None


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1.00 k"), (103_456, "103 k"), (11_179_590, "11.2 M"),
     (3_627_128_832, "3.63 G"), (2 * 10**12, "2.00 T")],
)  # fmt: skip
def test_amounts_have_three_digits(count: int, text: str) -> None:
    assert spell_amount(count) == text
