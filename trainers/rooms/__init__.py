"""Rooms that nobody built: furnished from a seed, lit, and seen by a simulated camera.

scene      what stands where, drawn from a number
furniture  the pieces, made of boxes, ellipsoids and cylinders
caster     rays, what they hit, and what light reaches
sensor     what a camera for colour and one for depth make of it

Beside numpy's uniform numbers there are only + - * / and square roots, which every processor
rounds in the same way, and no product of matrices: the same bytes in any process, on any threads.
"""

from fdsweep.trainers.rooms.furniture import LABELS
from fdsweep.trainers.rooms.scene import KINDS, SEED
from fdsweep.trainers.rooms.sensor import View, render

__all__ = ["KINDS", "LABELS", "SEED", "VERSION", "View", "render"]

VERSION = 1
"""Of the pictures: raise it when a byte of them changes, as a test will tell."""
