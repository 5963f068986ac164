"""When Python looks for cycles among objects: imports make many, and drop few."""

import gc

USUAL = gc.get_threshold()

LATE = 50_000
"""So many new objects are waited for, where Python itself waits for some hundreds."""


def look_late() -> None:
    """Look for cycles seldom: a third of the time that imports take would go there."""
    gc.set_threshold(LATE)


def look_as_usual() -> None:
    """End what `look_late` began; whatever there is until now is never looked at again."""
    if gc.get_threshold()[0] == LATE:
        gc.freeze()
        gc.set_threshold(*USUAL)
