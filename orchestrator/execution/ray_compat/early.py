"""What a process of a local cluster imports as it starts, while it has nothing else to do.

Ray imports this module in each of them (`cluster.SETTINGS`).
"""

from fdsweep.orchestrator.garbage import look_late

look_late()

import ray.tune  # noqa: E402, F401 - each of them needs it
