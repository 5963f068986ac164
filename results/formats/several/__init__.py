"""Several sweeps as text: pooled over data sets, or one against another."""
