"""How much is said on stderr, by this process and those that it starts: `-q`, `-v`, `--no-color`.

The variables are those that the command line reads for its options of these names.
"""

import logging
import os

QUIET, VERBOSE = "FDSWEEP_QUIET", "FDSWEEP_VERBOSE"
NO_COLOR = "NO_COLOR"
"""What terminals' programs agree on: https://no-color.org."""

FORCE_COLOR = "FORCE_COLOR"


def choose(*, quiet: bool, verbose: bool, no_color: bool) -> None:
    """From now on say less, or more, or without colours; what was chosen before stays chosen."""
    if quiet:
        os.environ[QUIET] = "1"
    if verbose:
        os.environ[VERBOSE] = "1"
        logging.basicConfig(level=logging.INFO)
    if no_color:
        os.environ[NO_COLOR] = "1"
        os.environ.pop(FORCE_COLOR, None)


def is_quiet() -> bool:
    """Whether plans and progress are left out; warnings and errors never are."""
    return bool(os.environ.get(QUIET))


def is_verbose() -> bool:
    """Whether libraries' logs, what workers print and the places of errors are told too."""
    return bool(os.environ.get(VERBOSE))
