"""Which of a direction's several teachers a row learns from, and how they stand to one another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fdsweep.search_spaces.configs import Pairing
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.fields import Direction
from fdsweep.search_spaces.sweep import Row, Sweep
from fdsweep.trainers.datasets import DatasetInfo

if TYPE_CHECKING:
    from fdsweep.trainers.distillers import Distiller


@dataclass(frozen=True, kw_only=True, slots=True)
class Learnt:
    """The modalities that teach; `weights`, `pairing` and `pairings` as in `StudentConfig`."""

    teachers: tuple[str, ...]
    weights: tuple[float, ...]
    pairing: Pairing
    pairings: tuple[Pairing, ...]


def rows(row: Row, direction: Direction) -> tuple[Row, ...]:
    """`row` itself, or one for each of several teachers alone, if it is `taught_by` each."""
    if row.taught_by == "all":
        return (row,)
    if len(direction.teachers) == 1:
        return ()  # that is the row of all
    return tuple(
        row.model_copy(
            update={
                "name": f"{row.name} {teacher}",
                "taught_by": "all",
                "teacher_weights": {teacher: 1.0},
            }
        )
        for teacher in direction.teachers
    )


def check_names(made: Sequence[Row], direction: Direction) -> None:
    """ConfigError if a row of one teacher is called like another row in `direction`."""
    names = [row.name for row in made]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        what = f"row {twice[0]!r} stands twice"
        raise ConfigError(what, f"{direction}", "Give the row that is taught by each another name")


def of_row(row: Row, sweep: Sweep, direction: Direction, info: DatasetInfo) -> Learnt:
    """What `row` of `sweep` learns from in `direction`.

    A teacher without weight does not teach: the row is trained as if it were not there.

    Raises:
        ConfigError: a modality that does not exist, or no teacher with a weight.
    """
    given = row.teacher_weights or sweep.teacher_weights
    for name in (*given, *row.pairings):
        info.modality(name)
    weights = {name: given.get(name, 0.0) if given else 1.0 for name in direction.teachers}
    teachers = tuple(name for name, weight in weights.items() if weight > 0)
    if not teachers:
        what = f"none of {', '.join(direction.teachers)} has a weight"
        fix = "Give one of them more than 0"
        raise ConfigError(what, f"row {row.name}, {direction}, teacher_weights", fix)
    whole = sum(weights.values())
    shares = tuple(weights[name] / whole for name in teachers)
    pairings = tuple(row.pairings.get(name, row.pairing) for name in teachers)
    is_one = len(set(pairings)) == 1
    return Learnt(
        teachers=teachers,
        weights=shares if len(set(shares)) > 1 else (),
        pairing=pairings[0] if is_one else "paired",
        pairings=() if is_one else pairings,
    )


def check(method: "Distiller", learnt: Learnt, where: str) -> None:
    """See to it that `method` can be taught so.

    Raises:
        ConfigError: it trains its teacher along, and there are more than it takes; or it takes
            several at once, which it weighs itself.
    """
    count = len(learnt.teachers)
    if count > method.max_teachers and method.moves_teacher:
        what = f"the method moves its teacher, so it takes {method.max_teachers}, not {count}"
        raise ConfigError(what, where, "Name one teaching modality, or another method")
    if 1 < count <= method.max_teachers and learnt.weights:
        what = "the method takes several teachers at once and weighs them itself"
        raise ConfigError(what, f"{where}, teacher_weights", "Leave it out")
