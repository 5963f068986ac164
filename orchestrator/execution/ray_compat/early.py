"""What a process of a local cluster imports as it starts, while it has nothing else to do.

Ray imports this module in each of them (`cluster.SETTINGS`).
"""

import gc

GARBAGE_AFTER = 50_000
"""Objects that are made before Python looks for cycles among them: imports make many, and drop
few."""

gc.set_threshold(GARBAGE_AFTER)

import ray.tune  # noqa: E402, F401  what every trial and every worker needs
