"""A report as one HTML page that needs nothing beside itself: no other file, no network.

Pictures are data URIs, so that their ids cannot meet and nothing in them can run. The one script,
known by its hash, sorts tables; without it everything is there, in the order of the study.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from html import escape

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from fdsweep.results.compute.words import of_metric
from fdsweep.results.document import Report
from fdsweep.results.formats.sections.costs import NETWORK, costs_sections
from fdsweep.results.formats.sections.effects import NAMES, effects_section
from fdsweep.results.formats.sections.grid import Section
from fdsweep.results.formats.sections.search import search_section
from fdsweep.results.formats.sections.table import class_section, table_section

TEMPLATE, SCRIPT = "report.html.j2", "sort.js"
ROW_NAMES = ("Row", "Parameter", "Class", "Part", "Direction", NETWORK, *NAMES)
"""Headings of columns whose cells name their line."""

KINDS = {".svg": "image/svg+xml", ".png": "image/png"}
"""The best one first: of a picture that comes in both, only this is shown."""

CAPTIONS = {
    "forest": "Paired differences to the baseline with their 95 % intervals, and every seed.",
    "effects": "What each component adds, and two together, with 95 % intervals, and every seed.",
    "curves": "Learning curves over the seeds, and the epoch that was chosen.",
    "matrix": "Differences to the baseline by method and data set.",
    "cutoff-response": "Test {score} against the cutoff of the frequency split.",
    "response": "Test {score} against an option of the method.",
    "paper": "The paper's numbers against those measured here.",
    "gap": "What choosing the epoch on test instead of validation would gain.",
    "confusion": "What samples of each class are taken for.",
    "examples": "Test images as each row sees them: input, truth, prediction.",
    "best-so-far": "The best validation {score} so far, by trial of the search.",
    "importance": "How much each parameter matters for the validation {score}.",
    "slice": "Validation {score} of the trials against one parameter.",
    "contour": "Validation {score} over the two weights.",
    "cost": "Test {score} against what a prediction costs: rows and teachers, with 95 % intervals.",
    "pareto": "{Score} against its cost: the trials and their Pareto front.",
}
"""What pictures show, by a part of their name."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the page: its media type, its content in base64, and what it shows."""

    kind: str
    content: str
    caption: str


def to_html(report: Report, pictures: Mapping[str, bytes]) -> str:
    """`report` as a page, with the `pictures` (file name -> content, as `plots.render` gives)."""
    metric = report.tables[0].metric if report.tables else "accuracy"
    caption = partial(_caption, score=of_metric(metric).name)
    sections = [(table_section(table), class_section(table)) for table in report.tables]
    return _template().render(
        sweep=report.sweep,
        leads=[sentence for section, _ in sections for sentence in section.lead],
        tables=sections,
        effects=[
            *(effects_section(effects) for effects in (report.effects,) if effects),
            *costs_sections(report),
        ],
        searches=[search_section(search) for search in report.searches],
        pictures=list(_pictures(pictures, caption)),
    )


def to_page(
    title: str,
    sections: Sequence[Section],
    pictures: Mapping[str, bytes],
    caption: Callable[[str], str],
) -> str:
    """`sections` and `pictures` as a page; `caption` says what the picture of a name shows."""
    return _template().render(
        sweep=title,
        leads=[sentence for section in sections for sentence in section.lead],
        tables=[(section, None) for section in sections],
        effects=(),
        searches=(),
        pictures=list(_pictures(pictures, caption)),
    )


@cache
def _template() -> Template:
    loader = PackageLoader("fdsweep.results.formats")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, finalize=_text
    )
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.keep_trailing_newline = True
    script, _, _ = loader.get_source(environment, SCRIPT)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.globals["names"] = ROW_NAMES
    environment.globals["script"] = Markup(script)
    environment.globals["script_hash"] = f"sha256-{digest}"
    return environment.get_template(TEMPLATE)


def _text(value: object) -> Markup:
    """`value` as text of the page, with real arrows."""
    return value if isinstance(value, Markup) else Markup(escape(str(value).replace("->", "→")))


def _pictures(files: Mapping[str, bytes], caption: Callable[[str], str]) -> Iterator[Picture]:
    names = dict.fromkeys(
        file.removesuffix(kind) for file in files for kind in KINDS if file.endswith(kind)
    )
    for name in names:
        kind = next(kind for kind in KINDS if f"{name}{kind}" in files)
        content = base64.b64encode(files[f"{name}{kind}"]).decode()
        yield Picture(KINDS[kind], content, caption(name))


def _caption(name: str, score: str) -> str:
    """What the picture `name` shows, and of what: `slice-cutoff` is a slice, of `cutoff`."""
    for part, sentence in CAPTIONS.items():
        before, found, after = f"-{name}-".partition(f"-{part}-")
        if found:
            said = sentence.format(score=score, Score=score[:1].upper() + score[1:])
            of = ", ".join(word for word in (before.strip("-"), after.strip("-")) if word)
            return f"{of.replace('-to-', ' -> ')}: {said}" if of else said
    return name.replace("-", " ").capitalize()
