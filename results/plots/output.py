"""Figures as files: SVG and PNG, the same bytes for the same figure."""

import io
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.text import Text

from fdsweep.results.plots.scheme import following
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
        _spell_dollars(figure)
        for kind, metadata in KINDS.items():
            content = io.BytesIO()
            figure.savefig(content, format=kind, metadata=metadata)
            written = content.getvalue()
            files[f"{name}.{kind}"] = following(written) if kind == "svg" else written
    return files


def _spell_dollars(figure: Figure) -> None:
    """Have what people wrote drawn as it is: matplotlib takes words between two $ for formulas."""
    for text in figure.findobj(Text):
        if "$" in text.get_text() and "\\mathdefault" not in text.get_text():
            text.set_parse_math(False)


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
