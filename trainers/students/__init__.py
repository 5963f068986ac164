"""Students that are kept: trained networks to use, without a cluster and without the data.

from fdsweep.trainers.students import load
student = load("my-student")
student.predict(["one.wav", "two.wav"])
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fdsweep.trainers.students.model import Student


def load(folder: str | Path, device: str = "cpu") -> "Student":
    """The student in a `folder` that `fdsweep export-model` wrote, on a device of torch.

    Raises:
        DataError: there is none, or it was made with another version of its parts.
    """
    from fdsweep.trainers.students.model import load_folder  # brings torch

    return load_folder(Path(folder), device)
