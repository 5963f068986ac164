"""Which switches of a method, options that are bools, several settings of it cross."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fdsweep.search_spaces.configs import Option, StudentConfig
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers import distillers


def crossed(settings: Sequence[StudentConfig]) -> tuple[str, ...]:
    """The switches that `settings` of one method cross, in the order of its options.

    They do if they differ in two switches or more and in nothing else, and if every combination of
    these is there, all off included, but for those that say nothing new: the method refuses them,
    or a switch is on in them that `needs` another that is off. What two settings have on together
    is there too, so each combination left out has one largest part that is there.

    Returns:
        Names of options; empty where the settings do not cross.
    """
    first = settings[0]
    switches = tuple(
        name
        for name, value in first.options.items()
        if isinstance(value, bool) and any(one.options[name] is not value for one in settings)
    )
    rest = [_without(one, switches) for one in settings]
    there = {frozenset(name for name in switches if one.options[name]) for one in settings}
    if len(switches) < 2 or any(one != rest[0] for one in rest) or frozenset() not in there:
        return ()
    if any(one | other not in there for one, other in itertools.combinations(there, 2)):
        return ()
    for values in itertools.product((False, True), repeat=len(switches)):
        combination = dict(zip(switches, values, strict=True))
        is_there = frozenset(name for name, on in combination.items() if on) in there
        if not is_there and _says_something(first.method, {**first.options, **combination}):
            return ()
    return switches


def _without(setting: StudentConfig, switches: Sequence[str]) -> StudentConfig:
    rest = {name: value for name, value in setting.options.items() if name not in switches}
    return replace(setting, options=rest)


def _says_something(method: str, options: Mapping[str, Option]) -> bool:
    """Whether the method takes these options, and each switch that is on does something."""
    try:
        needs = distillers.specimen(method, options).needs
    except ConfigError:
        return False
    return all(options[needed] for switch, needed in needs.items() if options[switch])
