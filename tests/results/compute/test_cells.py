from collections.abc import Callable, Sequence

import pandas as pd
import pytest

from fdsweep.results.compute.cells import chosen_seeds, collect
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.schema import Replicate
from fdsweep.search_spaces.errors import ConfigError

Outcomes = Callable[..., list[Replicate]]
Frame = Callable[[Sequence[Replicate]], pd.DataFrame]


def test_cells_go_direction_by_direction_in_the_order_of_the_sweep(
    manifest: Callable[..., Manifest], frame: Frame
) -> None:
    cells = collect(manifest(["Zebra", "Ant"], [("a", "b"), ("b", "a")]), frame([]), [0])
    assert [cell.row.key for cell in cells] == ["Zebra.b", "Ant.b", "Zebra.a", "Ant.a"]
    assert cells[0].missing == (0,)


def test_done_failed_and_missing_seeds_are_told_apart(
    manifest: Callable[..., Manifest], outcomes: Outcomes, frame: Frame
) -> None:
    sweep = manifest(["Feat"], [("a", "b")])
    cell = collect(sweep, frame(outcomes({"Feat.b": [0.5, None, 0.7, 0.8]})), [1, 2, 3, 4])[0]
    assert list(cell.done.index) == [2, 3]
    assert cell.done["test_score"].tolist() == [0.7, 0.8]
    assert (cell.failed, cell.missing) == ((1,), (4,))


def test_replicates_are_found_by_key_whoever_trained_them(
    manifest: Callable[..., Manifest], outcomes: Outcomes, frame: Frame
) -> None:
    rows = frame(outcomes({"Feat.b": [0.5], "Other.b": [0.9]})).assign(sweep="cutoffs-watch")
    cells = collect(manifest(["Feat"], [("a", "b")]), rows, [0])
    assert [cell.done["test_score"].tolist() for cell in cells] == [[0.5]]


def test_the_seeds_to_report(manifest: Callable[..., Manifest]) -> None:
    sweep = manifest(seeds=[0, 3, 5])
    assert chosen_seeds(sweep, None) == (0, 3, 5)
    assert chosen_seeds(sweep, [5, 0]) == (0, 5)
    with pytest.raises(ConfigError, match=r"seed 1 is not in components-watch.*: 0, 3, 5\."):
        chosen_seeds(sweep, [0, 1])
