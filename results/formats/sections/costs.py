"""The networks' part of a report: a line for each, with what a prediction costs."""

from collections.abc import Sequence

from fdsweep.results.compute.tables import NetworkRow
from fdsweep.results.compute.words import of_metric
from fdsweep.results.document import Report
from fdsweep.results.formats.sections.grid import (
    NOTHING,
    Grid,
    Section,
    spell_amount,
    spell_latency,
    spell_number,
)

NETWORK = "Network"
"""Heading of the column that names a line."""

COUNTED = (
    "Parameters and FLOPs are those of the network that predicts: projections and heads that only "
    "training needs are left out, and a head of a method's that predicts adds its own few. FLOPs "
    "are of one sample's forward pass, a multiply-add counts as two; matrix products, convolutions "
    "and attention are counted (torch.utils.flop_counter)."
)


def costs_sections(report: Report) -> list[Section]:
    """The networks of `report` as text: one section, none where no cost is known."""
    networks = report.networks
    if not networks:
        return []
    name = of_metric(report.tables[0].metric).name
    grid = Grid(
        title="",
        headings=(
            *(NETWORK, "as teacher", "as student"),
            *("params", "FLOPs", "latency", "batched"),
        ),
        words=(True, False, False, False, False, False, False),
        lines=tuple(map(_line, networks)),
    )
    scores = (
        f"As teacher: mean ± SD of the test {name} over its seeds; as student: the lowest and the "
        "highest mean of its rows."
    )
    notes = (scores, COUNTED, *_times(networks))
    return [Section(title="What a prediction costs", level=3, grids=(grid,), notes=notes)]


def _line(network: NetworkRow) -> tuple[str, ...]:
    return (
        f"{network.modality}, {network.backbone}",
        _as_teacher(network),
        _as_student(network),
        spell_amount(network.parameters),
        spell_amount(network.flops),
        spell_latency(network.latency_ms),
        spell_latency(network.batch_latency_ms) if network.batch > 1 else NOTHING,
    )


def _as_teacher(network: NetworkRow) -> str:
    score = network.as_teacher
    if score is None:
        return NOTHING
    return spell_number(score.mean) + (score.std is not None) * f" ± {spell_number(score.std)}"


def _as_student(network: NetworkRow) -> str:
    means = [row.mean for row in network.as_student if row.mean is not None]
    ends = dict.fromkeys(map(spell_number, (min(means), max(means)))) if means else ()
    return "–".join(ends) or NOTHING


def _times(networks: Sequence[NetworkRow]) -> list[str]:
    """Where the latencies are from: a sentence for each device and size of a batch."""
    found: dict[tuple[str, int], list[str]] = {}
    for network in networks:
        found.setdefault((network.device, network.batch), []).append(network.modality)
    return [
        f"Latency of {' and '.join(dict.fromkeys(names))}: the median of one sample alone"
        + (f"; batched: per sample in a batch of {batch}" if batch > 1 else "")
        + f"; on {device}."
        for (device, batch), names in found.items()
    ]
