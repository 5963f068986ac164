"""An analysis as markdown, for a terminal, and as a page."""

import itertools
from collections.abc import Mapping

from fdsweep.results.formats.html import to_page
from fdsweep.results.formats.markdown import lines
from fdsweep.results.formats.sections.analysis import analysis_sections, spell_tsne
from fdsweep.results.formats.terminal import sections_to_terminal
from fdsweep.results.records.analyses import Analysis, Embedding

CAPTIONS = {
    "similarity-spectrum": "Cosine similarity of the features bin by bin, beside its controls.",
    "similarity-bands": "Cosine similarity of the features by part, beside its controls.",
    "similarity-networks": "Centred kernel alignment of all networks, every two of them.",
}
"""What pictures show, by the beginning of their name."""


def to_markdown(analysis: Analysis) -> str:
    """`analysis` as markdown: a table per comparison."""
    return "\n".join(itertools.chain.from_iterable(map(lines, analysis_sections(analysis))))


def to_terminal(analysis: Analysis, width: float) -> str:
    """`analysis` in lines of at most `width` characters."""
    return sections_to_terminal(analysis_sections(analysis), width)


def to_html(analysis: Analysis, pictures: Mapping[str, bytes]) -> str:
    """`analysis` as a page with its `pictures` (file name -> content)."""
    captions = {one.picture: _caption(one) for one in analysis.embeddings}

    def caption(name: str) -> str:
        found = (text for start, text in CAPTIONS.items() if name.startswith(start))
        return captions.get(name) or next(found, name)

    return to_page(analysis.name, analysis_sections(analysis), pictures, caption)


def _caption(one: Embedding) -> str:
    """What the picture of `one` shows, and how it was made."""
    return (
        f"{one.teacher} -> {one.student}: t-SNE of the teacher's and the student's features before "
        f"distillation and after ({spell_tsne(one)})."
    )
