from collections.abc import Callable

import pytest

from fdsweep.results.document import Report
from fdsweep.results.formats.markdown import to_markdown
from fdsweep.results.formats.sections.grid import spell_time
from fdsweep.results.formats.sections.search import spell_option
from fdsweep.results.records.searches import Search, SearchTrial
from fdsweep.search_spaces.configs import Option


def tables(markdown: str) -> list[list[str]]:
    blocks = [block.splitlines() for block in markdown.split("\n\n")]
    return [block for block in blocks if block and block[0].startswith("|")]


def section(search: Search) -> str:
    return to_markdown(Report("mine", (), (search,)))


def test_the_printed_search(search: Search) -> None:
    assert section(search).splitlines() == [
        "### Search: fd-cmkd, accelerometer->gyroscope (all)",
        "",
        "| Parameter               | default | chosen |",
        "| ----------------------- | ------: | -----: |",
        "| weight_low              |       1 |  12346 |",
        "| freq                    |    true |  false |",
        "| cutoff                  |     0.5 |      – |",
        "| logmse                  |       – |  false |",
        "| Validation accuracy [%] |    70.1 |   74.5 |",
        "",
        "- 5 of 6 trials: 3 complete, 1 pruned, 1 failed; 1 answered without training.",
        "- Trained: 31 of the 4,500 epochs of 5 full trials, in 3.3 min. Sampler: TPE. "
        "Pruning: on.",
        "- Objective: mean validation accuracy over the tuning seeds 1000-1002. The search never "
        "reads test.",
        "- The choice is made on validation, whose numbers here are optimistic for that reason; "
        "what it is worth stands in the table above.",
        "- Points outside the constraints: 7, neither trained nor counted as trials.",
        "- Importance for the accuracy at the end (PED-ANOVA): weight_low 0.88, freq 0.12.",
        "- A note of its own.",
    ]


def test_what_is_not_known_of_a_search_is_not_said(search: Search) -> None:
    nothing = search.replace(
        trials=(), chosen=None, infeasible=0, importances={}, notes=(), prunes=False
    )
    text = section(nothing)
    assert "- 0 of 6 trials: none yet.\n" in text
    assert "Pruning: off." in text
    for word in ("|", "chosen", "Importance", "constraints", "without training", "choice"):
        assert word not in text


@pytest.mark.parametrize(
    ("changes", "heading"),
    [
        ({}, "| Parameter               | default | chosen |"),
        ({"default": None}, "| Parameter               | chosen |"),
        ({"chosen": 0}, "| Parameter               | default, chosen |"),
        ({"chosen": None}, None),
        ({"chosen": 2}, None),
    ],
)
def test_the_default_stands_beside_what_was_chosen(
    search: Search, changes: dict[str, int | None], heading: str | None
) -> None:
    found = tables(section(search.replace(**changes)))
    assert [table[0] for table in found] == ([heading] if heading else [])


def test_a_search_for_several_objectives_shows_its_front(
    search: Search, trial: Callable[..., SearchTrial]
) -> None:
    objectives = ("accuracy a->b", "accuracy b->a", "cost")
    trials = (
        trial(0, {"cutoff": 0.5}, 0.70, 0.71, 1.0),
        trial(1, {"cutoff": 0.25}, 0.80, 0.60, 1.23456),
        trial(2, {"cutoff": 0.75, "lr": 0.001}, 0.75, 0.65, 2.0),
    )
    text = section(
        search.replace(
            directions=("a->b", "b->a"),
            objectives=objectives,
            trials=trials,
            front=(0, 1, 2),
            chosen=2,
        )
    )
    configurations, front = tables(text)
    assert "### Search: fd-cmkd, a->b, b->a (all)" in text
    assert "accuracy of each direction over the tuning seeds 1000-1002, and training time" in text
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in configurations]
    assert cells[-3:] == [
        ["Validation accuracy a->b [%]", "70.0", "75.0"],
        ["Validation accuracy b->a [%]", "71.0", "65.0"],
        ["Training time per epoch [s]", "1", "2"],
    ]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in front]
    assert cells[0] == [
        *("Pareto front: trial", "cutoff", "lr", "Validation accuracy a->b [%]"),
        *("Validation accuracy b->a [%]", "Training time per epoch [s]"),
    ]
    assert cells[2:] == [
        ["1", "0.25", "–", "80.0", "60.0", "1.23"],
        ["2 (chosen)", "0.75", "0.001", "75.0", "65.0", "2"],
        ["0", "0.5", "–", "70.0", "71.0", "1"],
    ]


def test_an_accuracy_and_its_cost_are_of_one_direction(
    search: Search, trial: Callable[..., SearchTrial]
) -> None:
    trials = (trial(0, {"cutoff": 0.5}, 0.7, 1.5),)
    objectives = ("accuracy", "cost")
    made = search.replace(objectives=objectives, trials=trials, chosen=0, front=(0,))
    assert "mean validation accuracy over the tuning seeds 1000-1002, and training" in section(made)


@pytest.mark.parametrize(
    ("value", "spelt"),
    [
        *[(True, "true"), (False, "false"), (None, "null"), ("mean", "mean"), (3, "3"), (1, "1")],
        *[(1.0, "1"), (0.04567, "0.0457"), (999.6, "1000"), (12345.6, "12346"), (1e-5, "1e-05")],
    ],
)
def test_options_are_spelt_for_people(value: Option, spelt: str) -> None:
    assert spell_option(value) == spelt


@pytest.mark.parametrize(
    ("seconds", "spelt"),
    [(0, "0.0 s"), (119, "119.0 s"), (120, "2.0 min"), (7199, "120.0 min"), (9000, "2.5 h")],
)
def test_times_are_spelt_for_people(seconds: float, spelt: str) -> None:
    assert spell_time(seconds) == spelt
