import base64
import hashlib
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fdsweep.results.document import Report
from fdsweep.results.formats.html import to_html, to_page
from fdsweep.results.formats.sections.grid import Grid, Section

SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30">'
    b'<rect width="40" height="30" fill="green"/></svg>'
)
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
PICTURES = {
    "forest.svg": SVG,
    "forest.png": PNG,
    "slice-a<b.svg": SVG,
    "of something.png": PNG,
    "notes.txt": b"no picture",
}
GREEN, HEAD, STRONG = (0, 128, 0), (0xF3, 0xF5, 0xF7), (0x0A, 0x6B, 0x39)
"""Colours of the picture, of a table's head, and of what stands out."""

EMPTY = ("meta", "img")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


class Page(HTMLParser):
    """What a browser would see: tags in balance, cells by table, pictures, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.text = self.script = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data
        if not {"style", "script"} & {*self.open}:
            self.text += data
        if "script" in self.open:
            self.script += data

    def images(self) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.attributes if tag == "img"]


def test_the_page_holds_all_tables(full: Report) -> None:
    page = Page(to_html(full, {}))
    assert page.open == []
    there, back, per_class, per_class_back, searched = page.tables
    assert [line[0] for line in there] == [
        *("Row", "Feat & _co_ <b>", "[x] 100 % *Freq*|#1", "c~d^e\\f{g}$ é Δ", "none"),
    ]
    assert len(back) == 3
    assert dict(zip(there[0], there[2], strict=True)) == {
        "Row": "[x] 100 % *Freq*|#1",
        "n": "8",
        "Top-1 ± SD": "64.0 ± 1.6",
        "Δ [95 % CI], new seeds?": "+3.0 [+1.0, +5.0]",
        "Δ [95 % CI], new people?": "+2.9 [+0.5, +5.5]",
        "p Holm": "0.023",
        "verdict": "improves",
        "could detect ≥": "2.1",
        "d_z": "+1.2",
        "P(better)": "0.94",
        "Δ worst case": "-3.5",
        "last": "63.0",
        "test-sel.": "66.2",
        "gap": "+2.2",
        "paper": "68.7†",
        "paper is": "above CI",
        "time/seed": "2.5 min",
    }
    assert set(there[4][2:]) == {"–"}
    assert per_class == [
        ["Class", "Feat & _co_ <b>", "[x] 100 % *Freq*|#1", "c~d^e\\f{g}$ é Δ"],
        *(["0", "50.0", "50.0", "50.0"], ["1", "51.0", "51.0", "51.0"]),
    ]
    assert per_class_back[0] == ["Class", "Feat & _co_ <b>", "[x] 100 % *Freq*|#1"]
    assert searched[0] == ["Parameter", "default", "chosen"]


def test_texts_are_escaped(full: Report) -> None:
    text = to_html(full, {})
    page = Page(text)
    assert "<new>" not in text
    assert "Data 12 & 3 % <new>, a→b." in page.text
    assert page.tags["b"] == 0
    assert "Components & <controls>, crema-d" in page.text
    assert "A note of its own." in page.text


def test_pictures_lie_in_the_page_with_captions(full: Report) -> None:
    page = Page(to_html(full, PICTURES))
    assert page.open == []
    assert page.tags["figure"] == page.tags["figcaption"] == 3
    forest, sliced, other = page.images()
    for image, kind, content in [
        (forest, "svg+xml", SVG),
        (sliced, "svg+xml", SVG),
        (other, "png", PNG),
    ]:
        source = str(image["src"])
        assert source.startswith(f"data:image/{kind};base64,")
        assert base64.b64decode(source.partition(",")[2]) == content
        assert str(image["alt"]) in page.text
    assert str(forest["alt"]).startswith("Paired differences")
    assert sliced["alt"] == "a<b: Validation accuracy of the trials against one parameter."
    assert other["alt"] == "Of something"
    assert "Pictures" not in Page(to_html(full, {})).text


def test_the_page_opens_with_what_was_found(full: Report) -> None:
    text = to_html(full, {})
    found = "audio → visual: [x] 100 % *Freq*|#1 (+3.0) improves on Feat &amp; _co_ &lt;b&gt;; "
    assert text.index("<h1>") < text.index(found) < text.index("<nav ") < text.index("<h2 ")


def test_every_part_is_in_the_contents(full: Report) -> None:
    page = Page(to_html(full, PICTURES))
    anchors = [str(one["id"]) for _, one in page.attributes if "id" in one]
    linked = [str(one["href"]) for tag, one in page.attributes if tag == "a"]
    assert len(anchors) == len({*anchors})
    assert {*linked} <= {f"#{anchor}" for anchor in anchors}
    assert linked == [
        *("#table-1", "#table-1-1", "#table-1-2", "#classes-1", "#pictures", "#search-1"),
    ]


def test_nothing_is_fetched_and_nothing_runs_but_the_one_script(full: Report) -> None:
    text = to_html(full, PICTURES)
    page = Page(text)
    assert page.tags["script"] == 1
    digest = base64.b64encode(hashlib.sha256(page.script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'\">" in text
    assert not {"link", "iframe", "object"} & set(page.tags)
    for _, attributes in page.attributes:
        assert str(attributes.get("href", "#")).startswith("#")
        assert str(attributes.get("src", "data:")).startswith("data:")
        assert not [name for name in attributes if name.startswith("on")]
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import|https?:", text)
    assert "prefers-color-scheme: dark" in text
    assert re.search(r"thead th \{[^}]*position: sticky", text)


def test_only_what_improves_stands_out(full: Report) -> None:
    strong = re.findall(r'class="[^"]*strong"[^>]*>([^<]*)<', to_html(full, {}))
    assert strong == ["64.0 ± 1.6", "improves"]


def browse(page: Path, *words: str) -> str:
    """What Chromium prints when it opens `page`."""
    made = subprocess.run(
        [
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu"),
            *(f"--user-data-dir={page.parent / 'profile'}", *words, page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-2000:]
    return made.stdout


in_a_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome here"
)


@in_a_browser
@pytest.mark.slow
def test_a_browser_shows_tables_and_pictures(full: Report, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(to_html(full, PICTURES))
    browse(file, "--window-size=1400,2400", f"--screenshot={tmp_path / 'page.png'}")
    with Image.open(tmp_path / "page.png") as screenshot:
        pixels = np.asarray(screenshot.convert("RGB")).reshape(-1, 3)
    # two pictures of 40 x 30 less their edges, the heads of two wide tables, and what improves
    assert np.sum((pixels == GREEN).all(axis=1)) >= 2 * 38 * 28
    assert np.sum((pixels == HEAD).all(axis=1)) > 2 * 1000 * 25
    assert np.sum((pixels == STRONG).all(axis=1)) > 100


@pytest.mark.slow
@in_a_browser
def test_a_click_on_a_heading_sorts(tmp_path: Path) -> None:
    """A table for each case, since a page takes a browser seconds."""
    grid = Grid(
        title="t",
        headings=("Row", "n", "p Holm", "Δ", "time/seed"),
        words=(True, False, False, False, False),
        lines=(
            ("c", "2", "0.031", "-3.0 [-4.0, -2.0]", "3.0 s"),
            ("a", "10", "<0.001", "+1,000.0 [+0.5, +2.0]", "2.5 min"),
            ("d", "–", "–", "–", "–"),
            ("b", "9/10", "1.000", "+0.5", "2.0 h"),
        ),
    )
    cases = [
        ("n", 1, ["10", "9/10", "2", "–"]),
        ("n", 2, ["2", "9/10", "10", "–"]),
        ("n", 3, ["2", "10", "–", "9/10"]),
        ("time/seed", 1, ["2.0 h", "2.5 min", "3.0 s", "–"]),
        ("p Holm", 2, ["<0.001", "0.031", "1.000", "–"]),
        ("Row", 1, ["a", "b", "c", "d"]),
        ("Δ", 1, ["+1,000.0 [+0.5, +2.0]", "+0.5", "-3.0 [-4.0, -2.0]", "–"]),
    ]
    section = Section(title="T", level=2, grids=(grid,) * len(cases), notes=())
    clicks = "".join(
        f"document.querySelectorAll('table')[{number}].querySelectorAll('button')"
        f"[{grid.headings.index(heading)}].click();" * times
        for number, (heading, times, _) in enumerate(cases)
    )
    text = re.sub(
        r"script-src [^\"]*", "script-src 'unsafe-inline'", to_page("s", [section], {}, str)
    )
    file = tmp_path / "page.html"
    file.write_text(text.replace("</body>", f"<script>{clicks}</script></body>"))
    page = Page(browse(file, "--dump-dom"))
    for table, (heading, _, expected) in zip(page.tables, cases, strict=True):
        place = grid.headings.index(heading)
        assert [line[place] for line in table[1:]] == expected
    turned = [one["aria-sort"] for tag, one in page.attributes if "aria-sort" in one]
    down, up = "descending", "ascending"  # the third click on "n" leaves no trace
    assert turned == [down, up, down, up, up, down]
