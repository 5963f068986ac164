"""How much device time a command may use, and how much it has used."""

import math
from dataclasses import dataclass

from fdsweep.search_spaces.errors import ConfigError

HOUR = 3600.0


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
        return (
            f"{self.spent / HOUR:.2g} of {self.hours:g} device hours are used; {what} left: {left}"
        )
