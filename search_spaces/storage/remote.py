"""Object storage as pyarrow opens it: where its keys come from, and what its errors mean."""

import os
import re
from functools import lru_cache
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import fs

from fdsweep.search_spaces.errors import StorageError, clipped, first_line

OBJECT_STORES = {"s3", "gcs", "abfs"}
"""pyarrow's names of file systems without folders, where a file appears whole when it is closed."""

ERRORS = (OSError, pa.ArrowException)
"""What pyarrow raises where it cannot do what it is asked for."""

GOOGLE = re.compile(r"^(gs|gcs)://(?!.*[?&]retry_limit_seconds=)")
RETRY_S = 20
"""How long Google Cloud Storage is asked again where there is no answer or no key; pyarrow's own
limit is a quarter of an hour. `retry_limit_seconds` in the URI is another."""

KEYS = re.compile(r"^s3://(?P<id>[^:@/?]*):(?P<secret>.*?)@(?=[^@]*$)")
"""The start of a URI with keys in it."""

KEY_ID, SECRET, SESSION = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"

FAULTS = (
    (
        r"ACCESS_DENIED|INVALID_ACCESS_KEY|InvalidAccessKey|SIGNATURE|SignatureDoesNotMatch|"
        r"EXPIRED|ExpiredToken|INVALID_CLIENT_TOKEN|UNRECOGNIZED_CLIENT|code 40[13]|[Cc]redential|"
        r"OAuth2 access token|PERMISSION_DENIED|UNAUTHENTICATED",
        "the credentials are missing or refused",
        "Give others: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, a role of the "
        "machine, or GOOGLE_APPLICATION_CREDENTIALS",
    ),
    (
        r"NO_SUCH_BUCKET|NoSuchBucket|Bucket '.*' not found|bucket does not exist",
        "there is no such bucket",
        "Make it, or choose another --storage",
    ),
    (
        r"NETWORK_CONNECTION|curlCode|CURL error|[Cc]ould not connect|REQUEST_TIMEOUT",
        "it does not answer",
        "Check the network and the endpoint (AWS_ENDPOINT_URL), and type the same command again",
    ),
)
"""Pattern of a message, what it means, and what to do."""


def has_keys(uri: str) -> bool:
    """Whether there are keys in `uri`."""
    return KEYS.match(uri) is not None


def take_keys(uri: str) -> str:
    """`uri` without the keys in it, which this process's environment has from now on.

    So they reach the workers that this process starts, and no argument, file or log of Ray's.
    """
    found = KEYS.match(uri)
    if not found:
        return uri
    os.environ.pop(SESSION, None)  # it belongs to other keys
    os.environ[KEY_ID], os.environ[SECRET] = unquote(found["id"]), unquote(found["secret"])
    return f"s3://{uri[found.end() :]}"


def locate(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of `uri`, the same each time, and the path in it.

    Raises:
        StorageError: pyarrow does not know it, or it names no bucket or folder.
    """
    settings = (x for x in os.environ.items() if x[0].startswith(("AWS_", "GOOGLE_")))
    system, path = _opened(uri, tuple(settings))
    if not path:
        raise StorageError("names no bucket or folder", uri, "Give one, such as s3://bucket/runs")
    return system, path


@lru_cache(maxsize=32)
def _opened(uri: str, settings: tuple[tuple[str, str], ...]) -> tuple[fs.FileSystem, str]:
    """Opened once under the same `settings`: each client looks for keys and for a region anew."""
    del settings
    if GOOGLE.match(uri):
        uri += f"{'&' if '?' in uri else '?'}retry_limit_seconds={RETRY_S}"
    try:
        found: tuple[fs.FileSystem, str] = fs.FileSystem.from_uri(uri)
    except ERRORS as error:
        raise StorageError(f"cannot be used ({first_line(error)})", uri) from None
    return found


def explained(error: Exception) -> tuple[str, str]:
    """What `error` means, and what to do about it; its own first line and "" if that is unknown."""
    said = first_line(error)
    for pattern, meaning, fix in FAULTS:
        if re.search(pattern, said):
            return f"{meaning}: {clipped(_unwrapped(said), 200)}", fix
    return said, ""


def _unwrapped(said: str) -> str:
    """What Google's client has to say, without what it says of itself."""
    core = said.partition(" error_info=")[0].rpartition("underlying error message was: ")[2]
    return core.removeprefix("google::cloud::Status(")
