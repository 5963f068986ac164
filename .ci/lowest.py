"""Prints the oldest version of each dependency that pyproject.toml allows, as constraints for pip.

torch is left out: of it constraints.txt says which one is tested. So are the tools of the extras
`dev` and `docs`, which no user needs.
"""

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
TOOLS = {"dev", "docs"}
BOUND = re.compile(r"(?P<name>[\w.-]+)(\[.*\])?(>=|==)(?P<version>[\w.]+)")


def lowest() -> list[str]:
    """A line such as `pandas==3` per dependency that has a lower bound."""
    extras = PROJECT["optional-dependencies"]
    asked = [
        *PROJECT["dependencies"],
        *(one for name in extras for one in extras[name] if name not in TOOLS),
    ]
    bounds = [match for one in asked if (match := BOUND.match(one))]
    return [f"{one['name']}=={one['version']}" for one in bounds if one["name"] != "torch"]


if __name__ == "__main__":
    print("\n".join(lowest()))
