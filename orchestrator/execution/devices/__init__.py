"""Devices: how many trials fit on them, in which order, for how long, and whether torch can."""
