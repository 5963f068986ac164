"""Which process something in a storage belongs to, and whether that has ended."""

import os
import socket
import uuid
from pathlib import Path


def machine() -> str:
    """Names what a process number counts in: this start of this machine, and the container."""
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{start}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()}/{uuid.getnode()}"


def is_gone(where: str, number: int | str) -> bool:
    """Whether the process `number` of the machine `where` was one of this machine, and has ended.

    What is said of it may be damaged: then nothing is known.
    """
    if where != machine():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError, ValueError):  # it is another user's, or no number of a process
        return False
    return False
