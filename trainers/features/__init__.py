"""Computations on features, logits and maps."""
