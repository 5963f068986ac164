"""Score against cost: what every row reaches, and the teachers, beside what predictions take."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from fdsweep.results.compute.statistics import interval_of
from fdsweep.results.compute.tables import NetworkRow, TableRow
from fdsweep.results.document import SweepData
from fdsweep.results.formats.sections.grid import spell_amount
from fdsweep.results.plots.style import (
    DARK,
    GREY,
    PANEL,
    Look,
    by_direction,
    direction_name,
    legend,
    look,
    mark,
    score_name,
    styled,
    table_title,
)

TEACHER = Look(GREY, "*")
STEP = 0.018
"""Between two rows of a network, as a share of the panel's width."""

CLOSE = 1.1
"""Networks stand together whose costs are no further apart than by this factor."""

THIN = "#B5B5B5"
LEAST_DECADES, MARGIN = 1.0, 0.25
"""A panel's range of costs at least, and what lies beside the outermost, as a share of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A score in percent with its 95 % interval, at what a network costs."""

    name: str
    cost: int
    mean: float
    ci: tuple[float, float] | None
    own: Look


@styled
def cost(data: SweepData) -> Figure | None:
    """Test score against FLOPs of a prediction, or against parameters where nothing is counted.

    A panel for each direction: its rows, which share a network and so stand side by side around
    its cost (a thin line), and their teachers, all with their 95 % t intervals over seeds. A
    teacher of about the same cost stands beside them.

    Returns:
        None where no cost is known.
    """
    networks = data.networks
    if not networks:
        return None
    by_flops = all(network.flops for network in networks)
    groups = by_direction(data.table.rows)
    panels = [(group[0], _points(data, group, by_flops)) for group in groups]
    shown = [(head, points) for head, points in panels if points]
    if not shown:
        return None
    width, height = PANEL
    figure = Figure(figsize=(width * len(shown), height + 0.4), layout="constrained")
    figure.suptitle(table_title("Score against cost", data.table), x=0.01, ha="left")
    axes_of = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, (head, points) in zip(axes_of, shown, strict=True):
        _panel(axes, points)
        axes.set_title(direction_name(head))
        what = "FLOPs of a prediction" if by_flops else "parameters"
        axes.set_xlabel(f"{what} (rows of a network are spread sideways)")
        axes.set_ylabel(f"test {score_name(data.table)} [%]")
    legend(figure, _entries([points for _, points in shown]))
    return figure


def _points(data: SweepData, rows: Sequence[TableRow], by_flops: bool) -> list[Point]:
    """The `rows` of a direction in their order, then its teachers; nothing without rows."""
    direction = rows[0].direction
    costs = {
        told.row: _cost(network, by_flops)
        for network in data.networks
        for told in network.as_student
        if (told.teacher_modality, network.modality) == direction
    }
    points = [
        Point(
            name=row.row,
            cost=costs[row.row],
            mean=row.mean,
            ci=interval_of(row.ci_low, row.ci_high),
            own=look(row.row, data.manifest.looks),
        )
        for row in rows
        if row.row in costs and row.mean is not None
    ]
    for network in data.networks if points else ():
        score = network.as_teacher
        if score and network.modality in direction[0].split("+"):
            points.append(
                Point(
                    name=f"teacher, {network.modality}",
                    cost=_cost(network, by_flops),
                    mean=score.mean,
                    ci=interval_of(score.ci_low, score.ci_high),
                    own=TEACHER,
                )
            )
    return points


def _cost(network: NetworkRow, by_flops: bool) -> int:
    return network.flops if by_flops else network.parameters


def _panel(axes: Axes, points: Sequence[Point]) -> None:
    """Points of about one cost side by side on a logarithmic axis."""
    costs = sorted({point.cost for point in points})
    ends = math.log10(costs[0]), math.log10(costs[-1])
    span = max(ends[1] - ends[0], LEAST_DECADES)
    middle = sum(ends) / 2
    half = span * (0.5 + MARGIN)
    axes.set_xscale("log")
    axes.set_xlim(10 ** (middle - half), 10 ** (middle + half))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: spell_amount(round(x))))
    axes.xaxis.set_minor_formatter(NullFormatter())
    for each in costs:
        axes.axvline(each, color=THIN, linewidth=0.8, zorder=0.5)
    for together in _close(costs):
        group = [point for point in points if point.cost in together]
        place = sum(map(math.log10, together)) / len(together)
        for number, point in enumerate(group):
            shift = STEP * 2 * half * (number - (len(group) - 1) / 2)
            _draw(axes, 10 ** (place + shift), point)


def _close(costs: Sequence[int]) -> list[list[int]]:
    """The sorted `costs` with each in the group of the one before, if they are CLOSE."""
    groups: list[list[int]] = []
    for each in costs:
        if groups and each <= CLOSE * groups[-1][-1]:
            groups[-1].append(each)
        else:
            groups.append([each])
    return groups


def _draw(axes: Axes, x: float, point: Point) -> None:
    own = point.own
    if point.ci:
        axes.plot([x, x], point.ci, color=own.colour, linewidth=1.4, label="_interval")
    axes.plot(x, point.mean, marker=own.marker, markersize=9 if own is TEACHER else 6,
              color=own.colour, linestyle="none", zorder=3, label=f"_{point.name}")  # fmt: skip


def _entries(panels: Sequence[Sequence[Point]]) -> list[Artist]:
    looks: Mapping[str, Look] = {point.name: point.own for panel in panels for point in panel}
    entries: list[Artist] = []
    for name, own in looks.items():
        if own is not TEACHER:
            entries.append(mark(name, marker=own.marker, color=own.colour))
    if TEACHER in looks.values():
        entries.append(mark("teacher", marker=TEACHER.marker, color=TEACHER.colour, markersize=9))
    if any(point.ci for panel in panels for point in panel):
        entries.append(
            mark("95 % CI over seeds", marker="", linestyle="-", linewidth=1.4, color=DARK)
        )
    return entries
