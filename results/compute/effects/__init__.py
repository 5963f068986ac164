"""What each switch of a crossed study adds: main effects, interactions, Shapley values."""

from fdsweep.results.compute.effects.estimates import Effect, Effects, effects_of

__all__ = ["Effect", "Effects", "effects_of"]
