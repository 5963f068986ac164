"""A report as one HTML page that needs nothing beside itself: no script, no other file, no network.

Pictures are data URIs, so that their ids cannot meet and nothing in them can run.
"""

import base64
import itertools
from collections.abc import Iterator, Mapping
from html import escape

from fdsweep.results.compute.tables import Table
from fdsweep.results.document import Report
from fdsweep.results.formats.grid import Grid, Section
from fdsweep.results.formats.search_section import search_section
from fdsweep.results.formats.table_section import class_grids, table_section

PICTURES = '<section class="pictures">'
KINDS = {".svg": "image/svg+xml", ".png": "image/png"}
"""The best one first: of a picture that comes in both, only this is shown."""

CAPTIONS = {
    "forest": "Paired differences to the baseline with their 95 % intervals, and every seed.",
    "curves": "Learning curves over the seeds, and the epoch that validation chose.",
    "matrix": "Differences to the baseline by method and data set.",
    "cutoff-response": "Test accuracy against the cutoff of the frequency split.",
    "paper": "The paper's numbers against those measured here.",
    "gap": "What choosing the epoch on test instead of validation would gain.",
    "confusion": "What samples of each class are taken for.",
    "best-so-far": "The best validation accuracy so far, by trial of the search.",
    "importance": "How much each parameter matters for the validation accuracy.",
    "slice": "Validation accuracy of the trials against one parameter.",
    "contour": "Validation accuracy over the two weights.",
    "pareto": "Accuracy against its cost: the trials and their Pareto front.",
}
"""What pictures show, by a part of their name."""

STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0;
  --page: #ffffff; --shade: #f3f5f7; --good: #0a6b39; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9da7b1; --line: #3a424b;
  --page: #14181d; --shade: #20262d; --good: #5fd394; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 100rem; color: var(--ink);
  background: var(--page); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 1.5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-bottom: .3rem;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
h4 { font-size: .95rem; margin: 1.3rem 0 .4rem; }
.scroll { overflow: auto; max-height: 85vh; width: fit-content; max-width: 100%;
  border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: separate; border-spacing: 0; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
tbody tr:last-child > * { border-bottom: 0; }
thead th { position: sticky; top: 0; z-index: 2; background: var(--shade); font-weight: 600;
  white-space: normal; vertical-align: bottom; }
tbody th { position: sticky; left: 0; z-index: 1; font-weight: 500; background: var(--page); }
tbody tr:hover > * { background: var(--shade); }
.words { text-align: left; }
.strong { font-weight: 700; color: var(--good); }
.notes { color: var(--soft); font-size: .88rem; max-width: 52rem; padding-left: 1.1rem; }
.notes li { margin: .2rem 0; overflow-wrap: anywhere; }
details { margin: 1rem 0; }
summary { cursor: pointer; font-weight: 600; }
.pictures { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }
.pictures h2 { flex-basis: 100%; margin-bottom: 0; }
figure { margin: 0; max-width: 100%; }
figure img { display: block; max-width: 100%; height: auto; padding: .6rem; background: #ffffff;
  border: 1px solid var(--line); border-radius: 6px; }
figcaption { color: var(--soft); font-size: .88rem; margin-top: .4rem; max-width: 40rem; }
@media print { .scroll { max-height: none; overflow: visible; border: 0; } }
"""


def to_html(report: Report, pictures: Mapping[str, bytes]) -> str:
    """`report` as a page, with the `pictures` (file name -> content, as `plots.render` gives)."""
    lines = itertools.chain(
        _opening(report.sweep),
        *map(_table, report.tables),
        _pictures(pictures),
        *(_section(search_section(search)) for search in report.searches),
        ("</main>", "</body>", "</html>", ""),
    )
    return "\n".join(lines)


def _opening(sweep: str) -> Iterator[str]:
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield (
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
    )
    yield '<meta name="generator" content="fdsweep report">'
    yield f"<title>{_text(sweep)} – fdsweep</title>"
    yield f"<style>{STYLE}</style>"
    yield "</head>"
    yield "<body>"
    yield "<main>"
    yield f"<h1>{_text(sweep)}</h1>"


def _table(table: Table) -> Iterator[str]:
    yield from _section(table_section(table))
    grids = class_grids(table)
    if grids:
        yield "<details>"
        yield "<summary>Accuracy per class, in % over all seeds</summary>"
        for grid in grids:
            yield from _grid(grid, 3)
        yield "</details>"


def _section(section: Section) -> Iterator[str]:
    yield f"<h{section.level}>{_text(section.title)}</h{section.level}>"
    for grid in section.grids:
        yield from _grid(grid, section.level + 1)
    if section.notes:
        yield '<ul class="notes">'
        yield from (f"<li>{_text(note)}</li>" for note in section.notes)
        yield "</ul>"


def _grid(grid: Grid, level: int) -> Iterator[str]:
    if grid.title:
        yield f"<h{level}>{_text(grid.title)}</h{level}>"
    name = _text(grid.title or grid.headings[0])
    yield f'<div class="scroll" role="region" aria-label="{name}" tabindex="0">'
    yield "<table>"
    cells = zip(grid.headings, grid.words, strict=True)
    heading = "".join(
        f'<th scope="col"{_class(words, False)}>{_text(c)}</th>' for c, words in cells
    )
    yield f"<thead><tr>{heading}</tr></thead>"
    yield "<tbody>"
    for number, line in enumerate(grid.lines):
        strong = [(number, place) in grid.strong for place in range(len(line))]
        yield f"<tr>{''.join(map(_cell, grid.headings, line, grid.words, strong))}</tr>"
    yield "</tbody>"
    yield "</table>"
    yield "</div>"


def _heading(heading: str, words: bool) -> str:
    return f'<th scope="col"{_class(words, False)}>{_text(heading)}</th>'


def _cell(heading: str, cell: str, words: bool, strong: bool) -> str:
    if heading in ("Row", "Parameter", "Class"):
        return f'<th scope="row"{_class(words, strong)}>{_text(cell)}</th>'
    return f"<td{_class(words, strong)}>{_text(cell)}</td>"


def _class(words: bool, strong: bool) -> str:
    names = [name for name, holds in (("words", words), ("strong", strong)) if holds]
    return f' class="{" ".join(names)}"' if names else ""


def _pictures(files: Mapping[str, bytes]) -> Iterator[str]:
    names = dict.fromkeys(
        file.removesuffix(kind) for file in files for kind in KINDS if file.endswith(kind)
    )
    if not names:
        return
    yield PICTURES
    yield "<h2>Pictures</h2>"
    for name in names:
        kind = next(kind for kind in KINDS if f"{name}{kind}" in files)
        content = base64.b64encode(files[f"{name}{kind}"]).decode()
        caption = _text(_caption(name))
        yield "<figure>"
        yield f'<img src="data:{KINDS[kind]};base64,{content}" alt="{caption}">'
        yield f"<figcaption>{caption}</figcaption>"
        yield "</figure>"
    yield "</section>"


def _caption(name: str) -> str:
    """What the picture `name` shows, and of what: `slice-cutoff` is a slice, of `cutoff`."""
    for part, said in CAPTIONS.items():
        before, found, after = f"-{name}-".partition(f"-{part}-")
        if found:
            of = ", ".join(word for word in (before.strip("-"), after.strip("-")) if word)
            return f"{of.replace('-to-', ' -> ')}: {said}" if of else said
    return name.replace("-", " ").capitalize()


def _text(words: str) -> str:
    return escape(words.replace("->", "→"))
