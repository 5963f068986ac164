import pytest

from fdsweep.results.compute.provenance.published import look_up
from fdsweep.search_spaces.errors import ConfigError


@pytest.mark.parametrize(
    ("table", "where", "dataset", "student", "value"),
    [
        ("table2_components", {"row": 1}, "crema-d", "audio", 60.9),
        ("table2_components", {"row": 1}, "crema-d", "visual", 64.3),
        ("table2_components", {"row": 7}, "crema-d", "audio", 64.1),
        ("table2_components", {"row": 7}, "crema-d", "visual", 71.0),
        ("table1_classification", {"method": "DKD"}, "crisismmd", "text", 79.0),
        ("table3_segmentation", {"method": "DKD"}, "nyu-depth-v2", "rgb", 35.3),
        ("other_findings", {"finding": "low: MSE, high: MSE"}, "crema-d", "visual", 70.5),
    ],
)
def test_numbers_of_the_paper(
    table: str, where: dict[str, object], dataset: str, student: str, value: float
) -> None:
    found = look_up(table, where, dataset, student)
    assert found is not None
    assert (found.value, found.doubt) == (value, None)


@pytest.mark.parametrize("row", [2, 3, 4, 5])
def test_rows_read_from_flattened_text_are_doubtful(row: int) -> None:
    found = look_up("table2_components", {"row": row}, "ave", "visual")
    assert found is not None
    assert found.doubt == "order read from the table's flattened text"


@pytest.mark.parametrize(
    ("table", "where", "dataset", "student"),
    [
        ("table2_components", {"row": 1}, "watch", "gyroscope"),
        ("table2_components", {"row": 8}, "crema-d", "audio"),
        ("other_findings", {"finding": "cutoff 1/2 beats 1/4 and 1/3"}, "crema-d", "visual"),
        (
            "other_findings",
            {"finding": "low-frequency cross-modal cosine similarity"},
            "crema-d",
            "",
        ),
    ],
)
def test_what_is_no_published_score_is_none(
    table: str, where: dict[str, object], dataset: str, student: str
) -> None:
    assert look_up(table, where, dataset, student) is None


@pytest.mark.parametrize(
    ("table", "where", "message"),
    [
        ("table9", {"row": 1}, "unknown paper table 'table9'.*table2_components"),
        ("table2_components", {"line": 1}, "unknown column 'line'.*components_certain"),
        ("table2_components", {"freq": 1}, "matches 5 lines"),
    ],
)
def test_a_wrong_reference_is_refused(table: str, where: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        look_up(table, where, "crema-d", "audio")
