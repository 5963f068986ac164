"""The errors that a person can put right, and nothing else.

FdsweepError
├── ConfigError     a value that the user gave
├── DataError       a data set that is missing or not what it should be
├── StorageError    a place that cannot be read or written
├── ClusterError    devices that are not there, a cluster that does not answer
│   └── LostClusterError  one that was there and is gone
└── ReplicateError  one training run that cannot go on (the others do)
"""

import difflib
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 1000
"""Characters of each part of an error that are shown."""

NEAR = 0.7
"""How alike a misspelt name and the one that was meant are, 0 to 1, as difflib counts it."""

LONGEST_NAME = 100
"""Characters of a name that are compared: the time grows with their square."""

CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of characters that break lines, steer a terminal or cannot be encoded."""


def has_control(text: str, spared: str = "") -> bool:
    """Whether `text` holds characters that do not belong in a line, other than the `spared`."""
    return any(unicodedata.category(c) in CONTROL and c not in spared for c in text)


def one_line(text: str, spared: str = "") -> str:
    r"""`text` with such characters as escapes.

    Example:
        >>> print(one_line("a\nb"))
        a\\nb
    """
    if not has_control(text, spared):
        return text
    return "".join(
        ascii(c)[1:-1] if unicodedata.category(c) in CONTROL and c not in spared else c
        for c in text
    )


USER = re.compile(r"(?<=://)[^\s?]*@")
"""Name and password within a URI."""

SECRET = re.compile(
    r"(?<=[?&])([^=&\s]*(?:secret|token|passw|pwd|key|credential|signature|sig)[^=&\s]*)=[^&\s'\"]*",
    re.IGNORECASE,
)
"""Query parameters of a URI whose names promise no good."""


def public(text: str) -> str:
    """`text` without what is secret in its URIs: names and passwords, keys, tokens.

    Example:
        >>> print(public("s3://id:secret@bucket/runs?region=eu&secret_key=x"))
        s3://***@bucket/runs?region=eu&secret_key=***
    """
    if "://" not in text:
        return text
    return SECRET.sub(r"\1=***", USER.sub("***@", text))


def clipped(text: str, longest: int = 80) -> str:
    """`text`, or its beginning if it is longer."""
    return text if len(text) <= longest else f"{text[:longest]}…"


class FdsweepError(Exception):
    """What happened, where, and what to do next; as text without what is secret in URIs.

    All three are positional, so that the error survives the pickling between Ray processes.

    Example:
        >>> print(ConfigError("0 seeds asked for", "--seeds", "Give 1 or more"))
        --seeds: 0 seeds asked for. Give 1 or more.
    """

    def __init__(self, what: str, where: str = "", fix: str = "") -> None:
        super().__init__(what, where, fix)
        self.what, self.where, self.fix = what, where, fix

    def __str__(self) -> str:
        what, where = (clipped(one_line(public(one)), LONGEST) for one in (self.what, self.where))
        place = f"{where}: " if where else ""
        end = "" if self.fix.endswith(("\n", "?")) else "."  # a drawing ends as it is
        fix = one_line(public(self.fix), spared="\n")
        return f"{place}{what}." + (f" {fix}{end}".rstrip() if fix else "")


class ConfigError(FdsweepError):
    """A value given by the user cannot be used."""


class DataError(FdsweepError):
    """A data set is missing, damaged, or not the one that was expected."""


class StorageError(FdsweepError):
    """The storage cannot be read or written."""


class ClusterError(FdsweepError):
    """The devices asked for are not there, or the cluster does not answer."""


class LostClusterError(ClusterError):
    """The cluster was there, and is gone: what it trained is in the storage."""


class ReplicateError(FdsweepError):
    """One replicate's training cannot go on; other replicates are not touched."""


def unknown(kind: str, name: object, allowed: "Iterable[object]", where: str) -> ConfigError:
    """The error for a `name` that is not among the `allowed` names.

    Example:
        >>> print(unknown("method", "fdcmkd", ["kd", "fd-cmkd"], ""))
        unknown method 'fdcmkd'. Choose from: fd-cmkd, kd. Did you mean 'fd-cmkd'?
    """
    names = sorted(str(item) for item in allowed)
    fix = f"Choose from: {', '.join(names)}{did_you_mean(name, names)}"
    return ConfigError(f"unknown {kind} {str(name)!r}", where, fix)


def did_you_mean(name: object, allowed: "Iterable[object]") -> str:
    """The end of a remedy: ". Did you mean 'x'?", where one of the `allowed` names is near.

    Case counts for nothing, nor does what joins the words of a name. Of names that are equally
    near the first counts.
    """
    plain = {_plain(str(item)): str(item) for item in reversed([*allowed])}
    asked = _plain(str(name))[:LONGEST_NAME]
    near = difflib.get_close_matches(asked, plain, n=1, cutoff=NEAR)
    return f". Did you mean {plain[near[0]]!r}?" if near else ""


def _plain(name: str) -> str:
    return re.sub(r"[-_ .]", "", name.casefold())


def first_line(error: BaseException) -> str:
    """What `error` says, in one line without a full stop."""
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
