"""What a line of the table scores on each class."""

from collections.abc import Iterator, Mapping

import numpy as np

from fdsweep.results.compute.cells import Cell
from fdsweep.results.compute.tables.model import ClassRow
from fdsweep.results.compute.tallies import Tally


def per_class(cell: Cell, tallies: Mapping[str, Tally]) -> Iterator[ClassRow]:
    """A row for each class that test samples of `cell` have, or that some were taken for."""
    counted = tallies.get(cell.row.key)
    if counted is None:
        return
    done = counted.tested(cell.done.index)
    labelled = counted.class_labelled[done].sum(axis=0)
    scores = counted.class_scores(cell.done.index)
    for label in np.flatnonzero(~np.isnan(scores)):
        yield ClassRow(
            row=cell.row.row,
            teacher_modality=cell.row.teacher_modality,
            student_modality=cell.row.student_modality,
            label=int(label),
            n=int(labelled[label]),
            score=float(scores[label]),
        )
