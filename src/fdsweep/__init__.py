"""Sweeps of cross-modal knowledge distillation; the rooms lie at the top of the repository."""
