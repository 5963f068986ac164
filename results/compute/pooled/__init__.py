"""Several sweeps beside each other and pooled over their data sets.

What is said (model), how single numbers are pooled (resampling), and of which runs (build, notes).
"""

from fdsweep.results.compute.pooled.build import Source, pool
from fdsweep.results.compute.pooled.model import Column, Pooled, PooledRow, Profile

__all__ = ["Column", "Pooled", "PooledRow", "Profile", "Source", "pool"]
