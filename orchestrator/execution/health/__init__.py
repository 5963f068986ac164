"""Whether trials are alive.

A worker tells the cluster's head when its last step was. The driver looks there, and takes what
stays as it was for silence, so that no two clocks need to agree. A worker without a step for too
long ends itself, and the trial is tried again from its checkpoint. A worker that cannot,
because it was stopped, does not answer Ray Train's health check either, whose limit is the same.
"""

EVERY_S = 2.0
"""Between two looks at the steps: the worker's at its own, and the driver's at all."""
