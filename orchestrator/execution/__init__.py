"""From planned trials to finished ones, on Ray."""
