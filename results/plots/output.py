"""Figures as files: SVG and PNG, the same bytes for the same figure."""

import io
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from fdsweep.results.plots.style import styled
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout

KINDS: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}
"""File formats, and what they would say of time and software left out."""


@styled
def render(figures: Mapping[str, Figure]) -> dict[str, bytes]:
    """Each figure as `<name>.svg` and `<name>.png`; the same figure gives the same bytes."""
    files = {}
    for name, figure in figures.items():
        for kind, metadata in KINDS.items():
            content = io.BytesIO()
            figure.savefig(content, format=kind, metadata=metadata)
            files[f"{name}.{kind}"] = content.getvalue()
    return files


def save(store: Store, sweep: str, files: Mapping[str, bytes]) -> list[str]:
    """Write what `render` gave to `reports/<sweep>/`.

    Returns:
        The paths below the root of the storage.

    Raises:
        StorageError: they cannot be written.
    """
    for name, content in files.items():
        store.write(layout.report_file(sweep, name), content)
    return [layout.report_file(sweep, name) for name in files]
