"""Search spaces: a YAML file each, what they mean for a method, and points of them."""

from fdsweep.search_spaces.spaces.constraints import Constraint, violation
from fdsweep.search_spaces.spaces.dimensions import (
    Dimension,
    Trial,
    default_point,
    dimensions,
    sample,
)
from fdsweep.search_spaces.spaces.options import LR, TEACHER_WEIGHT
from fdsweep.search_spaces.spaces.space import Parameter, Space, check_names, load_space, spaces

__all__ = [
    "LR",
    "TEACHER_WEIGHT",
    "Constraint",
    "Dimension",
    "Parameter",
    "Space",
    "Trial",
    "check_names",
    "default_point",
    "dimensions",
    "load_space",
    "sample",
    "spaces",
    "violation",
]
