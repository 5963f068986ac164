"""Trainings that are no whole replicate: a point of a search, and a probe of an epoch's cost."""
