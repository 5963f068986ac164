"""Options of methods that are typed, in the rows of a study."""

from collections.abc import Callable, Collection, Iterator, Sequence

import yaml

from fdsweep.search_spaces.configs import Option
from fdsweep.search_spaces.documents import parse_value
from fdsweep.search_spaces.errors import ConfigError, unknown
from fdsweep.search_spaces.spaces.options import short_name
from fdsweep.search_spaces.sweep import Row, Sweep

WHERE = "-o"
BANDS = "freq"
"""The switch of a method without which it has no bands, and its cutoff no meaning."""

CUTOFF = "cutoff"
OptionsOf = Callable[[str], Collection[str]]


def parse_options(texts: Sequence[str]) -> dict[str, Option]:
    """A dictionary from texts such as `weight_low=100`; values are spelt as in YAML.

    Raises:
        ConfigError: one without "=", a name twice, or a value that no option has.

    Example:
        >>> parse_options(["weight_low=1e2", "fd-cmkd.freq=false"])
        {'weight_low': 100.0, 'fd-cmkd.freq': False}
    """
    found: dict[str, Option] = {}
    for text in texts:
        name, mark, value = (part.strip() for part in text.partition("="))
        if not (name and mark) or name in found:
            fix = "Give each option once, such as weight_low=100"
            raise ConfigError(f"{text!r} cannot be read", WHERE, fix)
        found[name] = _value(name, value)
    return found


def _value(name: str, text: str) -> Option:
    try:
        value = parse_value(text)
    except yaml.YAMLError:
        value = ()
    if not isinstance(value, bool | int | float | str | None):
        raise ConfigError(f"{text!r} is no value", f"{WHERE} {name}", "Give a number or a word")
    return value


def with_options(
    sweep: Sweep, texts: Sequence[str], options_of: OptionsOf, *, over: bool = False
) -> Sweep:
    """`sweep` with options in each row whose method has them; its title tells of them.

    A name stands for that option of every method, in compositions of every part, and
    `<method>.<option>` for that of one. A row that names an option keeps its own value, unless
    what is given counts `over` it. A cutoff does not reach rows without bands.

    Args:
        sweep: a study.
        texts: as `parse_options` takes them.
        options_of: gives the options of a method.
        over: whether rows lose the values that they name.

    Raises:
        ConfigError: an option that no row's method has, or that every such row names itself.
    """
    given = parse_options(texts)
    rows = sweep.rows
    for name, value in given.items():
        known = {option for row in rows for option in _spellings(row, options_of)}
        if name not in known:
            names = {short_name(option) for option in known}
            raise unknown("option", name, names, WHERE)
        rows = tuple(_with_option(row, name, value, options_of, over=over) for row in rows)
        if rows == sweep.rows and not over:
            what = f"every row of {sweep.study} that has {name} says itself what it is"
            raise ConfigError(what, WHERE, "Leave it out")
    if not given:
        return sweep
    title = ", ".join([sweep.title, *map("=".join, _told(given))])
    return sweep.model_copy(update={"rows": rows, "title": title})


def _told(given: dict[str, Option]) -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        yield name, f"{value:g}" if type(value) is float else str(value).lower()


def _spellings(row: Row, options_of: OptionsOf) -> dict[str, list[str]]:
    """How the options of a row's method can be named, and the options that each name means."""
    found: dict[str, list[str]] = {}
    for option in options_of(row.method):
        whole = option if "." in option else f"{row.method}.{option}"
        for name in dict.fromkeys((option, whole, short_name(option))):
            found.setdefault(name, []).append(option)
    return found


def _with_option(row: Row, name: str, value: Option, options_of: OptionsOf, *, over: bool) -> Row:
    meant = _spellings(row, options_of).get(name, [])
    if short_name(name) == CUTOFF and not row.options.get(BANDS, True):
        meant = []
    free = [option for option in meant if over or option not in row.options]
    return row.model_copy(update={"options": {**row.options, **dict.fromkeys(free, value)}})
