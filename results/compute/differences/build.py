"""All that two sweeps differ in, from their manifests and what is stored of them."""

from collections.abc import Iterator, Sequence

from fdsweep.results.compute.differences.model import Difference, Differences, Line, Outcome, Side
from fdsweep.results.compute.differences.outcomes import outcomes
from fdsweep.results.compute.differences.setup import (
    environment_differences,
    lines_of,
    row_differences,
    sweep_differences,
)

OTHER_QUESTION = ("dataset", "data_fingerprint", "protocol")
"""Where sweeps differ in one of these, their scores are of different things."""


def differences(first: Side, second: Side) -> Differences:
    """What `first` and `second` differ in."""
    ours, theirs = lines_of(first.manifest), lines_of(second.manifest)
    both = {*ours} & {*theirs}
    shared = tuple(line for line in ours if line in both)
    of_sweeps = sweep_differences(first.manifest, second.manifest)
    metrics = first.table.metric, second.table.metric
    came_out = tuple(outcomes(first, second, shared)) if len({*metrics}) == 1 else ()
    tried = {(one.row, one.teacher_modality, one.student_modality) for one in came_out}
    return Differences(
        sweeps=(first.name, second.name),
        metrics=metrics,
        setup=(
            *of_sweeps,
            *row_differences(first, second, shared, of_sweeps),
            *environment_differences(first, second),
        ),
        only_first=tuple(line for line in ours if line not in both),
        only_second=tuple(line for line in theirs if line not in both),
        shared=shared,
        untried=tuple(line for line in shared if came_out and line not in tried),
        outcomes=came_out,
        notes=tuple(_notes(of_sweeps, metrics, shared, came_out)),
    )


def _notes(
    of_sweeps: Sequence[Difference],
    metrics: tuple[str, str],
    shared: Sequence[Line],
    came_out: Sequence[Outcome],
) -> Iterator[str]:
    """What must be said of the numbers."""
    if not shared:
        yield "No row of one has the name and direction of a row of the other."
    if len({*metrics}) > 1:
        yield f"Scores are not compared: {metrics[0]} in one, {metrics[1]} in the other."
    elif shared and not came_out:
        yield "No row that both have has a score in both."
    if not came_out:
        return
    others = [one.what for one in of_sweeps if one.what in OTHER_QUESTION]
    if others:
        yield (
            f"The sweeps differ in {' and '.join(others)}: their scores are of different things, "
            "whatever else differs."
        )
    yield (
        "Differences are second minus first, with 95 % intervals: paired over the seeds that both "
        "have, or Welch's over all seeds of each where they share none."
    )
    if any(one.word == "within the noise floor" for one in came_out):
        yield "Within the noise floor: an A/A row of one of the sweeps moves as far by rounding."
    if any(one.word in ("differs", "within noise") for one in came_out):
        yield (
            "Within noise: the interval holds 0, which does not show that nothing differs. Where "
            "nothing does, one row in twenty is said to differ."
        )
