"""What is set otherwise where every pixel is predicted."""

from collections.abc import Mapping

from fdsweep.search_spaces.configs import Option
from fdsweep.search_spaces.sweep import Row, Sweep
from fdsweep.trainers import tasks
from fdsweep.trainers.datasets import DatasetInfo
from fdsweep.trainers.registry import JOIN

METHOD = "fd-cmkd"
AS_PUBLISHED: Mapping[str, Option] = {"align": False, "band_heads": False}
"""Options of METHOD where the paper predicts pixels: it distils bands there, and nothing else."""


def for_pixels(sweep: Sweep, info: DatasetInfo) -> Sweep:
    """`sweep` with AS_PUBLISHED in all rows of METHOD, alone or added to others.

    What a row says itself stays as it is, and so does the whole sweep where `info` is of another
    task.
    """
    if not tasks.find(info.task).dense:
        return sweep
    return sweep.model_copy(update={"rows": tuple(map(_with_options, sweep.rows))})


def _with_options(row: Row) -> Row:
    parts = row.method.split(JOIN)
    if METHOD not in parts:
        return row
    start = f"{METHOD}." if len(parts) > 1 else ""
    published = {f"{start}{option}": value for option, value in AS_PUBLISHED.items()}
    return row.model_copy(update={"options": {**published, **row.options}})
