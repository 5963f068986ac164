"""What all pictures share: style, a look for each method, panels with a line per row, legends."""

import itertools
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fdsweep.results.compute.tables import TITLES, Table, TableRow
from fdsweep.results.compute.words import of_metric
from fdsweep.results.records.manifest import Manifest

BLUE, ORANGE, RED, GREY, DARK = "#0072B2", "#E69F00", "#D55E00", "#8C8C8C", "#333333"
GREEN, SKY, PURPLE, PALE = "#009E73", "#56B4E9", "#CC79A7", "#EFEFEF"
HUES = (BLUE, ORANGE, GREEN, RED, SKY, PURPLE)
"""Okabe and Ito's colours, without the yellow that no line can have on white."""

SHADES = ("#003F66", "#80570A", "#00573F", "#772F00", "#2A6383", "#7A4562")
"""The same, dark."""

ON_DARK, ON_PALE = "#FDFDFD", "#101010"
"""Of text on a coloured cell: unlike white and black, the same whatever the reader's scheme."""

CONTROLS = "controls"
"""Name of the study whose rows are controls."""

LOOKS = 48
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "<")
BASELINES = ("none", "w/o kd")
STYLE: dict[str, Any] = {
    "figure.dpi": 150,
    "figure.titlesize": 10,
    "figure.titleweight": "bold",
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.edgecolor": DARK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.columnspacing": 1.4,
    "legend.handletextpad": 0.5,
    "svg.hashsalt": "fdsweep",
}

PANEL = (5.8, 3.9)
"""Width and height in inches."""

ROW_HEIGHT = 0.34
ROW_PANEL = 3.1
"""Inches that a line of a panel is high, and a panel of lines is wide."""

BELOW = 0.24
"""How far below its line something is drawn that says less, in lines."""

LEGEND_COLUMNS = 5
"""The most entries in a line of a legend below the panels."""

Handles: TypeAlias = Sequence[Artist]

styled = style.context(STYLE, after_reset=True)


class Look(NamedTuple):
    """How a method is drawn, in every picture."""

    colour: str
    marker: str


def look(name: str, looks: Mapping[str, int]) -> Look:
    """The look of the row called `name`: its place in `looks`, or one that its name gives.

    What follows a name of `looks` and a comma says how it was varied: the colour stays, the marker
    is a star.

    Args:
        name: of a row or a method.
        looks: casefolded names -> places, as a manifest has them.
    """
    method, comma, _ = name.casefold().partition(",")
    if comma and method in looks:
        return Look(look(method, looks).colour, "*")
    if name.casefold() in BASELINES:
        return Look(DARK, "o")
    place = looks.get(name.casefold(), zlib.crc32(name.encode()))
    turn, hue = divmod(place % LOOKS, len(HUES))
    colour = (HUES, SHADES)[turn % 2][hue]
    return Look(colour, MARKERS[(hue + turn) % len(MARKERS)])


def is_control(manifest: Manifest, row: TableRow) -> bool:
    """Whether `row` takes something away from a method to see whether its gain survives.

    So do rows with other pairs than the data's, A/A rows, and in a study of controls every row but
    the methods as they are.
    """
    if row.control or row.pairing not in (None, "paired"):
        return True
    methods = {one.row: one.method for one in manifest.rows}
    return manifest.study == CONTROLS and row.row.casefold() != methods[row.row].casefold()


def by_direction(rows: Iterable[TableRow]) -> list[list[TableRow]]:
    """`rows` of each direction, in their order."""
    return [list(group) for _, group in itertools.groupby(rows, lambda row: row.direction)]


def row_panels(
    title: str, groups: Sequence[Sequence[str]], *, share: bool
) -> tuple[Figure, list[Axes]]:
    """A panel for each of `groups`, with a line for each label from top to bottom: 0, 1, 2.

    Labels stand left of each panel, or of the first alone where all have the same. With `share`
    the panels have the same range.
    """
    lines = max(map(len, groups))
    size = (ROW_PANEL * len(groups) + 2.6, ROW_HEIGHT * lines + 1.5)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left")
    panels = list(figure.subplots(1, len(groups), squeeze=False, sharex=share)[0])
    for axes, labels in zip(panels, groups, strict=True):
        is_repeated = axes is not panels[0] and labels == groups[0]
        axes.set_yticks(range(len(labels)), [""] * len(labels) if is_repeated else labels)
        axes.set_ylim(lines - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
    return figure, panels


def beside(axes: Axes, line: float, text: str) -> None:
    """Write `text` right of the panel, at `line`."""
    axes.annotate(text, (1, line), (5, 0), ("axes fraction", "data"), "offset points",
                  va="center", size=7.5, annotation_clip=False)  # fmt: skip


def mark(label: str, **how: Any) -> Line2D:
    """An entry of a legend: a dark round marker unless `how` says otherwise."""
    plain = {"marker": "o", "color": DARK, "linestyle": "none", "markersize": 6}
    return Line2D([], [], label=label, **{**plain, **how})


def signed(points: float) -> str:
    """A difference with its sign and one decimal."""
    return f"{points:+z.1f}".replace("-", "−")


def direction_name(row: TableRow) -> str:
    """`audio → visual`."""
    return f"{row.teacher_modality} → {row.student_modality}"


def score_name(table: Table) -> str:
    """What the numbers of `table` are, in a sentence."""
    return of_metric(table.metric).name


def table_title(what: str, table: Table) -> str:
    """`what` is drawn, and of which table; its protocol, if it is not ours, in a second line."""
    protocol = TITLES[table.protocol]
    title = f"{what}: {table.title.removesuffix(protocol)}"
    return f"{title}\n{protocol.strip()}" if protocol else title


def arrows(text: str) -> str:
    """`text` with real arrows for what the command line writes as `->`."""
    return text.replace("->", " → ")


def legend(figure: Figure, handles: Handles = ()) -> None:
    """One entry for each thing that is drawn, and for each of `handles`, below the panels.

    A line has as many of them as `figure` is wide enough for.
    """
    entries = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    entries |= {str(handle.get_label()): handle for handle in handles}
    for columns in range(LEGEND_COLUMNS, 0, -1):
        below = figure.legend(
            entries.values(), entries.keys(), loc="outside lower center", ncols=columns
        )
        if columns == 1 or below.get_window_extent().width <= figure.bbox.width:
            return
        below.remove()
