"""How much is said on stderr, by this process and those that it starts: `-q`, `-v`, `--no-color`.

The variables are those that the command line reads for its options of these names.
"""

import logging
import os

QUIET, VERBOSE = "FDSWEEP_QUIET", "FDSWEEP_VERBOSE"
NO_COLOR = "NO_COLOR"
"""What terminals' programs agree on: https://no-color.org."""

FORCE_COLOR = "FORCE_COLOR"
YES = "1"


def choose(*, quiet: bool, verbose: bool, no_color: bool) -> None:
    """From now on say less, or more, or without colours; what was chosen before stays chosen."""
    if quiet:
        os.environ[QUIET] = YES
    if verbose:
        os.environ[VERBOSE] = YES
        logging.basicConfig(level=logging.INFO)
    if no_color:
        os.environ[NO_COLOR] = YES
        os.environ.pop(FORCE_COLOR, None)


def is_quiet() -> bool:
    """Whether plans and progress are left out; warnings and errors never are."""
    return os.environ.get(QUIET) == YES


def is_verbose() -> bool:
    """Whether libraries' logs, what workers print and the places of errors are told too."""
    return os.environ.get(VERBOSE) == YES
