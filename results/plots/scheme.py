"""Pictures that follow the reader's scheme: an SVG that says itself what it looks like in the dark.

Only neutral colours and the dark shades of methods change. Programs that know no style sheets show
the picture as it is drawn: on white.
"""

import re

from fdsweep.results.plots.style import BLUE, DARK, PALE, SHADES

CLASS = "fdsweep"
"""Of all that changes, so that the rules hold for nothing else on a page with the picture in it.

They name no ancestor: a marker that is drawn by `use` has none.
"""

INK = "#e6e9ec"
TINTS = ("#9ecbe6", "#f5d9a0", "#99dcc8", "#f2b58a", "#c2e3f7", "#ecd0df")
"""What the shades are in the dark: the same hues, pale."""

IN_THE_DARK = {
    "#ffffff": "#14181d",
    "#000000": INK,
    DARK.lower(): "#c3cad1",
    PALE.lower(): "#262d35",
    "#e4e4e4": "#2b323a",
    "#dddddd": "#2b323a",
    "#b5b5b5": "#59636e",
    BLUE.lower(): "#1f7fd1",
    **dict(zip(map(str.lower, SHADES), TINTS, strict=True)),
}
COLOURED = re.compile(f"(fill|stroke): ({'|'.join(IN_THE_DARK)})")
STYLED = re.compile(f'style="(?=[^"]*{COLOURED.pattern})')


def following(svg: bytes) -> bytes:
    """What matplotlib wrote as `svg`, with the rules for readers who prefer the dark."""
    text = svg.decode()
    found = sorted(set(COLOURED.findall(text)))
    rules = "".join(
        f'.{CLASS}[style*="{kind}: {light}"]{{{kind}:{IN_THE_DARK[light]} !important}}'
        for kind, light in found
    )
    root = f"svg.{CLASS}{{fill:{INK}}}"
    style = f"@media screen and (prefers-color-scheme: dark){{{root}{rules}}}</style>"
    named = STYLED.sub(f'class="{CLASS}" \\g<0>', text).replace(
        "<svg ", f'<svg class="{CLASS}" ', 1
    )
    return named.replace("</style>", style, 1).encode()
