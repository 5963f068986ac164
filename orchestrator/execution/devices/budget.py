"""How much device time a command may use, and how much it has used."""

import math
from dataclasses import dataclass

from fdsweep.search_spaces.errors import ConfigError

HOUR = 3600.0
EXACT = 100.0
"""From so many on, hours have no decimals."""


@dataclass(slots=True)
class Budget:
    """Device hours of one command: no trial begins once they are spent, and those that run end.

    Args:
        hours: how many there are.
        spent: seconds of devices that trials have used so far.

    Raises:
        ConfigError: no hours.
    """

    hours: float = math.inf
    spent: float = 0.0

    def __post_init__(self) -> None:
        if not self.hours > 0:
            raise ConfigError(f"{self.hours:g} device hours", "--budget-hours", "Give more than 0")

    @property
    def is_spent(self) -> bool:
        """Whether no other trial may begin."""
        return self.spent >= HOUR * self.hours

    def words(self, left: int, what: str = "replicates") -> str:
        """What to tell when so many of `what` were not trained for it; "" if there is no need."""
        if not self.is_spent or not left:
            return ""
        used = (
            f"{spell_hours(self.spent / HOUR)} of {spell_hours(self.hours)} device hours are used"
        )
        return f"{used}; {what} left: {left}"


def spell_hours(hours: float) -> str:
    """`hours` as 0.123, 12.3 or 1,234."""
    return f"{hours:,.0f}" if hours >= EXACT else f"{hours:.3g}"
