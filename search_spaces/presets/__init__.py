"""The studies that come with fdsweep, a YAML file each, and what may be changed in them."""

import itertools
from pathlib import Path

from fdsweep.search_spaces.configs import Option
from fdsweep.search_spaces.errors import ConfigError, unknown
from fdsweep.search_spaces.sweep import Row, Sweep, load_sweep

SWITCHES = {
    "freq": "Freq",
    "align": "Align",
    "scale": "Scale",
    "logmse": "LogMSE",
    "band_heads": "Heads",
}
NEED_FREQ = ("logmse", "band_heads")
PRESETS = Path(__file__).parent


def presets() -> tuple[str, ...]:
    """Names of the studies that come with fdsweep."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def load_preset(name: str) -> Sweep:
    """The study `name` of `presets()`; ConfigError for another name."""
    if name not in presets():
        raise unknown("study", name, presets(), "--study")
    return load_sweep(PRESETS / f"{name}.yaml")


def every_component() -> Sweep:
    """The component study with every valid combination of the five switches.

    LogMSE and the band heads act on bands, so they need Freq: 20 of the 32 combinations are valid.
    Those of the component study keep their names and their places in the paper's table.
    """
    published = load_preset("components")
    known = {tuple(row.options[name] for name in SWITCHES): row for row in published.rows}
    rows = []
    for switches in itertools.product((True, False), repeat=len(SWITCHES)):
        options: dict[str, Option] = dict(zip(SWITCHES, switches, strict=True))
        if not options["freq"] and any(options[name] for name in NEED_FREQ):
            continue
        words = [SWITCHES[name] for name, on in options.items() if on]
        rows.append(known.get(switches) or Row(name="+".join(words), options=options))
    rows.sort(key=lambda row: sum(bool(on) for on in row.options.values()))
    title = f"{published.title}, every combination"
    return published.model_copy(
        update={"study": "components-full", "title": title, "rows": tuple(rows)}
    )


def with_cutoff(sweep: Sweep, cutoff: float | str) -> Sweep:
    """`sweep` with this `cutoff` in each row of fd-cmkd that has bands and names no cutoff.

    Raises:
        ConfigError: there is no such row.
    """
    rows = [
        row.model_copy(update={"options": {**row.options, "cutoff": cutoff}})
        if row.method == "fd-cmkd" and row.options.get("freq", True) and "cutoff" not in row.options
        else row
        for row in sweep.rows
    ]
    if rows == list(sweep.rows):
        raise ConfigError(f"no row of {sweep.study} takes a cutoff", "--cutoff", "Leave it out")
    return sweep.model_copy(update={"rows": tuple(rows)})
