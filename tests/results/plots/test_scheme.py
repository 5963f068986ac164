"""A picture says what it looks like in the dark, and looks in the light as it did."""

import re
from collections import Counter
from xml.etree import ElementTree

from matplotlib.figure import Figure

from fdsweep.results.plots.output import render
from fdsweep.results.plots.scheme import CLASS, IN_THE_DARK, following
from fdsweep.results.plots.style import ON_DARK, ON_PALE, SHADES

SVG = (
    b'<svg width="9"><defs><style type="text/css">*{}</style></defs>'
    b'<path style="fill: #ffffff; stroke: #003f66"/><path style="fill: #fdfdfd"/></svg>'
)


def test_what_changes_has_a_class_and_a_rule_for_each_colour() -> None:
    made = following(SVG).decode()
    assert Counter(re.findall(r'class="(\w+)"', made)) == {CLASS: 2}
    dark = made.partition("@media screen and (prefers-color-scheme: dark){")[2]
    assert re.findall(r'\[style\*="([^"]+)"\]\{([^}]+)\}', dark) == [
        ("fill: #ffffff", f"fill:{IN_THE_DARK['#ffffff']} !important"),
        ("stroke: #003f66", f"stroke:{IN_THE_DARK['#003f66']} !important"),
    ]


def test_nothing_else_is_touched() -> None:
    made = following(SVG).decode()
    plain = re.sub(r"@media.*?(?=</style>)", "", made).replace(f'class="{CLASS}" ', "")
    assert plain.encode() == SVG


def test_text_on_coloured_cells_stays_as_it_is() -> None:
    assert not {ON_DARK.lower(), ON_PALE.lower()} & IN_THE_DARK.keys()
    assert {shade.lower() for shade in SHADES} <= IN_THE_DARK.keys()


def test_matplotlib_writes_what_is_looked_for() -> None:
    figure = Figure()
    figure.add_subplot().plot([0, 1], marker="o", color=SHADES[0], markerfacecolor="white")
    made = render({"a": figure})["a.svg"]
    root = ElementTree.fromstring(made)
    assert root.attrib["class"] == CLASS
    markers = [one for one in root.iter() if "#003f66" in one.attrib.get("style", "")]
    assert len(markers) > 2
    assert all(one.attrib.get("class") == CLASS for one in markers)
    assert f'[style*="stroke: {SHADES[0].lower()}"]' in made.decode()
